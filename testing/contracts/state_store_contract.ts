import assert from "node:assert/strict";
import { InvariantError } from "../../lib/base/assert.ts";
import { spansOf } from "../../lib/columns/spans.ts";
import type { KeyRange, StateStore, StateStoreProvider } from "../../lib/seams/state_store.ts";
import type { ContractCase } from "./contract.ts";
import {
  AT,
  bytesOf,
  collect,
  dump,
  KEY,
  LATER,
  many,
  page,
  read,
  type StateRule as Rule,
  textOf,
} from "./state_rows.ts";
import { STORE_LIFE } from "./state_store_life.ts";

/** Makes providers for {@linkcode stateStoreContract}. */
export interface StateStoreContractOptions {
  /** A provider that has no store yet and keeps what a closed store held. */
  provider(): Promise<StateStoreProvider>;
  /** Called when a case is over; its stores are closed. @default {does nothing} */
  dispose?(provider: StateStoreProvider): Promise<void>;
}

/**
 * The rules of a `StateStore` and its provider.
 *
 * @param options Makes providers.
 * @returns 51 cases, to be registered with `registerContract`.
 */
export function stateStoreContract(options: StateStoreContractOptions): readonly ContractCase[] {
  const rules = { ...WRITING, ...READING, ...SCANNING, ...SNAPSHOTS, ...LOADING, ...STORE_LIFE };
  return Object.entries(rules).map(([name, rule]) => ({ name, run: () => runRule(rule, options) }));
}

async function runRule(rule: Rule, options: StateStoreContractOptions): Promise<void> {
  const provider = await options.provider();
  const store = await provider.open(KEY);
  try {
    await rule(store, provider);
  } finally {
    await store.close();
    await options.dispose?.(provider);
  }
}

const WRITING: Record<string, Rule> = {
  "apply() makes rows readable": async (store) => {
    await store.apply(page([["a", "1"], ["b", "2"]]), AT);
    assert.deepEqual(await read(store, ["a", "b"]), ["1", "2"]);
  },
  "apply() overwrites": async (store) => {
    await store.apply(page([["a", "1"]]), AT);
    await store.apply(page([["a", "longer than before"]]), LATER);
    assert.deepEqual(await dump(store), [["a", "longer than before"]]);
  },
  "apply() with a null value deletes": async (store) => {
    await store.apply(page([["a", "1"], ["b", "2"]]), AT);
    await store.apply(page([["a", null]]), LATER);
    assert.deepEqual(await dump(store), [["b", "2"]]);
  },
  "apply() deletes what is not there without an error": async (store) => {
    await store.apply(page([["a", null]]), AT);
    assert.deepEqual(await dump(store), []);
  },
  "apply() lets a later row of the same key win": async (store) => {
    await store.apply(page([["a", "1"], ["a", "2"], ["b", "1"], ["b", null], ["c", null], ["c", "3"]]), AT);
    assert.deepEqual(await dump(store), [["a", "2"], ["c", "3"]]);
  },
  "apply() tells an empty value from a missing one": async (store) => {
    await store.apply(page([["a", ""]]), AT);
    assert.deepEqual(await read(store, ["a", "b"]), ["", null]);
  },
  "apply() takes the position alone": async (store) => {
    await store.apply(page([]), AT);
    assert.equal(textOf(await store.readPosition()), "position 1");
    assert.deepEqual(await dump(store), []);
  },
  "apply() takes only the first `count` rows": async (store) => {
    const { keys, values } = page([["a", "1"], ["b", "2"]]);
    await store.apply({ count: 1, keys, values }, AT);
    assert.deepEqual(await dump(store), [["a", "1"]]);
  },
  "apply() takes spans in any order, shared and with gaps": async (store) => {
    const bytes = bytesOf("..b..a..");
    const keys = { bytes, starts: Int32Array.of(5, 2), ends: Int32Array.of(6, 3) };
    const values = { bytes, starts: Int32Array.of(2, 2), ends: Int32Array.of(6, 6) };
    await store.apply({ count: 2, keys, values }, AT);
    assert.deepEqual(await dump(store), [["a", "b..a"], ["b", "b..a"]]);
  },
  "apply() keeps every byte value in keys and values": async (store) => {
    const rows = Array.from({ length: 256 }, (_, i) => Uint8Array.of(i, 255 - i, i));
    await store.apply({ count: 256, keys: spansOf(rows), values: spansOf(rows) }, AT);
    const found = await store.getMany(spansOf(rows), 256);
    rows.forEach((row, i) => assert.deepEqual([...found.bytes.subarray(found.starts[i], found.ends[i])], [...row]));
  },
  "apply() copies: buffers may be used again": async (store) => {
    const rows = page([["a", "1"]]);
    const position = bytesOf("position");
    await store.apply(rows, position);
    rows.keys.bytes.fill(0);
    rows.values.bytes.fill(0);
    position.fill(0);
    assert.deepEqual(await dump(store), [["a", "1"]]);
    assert.equal(textOf(await store.readPosition()), "position");
  },
  "apply() writes in the order of the calls, awaited or not": async (store) => {
    await Promise.all(
      Array.from({ length: 30 }, (_, i) => store.apply(page(many(100, () => `v${i}`)), bytesOf(`position ${i}`))),
    );
    assert.equal(textOf(await store.readPosition()), "position 29");
    assert.deepEqual(await dump(store), many(100, () => "v29"));
  },
  "apply() keeps a value of 1 MiB": async (store) => {
    const value = new Uint8Array(1 << 20).map((_, i) => i * 31);
    await store.apply({ count: 1, keys: spansOf(["a"]), values: spansOf([value]) }, AT);
    const found = await store.getMany(spansOf(["a"]), 1);
    assert.deepEqual(found.bytes.slice(found.starts[0], found.ends[0]), value);
  },
};

