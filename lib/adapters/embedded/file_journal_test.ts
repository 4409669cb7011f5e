import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { BrokerUnavailableError, DiskFullError, JournalCorruptError, StateLockedError } from "../../base/errors.ts";
import { FORMAT_FILE } from "../../embedded/journal/format_file.ts";
import { SEGMENT_HEADER_BYTES } from "../../embedded/journal/segment_header.ts";
import { type DiskOperation, MemoryDisk } from "../memory/memory_disk.ts";
import { openJournal, readJournal, RecordingObserver } from "./journal_fixture_test.ts";

const SEGMENT_1 = "generation-000001/segment-00000001";
const SEGMENT_2 = "generation-000001/segment-00000002";

Deno.test("FileJournal gives back what was appended, in order, with and without payload", async () => {
  const disk = new MemoryDisk();
  const { journal } = await openJournal(disk);
  journal.append({ meta: { n: 0, text: "ä\n" }, payload: null });
  journal.append({ meta: { n: 1 }, payload: Uint8Array.of(1, 2, 3) });
  journal.append({ meta: { n: 2 }, payload: new Uint8Array(0) });
  await journal.close();
  const { entries } = await openJournal(disk);
  assertEquals(entries.map(({ meta, payload }) => [meta, payload === null ? null : [...payload]]), [
    [{ n: 0, text: "ä\n" }, null],
    [{ n: 1 }, [1, 2, 3]],
    [{ n: 2 }, []],
  ]);
});

Deno.test("FileJournal.sync() resolves when what was appended survives a crash, and not before", async () => {
  const disk = new MemoryDisk();
  const { journal, put } = await openJournal(disk);
  put(0);
  let isSynced = false;
  const synced = journal.sync().then(() => isSynced = true);
  assertEquals(isSynced, false);
  await synced;
  put(1);
  assertEquals(await readJournal(disk.crash()), [0]);
});

Deno.test("FileJournal.sync() of nothing new resolves without a write", async () => {
  const disk = new MemoryDisk();
  const { journal, put } = await openJournal(disk);
  put(0);
  await journal.sync();
  const before = disk.operationCount;
  await journal.sync();
  assertEquals(disk.operationCount, before);
});

Deno.test("FileJournal serves all that wait with one write and one sync", async () => {
  const disk = new MemoryDisk();
  const { journal, put } = await openJournal(disk);
  const kinds: string[] = [];
  disk.inject = ({ kind }) => (kinds.push(kind), undefined);
  await Promise.all(Array.from({ length: 50 }, (_, n) => (put(n), journal.sync())));
  assertEquals(kinds, ["append", "sync"]);
  assertEquals((await readJournal(disk.crash())).length, 50);
});

Deno.test("FileJournal writes what is appended during a sync in the next group", async () => {
  const disk = new MemoryDisk();
  const { journal, put } = await openJournal(disk);
  put(0);
  const first = journal.sync();
  await Promise.resolve();
  put(1);
  await first;
  await journal.sync();
  assertEquals(await readJournal(disk.crash()), [0, 1]);
});

Deno.test("FileJournal goes on in a new segment when one is long enough", async () => {
  const disk = new MemoryDisk();
  const { journal, put } = await openJournal(disk, { segmentBytesMax: 200 });
  for (let n = 0; n < 12; n++) {
    put(n);
    await journal.sync();
  }
  assert((await disk.list("generation-000001")).length > 3);
  assertEquals(await readJournal(disk.crash()), Array.from({ length: 12 }, (_, n) => n));
});

Deno.test("FileJournal tells of a recovery after a crash, and only in passing of one after a clean close", async () => {
  const disk = new MemoryDisk();
  const { journal, put } = await openJournal(disk);
  put(0);
  await journal.sync();
  const levelOf = async (on: MemoryDisk) => {
    const observer = new RecordingObserver();
    const opened = await openJournal(on, { observer });
    await opened.journal.close();
    return observer.lines.map(({ level, message }) => `${level}: ${message}`);
  };
  const crashed = disk.crash();
  assertEquals(await levelOf(crashed), ["info: Recovered the journal"]);
  assertEquals(await levelOf(crashed), ["debug: Recovered the journal"]);
});

