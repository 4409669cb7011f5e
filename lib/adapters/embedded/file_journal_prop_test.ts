import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { JournalCorruptError } from "../../base/errors.ts";
import { FORMAT_FILE } from "../../embedded/journal/format_file.ts";
import { FRAME_HEADER_BYTES } from "../../embedded/journal/frame.ts";
import { SEGMENT_HEADER_BYTES } from "../../embedded/journal/segment_header.ts";
import { SeededRandom } from "../../../testing/seeded_random.ts";
import { type CrashFate, type DiskOperation, MemoryDisk } from "../memory/memory_disk.ts";
import { openJournal, readJournal } from "./journal_fixture_test.ts";
import { replayKeys, runKeys } from "./journal_keys_test.ts";

const FOLDER = "generation-000001";

/** A history of groups, each durable before the next: its disk, its last segment, and where each group ends in that. */
interface History {
  readonly disk: MemoryDisk;
  readonly path: string;
  readonly bytes: Uint8Array;
  /** Numbers in earlier segments. */
  readonly before: number[];
  /** Groups of the last segment. */
  readonly groups: { readonly end: number; readonly numbers: number[] }[];
}

async function writeHistory(groups: readonly (readonly number[])[], segmentBytesMax: number): Promise<History> {
  const disk = new MemoryDisk();
  const { journal, put } = await openJournal(disk, { segmentBytesMax });
  let path = "";
  let before: number[] = [];
  let ends: { end: number; numbers: number[] }[] = [];
  let n = 0;
  for (const payloads of groups) {
    const numbers: number[] = [];
    for (const payload of payloads) {
      put(n, payload);
      numbers.push(n++);
    }
    await journal.sync();
    const last = `${FOLDER}/${(await disk.list(FOLDER)).at(-1)!}`;
    if (last !== path) {
      before = [...before, ...ends.flatMap((group) => group.numbers)];
      ends = [];
      path = last;
    }
    ends.push({ end: (await disk.read(path))!.length, numbers });
  }
  const crashed = disk.crash();
  return { disk: crashed, path, bytes: (await crashed.read(path))!, before, groups: ends };
}

/** The disk of a history with another last segment, without touching the history. */
async function withLast(history: History, bytes: Uint8Array): Promise<MemoryDisk> {
  const disk = history.disk.crash();
  await disk.writeAtomic(history.path, bytes);
  return disk;
}

/** What must be found when everything from `position` on in the last segment cannot be trusted. */
function trusted(history: History, position: number): number[] {
  const whole = history.groups.filter((group) => group.end <= position).flatMap((group) => group.numbers);
  return [...history.before, ...whole];
}

async function checkCut(history: History, length: number): Promise<void> {
  const disk = await withLast(history, history.bytes.subarray(0, length));
  if (length < SEGMENT_HEADER_BYTES) {
    await assertRejects(() => readJournal(disk), JournalCorruptError, history.path);
    return;
  }
  const expected = trusted(history, length);
  const { journal, entries, put } = await openJournal(disk);
  assertEquals(entries.map((entry) => entry.meta.n), expected, `cut at ${length}`);
  put(777);
  await journal.close();
  assertEquals(await readJournal(disk), [...expected, 777]);
}

async function checkFlip(history: History, at: number, mask: number): Promise<void> {
  const bytes = history.bytes.slice();
  bytes[at]! ^= mask;
  const disk = await withLast(history, bytes);
  const lastGroupAt = history.groups.at(-2)?.end ?? SEGMENT_HEADER_BYTES;
  if (at < lastGroupAt) {
    await assertRejects(() => readJournal(disk), JournalCorruptError, `${history.path}, at position`);
    assertEquals(await disk.read(history.path), bytes, "nothing is changed");
    return;
  }
  assertEquals(await readJournal(disk), trusted(history, at), `bit of ${at} flipped`);
}

const SMALL = [[0], [3], [0, 5], [0], [7, 0], [1]];

Deno.test("FileJournal cut at any byte of the last segment gives exactly the groups before, or says what is wrong", async () => {
  for (const segmentBytesMax of [200, 10_000]) {
    const history = await writeHistory(SMALL, segmentBytesMax);
    for (let length = 0; length <= history.bytes.length; length++) await checkCut(history, length);
  }
});

Deno.test("FileJournal with any bit of the last segment flipped gives exactly the groups before, or says what is wrong", async () => {
  for (const segmentBytesMax of [200, 10_000]) {
    const history = await writeHistory(SMALL, segmentBytesMax);
    for (let at = 0; at < history.bytes.length; at++) {
      for (let bit = 0; bit < 8; bit++) await checkFlip(history, at, 1 << bit);
    }
  }
});

const anyGroups = fc.array(
  fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 300 })), { minLength: 1, maxLength: 5 }),
  {
    minLength: 1,
    maxLength: 12,
  },
);

Deno.test("FileJournal with any history, cut or flipped anywhere in its end, never loses what stands before", async () => {
  await fc.assert(
    fc.asyncProperty(
      anyGroups,
      fc.integer({ min: 100, max: 2_000 }),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      async (
        groups,
        segmentBytesMax,
        place,
        mask,
      ) => {
        const history = await writeHistory(groups, segmentBytesMax);
        await checkCut(history, place % (history.bytes.length + 1));
        await checkFlip(history, place % history.bytes.length, mask);
      },
    ),
    { numRuns: 150 },
  );
});

