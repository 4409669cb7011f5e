import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { MemoryStateStore } from "../../adapters/memory/memory_state_store.ts";
import {
  CheckpointIncompatibleError,
  DiskFullError,
  ProcessingError,
  SerializationError,
  StateCorruptError,
  StateStoreClosedError,
} from "../../base/errors.ts";
import { InvariantError } from "../../base/assert.ts";
import { jsonValues } from "../../codecs/value_codec.ts";
import { batchOf } from "../../columns/batch_of.ts";
import { rows } from "../../columns/rows.ts";
import { type Column, float64, int32, int64, struct, timestampMs, utf8 } from "../../columns/schema.ts";
import { spansOf } from "../../columns/spans.ts";
import { stateTable } from "../../operator/state_table.ts";
import { GatedStateStore } from "../../../testing/state/gated_state_store.ts";
import { TaskState } from "./task_state.ts";

const COUNTS = stateTable({ key: utf8(), value: { n: float64() } });
const POSITION = Uint8Array.of(1);
const open = (store = new MemoryStateStore(), tableKeysMax = 1_000_000) =>
  TaskState.open(store, { valueCodec: jsonValues(), tableKeysMax });
const keyColumn = (keys: readonly string[]) =>
  batchOf({ key: utf8() }, keys.map((key) => ({ key }))).getChild("key") as Column<typeof COUNTS.key>;
const values = (numbers: readonly number[]) => batchOf(COUNTS.value, numbers.map((n) => ({ n })));

async function committed(state: TaskState, work: () => void | Promise<void>): Promise<void> {
  state.begin();
  await work();
  state.applyOldest();
}

Deno.test("TaskState.flush() writes the last applied image while later commits are open", async () => {
  const store = new MemoryStateStore();
  const state = await open(store);
  const counts = state.table("c", COUNTS);
  await committed(state, () => counts.putMany(keyColumn(["a", "b"]), values([1, 1])));
  state.begin();
  counts.put("a", { n: 2 });
  state.begin();
  counts.delete("a");
  counts.put("b", { n: 3 });
  await state.flush(POSITION);
  assertEquals([state.pendingRows, state.pendingBytes, state.openCommits], [0, 0, 2]);
  const flushed = (await open(store)).table("c", COUNTS);
  assertEquals([await flushed.get("a"), await flushed.get("b")], [{ n: 1 }, { n: 1 }]);
  assertEquals([await counts.get("a"), await counts.get("b")], [undefined, { n: 3 }]);
  state.applyOldest();
  state.applyOldest();
  await state.flush(POSITION);
  const later = (await open(store)).table("c", COUNTS);
  assertEquals([await later.get("a"), await later.get("b")], [undefined, { n: 3 }]);
});

Deno.test("TaskState.abortAll() drops a later commit with an earlier one", async () => {
  const state = await open();
  const counts = state.table("c", COUNTS);
  await committed(state, () => counts.put("a", { n: 1 }));
  for (const n of [2, 3, 4]) {
    state.begin();
    counts.put("a", { n });
    counts.put(`new ${n}`, { n });
  }
  state.abortAll();
  assertEquals(state.openCommits, 0);
  assertEquals(await counts.get("a"), { n: 1 });
  assertEquals([...rows(await counts.getMany(keyColumn(["a", "new 2", "new 4"])))], [{ n: 1 }, { n: null }, {
    n: null,
  }]);
  state.begin();
  counts.put("a", { n: 5 });
  state.applyOldest();
  assertEquals(await counts.get("a"), { n: 5 });
});

Deno.test("TaskState.flush() that fails keeps everything pending, and the next one writes it", async () => {
  const inner = new MemoryStateStore();
  const store = new GatedStateStore(inner);
  const state = await open(store as never);
  await committed(state, () => state.keyed("").put("a", 1));
  store.shut();
  const flushing = state.flush(POSITION);
  await committed(state, () => state.keyed("").put("b", 2));
  assertEquals(state.pendingRows, 2);
  await assertRejects(() => state.flush(POSITION), InvariantError, "one flush at a time");
  store.open(new DiskFullError("Cannot write: no space"));
  await assertRejects(() => flushing, DiskFullError);
  assertEquals(state.pendingRows, 2);
  assertEquals(await inner.readPosition(), undefined);
  await state.flush(POSITION);
  const again = (await open(inner)).keyed("");
  assertEquals(await again.getMany(["a", "b"]), [1, 2]);
  assertEquals(state.metrics().flushFailures, 1);
});

