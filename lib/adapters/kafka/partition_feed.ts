import { sliceSpans } from "../../columns/spans.ts";
import type { ByteSpans, Records, RecordSlab } from "../../columns/records.ts";
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

/** Where reading goes on. */
export interface FeedFrontier {
  /** Next offset to fetch. */
  readonly offset: bigint;
  /** Leader epoch of the record before it, or -1 when it is not known. */
  readonly leaderEpoch: number;
}

/** Replies that one partition may keep: one that is handed out, and one behind it. */
const BUFFERS_MAX = 2;

/** One assigned partition: where reading goes on, and what was fetched ahead. */
export class PartitionFeed implements TopicPartition {
  /** Topic name. */
  readonly topic: string;
  /** Partition number. */
  readonly partition: number;
  /** Whether nothing is to be handed out. */
  isPaused = false;
  /** The incarnation of the topic that the position belongs to; `null` until something was asked for. */
  topicId: string | null = null;
  /** How often in a row its leader was found to be somewhere else. */
  staleInRow = 0;
  #position: bigint | null = null;
  #positionEpoch = -1;
  #version = 0;
  #failure: Error | null = null;
  /** In the order of their offsets. */
  #buffers: Buffered[] = [];
  /** Where a reply ends that has come and is not taken yet. */
  #coming: FeedFrontier | null = null;

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

  /** What polling must tell, once all that was fetched before it is handed out. */
  get failure(): Error | null {
    return this.isFull ? null : this.#failure;
  }

  set failure(failure: Error | null) {
    this.#failure = failure;
  }

  /** Whether records wait to be handed out. */
  get isFull(): boolean {
    return this.#buffers.length > 0;
  }

  /** Whether the next fetch is to ask for it. */
  get isHungry(): boolean {
    const held = this.#buffers.length + (this.#coming === null ? 0 : 1);
    return held < BUFFERS_MAX && !this.isPaused && this.#failure === null && this.#position !== null;
  }

  /** About how many bytes wait to be handed out. */
  get bytesHeld(): number {
    let sum = 0;
    for (const { bytes, row, decoded: { records: { count } } } of this.#buffers) {
      sum += row === 0 ? bytes : Math.ceil(bytes * (1 - row / count));
    }
    return sum;
  }

  /** Where the next fetch begins: behind all that has come; `null` while the position is not known. */
  get frontier(): FeedFrontier | null {
    return this.#coming ?? this.#end;
  }

  /** Whether a fetch, or its reply, goes on right behind what is kept. */
  isNext({ offset, version }: { readonly offset: bigint; readonly version: number }): boolean {
    return this.#version === version && this.#end?.offset === offset;
  }

  /**
   * Notes where a reply ends before it is taken, so that the next fetch can begin there in the meantime. Should less be taken
   * of it, what that fetch brings is dropped.
   *
   * @param asked The position that was fetched from, and its version.
   * @param end Where the reply ends.
   * @returns Whether the reply is the one that is waited for.
   */
  announce(asked: { readonly offset: bigint; readonly version: number }, end: FeedFrontier): boolean {
    if (!this.isNext(asked) || end.offset <= asked.offset) return false;
    this.#coming = end;
    return true;
  }

  /** The reply that was announced is taken, or dropped. */
  settle(): void {
    this.#coming = null;
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
    this.#buffers = [];
    this.#coming = null;
    this.#version += 1;
    this.failure = null;
    this.topicId = null;
    this.staleInRow = 0;
  }

  /**
   * Takes what was fetched behind what is kept; it is dropped when reading goes on elsewhere by now, or was sent anew.
   *
   * @param asked The position that was fetched from, and its version.
   * @param fetched What came, all of one leader epoch, and about how many bytes it keeps.
   * @returns Whether there is something to hand out.
   */
  fill(asked: { readonly offset: bigint; readonly version: number }, fetched: Omit<Buffered, "row">): boolean {
    if (!this.isNext(asked)) return false;
    this.staleInRow = 0;
    if (BigInt(fetched.decoded.to) === asked.offset) return false;
    this.#buffers.push({ ...fetched, row: 0 });
    return true;
  }

  /**
   * Hands out records.
   *
   * @param recordsMax At most so many.
   * @returns `null` when there is nothing.
   */
  take(recordsMax: number): RecordSlab | null {
    const buffered = this.#buffers[0];
    if (buffered === undefined || this.#position === null) return null;
    const { decoded, row, highWatermark, logStart } = buffered;
    const { records, offsets, leaderEpoch } = decoded;
    const end = Math.min(records.count, row + recordsMax);
    const from = this.#position;
    const isLast = end === records.count;
    const to = isLast ? BigInt(decoded.to) : BigInt(offsets[end - 1]! + 1);
    this.#position = to;
    if (leaderEpoch >= 0) this.#positionEpoch = leaderEpoch;
    buffered.row = end;
    if (isLast) this.#buffers.shift();
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

  /** Where all ends that is kept. */
  get #end(): FeedFrontier | null {
    const last = this.#buffers.at(-1)?.decoded;
    if (last !== undefined) {
      const leaderEpoch = last.leaderEpoch >= 0 ? last.leaderEpoch : this.#positionEpoch;
      return { offset: BigInt(last.to), leaderEpoch };
    }
    return this.#position === null ? null : { offset: this.#position, leaderEpoch: this.#positionEpoch };
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

/** About how many bytes a slab holds: rows follow each other in their buffers, so the first and the last tell of all. */
export function slabBytes({ records: { count, values, keys } }: RecordSlab): number {
  const [valuesStart, valuesEnd] = extentOf(values, count);
  const [keysStart, keysEnd] = keys === null ? [0, 0] : extentOf(keys, count);
  if (keysEnd === 0 || valuesEnd === 0 || keys?.bytes !== values.bytes) {
    return valuesEnd - valuesStart + keysEnd - keysStart;
  }
  return Math.max(valuesEnd, keysEnd) - Math.min(valuesStart, keysStart);
}

/** From where to where rows reach; both are 0 when there is none. */
function extentOf({ starts, ends }: ByteSpans, count: number): readonly [start: number, end: number] {
  let first = 0;
  let last = count - 1;
  while (first <= last && starts[first]! < 0) first++;
  while (last > first && starts[last]! < 0) last--;
  return first > last ? [0, 0] : [starts[first]!, ends[last]!];
}