Deno.test("FileJournal cuts a torn end and tells how many bytes", async () => {
  const disk = new MemoryDisk();
  const { journal, put } = await openJournal(disk);
  put(0);
  await journal.sync();
  const end = (await disk.read(SEGMENT_1))!.length;
  put(1);
  disk.inject = ({ kind }) => kind === "sync" ? "crash" : undefined;
  journal.sync();
  await new Promise((resolve) => setTimeout(resolve, 1));
  const next = disk.crash((_, unsynced) => unsynced.length - 5);
  const observer = new RecordingObserver();
  const { entries } = await openJournal(next, { observer });
  assertEquals(entries.map((entry) => entry.meta.n), [0]);
  assertEquals((await next.read(SEGMENT_1))!.length, end);
  const line = observer.lines.find(({ level }) => level === "warn")!;
  assertStringIncludes(line.message, `Cut ${line.detail.cutBytes} bytes`);
  assertEquals(line.detail.path, `memory:/${SEGMENT_1}`);
});

Deno.test("FileJournal refuses damage that an intact frame follows, names the place and changes nothing", async () => {
  const disk = new MemoryDisk();
  const { journal, put } = await openJournal(disk);
  for (let n = 0; n < 3; n++) {
    put(n);
    await journal.sync();
  }
  const damaged = disk.crash();
  const bytes = (await damaged.read(SEGMENT_1))!;
  bytes[SEGMENT_HEADER_BYTES + 50]! ^= 1;
  await damaged.writeAtomic(SEGMENT_1, bytes);
  const error = await assertRejects(() => openJournal(damaged), JournalCorruptError);
  assertStringIncludes(error.message, `memory:/${SEGMENT_1}, at position ${SEGMENT_HEADER_BYTES}`);
  assertStringIncludes(error.message, "an intact frame behind it");
  assertEquals([...(await damaged.read(SEGMENT_1))!], [...bytes]);
  await assertRejects(() => openJournal(damaged), JournalCorruptError); // and the lock was given free
});

async function twoSegments(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const { journal, put } = await openJournal(disk, { segmentBytesMax: 90 });
  for (let n = 0; n < 2; n++) {
    put(n);
    await journal.sync();
  }
  assertEquals((await disk.list("generation-000001")).length, 2);
  return disk.crash();
}

Deno.test("FileJournal refuses a segment before the last that is shortened at a frame, damaged or gone", async () => {
  const shortened = await twoSegments();
  await shortened.writeAtomic(SEGMENT_1, (await shortened.read(SEGMENT_1))!.subarray(0, SEGMENT_HEADER_BYTES));
  await assertRejects(() => openJournal(shortened), JournalCorruptError, "previousLength");
  const damaged = await twoSegments();
  const bytes = (await damaged.read(SEGMENT_1))!;
  bytes[bytes.length - 1]! ^= 1;
  await damaged.writeAtomic(SEGMENT_1, bytes);
  await assertRejects(() => openJournal(damaged), JournalCorruptError, "a later segment behind it");
  const gone = await twoSegments();
  await gone.remove(SEGMENT_1);
  await assertRejects(() => openJournal(gone), JournalCorruptError, "segment 1 is missing");
});

Deno.test("FileJournal refuses an empty segment, a swapped one and a generation without any", async () => {
  const empty = await twoSegments();
  await empty.writeAtomic(SEGMENT_2, new Uint8Array(0));
  await assertRejects(() => openJournal(empty), JournalCorruptError, "the file has 0 bytes");
  const swapped = await twoSegments();
  await swapped.writeAtomic(SEGMENT_2, (await swapped.read(SEGMENT_1))!);
  await assertRejects(
    () => openJournal(swapped),
    JournalCorruptError,
    "the header's segment is 1, where 2 was expected",
  );
  const none = await twoSegments();
  await none.remove("generation-000001");
  await assertRejects(() => openJournal(none), JournalCorruptError, "the generation's segments are missing");
});

Deno.test("FileJournal refuses records whose format file is gone, and a newer format", async () => {
  const gone = await twoSegments();
  await gone.remove(FORMAT_FILE);
  await assertRejects(() => openJournal(gone), JournalCorruptError, "format.json is missing");
  const newer = await twoSegments();
  const format = JSON.parse(new TextDecoder().decode(await newer.read(FORMAT_FILE)));
  await newer.writeAtomic(FORMAT_FILE, new TextEncoder().encode(JSON.stringify({ ...format, version: 9 })));
  await assertRejects(() => openJournal(newer), JournalCorruptError, "its version is 9, this release reads 1");
});