Deno.test("TaskState.flush() without changes still writes the position", async () => {
  const store = new MemoryStateStore();
  const state = await open(store);
  await state.flush(Uint8Array.of(7));
  assertEquals(await store.readPosition(), Uint8Array.of(7));
});

Deno.test("TaskState reads the keys of a batch that are not held in one round, and none twice", async () => {
  const store = new MemoryStateStore();
  const first = await open(store);
  const keys = Array.from({ length: 100 }, (_, i) => `k${i}`);
  await committed(first, () => first.table("c", COUNTS).putMany(keyColumn(keys), values(keys.map((_, i) => i))));
  await first.flush(POSITION);
  const state = await open(store);
  const counts = state.table("c", COUNTS);
  const found = await counts.getMany(keyColumn([...keys, ...keys, "missing"]));
  assertEquals([...rows(found)].slice(99, 101), [{ n: 99 }, { n: 0 }]);
  assertEquals(found.getChild("n").get(200), null);
  assertEquals([state.metrics().storeReads, state.metrics().storeReadKeys], [1, 101]);
  await counts.getMany(keyColumn([...keys, "missing"]));
  assertEquals(state.metrics().storeReads, 1);
});

Deno.test("TaskState does not read a store that has no rows of a table", async () => {
  const state = await open();
  assertEquals(await state.table("c", COUNTS).get("a"), undefined);
  assertEquals(state.metrics().storeReads, 0);
});

Deno.test("TaskState works with more keys than it may hold", async () => {
  const store = new MemoryStateStore();
  const state = await open(store, 10);
  const counts = state.table("c", COUNTS);
  for (let round = 0; round < 5; round++) {
    for (let from = 0; from < 300; from += 30) {
      const keys = Array.from({ length: 30 }, (_, i) => `k${from + i}`);
      await committed(state, async () => {
        const before = (await counts.getMany(keyColumn(keys))).getChild("n");
        counts.putMany(keyColumn(keys), values(keys.map((_, i) => (before.get(i) ?? 0) + 1)));
      });
      await state.flush(POSITION);
      assert(state.metrics().heldKeys <= 30);
    }
  }
  let count = 0;
  for await (const [, { n }] of counts.entries()) {
    assertEquals(n, 5);
    count++;
  }
  assertEquals(count, 300);
  assert(state.metrics().droppedKeys > 1000);
});

Deno.test("TaskState lets go of keys that were deleted", async () => {
  const state = await open();
  const counts = state.table("c", COUNTS);
  for (let round = 0; round < 20; round++) {
    const keys = Array.from({ length: 2_000 }, (_, i) => `${round}-${i}`);
    await committed(state, () => counts.putMany(keyColumn(keys), values(keys.map(() => round))));
    await state.flush(POSITION);
    await committed(state, () => {
      for (const key of keys) counts.delete(key);
    });
    await state.flush(POSITION);
  }
  assert(state.metrics().heldKeys <= 8_000);
  assertEquals(state.metrics().storeReads, 0);
});

Deno.test("TaskState keeps slots in their places while a read is under way", async () => {
  const inner = new MemoryStateStore();
  const filled = await open(inner);
  await committed(filled, () => filled.table("c", COUNTS).putMany(keyColumn(["x", "y", "z"]), values([1, 2, 3])));
  await filled.flush(POSITION);
  const store = new GatedStateStore(inner);
  const state = await open(store as never, 1);
  const counts = state.table("c", COUNTS);
  await committed(state, () => counts.putMany(keyColumn(["a", "b"]), values([8, 9])));
  store.shutReads();
  const reading = counts.getMany(keyColumn(["y", "b", "z"]));
  await state.flush(POSITION);
  await committed(state, () => counts.put("c", { n: 10 }));
  store.openReads();
  assertEquals([...rows(await reading)], [{ n: 2 }, { n: 9 }, { n: 3 }]);
});

