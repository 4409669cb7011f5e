import assert from "node:assert/strict";
import { StateLockedError, StateStoreClosedError } from "../../lib/base/errors.ts";
import { spansOf } from "../../lib/columns/spans.ts";
import type { StateStore, StateStoreProvider } from "../../lib/seams/state_store.ts";
import { AT, collect, dump, KEY, LATER, many, page, read, type StateRule as Rule, textOf } from "./state_rows.ts";

/** Closes and opens again, runs, and closes. */
async function reopened(
  store: StateStore,
  provider: StateStoreProvider,
  look: (again: StateStore) => Promise<void>,
): Promise<void> {
  await store.close();
  const again = await provider.open(KEY);
  try {
    await look(again);
  } finally {
    await again.close();
  }
}

const REOPENING: Record<string, Rule> = {
  "a reopened store has rows and position of the last apply()": async (store, provider) => {
    await store.apply(page(many(100, () => "old")), AT);
    await store.apply(page(many(50, () => "new")), LATER);
    await reopened(store, provider, async (again) => {
      assert.equal(textOf(await again.readPosition()), "position 2");
      assert.deepEqual(await dump(again), many(100, (i) => i < 50 ? "new" : "old"));
    });
  },
  "a reopened store that was only loaded has no position": async (store, provider) => {
    await store.load(page([["a", "1"]]));
    await reopened(store, provider, async (again) => assert.equal(await again.readPosition(), undefined));
  },
  "destroy() leaves nothing": async (store, provider) => {
    await store.apply(page([["a", "1"]]), AT);
    await store.destroy();
    await reopened(store, provider, async (again) => {
      assert.equal(await again.readPosition(), undefined);
      assert.deepEqual(await dump(again), []);
    });
  },
};

const CLOSING: Record<string, Rule> = {
  "close() may be called twice, also at once": async (store) => {
    await Promise.all([store.close(), store.close()]);
    await store.close();
  },
  "every call after close() is an error, never an answer": async (store) => {
    await store.apply(page([["a", "1"]]), AT);
    await store.close();
    const calls: (() => Promise<unknown>)[] = [
      () => store.readPosition(),
      () => store.getMany(spansOf(["a"]), 1),
      async () => await collect(store.scan({}, 10)),
      () => store.apply(page([["a", "2"]]), LATER),
      () => store.load(page([["a", "2"]])),
      () => store.snapshot(),
    ];
    for (const call of calls) await assert.rejects(call, StateStoreClosedError);
  },
  "close() waits for the calls that are under way": async (store, provider) => {
    await store.apply(page(many(2000, () => "old")), AT);
    const keys = many(2000, () => "").map(([key]) => key);
    const reads = Array.from({ length: 5 }, () => read(store, keys));
    const write = store.apply(page(many(2000, () => "new")), LATER);
    await store.close();
    for (const values of await Promise.all(reads)) assert.equal(values.length, 2000);
    await write;
    await reopened(store, provider, async (again) => {
      assert.equal(textOf(await again.readPosition()), "position 2");
      assert.deepEqual(await read(again, ["k001999"]), ["new"]);
    });
  },
  "close() ends iterations: their next page is an error": async (store) => {
    await store.apply(page(many(5000, () => "v")), AT);
    const pages = store.scan({}, 10)[Symbol.asyncIterator]();
    const snapshot = await store.snapshot();
    const others = snapshot.pages(10)[Symbol.asyncIterator]();
    await pages.next();
    await others.next();
    await store.close();
    await assert.rejects(async () => await pages.next(), StateStoreClosedError);
    await assert.rejects(async () => await others.next(), StateStoreClosedError);
    await snapshot.release();
  },
};

const PROVIDING: Record<string, Rule> = {
  "open() of a store that is open is refused and does it no harm": async (store, provider) => {
    await store.apply(page([["a", "1"]]), AT);
    await assert.rejects(provider.open(KEY), StateLockedError);
    assert.deepEqual(await dump(store), [["a", "1"]]);
  },
  "stores of different tasks share nothing": async (store, provider) => {
    const keys = [{ ...KEY, application: "other" }, { ...KEY, subscription: "other" }, { ...KEY, partition: 4 }];
    await store.apply(page([["a", "1"]]), AT);
    for (const key of keys) {
      const other = await provider.open(key);
      assert.equal(await other.readPosition(), undefined);
      await other.apply(page([["a", "other"]]), LATER);
      await other.close();
    }
    assert.deepEqual(await dump(store), [["a", "1"]]);
  },
  "names with separators cannot meet another task's store": async (store, provider) => {
    const names = ["a/b", "a", "..", ".", "a%2Fb", "A b", "ä"];
    await store.apply(page([["a", "1"]]), AT);
    for (const name of names) {
      const other = await provider.open({ application: name, subscription: name, partition: 0 });
      assert.deepEqual(await dump(other), [], name);
      await other.apply(page([["name", name]]), AT);
      await other.close();
    }
    for (const name of names) {
      const other = await provider.open({ application: name, subscription: name, partition: 0 });
      assert.deepEqual(await dump(other), [["name", name]]);
      await other.close();
    }
  },
  "destroy() of a closed store deletes it and no other": async (store, provider) => {
    const otherKey = { ...KEY, partition: 33 };
    const other = await provider.open(otherKey);
    await other.apply(page([["a", "other"]]), AT);
    await other.close();
    await store.apply(page([["a", "1"]]), AT);
    await store.close();
    await provider.destroy(KEY);
    await reopened(store, provider, async (again) => assert.deepEqual(await dump(again), []));
    const rest = await provider.open(otherKey);
    assert.deepEqual(await dump(rest), [["a", "other"]]);
    await rest.close();
  },
  "destroy() of an open store is refused": async (store, provider) => {
    await store.apply(page([["a", "1"]]), AT);
    await assert.rejects(provider.destroy(KEY), StateLockedError);
    assert.deepEqual(await dump(store), [["a", "1"]]);
  },
  "destroy() of a store that never was is no error": async (_store, provider) => {
    await provider.destroy({ ...KEY, partition: 99 });
  },
};

/** Rules of opening, closing and deleting stores. */
export const STORE_LIFE: Readonly<Record<string, Rule>> = { ...REOPENING, ...CLOSING, ...PROVIDING };
