import type { JournalEntry } from "../../embedded/journal/entry.ts";
import type { LocalDisk } from "../../seams/local_disk.ts";
import type { LogLevel, Observer, StepDetail } from "../../seams/observer.ts";
import { SeededRandom } from "../../../testing/seeded_random.ts";
import { FileJournal, type FileJournalOptions } from "./file_journal.ts";

/** Keeps log lines. */
export class RecordingObserver implements Observer {
  /** Lines so far. */
  readonly lines: { level: LogLevel; message: string; detail: StepDetail }[] = [];
  /** Steps are not kept. */
  step(): void {}
  /** Keeps a line. */
  log(level: LogLevel, message: string, detail: StepDetail = {}): void {
    this.lines.push({ level, message, detail });
  }
}

/** A journal whose state is the list of numbers that were put. */
export interface OpenedJournal {
  /** The journal. */
  readonly journal: FileJournal;
  /** What it held when it was opened. */
  readonly entries: readonly JournalEntry[];
  /** Appends a number, with so many bytes of payload. */
  put(n: number, payloadBytes?: number): void;
}

/** Opens a journal on a disk; its snapshot holds all numbers put so far. */
export async function openJournal(
  disk: LocalDisk,
  options: Partial<FileJournalOptions> = {},
): Promise<OpenedJournal> {
  const entries: JournalEntry[] = [];
  const numbers: JournalEntry[] = [];
  const journal = await FileJournal.open({
    disk,
    holder: "a test",
    observer: new RecordingObserver(),
    random: new SeededRandom(1),
    replay: (entry) => void (entries.push(entry), numbers.push(entry)),
    snapshot: () => numbers.map((entry) => () => entry),
    ...options,
  });
  return {
    journal,
    entries,
    put: (n, payloadBytes = 0) => {
      const payload = payloadBytes === 0 ? null : new Uint8Array(payloadBytes).fill(n);
      journal.append({ meta: { n }, payload });
      numbers.push({ meta: { n }, payload });
    },
  };
}

/** The numbers that a journal holds. */
export async function readJournal(disk: LocalDisk): Promise<number[]> {
  const { journal, entries } = await openJournal(disk);
  await journal.close();
  return entries.map((entry) => entry.meta.n as number);
}
