import { assert, assertEquals, assertRejects } from "@std/assert";
import { MemoryStateProvider } from "../../lib/adapters/memory/memory_state_provider.ts";
import { StateStoreClosedError } from "../../lib/base/errors.ts";
import { spansOf } from "../../lib/columns/spans.ts";
import { type WatchedStateCall, watchState } from "./watched_state.ts";

const KEY = { application: "app", subscription: "in", partition: 3 };
const page = { count: 1, keys: spansOf(["k"]), values: spansOf(["v"]) };

Deno.test("watchState() tells each write with its position, when it is made and when it has taken effect", async () => {
  const calls: WatchedStateCall[] = [];
  const provider = watchState(new MemoryStateProvider(), (call) => calls.push(call));
  const store = await provider.open(KEY);
  assertEquals(await store.readPosition(), undefined);
  await store.load(page);
  const position = Uint8Array.of(1, 2);
  await store.apply(page, position);
  assertEquals((await store.getMany(page.keys, 1)).starts.length, 1);
  assertEquals(await store.readPosition(), position);
  await (await store.snapshot()).release();
  await store.close();
  await provider.destroy(KEY);
  const lines = calls.map(({ method, phase, position: at }) => `${method} ${phase}${at === undefined ? "" : ` ${at}`}`);
  assertEquals(lines, [
    "open called",
    "open settled",
    "readPosition called",
    "readPosition settled",
    "load called",
    "load settled",
    "apply called 1,2",
    "apply settled 1,2",
    "readPosition called",
    "readPosition settled 1,2",
    "close called",
    "close settled",
    "destroy called",
    "destroy settled",
  ]);
  assert(calls.every(({ key }) => key === KEY));
});

Deno.test("watchState() tells what a write was rejected with, and rejects with the same", async () => {
  const calls: WatchedStateCall[] = [];
  const provider = watchState(new MemoryStateProvider(), (call) => calls.push(call));
  const store = await provider.open(KEY);
  await store.close();
  const error = await assertRejects(() => store.apply(page, Uint8Array.of(1)), StateStoreClosedError);
  assert(calls.at(-1)!.error === error);
  assertEquals(provider.location, new MemoryStateProvider().location);
});
