import { assert, assertEquals, assertThrows } from "@std/assert";
import { spansOf } from "../../columns/spans.ts";
import { registerContract } from "../../../testing/contracts/contract.ts";
import { bytesOf, dump, page } from "../../../testing/contracts/state_rows.ts";
import { stateStoreContract } from "../../../testing/contracts/state_store_contract.ts";
import { sortKeys } from "./memory_state_order.ts";
import { memoryState, MemoryStateProvider } from "./memory_state_provider.ts";

const KEY = { application: "app", subscription: "sub", partition: 0 };

registerContract(
  "MemoryStateProvider",
  stateStoreContract({ provider: () => Promise.resolve(new MemoryStateProvider({ isKept: true })) }),
);

Deno.test("MemoryStateProvider forgets a closed store unless it is told to keep it", async () => {
  const provider = memoryState("memory:");
  assertEquals(provider.isDurable, false);
  const store = await provider.open(KEY);
  await store.apply(page([["a", "1"]]), bytesOf("p"));
  await store.close();
  const again = await provider.open(KEY);
  assertEquals(await again.readPosition(), undefined);
  assertEquals(await dump(again), []);
});

Deno.test("memoryState() takes no path", () => {
  assertThrows(() => memoryState("memory:./state"), TypeError, "current value is 'memory:./state'");
});

Deno.test("MemoryStateStore stays right when most keys come and go", async () => {
  const store = await new MemoryStateProvider().open(KEY);
  for (let round = 0; round < 12; round++) {
    const added = Array.from({ length: 3000 }, (_, i): [string, string | null] => [`${round}-${i}`, `v${round}`]);
    const gone = added.map(([key]): [string, string | null] => [key.replace(/^\d+/, String(round - 1)), null]);
    await store.apply(page([...added, ...gone, ["kept", `r${round}`]]), bytesOf(`p${round}`));
    const rows = await dump(store);
    assertEquals(rows.length, 3001);
    assertEquals(rows.at(-1), ["kept", `r${round}`]);
    assert(rows.slice(0, -1).every(([key, value]) => key.startsWith(`${round}-`) && value === `v${round}`));
  }
});

Deno.test("MemoryStateStore lets go of overwritten values", async () => {
  const store = await new MemoryStateProvider().open(KEY);
  const value = "x".repeat(1 << 20);
  for (let round = 0; round < 30; round++) await store.apply(page([["a", `${round}${value}`]]), bytesOf("p"));
  const found = await store.getMany(spansOf(["a"]), 1);
  assert(found.bytes.length < 8 << 20);
  assertEquals(found.ends[0]! - found.starts[0]!, value.length + 2);
});

Deno.test("sortKeys() sorts by unsigned bytes, whatever the first four are", () => {
  const keys = [[1, 1, 1, 1, 9], [1, 1, 1, 1], [255], [], [0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 0], [128, 3]];
  const spans = spansOf(keys.map((key) => Uint8Array.from(key)));
  const order = [...sortKeys(spans, Int32Array.from(keys, (_, i) => i))];
  assertEquals(order.map((i) => keys[i]), [[], [0], [0, 0, 0, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1, 0], [1, 1, 1, 1, 9], [
    128,
    3,
  ], [255]]);
});
