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

/** How batches are appended. */
export interface ProduceOptions {
  /** How long the broker waits for the in-sync replicas, in milliseconds. */
  readonly timeoutMs: number;
  /** The transactional id of the transaction that the records belong to. @default {null} */
  readonly transactionalId?: string | null;
  /** 9; with 12 partitions join their transaction by it (KIP-890). @default {9} */
  readonly version?: 9 | 12;
}

/** Appends record batches, acknowledged by all in-sync replicas. */
export function produceCall(batches: readonly PartitionBatch[], options: ProduceOptions): Call<ProducedPartition[]> {
  const { timeoutMs, transactionalId = null, version = 9 } = options;
  return {
    apiKey: 0,
    version,
    name: "Produce",
    isFlexible: true,
    write: (w) => {
      w.compactString(transactionalId).int16(-1).int32(timeoutMs);
      w.compactArray(byTopic(batches), ([topic, places]) => {
        w.compactString(topic).compactArray(places, ({ partition, bytes }) => {
          w.int32(partition).unsignedVarint(bytes.length + 1).raw(bytes).noTags();
        }).noTags();
      }).noTags();
    },
    read: (r) =>
      r.compactArray(() => {
        const topic = r.compactString() ?? "";
        const places = r.compactArray((): ProducedPartition => {
          const place = { topic, partition: r.int32(), errorCode: r.int16(), firstOffset: r.int64() };
          r.int64();
          r.int64();
          const refused = r.compactArray(() => {
            r.int32();
            const why = r.compactString();
            r.tags();
            return why;
          });
          const message = r.compactString() ?? refused.find((why) => why !== null) ?? null;
          r.tags();
          return { ...place, message };
        });
        r.tags();
        return places;
      }).flat(),
  };
}
