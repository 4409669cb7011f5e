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

/** A transaction of which the reply holds records that are not to be seen. */
export interface AbortedTransaction {
  /** Its producer. */
  readonly producerId: bigint;
  /** Its first offset in this partition. */
  readonly firstOffset: bigint;
}
