/** Room behind what is written, so that copies may go word by word and overrun their end. */
const SLACK = 32;
/** A buffer up to this size is kept for the next time. */
const KEPT_BYTES_MAX = 32 << 20;
const LEAST_BYTES = 1 << 20;

let kept: Uint8Array = new Uint8Array(0);

/** Compressed records hold more than may be held. */
export class OutputLimitError extends RangeError {}

/**
 * Takes what comes out of decompression, bounded. Its buffer is shared by all that decompress one after the other: what is
 * to stay is copied out at its exact size.
 */
export class DecompressOutput {
  /** What was written is in [0, length). */
  bytes: Uint8Array;
  /** Number of bytes written. */
  length = 0;
  /** Bound of what is written, in bytes. */
  readonly bytesMax: number;

  /** @param bytesMax Bound of what is written, in bytes. */
  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
    this.bytes = kept;
  }

  /** How many bytes may still be written. */
  get bytesLeft(): number {
    return this.bytesMax - this.length;
  }

  /**
   * Makes room for more bytes and some words behind them.
   *
   * @param count How many bytes are to be written, at most.
   * @throws {OutputLimitError} when so many may not be written.
   */
  reserve(count: number): void {
    if (count > this.bytesLeft) throw this.limitError();
    const needed = this.length + count + SLACK;
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, LEAST_BYTES, Math.min(2 * this.bytes.length, this.bytesMax + SLACK)));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
    if (grown.length <= KEPT_BYTES_MAX) kept = grown;
  }

  /** Writes bytes. @throws {OutputLimitError} when so many may not be written. */
  append(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** A copy of what was written. */
  take(): Uint8Array {
    return new Uint8Array(this.bytes.subarray(0, this.length));
  }

  /** What is thrown when more is to be written than may be. */
  limitError(): OutputLimitError {
    return new OutputLimitError(`Output would be longer than ${this.bytesMax} bytes`);
  }
}