Deno.test("TaskState keeps one before-image for each commit when slots are dropped in between", async () => {
  const state = await open(new MemoryStateStore(), 1);
  const counts = state.table("c", COUNTS);
  await committed(state, () => counts.putMany(keyColumn(["a", "b", "c"]), values([1, 2, 3])));
  state.begin();
  counts.put("c", { n: 4 });
  await state.flush(POSITION);
  assert(state.metrics().droppedKeys > 0);
  counts.put("c", { n: 5 });
  assertEquals(state.metrics().undoRows, 4);
  state.abortAll();
  assertEquals(await counts.get("c"), { n: 3 });
});

Deno.test("TaskState holds long values without keeping those that were overwritten", async () => {
  const state = await open();
  const keyed = state.keyed("");
  for (let i = 0; i < 200; i++) await committed(state, () => keyed.putBytes("a", new Uint8Array(100_000).fill(i)));
  assert(state.metrics().heldBytes < 4_000_000);
  assertEquals((await keyed.getBytes("a"))?.at(-1), 199);
});

Deno.test("TaskState refuses writes outside of a commit", async () => {
  const state = await open();
  const counts = state.table("c", COUNTS);
  assertThrows(() => counts.put("a", { n: 1 }), ProcessingError, "before the handler returns");
  assertThrows(() => state.keyed("").delete("a"), ProcessingError);
  assertThrows(() => state.applyOldest(), InvariantError);
});

Deno.test("TaskState gives one object for each operator and refuses another shape", async () => {
  const store = new MemoryStateStore();
  const state = await open(store);
  const counts = state.table("c", COUNTS);
  assertStrictEquals(state.table("c", stateTable({ key: utf8(), value: { n: float64() } })), counts);
  assertStrictEquals(state.keyed("k"), state.keyed("k"));
  const other = stateTable({ key: utf8(), value: { n: int32() } });
  assertThrows(() => state.table("c", other), TypeError, `{"n": float64}`);
  assertThrows(() => state.keyed("c"), TypeError);
  await committed(state, () => counts.put("a", { n: 1 }));
  await state.flush(POSITION);
  const again = await open(store);
  assertThrows(() => again.table("c", other), CheckpointIncompatibleError, `wanted is table utf8 -> {"n": int32}`);
  assertThrows(() => again.keyed("c"), CheckpointIncompatibleError);
  assertEquals(await again.table("c", COUNTS).get("a"), { n: 1 });
});

Deno.test("TaskState keeps operators apart", async () => {
  const store = new MemoryStateStore();
  const state = await open(store);
  await committed(state, () => {
    state.table("c", COUNTS).put("a", { n: 1 });
    state.table("cc", COUNTS).put("a", { n: 2 });
    state.keyed("").put("ca", 3);
  });
  await state.flush(POSITION);
  const again = await open(store);
  assertEquals(await again.table("c", COUNTS).get("a"), { n: 1 });
  assertEquals(await again.table("cc", COUNTS).get("a"), { n: 2 });
  assertEquals(await again.keyed("").getMany(["ca", "a"]), [3, undefined]);
  const found: unknown[] = [];
  for await (const entry of again.keyed("").scan()) found.push(entry);
  assertEquals(found, [["ca", 3]]);
});

