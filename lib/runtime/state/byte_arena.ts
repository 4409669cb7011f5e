import { DiskFullError } from "../../base/errors.ts";
import { copyBytes } from "../../columns/spans.ts";

const BYTES_MAX = 0x7fffffff;
const SLACK_BYTES = 1 << 16;

/** Ranges of an arena's bytes that somebody holds: row i is `[starts[i], ends[i])`. */
export interface ArenaRanges {
  /** First byte of each row. */
  readonly starts: Int32Array;
  /** One past the last byte of each row. */
  readonly ends: Int32Array;
}

/**
 * Bytes of values whose lengths differ. Only appended to; whoever holds ranges registers as their owner, so that what
 * nobody refers to any more is let go when room is needed.
 */
export class ByteArena {
  /** The bytes; another array after {@linkcode ByteArena.reserve} or {@linkcode ByteArena.compact}. */
  bytes: Uint8Array = new Uint8Array(1024);
  #used = 0;
  readonly #owners = new Set<ArenaRanges>();

  /** Counts the ranges of `owner` as used. */
  register(owner: ArenaRanges): void {
    this.#owners.add(owner);
  }

  /** Forgets an owner. */
  unregister(owner: ArenaRanges): void {
    this.#owners.delete(owner);
  }

  /** Makes room for `count` more bytes; may move all ranges. */
  reserve(count: number): void {
    if (this.#used + count > this.bytes.length) this.#rebuild(count);
  }

  /** Lets go of bytes that nobody refers to. */
  compact(): void {
    this.#rebuild(0);
  }

  /** Appends bytes for which room was reserved. @returns Where they begin. */
  append(source: Uint8Array, start: number, end: number): number {
    const at = this.#used;
    this.#used = copyBytes(source, start, end, this.bytes, at);
    return at;
  }

  #rebuild(added: number): void {
    let live = 0;
    for (const { starts, ends } of this.#owners) {
      for (let row = 0; row < starts.length; row++) live += ends[row]! - starts[row]!;
    }
    if (live + added > BYTES_MAX) {
      throw new DiskFullError(
        `Cannot hold state in memory: values of one column would take ${live + added} bytes, at most ${BYTES_MAX} ` +
          `are held; use more partitions, or lower the number of keys held`,
        { context: { bytes: live + added } },
      );
    }
    const bytes = new Uint8Array(Math.min(BYTES_MAX, 2 * (live + added) + SLACK_BYTES));
    let used = 0;
    for (const { starts, ends } of this.#owners) {
      for (let row = 0; row < starts.length; row++) {
        const start = starts[row]!;
        const end = ends[row]!;
        starts[row] = used;
        if (end > start) used = copyBytes(this.bytes, start, end, bytes, used);
        ends[row] = used;
      }
    }
    this.bytes = bytes;
    this.#used = used;
  }
}
