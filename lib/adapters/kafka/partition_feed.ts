import { sliceSpans } from "../../columns/spans.ts";
import type { Records, RecordSlab } from "../../columns/records.ts";
import type { TopicPartition } from "../../seams/broker.ts";
import type { DecodedRecords } from "./decode_batches.ts";

/** What was fetched and not handed out yet. */
interface Buffered {
  readonly decoded: DecodedRecords;
  readonly highWatermark: bigint;
  readonly logStart: bigint;
  /** About how many bytes it keeps. */
  readonly bytes: number;
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
  /** The incarnation of the topic that the position belongs to; `null` until something was asked for. */
  topicId: string | null = null;
  /** How often in a row its leader was found to be somewhere else. */
  staleInRow = 0;
  #position: bigint | null = null;
  #positionEpoch = -1;
  #version = 0;
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

  /** Leader epoch of the record before the position, or -1 when it is not known. */
  get positionEpoch(): number {
    return this.#positionEpoch;
  }

  /** Grows each time the position is set: what was asked for under an older one is void. */
  get version(): number {
    return this.#version;
  }

  /** Whether records wait to be handed out. */
  get isFull(): boolean {
    return this.#buffered !== null;
  }

  /** About how many bytes wait to be handed out. */
  get bytesHeld(): number {
    return this.#buffered?.bytes ?? 0;
  }

  /**
   * Sets the position; what was fetched ahead, or is under way, is dropped.
   *
   * @param offset Next offset to read.
   * @param leaderEpoch Leader epoch of the record before it. @default {-1, unknown}
   */
  seek(offset: bigint, leaderEpoch = -1): void {
    this.#position = offset;
    this.#positionEpoch = leaderEpoch;
    this.#buffered = null;
    this.#version += 1;
    this.failure = null;
    this.topicId = null;
    this.staleInRow = 0;
  }

  /**
   * Takes what was fetched; it is dropped when the position is another one by now, or was set anew.
   *
   * @param asked The position that was fetched from, and its version.
   * @param fetched What came, all of one leader epoch, and about how many bytes it keeps.
   * @returns Whether there is something to hand out.
   */
  fill(asked: { readonly offset: bigint; readonly version: number }, fetched: Omit<Buffered, "row">): boolean {
    if (this.#version !== asked.version || this.#position !== asked.offset || this.#buffered !== null) return false;
    this.staleInRow = 0;
    if (BigInt(fetched.decoded.to) === asked.offset) return false;
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
    if (leaderEpoch >= 0) this.#positionEpoch = leaderEpoch;
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
