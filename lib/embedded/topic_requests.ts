import type { Core } from "./core.ts";
import { findLog, partitionKey } from "./cluster_state.ts";
import { done, type Refusal, refused, type Reply } from "./reply.ts";

const LEGAL_NAME = /^[A-Za-z0-9._-]{1,249}$/;

/** A partition that nobody has. */
export function unknownPartition(topic: string, partition: number): Refusal {
  return refused("unknown-topic", `there is no partition ${partition} of topic '${topic}'`, { topic, partition });
}

/**
 * Creates a topic.
 *
 * @param core The cluster.
 * @param request Name, number of partitions and the id of this incarnation.
 */
export function createTopic(
  core: Core,
  request: { readonly topic: string; readonly partitions: number; readonly topicId: string },
): Reply<void> {
  const { topic, partitions, topicId } = request;
  if (!LEGAL_NAME.test(topic) || topic === "." || topic === "..") {
    return refused("invalid-topic", `'${topic}' is no legal topic name (1 to 249 of A-Z a-z 0-9 . _ -)`, { topic });
  }
  if (!Number.isSafeInteger(partitions) || partitions < 1) {
    return refused("invalid-topic", `topic '${topic}' needs at least one partition, asked was ${partitions}`, {
      topic,
      partitions,
    });
  }
  if (core.state.topics.has(topic)) return refused("topic-exists", `topic '${topic}' is there already`, { topic });
  core.emit({ kind: "topic-created", topic, topicId, partitions });
  return done(undefined);
}

/** Deletes a topic, its records and what groups committed for it. */
export function deleteTopic(core: Core, topic: string): Reply<void> {
  if (!core.state.topics.has(topic)) return refused("unknown-topic", `there is no topic '${topic}'`, { topic });
  const { leaderless, short, recordBytesMax } = core.troubles;
  recordBytesMax.delete(topic);
  for (const partition of core.state.topics.get(topic)!.logs.keys()) {
    leaderless.delete(partitionKey(topic, partition));
    short.delete(partitionKey(topic, partition));
  }
  core.emit({ kind: "topic-deleted", topic });
  return done(undefined);
}

/** Raises the number of partitions of a topic. */
export function addPartitions(core: Core, topic: string, partitions: number): Reply<void> {
  const found = core.state.topics.get(topic);
  if (found === undefined) return refused("unknown-topic", `there is no topic '${topic}'`, { topic });
  if (!Number.isSafeInteger(partitions) || partitions <= found.logs.length) {
    const message =
      `topic '${topic}' has ${found.logs.length} partitions, only more can be asked for, not ${partitions}`;
    return refused("invalid-topic", message, { topic, partitions });
  }
  core.emit({ kind: "partitions-added", topic, partitions });
  return done(undefined);
}

/** Gives up the records before `offset`; what an open transaction holds may go too, as in Kafka. */
export function deleteRecordsBefore(
  core: Core,
  place: { readonly topic: string; readonly partition: number },
  offset: number,
): Reply<void> {
  const log = findLog(core.state, place.topic, place.partition);
  if (log === undefined) return unknownPartition(place.topic, place.partition);
  if (!Number.isSafeInteger(offset) || offset > log.logEnd) {
    return refused("offset-out-of-range", `offset ${offset} is past the log's end ${log.logEnd}`, { ...place, offset });
  }
  if (offset > log.logStart) {
    core.emit({ kind: "log-start-moved", topic: place.topic, partition: place.partition, logStart: offset });
  }
  return done(undefined);
}

/** A new leader takes over a partition. */
export function bumpLeaderEpoch(
  core: Core,
  place: { readonly topic: string; readonly partition: number },
): Reply<number> {
  const log = findLog(core.state, place.topic, place.partition);
  if (log === undefined) return unknownPartition(place.topic, place.partition);
  const { topic, partition } = place;
  core.emit({ kind: "leader-epoch-bumped", topic, partition, leaderEpoch: log.leaderEpoch + 1 });
  return done(log.leaderEpoch);
}

/** Applies the retention options to one partition: whole batches below the last stable offset go, never the newest. */
export function retain(core: Core, place: { readonly topic: string; readonly partition: number }): void {
  const log = findLog(core.state, place.topic, place.partition);
  if (log === undefined) return;
  const { retentionBytes, retentionRecords } = core.options;
  let excessBytes = log.byteLength - retentionBytes;
  let excessRecords = log.logEnd - log.logStart - retentionRecords;
  if (excessBytes <= 0 && excessRecords <= 0) return;
  const stable = log.lastStableOffset;
  let logStart = log.logStart;
  for (let index = 0; index < log.batchCount - 1 && (excessBytes > 0 || excessRecords > 0); index++) {
    const batch = log.batchAt(index);
    if (batch.lastOffset >= stable) break;
    excessBytes -= batch.bytes;
    excessRecords -= batch.lastOffset + 1 - logStart;
    logStart = batch.lastOffset + 1;
  }
  if (logStart > log.logStart) {
    core.emit({ kind: "log-start-moved", topic: place.topic, partition: place.partition, logStart });
  }
}
