import { indented, LawBreach } from "./check_law.ts";
import type { LawInput } from "./law_run.ts";
import { shownRow } from "./shown.ts";

/** Rows of one partition that become a batch. */
export interface Piece {
  /** Partition. */
  readonly partition: number;
  /** Rows of the input. */
  readonly rows: readonly number[];
}

/**
 * Cuts an input into batches, one partition after the other.
 *
 * @param input The input.
 * @param isCutBefore Whether a batch ends before a row, counted in its partition from 0.
 */
export function piecesOf(input: LawInput, isCutBefore: (row: number) => boolean): Piece[] {
  const pieces: Piece[] = [];
  for (const { partition, rows } of input.parts) {
    let piece: number[] = [];
    for (const [at, row] of rows.entries()) {
      if (at > 0 && isCutBefore(at)) {
        pieces.push({ partition, rows: piece });
        piece = [];
      }
      piece.push(row);
    }
    pieces.push({ partition, rows: piece });
  }
  return pieces;
}

/** Cuts as messages show them: `cuts [1, 2]`, with the partitions when there are several. */
export function shownCuts(pieces: readonly Piece[]): string {
  const sizes = [...Map.groupBy(pieces, ({ partition }) => partition)].map(([partition, of]) => ({
    partition,
    text: `[${of.map(({ rows }) => rows.length).join(", ")}]`,
  }));
  if (sizes.length === 1) return `cuts ${sizes[0]!.text}`;
  return `cuts ${sizes.map(({ partition, text }) => `${text} of partition ${partition}`).join(" and ")}`;
}

/** An input as messages show it: its rows, by partition when there are several. */
export function shownInput({ topic, rows, parts }: LawInput): string {
  const lines = parts.length === 1
    ? rows.map(shownRow)
    : parts.flatMap((part) => part.rows.map((row) => `partition ${part.partition}  ${shownRow(rows[row]!)}`));
  const count = rows.length === 1 ? "the row" : `the ${rows.length} rows`;
  return `${count} of topic '${topic}'\n${indented(lines, 40)}`;
}

/**
 * Runs a case; whatever stops the job becomes part of the message.
 *
 * @param run The run.
 * @param shown The input and how it was processed, for the message.
 */
export async function unlessStopped<T>(run: () => Promise<T>, shown: () => string): Promise<T> {
  try {
    return await run();
  } catch (thrown) {
    // What stops a job may come up once more when its driver is closed.
    let error: unknown = thrown;
    while (error instanceof SuppressedError) error = error.suppressed;
    if (error instanceof LawBreach) throw error;
    throw new LawBreach(`The job stopped: ${error instanceof Error ? error.message : String(error)}\n${shown()}`, {
      cause: error,
    });
  }
}
