import type { Place } from "./cluster.ts";
import { findLog, partitionKey } from "./cluster_state.ts";
import type { Core, Times } from "./core.ts";
import { obsoleteOffsets } from "./obsolete_offsets.ts";
import { done, refused, type Reply } from "./reply.ts";
import { unknownPartition } from "./topic_requests.ts";

/**
 * Log compaction of one partition, as Kafka's log cleaner does it: below the clean point the newest record of each key
 * stays, a tombstone (null value) too; records of aborted transactions and records without a key go; control records
 * stay. The clean point passes neither the last stable offset nor the newest batch (the active segment is not cleaned).
 *
 * @param core The cluster.
 * @param place Which partition.
 * @param upTo Clean point; what bounds it anyway may be left to it.
 * @returns How many records went.
 */
export function compactLog(core: Core, { topic, partition }: Place, upTo: number): Reply<number> {
  const log = findLog(core.state, topic, partition);
  if (log === undefined) return unknownPartition(topic, partition);
  if (!(upTo >= 0)) return refused("not-modelled", `a clean point at ${upTo} is no offset`, { topic, partition, upTo });
  const newest = log.batchCount === 0 ? 0 : log.batchAt(log.batchCount - 1).baseOffset;
  const cleanPoint = Math.min(upTo, log.lastStableOffset, newest);
  const { removed, count } = obsoleteOffsets(log, cleanPoint);
  if (count > 0) core.emit({ kind: "log-compacted", topic, partition, removed });
  return done(count);
}

/**
 * An unclean election: a replica leads that never had what comes after `offset`. Transactions have no part in it: their
 * coordinator knows nothing of the loss, so, as in Kafka,
 * - a transaction that is open, and whose batches are lost here, commits what is left of it;
 * - a transaction that had ended, and whose control record is lost here, is open here again and holds the last stable
 *   offset until the same producer's next control record decides for both, or `abortHanging` does.
 *
 * @param core The cluster.
 * @param place Which partition.
 * @param offset First offset that is lost; batches go whole, so an earlier one may be.
 * @returns The log's new end.
 */
export function truncateLog(core: Core, { topic, partition }: Place, offset: number): Reply<number> {
  const log = findLog(core.state, topic, partition);
  if (log === undefined) return unknownPartition(topic, partition);
  if (!Number.isSafeInteger(offset) || offset < log.logStart || offset > log.logEnd) {
    const message = `offset ${offset} of ${topic}:${partition} is not in [${log.logStart}, ${log.logEnd}]`;
    return refused("offset-out-of-range", message, { topic, partition, offset });
  }
  const index = log.indexOf(offset);
  const cut = index < log.batchCount ? Math.min(offset, log.batchAt(index).baseOffset) : offset;
  const logEnd = Math.max(log.logStart, cut);
  core.emit({ kind: "log-truncated", topic, partition, logEnd, leaderEpoch: log.leaderEpoch + 1 });
  return done(logEnd);
}

/**
 * Aborts transactions that are open in a partition and unknown to their coordinators, as an operator does with
 * `kafka-transactions.sh abort`.
 *
 * @param core The cluster.
 * @param place Which partition.
 * @param times Stamp of the control records.
 * @returns How many there were.
 */
export function abortHanging(core: Core, { topic, partition }: Place, times: Times): Reply<number> {
  const log = findLog(core.state, topic, partition);
  if (log === undefined) return unknownPartition(topic, partition);
  const known = new Set<number>();
  for (const { status, producerId, ended, partitions } of core.state.transactions.values()) {
    if (!partitions.has(partitionKey(topic, partition))) continue;
    if (status === "Ongoing") known.add(producerId);
    else if (status.startsWith("Prepare")) known.add(ended!.producerId);
  }
  const hanging = [...log.producers.values()].filter(({ producerId, openFrom }) =>
    openFrom !== null && !known.has(producerId)
  );
  for (const { producerId, epoch } of hanging) {
    core.emit({
      kind: "marker-appended",
      topic,
      partition,
      offset: log.logEnd,
      leaderEpoch: log.leaderEpoch,
      producerId,
      producerEpoch: epoch,
      transactionalId: null,
      isCommit: false,
      timestamp: times.wallMs,
    });
  }
  return done(hanging.length);
}
