import type { EncodedRows, RejectedRow } from "../codec.ts";

/** Rows' positions are held in Int32Arrays. */
const BYTES_MAX = 2 ** 31 - 1;

/** The growing output of one batch. */
export class JsonOutput {
  /** The buffer; replaced when it grows. */
  bytes: Uint8Array;
  /** First byte of each accepted row. */
  readonly starts: Int32Array;
  /** One past the last byte of each accepted row. */
  readonly ends: Int32Array;
  /** Batch row of each accepted row. */
  readonly rows: Int32Array;
  /** Number of accepted rows. */
  count = 0;
  /** Refused rows. */
  readonly rejected: RejectedRow[] = [];

  /**
   * @param rowsMax Number of rows of the batch.
   * @param capacity First size of the buffer, in bytes.
   */
  constructor(rowsMax: number, capacity: number) {
    this.bytes = new Uint8Array(Math.min(capacity, BYTES_MAX));
    this.starts = new Int32Array(rowsMax);
    this.ends = new Int32Array(rowsMax);
    this.rows = new Int32Array(rowsMax);
  }

  /**
   * Moves to a buffer with room for `room` bytes after the first `used`.
   *
   * @param used Bytes to keep.
   * @param room Bytes that are about to be written.
   * @returns The new buffer.
   * @throws {RangeError} when a batch would need more than 2^31 - 1 bytes.
   */
  grow(used: number, room: number): Uint8Array {
    const needed = used + room;
    if (needed > BYTES_MAX) {
      throw new RangeError(
        `Cannot encode batch as its JSON must be at most ${BYTES_MAX} bytes long: it needs ${needed}`,
      );
    }
    const grown = new Uint8Array(Math.min(BYTES_MAX, Math.max(needed, this.bytes.length * 2)));
    grown.set(this.bytes.subarray(0, used));
    this.bytes = grown;
    return grown;
  }

  /** Accepts batch row `row`, written at `[start, end)`. */
  accept(row: number, start: number, end: number): void {
    const at = this.count++;
    this.starts[at] = start;
    this.ends[at] = end;
    this.rows[at] = row;
  }

  /** Refuses batch row `row`; what was written of it is overwritten by the next row. */
  reject(row: number, reason: string): void {
    this.rejected.push({ row, reason, position: -1 });
  }

  /** What was encoded. */
  finish(): EncodedRows {
    const { count, rejected } = this;
    const used = count === 0 ? 0 : this.ends[count - 1]!;
    return {
      values: {
        bytes: this.bytes.subarray(0, used),
        starts: this.starts.subarray(0, count),
        ends: this.ends.subarray(0, count),
      },
      count,
      rows: rejected.length === 0 ? null : this.rows.subarray(0, count),
      rejected,
    };
  }
}
