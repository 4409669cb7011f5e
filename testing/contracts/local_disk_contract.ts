import assert from "node:assert/strict";
import { StateLockedError } from "../../lib/base/errors.ts";
import type { LocalDisk } from "../../lib/seams/local_disk.ts";
import { SeededRandom } from "../seeded_random.ts";
import type { ContractCase } from "./contract.ts";

/** Makes disks for {@linkcode localDiskContract}. */
export interface LocalDiskContractOptions {
  /** Opens a disk that holds nothing. */
  open(): Promise<LocalDisk>;
  /** The same files as a process sees them that starts now. What was synced must be there. */
  restart(disk: LocalDisk): Promise<LocalDisk>;
  /** Called with the first disk when a case is over. @default {does nothing} */
  dispose?(disk: LocalDisk): Promise<void>;
}

type Rule = (disk: LocalDisk, restart: () => Promise<LocalDisk>) => Promise<void>;

/**
 * The rules of a `LocalDisk`.
 *
 * @param options Makes disks.
 * @returns 36 cases, to be registered with `registerContract`.
 */
export function localDiskContract(options: LocalDiskContractOptions): readonly ContractCase[] {
  const rules = { ...APPENDING, ...READING, ...CUTTING, ...WHOLE_FILES, ...FOLDERS, ...LOCKS };
  return Object.entries(rules).map(([name, rule]) => ({ name, run: () => runRule(rule, options) }));
}