Deno.test("FileJournal with bytes of its last group replaced by zeros or noise gives exactly the groups before", async () => {
  await fc.assert(
    fc.asyncProperty(anyGroups, fc.nat(), fc.nat(), fc.nat(), async (groups, from, length, seed) => {
      const history = await writeHistory(groups, 10_000);
      const start = history.groups.at(-2)?.end ?? SEGMENT_HEADER_BYTES;
      const at = start + from % (history.bytes.length - start);
      const bytes = history.bytes.slice();
      const noise = seed % 2 === 0 ? new Uint8Array(bytes.length) : new SeededRandom(seed).bytes(bytes.length);
      const end = Math.min(bytes.length, at + 1 + length % 600);
      bytes.set(noise.subarray(at, end), at);
      const isUnchanged = bytes.every((byte, index) => byte === history.bytes[index]);
      const expected = trusted(history, isUnchanged ? bytes.length : start);
      assertEquals(await readJournal(await withLast(history, bytes)), expected);
    }),
    { numRuns: 150 },
  );
});

Deno.test("FileJournal refuses any flipped bit of its format file", async () => {
  const { disk } = await writeHistory([[0]], 10_000);
  const format = (await disk.read(FORMAT_FILE))!;
  for (let at = 0; at < format.length - 1; at++) {
    const damaged = disk.crash();
    await damaged.writeAtomic(FORMAT_FILE, format.map((byte, index) => index === at ? byte ^ 4 : byte));
    await assertRejects(() => readJournal(damaged), JournalCorruptError, FORMAT_FILE.slice(0, 0));
  }
});

/** Fates of unsynced bytes, as drawn by a seed: lost, kept, torn at a byte or at a page, or partly scrambled. */
function drawnFate(random: SeededRandom): CrashFate {
  return (_path, unsynced) => {
    switch (random.integer(0, 4)) {
      case 0:
        return 0;
      case 1:
        return unsynced.length;
      case 2:
        return random.integer(0, unsynced.length);
      case 3:
        return unsynced.length - unsynced.length % 4_096;
      default: {
        const from = random.integer(0, unsynced.length - 1);
        return unsynced.map((byte, at) => at >= from && at < from + 512 ? 0 : byte);
      }
    }
  };
}

Deno.test("FileJournal keeps everything acknowledged over any sequence of crashes, compactions among them", async () => {
  let compactions = 0;
  await fc.assert(
    fc.asyncProperty(fc.integer(), fc.array(fc.nat(120), { minLength: 1, maxLength: 4 }), async (seed, crashes) => {
      const random = new SeededRandom(seed);
      let disk = new MemoryDisk();
      let durable = -1;
      let next = 0;
      for (const crashAt of crashes) {
        disk.inject = ({ index }) => index === crashAt ? "crash" : undefined;
        const run = await runKeys(disk, { random, first: next, count: 40 });
        compactions += Math.max(0, run.generation - 1);
        disk = disk.crash(drawnFate(random));
        const found = await replayKeys(disk.crash());
        assert(found >= Math.max(durable, run.acknowledged), `found ${found}, acknowledged ${run.acknowledged}`);
        assert(found < run.next, "nothing is found that was never written");
        durable = found;
        next = found + 1;
      }
    }),
    { numRuns: 200 },
  );
  assert(compactions > 50, `compactions happened: ${compactions}`);
});

/** Runs a scenario with several compactions, with a verdict for operation `at`; tells what it acknowledged. */
async function scenario(at: number, verdict: Error | "crash", kinds: DiskOperation["kind"][] = []) {
  const disk = new MemoryDisk({
    inject: ({ index, kind }) => {
      kinds.push(kind);
      return index === at ? verdict : undefined;
    },
  });
  return { disk, run: await runKeys(disk, { random: new SeededRandom(5), first: 0, count: 40 }) };
}

Deno.test("FileJournal crashed at every operation of a run with compactions leaves one whole generation", async () => {
  const kinds: DiskOperation["kind"][] = [];
  const whole = await scenario(-1, "crash", kinds);
  assertEquals(whole.run.acknowledged, 39);
  assert(whole.run.generation > 2, "the scenario compacts more than once");
  const fates: CrashFate[] = [() => 0, (_, unsynced) => unsynced.length, (_, unsynced) => unsynced.length >> 1];
  for (let at = 0; at < kinds.length; at++) {
    const { disk, run } = await scenario(at, "crash");
    assert(disk.isDead, `operation ${at} of ${kinds.length} happens`);
    for (const fate of fates) {
      const left = disk.crash(fate);
      const found = await replayKeys(left);
      assert(found >= run.acknowledged && found < run.next, `crash at ${at} (${kinds[at]}): ${found}`);
      const generations = (await left.list("")).filter((name) => name.startsWith("generation-"));
      assertEquals(generations.length, 1, `crash at ${at} (${kinds[at]}) leaves ${generations}`);
    }
  }
});

Deno.test("FileJournal with an error at every operation of a run keeps what it acknowledged, and says when it failed", async () => {
  const kinds: DiskOperation["kind"][] = [];
  await scenario(-1, "crash", kinds);
  let failures = 0;
  for (let at = 0; at < kinds.length; at++) {
    const { disk, run } = await scenario(at, new Error("injected"));
    disk.inject = undefined;
    const found = await replayKeys(disk.crash());
    assert(found >= run.acknowledged && found < Math.max(run.next, 1), `error at ${at} (${kinds[at]}): ${found}`);
    if (!run.isFailed) assertEquals(found, 39, `error at ${at} (${kinds[at]})`);
    else failures++;
  }
  assert(failures > 0 && failures < kinds.length, "some errors end the journal, those of a compaction do not");
});

Deno.test("a frame's header is as long as its constant says", async () => {
  const { bytes } = await writeHistory([[0]], 10_000);
  const meta = JSON.stringify({ n: 0 }).length;
  assertEquals(bytes.length, SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES + 8 + meta);
});