const READING: Record<string, Rule> = {
  "readPosition() of a fresh store is undefined": async (store) => {
    assert.equal(await store.readPosition(), undefined);
  },
  "readPosition() returns what the last apply() wrote": async (store) => {
    await store.apply(page([["a", "1"]]), AT);
    await store.apply(page([["a", "2"]]), LATER);
    assert.equal(textOf(await store.readPosition()), "position 2");
  },
  "readPosition() keeps an empty position": async (store) => {
    await store.apply(page([]), new Uint8Array(0));
    assert.equal((await store.readPosition())?.length, 0);
  },
  "getMany() of nothing returns nothing": async (store) => {
    assert.equal((await store.getMany(spansOf([]), 0)).starts.length, 0);
  },
  "getMany() keeps the order asked for, with repeats and gaps": async (store) => {
    await store.apply(page([["a", "1"], ["b", "2"], ["c", "3"]]), AT);
    assert.deepEqual(await read(store, ["c", "x", "a", "c", "", "b"]), ["3", null, "1", "3", null, "2"]);
  },
  "getMany() takes only the first `count` keys": async (store) => {
    await store.apply(page([["a", "1"], ["b", "2"]]), AT);
    const found = await store.getMany(spansOf(["b", "a"]), 1);
    assert.equal(found.starts.length, 1);
    assert.equal(textOf(found.bytes.subarray(found.starts[0], found.ends[0])), "2");
  },
  "getMany() never finds the position": async (store) => {
    await store.apply(page([["a", "1"]]), AT);
    const keys = ["", "\u0000", "\u0000\u0000", "\u0001", "position", "!position", "\u00ff"];
    assert.deepEqual(await read(store, keys), keys.map(() => null));
  },
  "getMany() many at a time gives each its own rows": async (store) => {
    await store.apply(page(many(200, (i) => `v${i}`)), AT);
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, i) => read(store, [`k${String(i).padStart(6, "0")}`])),
    );
    assert.deepEqual(all.flat(), Array.from({ length: 20 }, (_, i) => `v${i}`));
  },
};

const ranges = async (store: StateStore, range: KeyRange): Promise<string[]> =>
  (await collect(store.scan(range, 2))).map(([key]) => key);

const SCANNING: Record<string, Rule> = {
  "scan() of a fresh store is empty": async (store) => {
    assert.deepEqual(await dump(store), []);
  },
  "scan() goes in the order of unsigned bytes": async (store) => {
    const keys = [[255], [127], [128], [0], [1, 0], [1], [1, 255], [2], [0, 0], [255, 0]].map((k) =>
      Uint8Array.from(k)
    );
    await store.apply({ count: keys.length, keys: spansOf(keys), values: spansOf(keys) }, AT);
    const found: number[][] = [];
    for await (const rows of store.scan({}, 3)) {
      for (let i = 0; i < rows.count; i++) {
        found.push([...rows.keys.bytes.subarray(rows.keys.starts[i], rows.keys.ends[i])]);
      }
    }
    assert.deepEqual(found, [[0], [0, 0], [1], [1, 0], [1, 255], [2], [127], [128], [255], [255, 0]]);
  },
  "scan() takes `from` and leaves `to` out": async (store) => {
    await store.apply(page([["a", "1"], ["b", "2"], ["ba", "3"], ["c", "4"], ["d", "5"]]), AT);
    assert.deepEqual(await ranges(store, { from: bytesOf("b") }), ["b", "ba", "c", "d"]);
    assert.deepEqual(await ranges(store, { to: bytesOf("b") }), ["a"]);
    assert.deepEqual(await ranges(store, { from: bytesOf("aa"), to: bytesOf("c") }), ["b", "ba"]);
    assert.deepEqual(await ranges(store, { from: bytesOf("c"), to: bytesOf("b") }), []);
    assert.deepEqual(await ranges(store, { from: new Uint8Array(0), to: new Uint8Array(0) }), []);
  },
  "scan() gives pages of at most `rowsMax` rows, none of them empty": async (store) => {
    await store.apply(page(many(1000, (i) => `v${i}`)), AT);
    let total = 0;
    for await (const rows of store.scan({}, 64)) {
      assert.ok(rows.count >= 1 && rows.count <= 64);
      total += rows.count;
    }
    assert.equal(total, 1000);
  },
  "scan() never shows the position": async (store) => {
    await store.apply(page([["a", "1"]]), AT);
    assert.deepEqual(await dump(store), [["a", "1"]]);
  },
  "scan() does not see what is applied after the call": async (store) => {
    await store.apply(page(many(300, () => "old")), AT);
    const pages = store.scan({}, 50);
    await store.apply(page([...many(300, () => "new"), ["z", "new"]]), LATER);
    assert.deepEqual(await collect(pages), many(300, () => "old"));
  },
  "scan() may be left early": async (store) => {
    await store.apply(page(many(300, () => "v")), AT);
    for await (const rows of store.scan({}, 10)) {
      assert.equal(rows.count, 10);
      break;
    }
    assert.equal((await dump(store)).length, 300);
  },
  "scan() refuses a page size that is no count": async (store) => {
    for (const rowsMax of [0, -1, 1.5, NaN]) {
      await assert.rejects(async () => await collect(store.scan({}, rowsMax)), RangeError);
    }
  },
};