Deno.test("TaskState says what is wrong with keys and values", async () => {
  const state = await open();
  const counts = state.table("c", COUNTS);
  state.begin();
  assertThrows(() => counts.put(1 as never, { n: 1 }), TypeError, "wants a string: current value is 1");
  assertThrows(() => counts.put("a", { n: "1" } as never), TypeError, "column 'n'");
  assertThrows(() => counts.putMany(keyColumn(["a", "b"]), values([1])), TypeError, "it must have 2 rows");
  assertThrows(() => counts.putMany(keyColumn(["a"]), {} as never), TypeError, "column 'n' is missing");
  const numbers = batchOf({ key: float64() }, [{ key: 1 }]).getChild("key");
  await assertRejects(() => counts.getMany(numbers as never), TypeError, "type must be Utf8: current value is Float64");
  const nulls = batchOf({ key: utf8({ nullable: true }) }, [{ key: "a" }, { key: null }]).getChild("key");
  await assertRejects(() => counts.getMany(nulls as never), TypeError, "key of row 1");
  const keyed = state.keyed("");
  assertThrows(() => keyed.put("\ud800", 1), TypeError, "lone surrogates");
  assertThrows(() => keyed.put("a", NaN), SerializationError);
  assertThrows(() => keyed.putBytes("a", "b" as never), TypeError, "Uint8Array");
  await assertRejects(() => keyed.get(1 as never), TypeError, "current value is 1");
  assertThrows(() => state.keyed("\u0000x"), TypeError, "U+0000");
  assertThrows(() => state.keyed("x".repeat(256)), TypeError, "at most 255 bytes");
  await assertRejects(() => open(new MemoryStateStore(), 0), RangeError, "'tableKeysMax'");
  state.abortAll();
  assertEquals(state.pendingRows, 0);
});

Deno.test("TaskState refuses rows that are damaged", async () => {
  for (const row of [[2, 0, 0, 0, 0, 0, 0, 0, 0, 0], [1, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]) {
    const store = new MemoryStateStore();
    const state = await open(store);
    await committed(state, () => state.table("c", COUNTS).put("a", { n: 1 }));
    await state.flush(POSITION);
    for await (const page of store.scan({}, 10)) {
      const at = page.keys.ends[1]! - page.keys.starts[1]! === 7 ? 1 : 0;
      const key = page.keys.bytes.slice(page.keys.starts[at], page.keys.ends[at]);
      await store.apply({ count: 1, keys: spansOf([key]), values: spansOf([Uint8Array.from(row)]) }, POSITION);
    }
    await assertRejects(async () => await (await open(store)).table("c", COUNTS).get("a"), StateCorruptError);
  }
});

Deno.test("TaskState.deleteMany() deletes the keys of a column, structs too", async () => {
  const state = await open();
  const key = struct({ device: utf8(), at: timestampMs() });
  const table = stateTable({ key, value: { n: int64() }, routing: 1 });
  const access = state.table("w", table);
  const column = (keys: { device: string; at: number }[]) =>
    batchOf({ key }, keys.map((each) => ({ key: each }))).getChild("key");
  const all = [{ device: "a", at: 1 }, { device: "a", at: -2 }, { device: "b", at: 1 }];
  await committed(
    state,
    () => access.putMany(column(all), batchOf(table.value, all.map((_, i) => ({ n: BigInt(i) })))),
  );
  await committed(state, () => access.deleteMany(column(all.slice(1))));
  assertEquals([...rows(await access.getMany(column(all)))], [{ n: 0n }, { n: null }, { n: null }]);
});

Deno.test("TaskState.snapshot() is what was flushed", async () => {
  const state = await open();
  await committed(state, () => state.keyed("").put("a", 1));
  await state.flush(POSITION);
  const snapshot = await state.snapshot();
  await committed(state, () => state.keyed("").put("a", 2));
  await state.flush(Uint8Array.of(2));
  assertEquals(snapshot.position, POSITION);
  await snapshot.release();
});

Deno.test("TaskState.close() waits for the flush that runs; later calls are errors", async () => {
  const inner = new MemoryStateStore();
  const store = new GatedStateStore(inner);
  const state = await open(store as never);
  await committed(state, () => state.keyed("").put("a", 1));
  store.shut();
  const flushing = state.flush(POSITION);
  const closing = state.close();
  store.open();
  await flushing;
  await closing;
  await state.close();
  await assertRejects(() => state.flush(POSITION), StateStoreClosedError);
  await assertRejects(() => inner.readPosition(), StateStoreClosedError);
  assertThrows(() => state.keyed("").put("a", 2), StateStoreClosedError);
});
