import { invariant } from "../base/assert.ts";
import { concatSpans, nullSpans, sliceSpans, spansByteLength } from "../columns/spans.ts";
import type { ByteSpans, Records, RecordSlab } from "../columns/records.ts";

/** Rows of one partition that are processed together. */
export interface InputBatch {
  /** Where the rows are. */
  readonly records: Records;
  /** Offset of each record of `records`. */
  readonly offsets: Float64Array;
  /** First row of this batch in `records`. */
  readonly fromRow: number;
  /** One past its last row. */
  readonly toRow: number;
  /** Position before the batch. */
  readonly from: bigint;
  /** Position after it, past control records and gaps. */
  readonly to: bigint;
  /** Leader epoch of the last record, or -1. */
  readonly leaderEpoch: number;
}

/** A slab that waits, and how far it has been taken. */
interface Waiting {
  readonly slab: RecordSlab;
  readonly bytes: number;
  readonly arrivedMs: number;
  row: number;
}

/** Bounds of one batch. */
export interface InputBounds {
  /** Most rows. */
  readonly rowsMax: number;
  /** Most bytes (at least one row is given). */
  readonly bytesMax: number;
  /** Rows at or past this position are left for a later batch. */
  readonly stopAt?: bigint | undefined;
}

/** Fetched and not yet processed records of one partition, cut into batches without regard to how they were fetched. */
export class TaskInput {
  #waiting: Waiting[] = [];
  #rows = 0;
  #bytes = 0;
  #position: bigint;
  #end: bigint;

  /** @param position Position of the first record to come. */
  constructor(position: bigint) {
    this.#position = position;
    this.#end = position;
  }

  /** Position after everything that waits: where the next slab has to begin. */
  get end(): bigint {
    return this.#end;
  }

  /** Rows that wait. */
  get rows(): number {
    return this.#rows;
  }

  /** Bytes of values that wait, about. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether anything waits, be it only a step over control records. */
  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Monotonic arrival time of the oldest slab, or `undefined`. */
  get oldestMs(): number | undefined {
    return this.#waiting[0]?.arrivedMs;
  }

  /**
   * Takes in a fetched slab, unless it does not begin where the last one ended: that was fetched before a rewind.
   *
   * @returns Whether it was taken.
   */
  push(slab: RecordSlab, arrivedMs: number): boolean {
    // SAFETY: I-10
    if (slab.from !== this.#end) return false;
    this.#end = slab.to;
    const bytes = spansByteLength(slab.records.values);
    this.#waiting.push({ slab, bytes, arrivedMs, row: 0 });
    this.#rows += slab.records.count;
    this.#bytes += bytes;
    return true;
  }

  /** Drops everything; the next record comes from `position`. */
  clear(position: bigint): void {
    this.#waiting = [];
    this.#rows = 0;
    this.#bytes = 0;
    this.#position = position;
    this.#end = position;
  }

  /**
   * Takes the next batch.
   *
   * @param bounds Most rows and bytes, and where to stop.
   * @returns A batch (without rows when only control records were passed), or `undefined` when nothing waits before
   * `stopAt`.
   */
  next(bounds: InputBounds): InputBatch | undefined {
    const parts: InputBatch[] = [];
    let rows = 0, bytes = 0;
    while (this.#waiting.length > 0 && rows < bounds.rowsMax && (bytes < bounds.bytesMax || rows === 0)) {
      if (bounds.stopAt !== undefined && this.#position >= bounds.stopAt) break;
      const part = this.#takeFrom(this.#waiting[0]!, bounds, rows, bytes);
      if (part === undefined) break;
      parts.push(part.batch);
      rows += part.batch.toRow - part.batch.fromRow;
      bytes += part.bytes;
      if (!part.isWhole) break;
      this.#waiting.shift();
    }
    if (parts.length === 0) return undefined;
    return parts.length === 1 ? parts[0]! : joinParts(parts);
  }

  /** Rows of one slab within the bounds that are left. */
  #takeFrom(
    waiting: Waiting,
    bounds: InputBounds,
    rowsTaken: number,
    bytesTaken: number,
  ): { batch: InputBatch; bytes: number; isWhole: boolean } | undefined {
    const { slab } = waiting;
    const count = slab.records.count;
    const fromRow = waiting.row;
    const bytesPerRow = count === 0 ? 0 : waiting.bytes / count;
    const roomByBytes = bytesPerRow === 0 ? count : Math.floor((bounds.bytesMax - bytesTaken) / bytesPerRow);
    const room = Math.min(bounds.rowsMax - rowsTaken, rowsTaken === 0 ? Math.max(1, roomByBytes) : roomByBytes);
    let toRow = Math.min(count, fromRow + Math.max(0, room));
    const { stopAt } = bounds;
    if (stopAt !== undefined) {
      const stop = Number(stopAt);
      while (toRow > fromRow && slab.offsets[toRow - 1]! >= stop) toRow--;
    }
    const isLast = toRow === count;
    if (toRow === fromRow && !isLast && stopAt === undefined) return undefined;
    const from = this.#position;
    const nextOffset = isLast ? slab.to : BigInt(slab.offsets[toRow]!);
    // Behind the last row before `stopAt` there may be a gap: the batch ends at `stopAt`, not at the row after it.
    const to = stopAt !== undefined && stopAt > from && stopAt < nextOffset ? stopAt : nextOffset;
    const isWhole = isLast && to === slab.to;
    this.#position = to;
    waiting.row = toRow;
    this.#rows -= toRow - fromRow;
    invariant(this.#rows >= 0, "I-25: rows that wait were counted when they came");
    const bytes = bytesPerRow * (toRow - fromRow);
    this.#bytes = this.#rows === 0 ? 0 : this.#bytes - bytes;
    const batch = {
      records: slab.records,
      offsets: slab.offsets,
      fromRow,
      toRow,
      from,
      to,
      leaderEpoch: slab.leaderEpoch,
    };
    return { batch, bytes, isWhole };
  }
}

function joinParts(parts: readonly InputBatch[]): InputBatch {
  const last = parts.at(-1)!;
  const count = parts.reduce((sum, part) => sum + part.toRow - part.fromRow, 0);
  const column = (pick: (records: Records) => ByteSpans | null): ByteSpans | null => {
    if (parts.every((part) => pick(part.records) === null)) return null;
    return concatSpans(parts.map((part) => {
      const spans = pick(part.records);
      return spans === null ? nullSpans(part.toRow - part.fromRow) : sliceSpans(spans, part.fromRow, part.toRow);
    }));
  };
  const doubles = (pick: (part: InputBatch) => Float64Array): Float64Array => {
    const out = new Float64Array(count);
    let at = 0;
    for (const part of parts) {
      out.set(pick(part).subarray(part.fromRow, part.toRow), at);
      at += part.toRow - part.fromRow;
    }
    return out;
  };
  return {
    records: {
      count,
      keys: column((records) => records.keys),
      values: column((records) => records.values) ?? nullSpans(0),
      timestamps: doubles((part) => part.records.timestamps!),
      headers: column((records) => records.headers),
    },
    offsets: doubles((part) => part.offsets),
    fromRow: 0,
    toRow: count,
    from: parts[0]!.from,
    to: last.to,
    leaderEpoch: last.leaderEpoch,
  };
}