const SNAPSHOTS: Record<string, Rule> = {
  "snapshot() of a fresh store is empty and has no position": async (store) => {
    const snapshot = await store.snapshot();
    assert.equal(snapshot.position, undefined);
    assert.deepEqual(await collect(snapshot.pages(10)), []);
    await snapshot.release();
  },
  "snapshot() gives the rows and the position written with them": async (store) => {
    await store.apply(page([["b", "2"], ["a", "1"]]), AT);
    const snapshot = await store.snapshot();
    assert.equal(textOf(snapshot.position), "position 1");
    assert.deepEqual(await collect(snapshot.pages(1)), [["a", "1"], ["b", "2"]]);
    await snapshot.release();
  },
  "snapshot() stays as it was while writes go on": async (store) => {
    await store.apply(page(many(500, () => "old")), AT);
    const snapshot = await store.snapshot();
    const pages = snapshot.pages(100)[Symbol.asyncIterator]();
    const found = [(await pages.next()).value!];
    for (let round = 0; round < 5; round++) {
      await store.apply(page([...many(500, () => `new ${round}`), ["k000499", null], ["z", "z"]]), LATER);
    }
    for (let next = await pages.next(); !next.done; next = await pages.next()) found.push(next.value);
    await snapshot.release();
    assert.equal(textOf(snapshot.position), "position 1");
    assert.deepEqual(
      await collect((async function* () {
        yield* found;
      })()),
      many(500, () => "old"),
    );
  },
  "snapshot() may be released unread, twice": async (store) => {
    await store.apply(page([["a", "1"]]), AT);
    const snapshot = await store.snapshot();
    await snapshot.release();
    await snapshot.release();
    assert.deepEqual(await dump(store), [["a", "1"]]);
  },
  "snapshot() gives its pages once": async (store) => {
    const snapshot = await store.snapshot();
    await collect(snapshot.pages(10));
    await assert.rejects(async () => await collect(snapshot.pages(10)), InvariantError);
    await snapshot.release();
  },
  "snapshot()s of different times live side by side": async (store) => {
    await store.apply(page([["a", "1"]]), AT);
    const first = await store.snapshot();
    await store.apply(page([["a", "2"]]), LATER);
    const second = await store.snapshot();
    assert.deepEqual(await collect(second.pages(10)), [["a", "2"]]);
    assert.deepEqual(await collect(first.pages(10)), [["a", "1"]]);
    assert.deepEqual([textOf(first.position), textOf(second.position)], ["position 1", "position 2"]);
    await first.release();
    await second.release();
  },
};

const LOADING: Record<string, Rule> = {
  "load() writes rows without a position": async (store) => {
    await store.load(page([["a", "1"]]));
    await store.load(page([["b", "2"]]));
    assert.equal(await store.readPosition(), undefined);
    assert.deepEqual(await dump(store), [["a", "1"], ["b", "2"]]);
  },
  "load() then apply() gives both": async (store) => {
    await store.load(page([["a", "1"], ["b", "2"]]));
    await store.apply(page([["a", null]]), AT);
    assert.deepEqual(await dump(store), [["b", "2"]]);
    assert.equal(textOf(await store.readPosition()), "position 1");
  },
  "load() into a store that has a position is refused": async (store) => {
    await store.apply(page([]), AT);
    await assert.rejects(store.load(page([["a", "1"]])), InvariantError);
    assert.deepEqual(await dump(store), []);
  },
};
