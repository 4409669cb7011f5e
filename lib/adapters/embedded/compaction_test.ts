import { assert, assertEquals, assertRejects } from "@std/assert";
import { setImmediate } from "node:timers";
import { JournalCorruptError } from "../../base/errors.ts";
import { SEGMENT_HEADER_BYTES } from "../../embedded/journal/segment_header.ts";
import { SeededRandom } from "../../../testing/seeded_random.ts";
import { MemoryDisk } from "../memory/memory_disk.ts";
import { openJournal, readJournal, RecordingObserver } from "./journal_fixture_test.ts";
import { replayKeys, runKeys } from "./journal_keys_test.ts";

const turn = () => new Promise<void>((resolve) => void setImmediate(resolve));

const upTo = (count: number) => Array.from({ length: count }, (_, n) => n);

Deno.test("FileJournal takes an entry that comes at any moment of a compaction into the new generation", async () => {
  for (let moment = 0; moment < 150; moment++) {
    const disk = new MemoryDisk();
    const { journal, put } = await openJournal(disk, { compactBytesMin: 300 });
    for (let n = 0; n < 3; n++) put(n, 100);
    journal.sync();
    for (let microtask = 0; microtask < moment; microtask++) await Promise.resolve();
    put(3);
    const synced = journal.sync();
    await turn();
    await synced;
    assertEquals(journal.generation, 2);
    assertEquals(await readJournal(disk.crash()), upTo(4), `moment ${moment}`);
  }
});

Deno.test("FileJournal goes on in the old generation when a compaction fails at any operation", async () => {
  let failures = 0;
  for (let at = 0;; at++) {
    let count = 0;
    const observer = new RecordingObserver();
    const disk = new MemoryDisk({
      inject: ({ kind, path }) => {
        if (!path.startsWith("generation-000002") || kind === "remove") return undefined;
        return count++ === at ? new Error("injected") : undefined;
      },
    });
    const { journal, put } = await openJournal(disk, { compactBytesMin: 300, segmentBytesMax: 200, observer });
    for (let n = 0; n < 3; n++) put(n, 100);
    await journal.sync();
    for (let n = 3; n < 6; n++) {
      put(n);
      await Promise.resolve();
    }
    await journal.sync();
    await turn();
    assertEquals(journal.failure, undefined);
    const left = disk.crash();
    const names = await left.list("");
    assertEquals(await readJournal(left), upTo(6), `operation ${at}`);
    if (count <= at) break;
    failures++;
    assertEquals(journal.generation, 1);
    assertEquals(names, ["format.json", "generation-000001"]);
    assert(observer.lines.some(({ message }) => message.startsWith("Compaction of the journal failed")));
  }
  assert(failures > 5, `operations that failed: ${failures}`);
});

Deno.test("FileJournal makes a journal of few living entries short, and keeps it short", async () => {
  const disk = new MemoryDisk();
  const run = await runKeys(disk, { random: new SeededRandom(2), first: 0, count: 2_000 });
  assertEquals(run.acknowledged, 1_999);
  assert(run.generation > 10);
  assert(disk.usedBytes < 4_000, `${disk.usedBytes} bytes`);
  assertEquals(await replayKeys(disk.crash()), 1_999);
});

Deno.test("FileJournal does not compact again what is all alive before it has grown by the ratio", async () => {
  const disk = new MemoryDisk();
  const { journal, put } = await openJournal(disk, { compactBytesMin: 5_000, compactRatio: 3 });
  let n = 0;
  const grow = async (bytes: number) => {
    for (const start = journal.byteCount; journal.byteCount < start + bytes;) {
      put(n++, 500);
      await journal.sync();
      await turn();
    }
  };
  await grow(5_100);
  assertEquals(journal.generation, 2);
  await grow(8_000);
  assertEquals(journal.generation, 2);
  await grow(3_000);
  assertEquals(journal.generation, 3);
});

Deno.test("FileJournal.close() during a compaction leaves one whole generation, at any moment", async () => {
  for (let moment = 0; moment < 100; moment++) {
    const disk = new MemoryDisk();
    const { journal, put } = await openJournal(disk, { compactBytesMin: 300 });
    for (let n = 0; n < 3; n++) put(n, 100);
    journal.sync();
    for (let microtask = 0; microtask < moment; microtask++) await Promise.resolve();
    await journal.close();
    assertEquals((await disk.list("")).filter((name) => name.startsWith("g")).length, 1);
    assertEquals(await readJournal(disk), upTo(3), `moment ${moment}`);
  }
});

Deno.test("FileJournal refuses a generation whose snapshot is cut, which no crash of ours leaves", async () => {
  const disk = new MemoryDisk();
  const { journal, put } = await openJournal(disk, { compactBytesMin: 300 });
  for (let n = 0; n < 3; n++) put(n, 100);
  await journal.sync();
  await turn();
  assertEquals(journal.generation, 2);
  const path = "generation-000002/segment-00000001";
  const cut = disk.crash();
  await cut.writeAtomic(path, (await cut.read(path))!.subarray(0, SEGMENT_HEADER_BYTES));
  await assertRejects(() => readJournal(cut), JournalCorruptError, "the snapshot that the generation begins with");
});

Deno.test("FileJournal finds at the next start what it could not remove, and removes it", async () => {
  const disk = new MemoryDisk();
  disk.inject = ({ kind }) => kind === "remove" ? new Error("busy") : undefined;
  const observer = new RecordingObserver();
  const { journal, put } = await openJournal(disk, { compactBytesMin: 300, observer });
  for (let n = 0; n < 3; n++) put(n, 100);
  await journal.sync();
  await turn();
  assertEquals(journal.generation, 2);
  assert(observer.lines.some(({ message }) => message.startsWith("Could not remove a generation")));
  const left = disk.crash();
  assertEquals((await left.list("")).length, 3);
  assertEquals(await readJournal(left), upTo(3));
  assertEquals(await left.list(""), ["format.json", "generation-000002"]);
});