Deno.test("FileJournal.open() begins anew after a first start that was interrupted at any point", async () => {
  for (let crashAt = 0;; crashAt++) {
    const disk = new MemoryDisk({ inject: ({ index }) => index === crashAt ? "crash" : undefined });
    const opening = openJournal(disk);
    await Promise.race([opening, new Promise((resolve) => setTimeout(resolve, 2))]);
    if (!disk.isDead) break;
    const { put, journal } = await openJournal(disk.crash());
    put(1);
    await journal.close();
  }
});

Deno.test("FileJournal.open() of a journal that is open names its holder", async () => {
  const disk = new MemoryDisk();
  const { journal } = await openJournal(disk);
  await assertRejects(() => openJournal(disk), StateLockedError, "held by 'a test'");
  await journal.close();
  await (await openJournal(disk)).journal.close();
});

Deno.test("FileJournal on a full disk rejects with DiskFullError, accepts nothing more and keeps what is durable", async () => {
  const disk = new MemoryDisk();
  const { journal, put } = await openJournal(disk);
  put(0);
  await journal.sync();
  disk.capacityBytes = disk.usedBytes + 10;
  put(1);
  await assertRejects(() => journal.sync(), DiskFullError);
  assertThrows(() => put(2), DiskFullError);
  await assertRejects(() => journal.sync(), DiskFullError);
  assert(journal.failure instanceof DiskFullError);
  await journal.close();
  disk.capacityBytes = Infinity;
  assertEquals(await readJournal(disk), [0]);
});

Deno.test("FileJournal never takes a second sync for success after one failed", async () => {
  const disk = new MemoryDisk();
  const { journal, put } = await openJournal(disk);
  let failures = 1;
  disk.inject = ({ kind }) => kind === "sync" && failures-- > 0 ? new Error("input/output error") : undefined;
  put(0);
  const error = await assertRejects(() => journal.sync(), BrokerUnavailableError, "input/output error");
  assertEquals((error as BrokerUnavailableError).outcome, "unknown");
  assertThrows(() => put(1), BrokerUnavailableError);
  await assertRejects(() => journal.sync(), BrokerUnavailableError);
  await journal.close();
});

Deno.test("FileJournal rejects everybody who waits when a write fails", async () => {
  const disk = new MemoryDisk();
  const { journal, put } = await openJournal(disk);
  disk.inject = ({ kind }) => kind === "append" ? new Error("gone") : undefined;
  put(0);
  const first = journal.sync();
  put(1);
  const results = await Promise.allSettled([first, journal.sync()]);
  assertEquals(results.map((result) => result.status), ["rejected", "rejected"]);
});

Deno.test("FileJournal.close() writes what is pending, can be called twice and refuses later entries", async () => {
  const disk = new MemoryDisk();
  const { journal, put } = await openJournal(disk);
  put(0);
  await journal.close();
  await journal.close();
  assertThrows(() => put(1), BrokerUnavailableError, "it is closed");
  assertEquals(await readJournal(disk), [0]);
});

Deno.test("FileJournal notices a lost end after a clean close, because the mark of the end stands behind it", async () => {
  const disk = new MemoryDisk();
  const { journal, put } = await openJournal(disk);
  put(0);
  await journal.close();
  const bytes = (await disk.read(SEGMENT_1))!;
  bytes[SEGMENT_HEADER_BYTES + 46]! ^= 1;
  await disk.writeAtomic(SEGMENT_1, bytes);
  await assertRejects(() => openJournal(disk), JournalCorruptError, "an intact frame behind it");
});

Deno.test("FileJournal keeps a journal below a directory of the disk", async () => {
  const disk = new MemoryDisk();
  const { journal, put } = await openJournal(disk, { directory: "a/b" });
  put(0);
  await journal.close();
  assertEquals(await disk.list("a/b"), [FORMAT_FILE, "generation-000001"]);
  const { entries } = await openJournal(disk, { directory: "a/b" });
  assertEquals(entries.length, 1);
});

Deno.test("FileJournal operations are one lock, reads, then only appends and syncs", async () => {
  const disk = new MemoryDisk();
  const operations: DiskOperation["kind"][] = [];
  disk.inject = ({ kind }) => (operations.push(kind), undefined);
  const { journal, put } = await openJournal(disk);
  const before = operations.length;
  for (let n = 0; n < 3; n++) {
    put(n);
    await journal.sync();
  }
  assertEquals(operations[0], "lock");
  assertEquals(operations.slice(before), ["append", "sync", "append", "sync", "append", "sync"]);
});
