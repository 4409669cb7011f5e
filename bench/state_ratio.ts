/**
 * The RocksDB store beside the bare library in turn, so that a drift of the machine's speed cancels out: medians of the
 * ratio, store over library, for `apply` and `getMany` of 10,000 rows (21-byte keys, 40-byte values).
 *
 *     deno task bench:state
 */
import { Buffer } from "node:buffer";
import rocksdb from "rocksdb";
import { RocksDbStateProvider } from "../lib/adapters/rocksdb/rocksdb.ts";
import { denseSpans } from "../lib/columns/spans.ts";

const ROWS = 10_000, KEY = 21, VALUE = 40, ROUNDS = 61;
const directory = `.turbine/state-ratio-${Date.now()}`;
await Deno.mkdir(directory, { recursive: true });
const text = new TextEncoder();
const keys = new Uint8Array(ROWS * KEY), values = new Uint8Array(ROWS * VALUE);
for (let row = 0; row < ROWS; row++) {
  const key = `d-${Math.imul(row, 0x9e3779b1) >>> 0}`.padStart(KEY, "0");
  text.encodeInto(key, keys.subarray(row * KEY));
  values.fill(row, row * VALUE, (row + 1) * VALUE);
}
const offsets = (width: number) => Int32Array.from({ length: ROWS + 1 }, (_, row) => row * width);
const keySpans = denseSpans(keys, offsets(KEY)), valueSpans = denseSpans(values, offsets(VALUE));
const part = (bytes: Uint8Array, row: number, width: number) =>
  Buffer.from(bytes.buffer as ArrayBuffer, row * width, width);

// deno-lint-ignore no-explicit-any
const bare = (rocksdb as any)(`${directory}/bare`);
const called = (run: (callback: (error: unknown) => void) => void): Promise<void> =>
  new Promise((resolve, reject) => run((error) => error ? reject(error) : resolve()));
await called((done) => bare.open({ writeBufferSize: 33_554_432, cacheSize: 33_554_432, maxOpenFiles: 256 }, done));
const store = await new RocksDbStateProvider(directory).open({ application: "a", subscription: "s", partition: 0 });
const position = new Uint8Array(60);

const WORK = {
  apply: [
    () => store.apply({ count: ROWS, keys: keySpans, values: valueSpans }, position),
    () => {
      const operations: object[] = [];
      for (let row = 0; row < ROWS; row++) {
        operations.push({ type: "put", key: part(keys, row, KEY), value: part(values, row, VALUE) });
      }
      operations.push({ type: "put", key: Buffer.from("!position"), value: Buffer.from(position) });
      return called((done) => bare.batch(operations, done));
    },
  ],
  getMany: [
    () => store.getMany(keySpans, ROWS),
    () => {
      const asked: Buffer[] = [];
      for (let row = 0; row < ROWS; row++) asked.push(part(keys, row, KEY));
      return called((done) => bare.getMany(asked, { asBuffer: true }, done));
    },
  ],
} as const;

async function timed(run: () => Promise<unknown>): Promise<number> {
  const at = performance.now();
  await run();
  return performance.now() - at;
}

function median(list: number[]): number {
  return list.sort((a, b) => a - b)[list.length >> 1]!;
}

for (const [name, [ours, theirs]] of Object.entries(WORK)) {
  const mine: number[] = [], bares: number[] = [], ratios: number[] = [];
  for (let round = 0; round < ROUNDS + 10; round++) {
    const a = await timed(ours), b = await timed(theirs);
    if (round < 10) continue;
    mine.push(a);
    bares.push(b);
    ratios.push(a / b);
  }
  const [us, them] = [median(mine) * 1e6 / ROWS, median(bares) * 1e6 / ROWS];
  console.log(
    `${name.padEnd(8)} ratio ${median(ratios).toFixed(2)}   store ${us.toFixed(0)} ns/row, library ${
      them.toFixed(0)
    } ns/row`,
  );
}
await store.close();
await called((done) => bare.close(done));
await Deno.remove(directory, { recursive: true });
