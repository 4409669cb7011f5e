import type { Records } from "../columns/records.ts";
import { beginIfNeeded, checkIdentity } from "./transaction_requests.ts";
import { findLog, partitionKey } from "./cluster_state.ts";
import type { Core, Times } from "./core.ts";
import { denseRecords, largestRecord } from "./dense_records.ts";
import type { PartitionLog } from "./partition_log.ts";
import { done, type Refusal, refused, type Reply } from "./reply.ts";
import { retain, unknownPartition } from "./topic_requests.ts";
import { checkLeader, checkReplicas, checkTransactionCoordinator } from "./troubles.ts";

/** Who produces: an idempotent or a transactional producer and the sequence number of its next record. */
export interface ProducerIdentity {
  /** Producer id. */
  readonly producerId: number;
  /** Producer epoch. */
  readonly producerEpoch: number;
  /** Sequence number of the first record, per partition from 0. */
  readonly sequence: number;
  /** `transactional.id`, or `null` outside of transactions. */
  readonly transactionalId: string | null;
}

/** Records for one partition. */
export interface ProduceToPartition {
  /** Topic name. */
  readonly topic: string;
  /** Partition number. */
  readonly partition: number;
  /** The records; they are copied. */
  readonly records: Records;
  /** Which rows of `records`, in this order; all when `null`. */
  readonly rows: Int32Array | null;
  /** Who produces; `null` is a producer that is not idempotent. */
  readonly producer: ProducerIdentity | null;
}

/** Where the records are. */
export interface Appended {
  /** Offset of the first record. */
  readonly firstOffset: number;
  /** Whether they were there already: the request was a repeated one. */
  readonly isDuplicate: boolean;
}

/**
 * Appends records to one partition.
 *
 * @param core The cluster.
 * @param request What to append and who asks.
 * @param times Stamp for records without one.
 * @returns Where they are, or why they were refused.
 */
export function produceToPartition(core: Core, request: ProduceToPartition, times: Times): Reply<Appended> {
  const { topic, partition, producer } = request;
  const log = findLog(core.state, topic, partition);
  if (log === undefined) return unknownPartition(topic, partition);
  const count = request.rows === null ? request.records.count : request.rows.length;
  if (count === 0) return done({ firstOffset: log.logEnd, isDuplicate: false });
  const trouble = checkLeader(core, request) ?? checkReplicas(core, request);
  if (trouble !== null) return trouble;
  if (producer !== null) {
    const verdict = judge(core, log, { topic, partition, count, producer, times });
    if (verdict !== null) return verdict;
  }
  const records = denseRecords(request.records, request.rows, times.wallMs);
  const largest = largestRecord(records);
  const recordBytesMax = core.troubles.recordBytesMax.get(topic) ?? core.options.recordBytesMax;
  if (largest > recordBytesMax) {
    const message = `a record of ${largest} bytes for topic '${topic}' exceeds ${recordBytesMax} bytes`;
    return refused("record-too-large", message, { topic, partition, bytes: largest });
  }
  const transactionalId = producer?.transactionalId ?? null;
  if (transactionalId !== null) beginIfNeeded(core, transactionalId, { partitions: [[topic, partition]], times });
  const firstOffset = log.logEnd;
  core.emit({
    kind: "batch-appended",
    topic,
    partition,
    baseOffset: firstOffset,
    leaderEpoch: log.leaderEpoch,
    producerId: producer?.producerId ?? -1,
    producerEpoch: producer?.producerEpoch ?? -1,
    sequence: producer?.sequence ?? -1,
    isTransactional: transactionalId !== null,
    records,
  });
  retain(core, { topic, partition });
  return done({ firstOffset, isDuplicate: false });
}

interface Judged {
  readonly topic: string;
  readonly partition: number;
  readonly count: number;
  readonly producer: ProducerIdentity;
  readonly times: Times;
}

/** A refusal, the answer for a repeated batch, or `null` when the batch is to be appended. */
function judge(core: Core, log: PartitionLog, judged: Judged): Reply<Appended> | null {
  const { topic, partition, count, producer } = judged;
  const { producerId, producerEpoch, sequence, transactionalId } = producer;
  if (transactionalId !== null) {
    const refusal = checkTransaction(core, transactionalId, judged);
    if (refusal !== null) return refusal;
  } else if ((log.producers.get(producerId)?.openFrom ?? null) !== null) {
    const message = `producer ${producerId} has a transaction open in ${topic}:${partition} and must write inside it`;
    return refused("invalid-transaction-state", message, { topic, partition, producerId });
  }
  const verdict = log.producers.judge(producerId, { epoch: producerEpoch, sequence, count });
  const context = { topic, partition, producerId, producerEpoch, sequence };
  switch (verdict.kind) {
    case "next":
      return null;
    case "duplicate":
      return done({ firstOffset: verdict.firstOffset, isDuplicate: true });
    case "refused":
      return verdict.code === "invalid-producer-epoch"
        ? refused(
          verdict.code,
          `producer ${producerId} has epoch ${verdict.expected} now, not ${producerEpoch}`,
          context,
        )
        : refused(
          verdict.code,
          `producer ${producerId} must go on at ${verdict.expected}, not at ${sequence}`,
          context,
        );
  }
}

function checkTransaction(
  core: Core,
  transactionalId: string,
  { topic, partition, producer, times }: Judged,
): Refusal | null {
  const checked = checkIdentity(core, { ...producer, transactionalId });
  if (checked.kind === "refused") return checked;
  const { status, partitions } = checked.value;
  if (status.startsWith("Prepare")) {
    return refused("concurrent-transactions", `the last transaction of '${transactionalId}' is still ending`, {
      transactionalId,
    });
  }
  if (status === "Ongoing" && partitions.has(partitionKey(topic, partition))) return null;
  // The partition joins the transaction now: the broker asks the coordinator.
  if (core.state.transactionVersion === 2) return checkTransactionCoordinator(core, transactionalId, times);
  const message = `partition ${partition} of '${topic}' was not added to the transaction of '${transactionalId}'`;
  return refused("invalid-transaction-state", message, { topic, partition, transactionalId, status });
}
