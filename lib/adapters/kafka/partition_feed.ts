import { sliceSpans } from "../../columns/spans.ts";
import type { Records, RecordSlab } from "../../columns/records.ts";
import type { TopicPartition } from "../../seams/broker.ts";
import type { DecodedRecords } from "./decode_batches.ts";

/** What was fetched and not handed out yet. */
interface Buffered {
  readonly decoded: DecodedRecords;
  readonly highWatermark: bigint;
  readonly logStart: bigint;
  /** First row that was not handed out. */
  row: number;
}

/** One assigned partition: where reading goes on, and what was fetched ahead. */
export class PartitionFeed implements TopicPartition {
  /** Topic name. */
  readonly topic: string;
  /** Partition number. */
  readonly partition: number;
  /** Whether nothing is to be handed out. */
  isPaused = false;
  /** What polling must tell. */
  failure: Error | null = null;
  #position: bigint | null = null;
  #buffered: Buffered | null = null;

  /** @param place Which partition. */
  constructor({ topic, partition }: TopicPartition) {
    this.topic = topic;
    this.partition = partition;
  }

  /** Next offset to hand out, or `null` while it is not known. */
  get position(): bigint | null {
    return this.#position;
  }

  /** Whether records wait to be handed out. */
  get isFull(): boolean {
    return this.#buffered !== null;
  }

  /** Sets the position; what was fetched ahead is dropped. */
  seek(offset: bigint): void {
    this.#position = offset;
    this.#buffered = null;
    this.failure = null;
  }

  /**
   * Takes what was fetched from `from` on; it is dropped when the position has been set meanwhile.
   *
   * @param from Where the fetch began.
   * @param fetched What came.
   * @returns Whether there is something to hand out.
   */
  fill(
    from: bigint,
    fetched: { readonly decoded: DecodedRecords; readonly highWatermark: bigint; readonly logStart: bigint },
  ): boolean {
    if (this.#position !== from || this.#buffered !== null || BigInt(fetched.decoded.to) === from) return false;
    this.#buffered = { ...fetched, row: 0 };
    return true;
  }

  /**
   * Hands out records.
   *
   * @param recordsMax At most so many.
   * @returns `null` when there is nothing.
   */
  take(recordsMax: number): RecordSlab | null {
    const buffered = this.#buffered;
    if (buffered === null || this.#position === null) return null;
    const { decoded, row, highWatermark, logStart } = buffered;
    const { records, offsets, leaderEpoch } = decoded;
    const end = Math.min(records.count, row + recordsMax);
    const from = this.#position;
    const isLast = end === records.count;
    const to = isLast ? BigInt(decoded.to) : BigInt(offsets[end - 1]! + 1);
    this.#position = to;
    buffered.row = end;
    if (isLast) this.#buffered = null;
    return {
      topic: this.topic,
      partition: this.partition,
      records: sliceRecords(records, row, end),
      offsets: offsets.subarray(row, end),
      from,
      to,
      highWatermark,
      logStart,
      leaderEpoch,
    };
  }
}

function sliceRecords(records: Records, from: number, to: number): Records {
  if (from === 0 && to === records.count) return records;
  const { keys, values, timestamps, headers } = records;
  return {
    count: to - from,
    keys: keys === null ? null : sliceSpans(keys, from, to),
    values: sliceSpans(values, from, to),
    timestamps: timestamps === null ? null : timestamps.subarray(from, to),
    headers: headers === null ? null : sliceSpans(headers, from, to),
  };
}

/** About how many bytes a slab holds: rows follow each other in their buffer. */
export function slabBytes({ records: { count, values, keys } }: RecordSlab): number {
  if (count === 0) return 0;
  let bytes = 0;
  for (let row = 0; row < count; row++) {
    if (values.starts[row]! >= 0) bytes += values.ends[row]! - values.starts[row]!;
    if (keys !== null && keys.starts[row]! >= 0) bytes += keys.ends[row]! - keys.starts[row]!;
  }
  return bytes;
}
