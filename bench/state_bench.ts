// State: the RocksDB store beside the bare library with the same rows (the ratio should stay below 1.2), and state
// tables above it. Ratios measured in turn: deno task bench:state. Run with: deno task bench
import { Buffer } from "node:buffer";
import rocksdb from "rocksdb";
import { MemoryStateStore } from "../lib/adapters/memory/memory_state_store.ts";
import { RocksDbStateProvider } from "../lib/adapters/rocksdb/rocksdb.ts";
import { jsonValues } from "../lib/codecs/value_codec.ts";
import { batchFromColumns } from "../lib/columns/batch.ts";
import { float64, utf8 } from "../lib/columns/schema.ts";
import { stateTable } from "../lib/operator/state_table.ts";
import { TaskState } from "../lib/runtime/state/task_state.ts";

const ROWS = 10_000;
const KEY_BYTES = 21;
const VALUE_BYTES = 40;
const POSITION = new Uint8Array(60);

const keyBytes = new Uint8Array(ROWS * KEY_BYTES);
const valueBytes = new Uint8Array(ROWS * VALUE_BYTES);
const keyOffsets = new Int32Array(ROWS + 1);
const valueOffsets = new Int32Array(ROWS + 1);
for (let row = 0; row < ROWS; row++) {
  const text = `d-${Math.imul(row, 0x9e3779b1) >>> 0}`.padStart(KEY_BYTES, "0");
  new TextEncoder().encodeInto(text, keyBytes.subarray(row * KEY_BYTES));
  keyOffsets[row + 1] = (row + 1) * KEY_BYTES;
  valueBytes.fill(row, row * VALUE_BYTES, (row + 1) * VALUE_BYTES);
  valueOffsets[row + 1] = (row + 1) * VALUE_BYTES;
}
const keys = { bytes: keyBytes, starts: keyOffsets.subarray(0, ROWS), ends: keyOffsets.subarray(1) };
const values = { bytes: valueBytes, starts: valueOffsets.subarray(0, ROWS), ends: valueOffsets.subarray(1) };
const page = { count: ROWS, keys, values };

// deno-lint-ignore no-explicit-any
type Bare = any;
const directory = await Deno.makeTempDir({ prefix: "turbine-bench-" });
const called = (call: (callback: (error: unknown, value?: unknown) => void) => void): Promise<unknown> =>
  new Promise((resolve, reject) => call((error, value) => error ? reject(error) : resolve(value)));
const bare: Bare = (rocksdb as Bare)(`${directory}/bare`);
await called((callback) =>
  bare.open({ writeBufferSize: 33_554_432, cacheSize: 33_554_432, maxOpenFiles: 256 }, callback)
);
globalThis.addEventListener("unload", () => Deno.removeSync(directory, { recursive: true }));
const store = await new RocksDbStateProvider(directory).open({ application: "a", subscription: "s", partition: 0 });
await store.apply(page, POSITION);
const bufferOf = (bytes: Uint8Array, row: number, width: number) =>
  Buffer.from(bytes.buffer as ArrayBuffer, row * width, width);

Deno.bench("bare library: one Buffer for each key and value, array batch", {
  group: "write 10,000 rows",
  baseline: true,
}, async () => {
  const operations: object[] = [];
  for (let row = 0; row < ROWS; row++) {
    const key = bufferOf(keyBytes, row, KEY_BYTES);
    operations.push({ type: "put", key, value: bufferOf(valueBytes, row, VALUE_BYTES) });
  }
  operations.push({ type: "put", key: Buffer.from("!position"), value: Buffer.from(POSITION) });
  await called((callback) => bare.batch(operations, callback));
});

Deno.bench(
  "bare library: one Buffer for each key and value, chained batch",
  { group: "write 10,000 rows" },
  async () => {
    const batch = bare.batch();
    for (let row = 0; row < ROWS; row++) {
      batch.put(bufferOf(keyBytes, row, KEY_BYTES), bufferOf(valueBytes, row, VALUE_BYTES));
    }
    batch.put(Buffer.from("!position"), Buffer.from(POSITION));
    await called((callback) => batch.write(callback));
  },
);

Deno.bench("RocksDbStateStore.apply()", { group: "write 10,000 rows" }, async () => {
  await store.apply(page, POSITION);
});

Deno.bench(
  "bare library: getMany() into an array of Buffers",
  { group: "read 10,000 rows", baseline: true },
  async () => {
    const asked: Buffer[] = [];
    for (let row = 0; row < ROWS; row++) asked.push(bufferOf(keyBytes, row, KEY_BYTES));
    await called((callback) => bare.getMany(asked, { asBuffer: true }, callback));
  },
);

Deno.bench("RocksDbStateStore.getMany() into one buffer", { group: "read 10,000 rows" }, async () => {
  await store.getMany(keys, ROWS);
});

const COUNTS = stateTable({ key: utf8(), value: { count: float64(), sum: float64() } });
const column = batchFromColumns({ key: utf8() }, { key: { values: keyBytes, offsets: keyOffsets } }, ROWS).getChild(
  "key",
);
const rows = batchFromColumns(COUNTS.value, { count: new Float64Array(ROWS), sum: new Float64Array(ROWS) }, ROWS);
const state = await TaskState.open(new MemoryStateStore(), { valueCodec: jsonValues() });
const table = state.table("counts", COUNTS);
state.begin();
table.putMany(column, rows);

Deno.bench("StateAccess.getMany(), 10,000 keys that are held", { group: "table" }, async () => {
  await table.getMany(column);
});

Deno.bench("StateAccess.putMany(), 10,000 keys, the first write of a commit", { group: "table" }, () => {
  state.begin();
  table.putMany(column, rows);
  state.applyOldest();
});

Deno.bench("StateAccess.putMany(), 10,000 keys written by the same commit before", { group: "table" }, () => {
  table.putMany(column, rows);
});

Deno.bench("putMany(), commit and flush to memory, 10,000 keys", { group: "flush" }, async () => {
  state.begin();
  table.putMany(column, rows);
  state.applyOldest();
  await state.flush(POSITION);
});

const durable = await TaskState.open(store, { valueCodec: jsonValues() });
const durableTable = durable.table("counts", COUNTS);

Deno.bench("putMany(), commit and flush to RocksDB, 10,000 keys", { group: "flush" }, async () => {
  durable.begin();
  durableTable.putMany(column, rows);
  durable.applyOldest();
  await durable.flush(POSITION);
});

const keyed = state.keyed("");

Deno.bench("KeyedState.put() and get(), one small object", { group: "keyed" }, async () => {
  keyed.put("device", { count: 1, sum: 2 });
  await keyed.get("device");
});

Deno.bench("StateAccess.put() and get(), one row", { group: "keyed" }, async () => {
  table.put("device", { count: 1, sum: 2 });
  await table.get("device");
});
