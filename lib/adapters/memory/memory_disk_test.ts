import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { DiskFullError, DiskUnavailableError, StateLockedError } from "../../base/errors.ts";
import { registerContract } from "../../../testing/contracts/contract.ts";
import { localDiskContract } from "../../../testing/contracts/local_disk_contract.ts";
import { MemoryDisk } from "./memory_disk.ts";

registerContract(
  "MemoryDisk",
  localDiskContract({
    open: () => Promise.resolve(new MemoryDisk()),
    restart: (disk) => Promise.resolve((disk as MemoryDisk).crash()),
  }),
);

const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = async (disk: MemoryDisk, path: string) => {
  const bytes = await disk.read(path);
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
};

async function halfSynced(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const file = await disk.open("log");
  await file.append([bytesOf("synced")]);
  await file.sync();
  await file.append([bytesOf("volatile")]);
  return disk;
}

Deno.test("MemoryDisk.crash() loses, keeps, tears or scrambles what was not synced, and nothing else", async () => {
  assertEquals(await textOf((await halfSynced()).crash(), "log"), "synced");
  assertEquals(await textOf((await halfSynced()).crash((_, unsynced) => unsynced.length), "log"), "syncedvolatile");
  assertEquals(await textOf((await halfSynced()).crash(() => 3), "log"), "syncedvol");
  assertEquals(await textOf((await halfSynced()).crash(() => bytesOf("????")), "log"), "synced????");
});

Deno.test("MemoryDisk.crash() asks for a fate only where something was not synced", async () => {
  const disk = await halfSynced();
  await disk.writeAtomic("whole", bytesOf("x"));
  const asked: string[] = [];
  disk.crash((path, unsynced) => (asked.push(`${path} ${unsynced.length}`), 0));
  assertEquals(asked, ["log 8"]);
});

Deno.test("MemoryDisk.crash() leaves the old process hanging, without effect, and frees its locks", async () => {
  const disk = await halfSynced();
  await disk.lock("d", "old");
  const file = await disk.open("log");
  const next = disk.crash();
  let settled = 0;
  for (const call of [disk.read("log"), disk.writeAtomic("log", bytesOf("late")), file.append([bytesOf("late")])]) {
    call.finally(() => settled++);
  }
  await new Promise((resolve) => setTimeout(resolve, 1));
  assertEquals(settled, 0);
  assertEquals(await textOf(next, "log"), "synced");
  await (await next.lock("d", "new")).release();
});

Deno.test("MemoryDisk injects an error into the operation that is asked for, which then has no effect", async () => {
  const disk = new MemoryDisk();
  disk.inject = ({ kind, path }) => kind === "replace" && path === "b" ? new Error("no") : undefined;
  await disk.writeAtomic("a", bytesOf("1"));
  await assertRejects(() => disk.writeAtomic("b", bytesOf("1")), Error, "no");
  assertEquals(await disk.list(""), ["a"]);
});

Deno.test("MemoryDisk poisons a file whose sync failed: a later sync must not claim what was lost", async () => {
  const disk = new MemoryDisk();
  const file = await disk.open("log");
  await file.append([bytesOf("x")]);
  let failures = 1;
  disk.inject = ({ kind }) => kind === "sync" && failures-- > 0 ? new Error("input/output error") : undefined;
  await assertRejects(() => file.sync(), Error, "input/output error");
  await assertRejects(() => file.sync(), DiskUnavailableError, "what is durable is not known");
  await assertRejects(() => file.append([bytesOf("y")]), DiskUnavailableError);
  assertEquals((await file.read(0, 9)).length, 1);
  assertEquals(await textOf(disk.crash(), "log"), "");
});

Deno.test("MemoryDisk is dead from the operation on at which a crash was asked for", async () => {
  const disk = new MemoryDisk({ inject: ({ index }) => index === 1 ? "crash" : undefined });
  await disk.writeAtomic("a", bytesOf("1"));
  let isSettled = false;
  disk.writeAtomic("b", bytesOf("1")).finally(() => isSettled = true);
  await new Promise((resolve) => setTimeout(resolve, 1));
  assert(disk.isDead && !isSettled);
  assertEquals(await disk.crash().list(""), ["a"]);
});

Deno.test("MemoryDisk is full at its capacity, keeps what is there and goes on when space is freed", async () => {
  const disk = new MemoryDisk({ capacityBytes: 10 });
  const file = await disk.open("log");
  await file.append([bytesOf("12345678")]);
  await assertRejects(() => file.append([bytesOf("abc")]), DiskFullError, "memory:/log");
  assertEquals(file.size, 8);
  await assertRejects(() => disk.writeAtomic("f", bytesOf("abc")), DiskFullError);
  assertEquals(await disk.read("f"), undefined);
  await file.truncate(4);
  await file.append([bytesOf("abc")]);
  assertEquals(await textOf(disk, "log"), "1234abc");
  disk.capacityBytes = 100;
  await disk.writeAtomic("f", bytesOf("abc"));
});

Deno.test("MemoryDisk.lock() names the holder", async () => {
  const disk = new MemoryDisk();
  await disk.lock("d", "one");
  await assertRejects(() => disk.lock("d", "two"), StateLockedError, "it is held by 'one'");
});

Deno.test("MemoryDisk.restart() keeps every byte, of which a later crash may still take those that were not synced", async () => {
  const disk = await halfSynced();
  await disk.lock("d", "old");
  const next = disk.restart();
  assert(disk.isDead && !next.isDead);
  assertEquals(next.files(), [{ path: "log", size: 14, syncedSize: 6 }]);
  await (await next.lock("d", "new")).release();
  assertEquals(await textOf(next, "log"), "syncedvolatile");
  assertEquals(await textOf(next.crash(), "log"), "synced");
});

Deno.test("MemoryDisk.damage() changes or removes a file behind the process's back", async () => {
  const disk = await halfSynced();
  await disk.writeAtomic("a", bytesOf("x"));
  const { operationCount } = disk;
  disk.damage("log", (bytes) => bytes.with(0, 83));
  assertEquals(await textOf(disk, "log"), "Syncedvolatile");
  disk.damage("a", () => undefined);
  assertEquals([disk.files().map(({ path }) => path), disk.file("a")], [["log"], undefined]);
  assertThrows(() => disk.damage("a", (bytes) => bytes), RangeError, "current value is a");
  assertThrows(() => disk.damage("log", () => bytesOf("x")), RangeError, "current value is 1");
  assertEquals(disk.operationCount, operationCount + 1, "only the read was an operation");
});
