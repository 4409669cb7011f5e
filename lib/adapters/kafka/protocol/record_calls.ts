import type { TopicPartition } from "../../../seams/broker.ts";
import type { Call } from "./call.ts";
import { byTopic, type PartitionCode } from "./offset_calls.ts";

/** Gets a producer id for an idempotent producer. */
export const INIT_PRODUCER_ID_CALL: Call<
  { readonly errorCode: number; readonly producerId: bigint; readonly producerEpoch: number }
> = {
  apiKey: 22,
  version: 1,
  name: "InitProducerId",
  write: (w) => void w.string(null).int32(60_000),
  read: (r) => {
    r.int32();
    return { errorCode: r.int16(), producerId: r.int64(), producerEpoch: r.int16() };
  },
};

/** One record batch for one partition. */
export interface PartitionBatch extends TopicPartition {
  /** An encoded record batch. */
  readonly bytes: Uint8Array;
}

/** What became of a record batch. */
export interface ProducedPartition extends PartitionCode {
  /** Offset of its first record. */
  readonly firstOffset: bigint;
  /** What the broker says. */
  readonly message: string | null;
}

/** Appends record batches, acknowledged by all in-sync replicas. */
export function produceCall(batches: readonly PartitionBatch[], timeoutMs: number): Call<ProducedPartition[]> {
  return {
    apiKey: 0,
    version: 8,
    name: "Produce",
    write: (w) => {
      w.string(null).int16(-1).int32(timeoutMs);
      w.array(byTopic(batches), ([topic, places]) => {
        w.string(topic).array(places, ({ partition, bytes }) => w.int32(partition).bytes(bytes));
      });
    },
    read: (r) =>
      r.array(() => {
        const topic = r.string();
        return r.array((): ProducedPartition => {
          const place = { topic, partition: r.int32(), errorCode: r.int16(), firstOffset: r.int64() };
          r.int64();
          r.int64();
          r.array(() => void [r.int32(), r.nullableString()]);
          return { ...place, message: r.nullableString() };
        });
      }).flat(),
  };
}

/** From where to read one partition. */
export interface FetchFrom extends TopicPartition {
  /** First offset wanted. */
  readonly offset: bigint;
}

/** Bounds of a fetch. */
export interface FetchBounds {
  /** Whether records of open and aborted transactions stay hidden. */
  readonly isCommitted: boolean;
  /** How long the broker waits when there is nothing, in milliseconds. */
  readonly waitMs: number;
  /** Bound of the reply in bytes; the first batch comes whole. */
  readonly bytesMax: number;
}

/** A transaction of which the reply holds records that are not to be seen. */
export interface AbortedTransaction {
  /** Its producer. */
  readonly producerId: bigint;
  /** Its first offset in this partition. */
  readonly firstOffset: bigint;
}

/** What one partition gave. */
export interface FetchedPartition extends PartitionCode {
  /** High watermark, or -1 with an error. */
  readonly highWatermark: bigint;
  /** First offset that the log holds, or -1 with an error. */
  readonly logStart: bigint;
  /** Aborted transactions, for read_committed. */
  readonly aborted: readonly AbortedTransaction[];
  /** Record batches; the last one may be cut off. */
  readonly records: Uint8Array;
}

const NO_BYTES = new Uint8Array(0);

/** Reads records. */
export function fetchCall(
  partitions: readonly FetchFrom[],
  bounds: FetchBounds,
): Call<{ readonly errorCode: number; readonly partitions: FetchedPartition[] }> {
  return {
    apiKey: 1,
    version: 11,
    name: "Fetch",
    write: (w) => {
      w.int32(-1).int32(bounds.waitMs).int32(1).int32(bounds.bytesMax).int8(bounds.isCommitted ? 1 : 0);
      w.int32(0).int32(-1);
      w.array(byTopic(partitions), ([topic, places]) => {
        w.string(topic).array(places, ({ partition, offset }) => {
          w.int32(partition).int32(-1).int64(offset).int64(-1n).int32(bounds.bytesMax);
        });
      });
      w.int32(0).string("");
    },
    read: (r) => {
      r.int32();
      const errorCode = r.int16();
      r.int32();
      const found = r.array(() => {
        const topic = r.string();
        return r.array((): FetchedPartition => {
          const place = { topic, partition: r.int32(), errorCode: r.int16(), highWatermark: r.int64() };
          r.int64();
          const logStart = r.int64();
          const aborted = r.array(() => ({ producerId: r.int64(), firstOffset: r.int64() }));
          r.int32();
          return { ...place, logStart, aborted, records: r.nullableBytes() ?? NO_BYTES };
        });
      });
      return { errorCode, partitions: found.flat() };
    },
  };
}
