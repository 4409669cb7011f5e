import { assertEquals } from "@std/assert";
import { setImmediate } from "node:timers";
import type { LocalDisk } from "../../seams/local_disk.ts";
import { SeededRandom } from "../../../testing/seeded_random.ts";
import type { MemoryDisk } from "../memory/memory_disk.ts";
import { FileJournal } from "./file_journal.ts";
import { RecordingObserver } from "./journal_fixture_test.ts";

const KEYS = 3;

/** How far a run of {@linkcode runKeys} came. */
export interface KeysRun {
  /** Greatest number that was acknowledged, -1 when none was. */
  readonly acknowledged: number;
  /** The number that comes after the last one written. */
  readonly next: number;
  /** Generation at the end, 0 when the journal could not be opened. */
  readonly generation: number;
  /** Whether the journal failed, or could not be opened. */
  readonly isFailed: boolean;
}

/** The state: the last number of each of three keys, so that a journal can be compacted; number n has key n % 3. */
class LastNumbers {
  readonly numbers: number[] = new Array(KEYS).fill(-1);

  put(n: number): void {
    this.numbers[n % KEYS] = n;
  }

  /** Greatest number; asserts that the state is that of all numbers up to it. */
  last(): number {
    const last = Math.max(...this.numbers);
    for (let n = Math.max(0, last - KEYS + 1); n <= last; n++) assertEquals(this.numbers[n % KEYS], n);
    return last;
  }
}

async function open(disk: LocalDisk, state: LastNumbers): Promise<FileJournal> {
  return await FileJournal.open({
    disk,
    holder: "a test",
    observer: new RecordingObserver(),
    random: new SeededRandom(1),
    segmentBytesMax: 300,
    groupBytesMax: 150,
    compactBytesMin: 600,
    compactRatio: 2,
    replay: ({ meta }) => state.put(meta.n as number),
    snapshot: () => {
      const kept = state.numbers.filter((n) => n >= 0).sort((left, right) => left - right);
      return kept.map((n) => () => ({ meta: { n }, payload: new Uint8Array(n % 40) }));
    },
  });
}

/** One turn of the event loop: everything on a memory disk that can go on has gone on. */
const turn = () => new Promise<void>((resolve) => void setImmediate(resolve));

/** Puts numbers, some with a sync, some within one turn, until all are put or the disk dies; never waits for the disk. */
export async function runKeys(
  disk: MemoryDisk,
  options: { random: SeededRandom; first: number; count: number },
): Promise<KeysRun> {
  const { random, first } = options;
  const state = new LastNumbers();
  let journal: FileJournal | undefined;
  let isFailed = false;
  let acknowledged = -1;
  let next = first;
  open(disk, state).then((opened) => journal = opened, () => isFailed = true);
  await turn();
  for (; journal !== undefined && next < first + options.count; next++) {
    const n = next;
    try {
      journal.append({ meta: { n }, payload: new Uint8Array(n % 40) });
    } catch {
      isFailed = true;
      break;
    }
    state.put(n);
    if (random.isHit(0.6)) journal.sync().then(() => acknowledged = Math.max(acknowledged, n), () => isFailed = true);
    for (let microtasks = random.integer(0, 6); microtasks > 0; microtasks--) await Promise.resolve();
    if (random.isHit(0.3)) await turn();
  }
  journal?.sync().then(() => acknowledged = next - 1, () => isFailed = true);
  await turn();
  return { acknowledged, next, generation: journal?.generation ?? 0, isFailed: isFailed || journal === undefined };
}

/** The last number that a disk's journal holds, -1 when it holds none; asserts that none before it is missing. */
export async function replayKeys(disk: LocalDisk): Promise<number> {
  const state = new LastNumbers();
  const journal = await open(disk, state);
  await journal.close();
  return state.last();
}
