import assert from "node:assert/strict";
import type { BlobStore } from "../../lib/seams/blob_store.ts";
import { SeededRandom } from "../seeded_random.ts";
import type { ContractCase } from "./contract.ts";

/** Makes stores for {@linkcode blobStoreContract}. */
export interface BlobStoreContractOptions {
  /** Opens a store that holds nothing. */
  open(): Promise<BlobStore>;
  /** Opens the same objects once more, beside the first handle: another process of the same app. */
  openAgain(store: BlobStore): Promise<BlobStore>;
  /** Called with the first handle when a case is over, after `close`. @default {does nothing} */
  dispose?(store: BlobStore): Promise<void>;
}

type Rule = (store: BlobStore, openAgain: () => Promise<BlobStore>) => Promise<void>;

/**
 * The rules of a `BlobStore`.
 *
 * @param options Makes stores.
 * @returns 40 cases, to be registered with `registerContract`.
 */
export function blobStoreContract(options: BlobStoreContractOptions): readonly ContractCase[] {
  const rules = { ...READING, ...CREATING, ...LISTING, ...DELETING, ...NAMES, ...CLOSING };
  return Object.entries(rules).map(([name, rule]) => ({ name, run: () => runRule(rule, options) }));
}

async function runRule(rule: Rule, options: BlobStoreContractOptions): Promise<void> {
  const store = await options.open();
  const others: BlobStore[] = [];
  try {
    await rule(store, async () => {
      const other = await options.openAgain(store);
      others.push(other);
      return other;
    });
  } finally {
    for (const each of [...others, store]) await each.close();
    await options.dispose?.(store);
  }
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : new TextDecoder().decode(bytes);
const isOrderly = (names: readonly string[]): boolean => names.every((name, at) => at === 0 || names[at - 1]! < name);

async function names(store: BlobStore, prefix: string): Promise<string[]> {
  return (await store.list(prefix)).map((entry) => entry.name);
}

async function fill(store: BlobStore, ...objects: string[]): Promise<void> {
  for (const name of objects) assert.ok((await store.create(name, bytesOf(name))).isCreated);
}

const READING: Record<string, Rule> = {
  "get() of a missing object is undefined": async (store) => {
    assert.equal(await store.get("nothing"), undefined);
  },
  "get() below a missing folder is undefined": async (store) => {
    assert.equal(await store.get("no/such/folder/object"), undefined);
  },
  "get() returns what create() wrote": async (store) => {
    await fill(store, "a");
    assert.equal(textOf(await store.get("a")), "a");
  },
  "get() of a folder of objects is undefined": async (store) => {
    await fill(store, "folder/a");
    assert.equal(await store.get("folder"), undefined);
  },
  "get() below an object is undefined": async (store) => {
    await fill(store, "a");
    assert.equal(await store.get("a/b"), undefined);
  },
  "get() returns bytes of its own": async (store) => {
    await fill(store, "abc");
    (await store.get("abc"))!.fill(0);
    assert.equal(textOf(await store.get("abc")), "abc");
  },
  "get() through another handle sees an acknowledged object at once": async (store, openAgain) => {
    const other = await openAgain();
    await fill(store, "a/b");
    assert.equal(textOf(await other.get("a/b")), "a/b");
  },
  "get() many at a time returns each one's bytes": async (store) => {
    const all = Array.from({ length: 20 }, (_, at) => `n${at}`);
    await fill(store, ...all);
    assert.deepEqual((await Promise.all(all.map((name) => store.get(name)))).map(textOf), all);
  },
};

const CREATING: Record<string, Rule> = {
  "create() tells that it created": async (store) => {
    assert.deepEqual(await store.create("a", bytesOf("1")), { isCreated: true });
  },
  "create() of a taken name returns what is there, unchanged": async (store) => {
    await store.create("a", bytesOf("first"));
    const result = await store.create("a", bytesOf("second"));
    assert.equal(result.isCreated, false);
    assert.equal(!result.isCreated && textOf(result.existing), "first");
    assert.equal(textOf(await store.get("a")), "first");
  },
  "create() with the same bytes again is no second creation": async (store) => {
    await store.create("a", bytesOf("same"));
    assert.equal((await store.create("a", bytesOf("same"))).isCreated, false);
  },
  "create() through another handle loses against the first": async (store, openAgain) => {
    const other = await openAgain();
    await fill(store, "x/y");
    assert.equal((await other.create("x/y", bytesOf("late"))).isCreated, false);
  },
  "create() takes empty content": async (store) => {
    assert.ok((await store.create("empty", new Uint8Array(0))).isCreated);
    assert.equal((await store.get("empty"))?.length, 0);
    assert.equal((await store.create("empty", bytesOf("full"))).isCreated, false);
  },
  "create() keeps every byte value": async (store) => {
    const bytes = Uint8Array.from({ length: 512 }, (_, at) => at & 255);
    await store.create("bytes", bytes);
    assert.deepEqual([...(await store.get("bytes"))!], [...bytes]);
  },
  "create() keeps 3 MiB and one byte": async (store) => {
    const bytes = new SeededRandom(7).bytes(3 * 1024 * 1024 + 1);
    await store.create("large", bytes);
    assert.equal(isSame(await store.get("large"), bytes), true);
  },
  "create() writes the bytes of a view, not of its buffer": async (store) => {
    await store.create("view", bytesOf("0123456789").subarray(2, 5));
    assert.equal(textOf(await store.get("view")), "234");
  },
  "create() has copied the bytes when it resolves": async (store) => {
    const bytes = bytesOf("kept");
    await store.create("a", bytes);
    bytes.fill(0);
    assert.equal(textOf(await store.get("a")), "kept");
  },
  "create() of one name by 16 writers has exactly one winner, and all others see its bytes": async (
    store,
    openAgain,
  ) => {
    const handles = [store, await openAgain(), await openAgain(), await openAgain()];
    for (let round = 0; round < 5; round++) {
      const name = `race/${round}`;
      const results = await Promise.all(
        Array.from({ length: 16 }, (_, at) => handles[at % 4]!.create(name, bytesOf(`writer ${at}`))),
      );
      const winner = results.findIndex((result) => result.isCreated);
      assert.equal(results.filter((result) => result.isCreated).length, 1);
      for (const result of results) {
        if (!result.isCreated) assert.equal(textOf(result.existing), `writer ${winner}`);
      }
      assert.equal(textOf(await store.get(name)), `writer ${winner}`);
    }
  },
  "create() in one new folder by 16 writers creates all objects": async (store) => {
    const all = Array.from({ length: 16 }, (_, at) => `new/folder/${at}`);
    const results = await Promise.all(all.map((name) => store.create(name, bytesOf(name))));
    assert.ok(results.every((result) => result.isCreated));
    assert.equal((await names(store, "new/folder/")).length, 16);
  },
  "create() never shows a part of an object to a reader": async (store, openAgain) => {
    const other = await openAgain();
    const bytes = new Uint8Array(1 << 20).fill(7);
    let isDone = false;
    const writing = store.create("whole", bytes).finally(() => isDone = true);
    while (!isDone) {
      const seen = await other.get("whole");
      assert.ok(seen === undefined || seen.length === bytes.length);
      for (const entry of await other.list("")) assert.deepEqual(entry, { name: "whole", size: bytes.length });
    }
    await writing;
  },
};

/** Plain comparison: a deep comparison of megabytes is slow. */
function isSame(left: Uint8Array | undefined, right: Uint8Array): boolean {
  return left?.length === right.length && left.every((byte, at) => byte === right[at]);
}

const LISTING: Record<string, Rule> = {
  "list() of nothing is empty": async (store) => {
    assert.deepEqual(await store.list(""), []);
    assert.deepEqual(await store.list("no/such/"), []);
  },
  "list() gives full names and sizes": async (store) => {
    await store.create("a/b", bytesOf("12345"));
    assert.deepEqual([...await store.list("")].map(({ name, size }) => ({ name, size })), [{ name: "a/b", size: 5 }]);
  },
  "list() is sorted by whole names, not by folders": async (store) => {
    await fill(store, "a/z", "a-b/x", "a.b", "b", "a=c", "a0", "B");
    const all = await names(store, "");
    assert.deepEqual(all, ["B", "a-b/x", "a.b", "a/z", "a0", "a=c", "b"]);
    assert.ok(isOrderly(all));
  },
  "list() takes a prefix that ends inside a segment": async (store) => {
    await fill(store, "task-1/x", "task-10/x", "task-2/x", "other");
    assert.deepEqual(await names(store, "task-1"), ["task-1/x", "task-10/x"]);
    assert.deepEqual(await names(store, "task-1/"), ["task-1/x"]);
  },
  "list() takes a prefix inside a folder": async (store) => {
    await fill(store, "a/b/c1", "a/b/c2", "a/b/d", "a/c1");
    assert.deepEqual(await names(store, "a/b/c"), ["a/b/c1", "a/b/c2"]);
  },
  "list() takes the whole name of an object": async (store) => {
    await fill(store, "a/b");
    assert.deepEqual(await names(store, "a/b"), ["a/b"]);
    assert.deepEqual(await names(store, "a/b/"), []);
  },
  "list() goes down many folders": async (store) => {
    await fill(store, "a/b/c/d/e/f", "a/b/c/d/e/g", "a/b/x");
    assert.deepEqual(await names(store, "a/"), ["a/b/c/d/e/f", "a/b/c/d/e/g", "a/b/x"]);
  },
  "list() shows more than 1,000 objects": async (store) => {
    const all = Array.from({ length: 1_050 }, (_, at) => `many/${String(at).padStart(5, "0")}`);
    for (let at = 0; at < all.length; at += 50) {
      await Promise.all(all.slice(at, at + 50).map((name) => store.create(name, bytesOf("x"))));
    }
    assert.deepEqual(await names(store, "many/"), all);
  },
  "list() through another handle shows what was acknowledged before": async (store, openAgain) => {
    const other = await openAgain();
    await fill(store, "a", "b");
    assert.deepEqual(await names(other, ""), ["a", "b"]);
  },
};

const DELETING: Record<string, Rule> = {
  "delete() takes an object away": async (store) => {
    await fill(store, "a", "b");
    await store.delete("a");
    assert.equal(await store.get("a"), undefined);
    assert.deepEqual(await names(store, ""), ["b"]);
  },
  "delete() of what is not there is no error": async (store) => {
    await store.delete("nothing");
    await store.delete("no/such/folder");
  },
  "delete() of a folder's name leaves its objects": async (store) => {
    await fill(store, "folder/a");
    await store.delete("folder");
    assert.deepEqual(await names(store, ""), ["folder/a"]);
  },
  "delete() frees the name": async (store) => {
    await store.create("a", bytesOf("old"));
    await store.delete("a");
    assert.ok((await store.create("a", bytesOf("new"))).isCreated);
    assert.equal(textOf(await store.get("a")), "new");
  },
  "delete() many at a time leaves the rest": async (store) => {
    const all = Array.from({ length: 20 }, (_, at) => `d/${at}`);
    await fill(store, ...all);
    await Promise.all(all.slice(1).map((name) => store.delete(name)));
    assert.deepEqual(await names(store, ""), ["d/0"]);
  },
};

const BAD_NAMES = ["", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/..", "a\\b", "a b", "ä", "a\0b", "a:b"];

const NAMES: Record<string, Rule> = {
  "names that are not plain segments are refused with a TypeError by every call": async (store) => {
    for (const name of BAD_NAMES) {
      await assert.rejects(() => store.get(name), TypeError, JSON.stringify(name));
      await assert.rejects(() => store.create(name, new Uint8Array(1)), TypeError, JSON.stringify(name));
      await assert.rejects(() => store.delete(name), TypeError, JSON.stringify(name));
    }
    for (const prefix of ["/", "..", "../", "a/../", "a//", "\0"]) {
      await assert.rejects(() => store.list(prefix), TypeError, JSON.stringify(prefix));
    }
    assert.deepEqual(await store.list(""), []);
  },
  "names of all allowed signs work": async (store) => {
    const name = "AZaz09._=-/m.json/part=0-1_2.arrow";
    await fill(store, name);
    assert.deepEqual(await names(store, ""), [name]);
    assert.equal(textOf(await store.get(name)), name);
  },
  "names that differ only in case are different": async (store) => {
    await fill(store, "case/a");
    assert.ok((await store.create("case/A", bytesOf("other"))).isCreated);
    assert.equal(textOf(await store.get("case/a")), "case/a");
  },
};

const CLOSING: Record<string, Rule> = {
  "objects outlive a handle that is closed": async (store, openAgain) => {
    await fill(store, "a");
    await (await openAgain()).close();
    const last = await openAgain();
    assert.equal(textOf(await last.get("a")), "a");
  },
  "close() twice is no error": async (store) => {
    await store.close();
    await store.close();
  },
  "location names the store in one line": (store) => {
    assert.match(store.location, /^[a-z0-9]+:[^\n]*$/);
    return Promise.resolve();
  },
};
