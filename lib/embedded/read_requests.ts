import type { RecordSlab } from "../columns/records.ts";
import type { LogBounds, Place } from "./cluster.ts";
import { findLog } from "./cluster_state.ts";
import type { Core } from "./core.ts";
import type { PartitionLog } from "./partition_log.ts";
import { offsetAtTime, readLog, type ReadOptions } from "./read_log.ts";
import { done, type Refusal, refused, type Reply } from "./reply.ts";
import { unknownPartition } from "./topic_requests.ts";
import { checkLeader } from "./troubles.ts";

/** Reads one partition; `null` when there is nothing new. */
export function fetchPartition(core: Core, place: Place, options: ReadOptions): Reply<RecordSlab | null> {
  const found = ledLog(core, place);
  if (found.kind === "refused") return found;
  const log = found.value;
  const { topic, partition } = place;
  const { from } = options;
  if (!(from >= log.logStart && from <= log.logEnd)) {
    const message = `position ${from} of ${topic}:${partition} is not in [${log.logStart}, ${log.logEnd}]`;
    return refused("offset-out-of-range", message, { ...place, ...contextOf(log, from) });
  }
  return checkEpoch(log, place, options) ?? done(readLog(log, place, options));
}

/**
 * A reader that was ahead of an unclean election has read what is not in the log (KIP-320): records of its epoch end
 * before its position, or nobody ever led under that epoch (the topic was created again).
 */
function checkEpoch(log: PartitionLog, { topic, partition }: Place, options: ReadOptions): Refusal | null {
  const { from, lastEpoch = -1 } = options;
  if (lastEpoch < 0) return null;
  const context = { topic, partition, ...contextOf(log, from), lastEpoch, leaderEpoch: log.leaderEpoch };
  if (lastEpoch > log.leaderEpoch) {
    const message = `position ${from} of ${topic}:${partition} was read under leader epoch ${lastEpoch}, ` +
      `which this log with leader epoch ${log.leaderEpoch} never had`;
    return refused("log-truncated", message, context);
  }
  const divergedAt = log.epochs.endOf(lastEpoch);
  if (divergedAt >= from) return null;
  const message = `position ${from} of ${topic}:${partition} was read under leader epoch ${lastEpoch}, ` +
    `whose records end at ${divergedAt} now: the log was truncated there`;
  return refused("log-truncated", message, { ...context, divergedAt });
}

function contextOf({ logStart, logEnd }: PartitionLog, position: number) {
  return { position, logStart, logEnd };
}

/** Bounds of a partition's log. */
export function boundsOf(core: Core, place: Place): Reply<LogBounds> {
  const found = ledLog(core, place);
  if (found.kind === "refused") return found;
  const { logStart, lastStableOffset, logEnd } = found.value;
  return done({ logStart, lastStableOffset, logEnd });
}

/** First offset whose timestamp is at or after a time, or the log's stable end. */
export function offsetAt(core: Core, place: Place, atMs: number): Reply<number> {
  const found = ledLog(core, place);
  return found.kind === "refused" ? found : done(offsetAtTime(found.value, atMs));
}

function ledLog(core: Core, place: Place): Reply<PartitionLog> {
  const log = findLog(core.state, place.topic, place.partition);
  if (log === undefined) return unknownPartition(place.topic, place.partition);
  return checkLeader(core, place) ?? done(log);
}