async function runRule(rule: Rule, options: LocalDiskContractOptions): Promise<void> {
  const disk = await options.open();
  try {
    await rule(disk, () => options.restart(disk));
  } finally {
    await options.dispose?.(disk);
  }
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : new TextDecoder().decode(bytes);

async function append(disk: LocalDisk, path: string, ...parts: string[]): Promise<void> {
  const file = await disk.open(path);
  await file.append(parts.map(bytesOf));
  await file.sync();
  await file.close();
}

const APPENDING: Record<string, Rule> = {
  "open() creates a missing file and its directories": async (disk) => {
    const file = await disk.open("a/b/c");
    assert.equal(file.size, 0);
    await file.close();
    assert.deepEqual(await disk.list("a/b"), ["c"]);
  },
  "open() of a file that is there keeps its content and tells its size": async (disk) => {
    await append(disk, "log", "12345");
    const file = await disk.open("log");
    assert.equal(file.size, 5);
    assert.equal(textOf(await file.read(0, 5)), "12345");
    await file.close();
  },
  "append() puts the parts one behind the other": async (disk) => {
    const file = await disk.open("log");
    await file.append([bytesOf("ab"), new Uint8Array(0), bytesOf("c")]);
    await file.append([bytesOf("def")]);
    assert.equal(textOf(await file.read(0, 99)), "abcdef");
    await file.close();
  },
  "append() counts into the size before any sync": async (disk) => {
    const file = await disk.open("log");
    await file.append([bytesOf("abc")]);
    assert.equal(file.size, 3);
    await file.close();
  },
  "append() of nothing changes nothing": async (disk) => {
    const file = await disk.open("log");
    await file.append([]);
    await file.append([new Uint8Array(0)]);
    assert.equal(file.size, 0);
    await file.close();
  },
  "append() takes parts of megabytes": async (disk) => {
    const large = new SeededRandom(3).bytes(2_500_000);
    const file = await disk.open("log");
    await file.append([bytesOf("x"), large, bytesOf("y")]);
    assert.equal(file.size, large.length + 2);
    const read = await file.read(1, large.length);
    assert.ok(read.length === large.length && read.every((byte, at) => byte === large[at]));
    await file.close();
  },
  "append() calls that are not awaited keep their order": async (disk) => {
    const file = await disk.open("log");
    await Promise.all(Array.from({ length: 10 }, (_, at) => file.append([bytesOf(String(at))])));
    assert.equal(textOf(await file.read(0, 10)), "0123456789");
    await file.close();
  },
  "sync() makes appended bytes survive a restart": async (disk, restart) => {
    await append(disk, "d/log", "kept");
    assert.equal(textOf(await (await restart()).read("d/log")), "kept");
  },
  "sync() of an empty file makes it survive a restart": async (disk, restart) => {
    await (await disk.open("d/empty")).close();
    assert.equal((await (await restart()).read("d/empty"))?.length, 0);
  },
  "sync() twice and without appends is no error": async (disk) => {
    const file = await disk.open("log");
    await file.sync();
    await file.append([bytesOf("a")]);
    await file.sync();
    await file.sync();
    await file.close();
  },
};

const READING: Record<string, Rule> = {
  "read() in the middle gives exactly the range": async (disk) => {
    await append(disk, "log", "0123456789");
    const file = await disk.open("log");
    assert.equal(textOf(await file.read(3, 4)), "3456");
    await file.close();
  },
  "read() at the end gives fewer bytes, behind it none": async (disk) => {
    await append(disk, "log", "0123456789");
    const file = await disk.open("log");
    assert.equal(textOf(await file.read(8, 10)), "89");
    assert.equal((await file.read(10, 1)).length, 0);
    assert.equal((await file.read(500, 1)).length, 0);
    await file.close();
  },
  "read() gives bytes of its own": async (disk) => {
    await append(disk, "log", "abc");
    const file = await disk.open("log");
    (await file.read(0, 3)).fill(0);
    assert.equal(textOf(await file.read(0, 3)), "abc");
    await file.close();
  },
  "read() of a whole missing file is undefined": async (disk) => {
    assert.equal(await disk.read("nothing"), undefined);
    assert.equal(await disk.read("no/such/folder/file"), undefined);
  },
  "read() of a whole file sees bytes that are not synced": async (disk) => {
    const file = await disk.open("log");
    await file.append([bytesOf("abc")]);
    assert.equal(textOf(await disk.read("log")), "abc");
    await file.close();
  },
};

const CUTTING: Record<string, Rule> = {
  "truncate() cuts, and the next append goes on there": async (disk) => {
    await append(disk, "log", "0123456789");
    const file = await disk.open("log");
    await file.truncate(4);
    assert.equal(file.size, 4);
    await file.append([bytesOf("X")]);
    assert.equal(textOf(await file.read(0, 99)), "0123X");
    await file.close();
  },
  "truncate() survives a restart": async (disk, restart) => {
    await append(disk, "log", "0123456789");
    const file = await disk.open("log");
    await file.truncate(2);
    await file.close();
    assert.equal(textOf(await (await restart()).read("log")), "01");
  },
  "truncate() to the present size and to nothing is no error": async (disk) => {
    await append(disk, "log", "abc");
    const file = await disk.open("log");
    await file.truncate(3);
    await file.truncate(0);
    assert.equal(file.size, 0);
    await file.close();
  },
  "truncate() above the present size is a RangeError": async (disk) => {
    const file = await disk.open("log");
    await assert.rejects(() => file.truncate(1), RangeError);
    await file.close();
  },
  "a closed file takes no more bytes, and closing twice is no error": async (disk) => {
    const file = await disk.open("log");
    await file.close();
    await file.close();
    await assert.rejects(() => file.append([bytesOf("a")]), /the file is closed/);
    await assert.rejects(() => file.sync(), /the file is closed/);
  },
};

const WHOLE_FILES: Record<string, Rule> = {
  "writeAtomic() creates directories, replaces content and survives a restart": async (disk, restart) => {
    await disk.writeAtomic("a/b/current", bytesOf("first and long"));
    await disk.writeAtomic("a/b/current", bytesOf("second"));
    assert.equal(textOf(await disk.read("a/b/current")), "second");
    assert.equal(textOf(await (await restart()).read("a/b/current")), "second");
  },
  "writeAtomic() shows a reader the old or the new content, never a mixture": async (disk) => {
    const contents = [new Uint8Array(200_000).fill(1), new Uint8Array(300_000).fill(2)];
    await disk.writeAtomic("f", contents[0]!);
    let isDone = false;
    const writing = (async () => {
      for (let round = 1; round <= 6; round++) await disk.writeAtomic("f", contents[round % 2]!);
    })().finally(() => isDone = true);
    while (!isDone) {
      const seen = (await disk.read("f"))!;
      assert.equal(seen.length, contents[seen[0]! - 1]!.length);
      assert.ok(seen.every((byte) => byte === seen[0]));
    }
    await writing;
  },
  "createExclusive() creates once, keeps the first content and survives a restart": async (disk, restart) => {
    assert.equal(await disk.createExclusive("x/format", bytesOf("1")), true);
    assert.equal(await disk.createExclusive("x/format", bytesOf("2")), false);
    assert.equal(textOf(await (await restart()).read("x/format")), "1");
  },
  "createExclusive() of one name by 16 has exactly one winner": async (disk) => {
    const results = await Promise.all(
      Array.from({ length: 16 }, (_, at) => disk.createExclusive("race", bytesOf(String(at)))),
    );
    assert.deepEqual(results.filter((isCreated) => isCreated), [true]);
    assert.equal(textOf(await disk.read("race")), String(results.indexOf(true)));
  },
  "a file made whole can be opened and appended to": async (disk) => {
    await disk.createExclusive("log", bytesOf("head"));
    await append(disk, "log", "+tail");
    assert.equal(textOf(await disk.read("log")), "head+tail");
  },
};

const FOLDERS: Record<string, Rule> = {
  "list() is sorted, one level deep, with files and directories": async (disk) => {
    for (const path of ["b/x/y", "a", "c", "b/z", "B"]) await disk.writeAtomic(path, new Uint8Array(0));
    assert.deepEqual(await disk.list(""), ["B", "a", "b", "c"]);
    assert.deepEqual(await disk.list("b"), ["x", "z"]);
  },
  "list() of a missing directory is empty": async (disk) => {
    assert.deepEqual(await disk.list("no/such"), []);
    assert.deepEqual(await disk.list(""), []);
  },
  "list() shows nothing of locks or of writes aside": async (disk) => {
    const lock = await disk.lock("d", "a test");
    await disk.writeAtomic("d/f", bytesOf("1"));
    assert.deepEqual(await disk.list("d"), ["f"]);
    await lock.release();
    assert.deepEqual(await disk.list("d"), ["f"]);
  },
  "remove() takes a file, or a directory with all below it, for good": async (disk, restart) => {
    for (const path of ["g1/a", "g1/deep/b", "g2/a", "g10"]) await disk.writeAtomic(path, bytesOf("x"));
    await disk.remove("g1");
    await disk.remove("g10");
    assert.deepEqual(await disk.list(""), ["g2"]);
    assert.deepEqual(await (await restart()).list(""), ["g2"]);
  },
  "remove() of what is not there is no error": async (disk) => {
    await disk.remove("nothing");
    await disk.remove("no/such/file");
  },
  "paths that could lead out of the root are refused with a TypeError": async (disk) => {
    for (const path of ["../a", "/a", "a/../../b", "a//b", "a/.", "a\\b", "c:d", "a\0b"]) {
      await assert.rejects(() => disk.open(path), TypeError, path);
      await assert.rejects(() => disk.read(path), TypeError, path);
      await assert.rejects(() => disk.list(path), TypeError, path);
      await assert.rejects(() => disk.writeAtomic(path, bytesOf("x")), TypeError, path);
      await assert.rejects(() => disk.createExclusive(path, bytesOf("x")), TypeError, path);
      await assert.rejects(() => disk.remove(path), TypeError, path);
      await assert.rejects(() => disk.lock(path, "a test"), TypeError, path);
    }
  },
};

const LOCKS: Record<string, Rule> = {
  "lock() refuses the second, and names the first and the directory": async (disk) => {
    const lock = await disk.lock("d", "the first one");
    await assert.rejects(() => disk.lock("d", "the second"), (error: Error) => {
      assert.ok(error instanceof StateLockedError);
      assert.match(error.message, /'the first one'/);
      assert.match(error.message, /\bd\b/);
      return true;
    });
    await lock.release();
  },
  "lock() is free again after release(), many times over": async (disk) => {
    for (let round = 0; round < 5; round++) await (await disk.lock("d", `round ${round}`)).release();
  },
  "lock() of one directory leaves others free": async (disk) => {
    const locks = [await disk.lock("d1", "one"), await disk.lock("d2", "two")];
    for (const lock of locks) await lock.release();
  },
  "lock() by 12 at a time has exactly one winner, before and after a release": async (disk) => {
    for (let round = 0; round < 3; round++) {
      const results = await Promise.allSettled(Array.from({ length: 12 }, (_, at) => disk.lock("d", `starter ${at}`)));
      const winners = results.filter((result) => result.status === "fulfilled");
      assert.equal(winners.length, 1);
      for (const result of results) {
        if (result.status === "rejected") assert.ok(result.reason instanceof StateLockedError);
      }
      await winners[0]!.value.release();
    }
  },
  "release() twice does not free the lock of the next holder": async (disk) => {
    const first = await disk.lock("d", "first");
    await first.release();
    const second = await disk.lock("d", "second");
    await first.release();
    await assert.rejects(() => disk.lock("d", "third"), StateLockedError);
    await second.release();
  },
};
