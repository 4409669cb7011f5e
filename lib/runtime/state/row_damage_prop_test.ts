import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import fc from "fast-check";
import { MemoryStateStore } from "../../adapters/memory/memory_state_store.ts";
import { StateCorruptError } from "../../base/errors.ts";
import { jsonValues } from "../../codecs/value_codec.ts";
import { binary, bool, float64, int32, int64, list, struct, timestampMs, utf8 } from "../../columns/schema.ts";
import { spansOf } from "../../columns/spans.ts";
import { stateTable } from "../../operator/state_table.ts";
import { TaskState } from "./task_state.ts";

const POSITION = Uint8Array.of(1);
const TABLE = stateTable({
  key: utf8(),
  value: {
    text: utf8({ nullable: true }),
    isOn: bool(),
    tags: list(utf8({ nullable: true })),
    points: list(struct({ x: float64({ nullable: true }), y: int32(), isSet: bool() })),
    raw: struct({ bytes: binary(), at: timestampMs(), big: int64() }, { nullable: true }),
  },
});
const text = fc.string({ maxLength: 4 });
const value = fc.record({
  text: fc.option(text),
  isOn: fc.boolean(),
  tags: fc.array(fc.option(text), { maxLength: 3 }),
  points: fc.array(fc.record({ x: fc.option(fc.double({ noNaN: true })), y: fc.integer(), isSet: fc.boolean() }), {
    maxLength: 2,
  }),
  raw: fc.option(
    fc.record({ bytes: fc.uint8Array({ maxLength: 4 }), at: fc.nat(), big: fc.bigInt({ min: 0n, max: 99n }) }),
  ),
});

const open = (store: MemoryStateStore) => TaskState.open(store, { valueCodec: jsonValues() });
const TABLE_NAME = "rows";

/** A store with one row, and the key and value that it has there. */
async function storeWith(row: object): Promise<{ store: MemoryStateStore; key: Uint8Array; bytes: Uint8Array }> {
  const store = new MemoryStateStore();
  const state = await open(store);
  state.begin();
  state.table(TABLE_NAME, TABLE).put("k", row as never);
  state.applyOldest();
  await state.flush(POSITION);
  const rows: { key: Uint8Array; bytes: Uint8Array }[] = [];
  for await (const { keys, values, count } of store.scan({}, 10)) {
    for (let at = 0; at < count; at++) {
      const key = keys.bytes.slice(keys.starts[at], keys.ends[at]);
      rows.push({ key, bytes: values.bytes.slice(values.starts[at], values.ends[at]) });
    }
  }
  // The row is the longest: beside it stands only what the table looks like.
  const row0 = rows.find(({ key }) => key.at(-1) === "k".charCodeAt(0));
  assert(row0 !== undefined);
  return { store, ...row0 };
}

/** Reads the row after its bytes were replaced: its value, or the error. */
async function read(store: MemoryStateStore, key: Uint8Array, bytes: Uint8Array): Promise<unknown> {
  await store.apply({ count: 1, keys: spansOf([key]), values: spansOf([bytes]) }, POSITION);
  try {
    return await (await open(store)).table(TABLE_NAME, TABLE).get("k");
  } catch (error) {
    return error;
  }
}

/** Objects of drawn values have no prototype. */
const plain = (found: unknown) => structuredClone(found);

Deno.test("TaskState reads a row as it was written, and finds it damaged when it was cut at any byte", async () => {
  const property = fc.asyncProperty(value, async (row) => {
    const { store, key, bytes } = await storeWith(row);
    assertEquals(plain(await read(store, key, bytes)), plain(row));
    for (let length = 0; length < bytes.length; length++) {
      assertInstanceOf(await read(store, key, bytes.slice(0, length)), StateCorruptError, `cut at ${length}`);
    }
    assertInstanceOf(await read(store, key, Uint8Array.of(...bytes, 0)), StateCorruptError, "one byte more");
  });
  await fc.assert(property, { numRuns: 25 });
});

Deno.test("TaskState finds a row with any byte changed damaged, or reads another row: nothing else comes of it", async () => {
  const property = fc.asyncProperty(value, fc.nat(), fc.integer({ min: 1, max: 255 }), async (row, place, flip) => {
    const { store, key, bytes } = await storeWith(row);
    const changed = bytes.slice();
    changed[place % bytes.length]! ^= flip;
    const found = await read(store, key, changed);
    if (found instanceof Error) assertInstanceOf(found, StateCorruptError, `${found.stack}`);
    else assertEquals(Object.keys(found as object), Object.keys(row));
  });
  await fc.assert(property, { numRuns: 400 });
});
