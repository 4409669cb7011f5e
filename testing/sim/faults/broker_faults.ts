import { strikeCalls } from "./network_faults.ts";
import { checkpointNames, committedOf, noteGrown, operatorComes, readersOf, resetToLogStart } from "./operator.ts";
import type { Injectors, Place, Strike } from "./strike.ts";
import { openForeign } from "./transaction_faults.ts";

function logOf({ world }: Strike, { topic, partition }: Place) {
  return world.broker.cluster.state.topics.get(topic)?.logs[partition];
}

/** The log ends of partitions of inputs that hold something. */
function filledPlace(strike: Strike): Place | undefined {
  const filled = strike.places(strike.world.inputTopics).filter((place) => {
    const { logStart, logEnd } = logOf(strike, place)!;
    return logEnd - logStart > 1;
  });
  return strike.pick("place", filled);
}

function changeLeader(strike: Strike): void {
  const { world, lastingMs } = strike;
  const place = strike.place([...world.inputTopics, ...strike.outputTopics]);
  if (place === undefined) return;
  const { topic, partition } = place;
  if (strike.draw("gap", 2) === 0) {
    strike.fire(`a new leader takes over ${topic}:${partition}`);
    world.broker.bumpLeaderEpoch(topic, partition);
    return;
  }
  strike.fire(`${topic}:${partition} has no leader for ${lastingMs} ms`);
  world.broker.setLeaderless(place, true);
  world.after(lastingMs, () => world.broker.setLeaderless(place, false));
}

function restart(strike: Strike): void {
  const { world, lastingMs } = strike;
  strike.fire(`the broker is down for ${lastingMs} ms`);
  world.outage(lastingMs);
  world.broker.restart();
}

/** An unclean election: acknowledged records are gone, and their offsets go to others. */
function truncate(strike: Strike): void {
  const { world } = strike;
  const place = filledPlace(strike);
  if (place === undefined) return;
  const { topic, partition } = place;
  const { logStart, logEnd } = logOf(strike, place)!;
  const offset = logEnd - 1 - strike.draw("length", Math.min(50, logEnd - logStart - 1));
  world.excuse(topic, partition, "its log was truncated");
  const end = world.broker.truncate(place, offset);
  strike.fire(`${topic}:${partition} loses [${end}, ${logEnd})`);
  operatorComes(strike, () => resetToLogStart(world, { places: [place], reason: "its log was truncated" }));
}

/** Retention goes past what a task has committed, or just up to it, so that state from before cannot be replayed. */
function expireRecords(strike: Strike): void {
  const { world } = strike;
  const place = filledPlace(strike);
  if (place === undefined) return;
  const { topic, partition } = place;
  const { logStart, logEnd } = logOf(strike, place)!;
  const committed = Math.max(
    logStart,
    ...readersOf(world, topic).map((groupId) => committedOf(world, { groupId, place })?.offset ?? 0),
  );
  const isPast = strike.draw("past", 3) > 0;
  // A log that was cut back may end before what is committed.
  const offset = Math.min(logEnd, isPast ? committed + 1 + strike.draw("length", 20) : committed);
  if (offset <= logStart) return;
  const reason = "retention has passed its position";
  world.excuse(topic, partition, reason);
  world.broker.deleteRecordsBefore(topic, partition, offset);
  strike.fire(`${topic}:${partition} begins at ${offset} now, ${committed} was committed`);
  operatorComes(strike, () => resetToLogStart(world, { places: [place], reason }));
}

/** Records that another one of their key has replaced are gone; a replay would see fewer than were read. */
function compact(strike: Strike): void {
  const { world } = strike;
  const place = filledPlace(strike);
  if (place === undefined) return;
  const { topic, partition } = place;
  const removed = world.broker.compact(place);
  if (removed === 0) return;
  strike.fire(`compaction takes ${removed} records from ${topic}:${partition}`);
  world.excuse(topic, partition, "compaction took records that may not have been read, or may be read again");
}

/** Transactions without records: the log goes on, and there is nothing to read. */
function fillWithControls(strike: Strike): void {
  const place = strike.place(strike.world.inputTopics);
  if (place === undefined) return;
  const count = 1 + strike.draw("count", 6);
  strike.fire(`${count} control records go to ${place.topic}:${place.partition}`);
  for (let at = 0; at < count; at++) {
    strike.later(at * 20, () => openForeign(strike, place)?.end(strike.draw(`commit ${at}`, 2) === 0));
  }
}

function recreate(strike: Strike): void {
  const { world } = strike;
  const topic = strike.pick("topic", world.inputTopics);
  if (topic === undefined) return;
  const places = strike.places([topic]);
  const reason = "its topic was deleted and created again";
  for (const { partition } of places) world.excuse(topic, partition, reason);
  strike.fire(`topic ${topic} is deleted and created again`);
  world.broker.recreateTopic(topic);
  operatorComes(strike, () => resetToLogStart(world, { places, reason }));
}

/**
 * Raises the number of partitions of an input.
 *
 * @param strike The fault.
 * @param then Is told which partitions were there before, if any was added.
 */
export function growTopic(strike: Strike, then: (before: readonly Place[]) => void): void {
  const { world } = strike;
  const topic = strike.pick("topic", world.inputTopics);
  const before = topic === undefined ? [] : strike.places([topic]);
  if (topic === undefined || before.length === 0 || before.length >= PARTITIONS_MAX) return;
  const count = before.length + 1 + strike.draw("more", 2);
  strike.fire(`topic ${topic} has ${count} partitions now, not ${before.length}`);
  world.broker.addPartitions(topic, count);
  noteGrown(world, before);
  then(before);
}

/** Faults add no partitions past this. */
const PARTITIONS_MAX = 30;

/** Checkpoints of the partitions of before are of no use any more: those that have some are reset. */
export function resetGrown(strike: Strike, before: readonly Place[]): void {
  const { world } = strike;
  const stateful = before.filter(({ topic, partition }) =>
    readersOf(world, topic).some((groupId) => checkpointNames(world, groupId, partition).length > 0)
  );
  const reason = "the number of partitions of its topic was raised";
  if (stateful.length > 0) resetToLogStart(world, { places: stateful, reason });
}

function missReplicas(strike: Strike): void {
  const { world, lastingMs } = strike;
  const place = strike.place([...world.inputTopics, ...strike.outputTopics]);
  if (place === undefined) return;
  strike.fire(`${place.topic}:${place.partition} has too few replicas for ${lastingMs} ms`);
  world.broker.setReplicasShort(place, true);
  world.after(lastingMs, () => world.broker.setReplicasShort(place, false));
}

/** An output topic takes no record of any size for a while: the job has to stop and say so. */
function shrinkRecords(strike: Strike): void {
  const { world, lastingMs } = strike;
  strike.atStep(["produce:before"], { skip: strike.draw("skip", 4) }, () => {
    const topic = strike.pick("topic", strike.outputTopics);
    if (topic === undefined) return;
    strike.fire(`topic ${topic} takes no record of more than one byte for ${lastingMs} ms`);
    world.broker.setRecordBytesMax(topic, 1);
    world.after(lastingMs, () => world.broker.setRecordBytesMax(topic, null));
  });
}

/** Nothing can be fetched for a while, then everything that has piled up at once. */
function starve(strike: Strike): void {
  const { world, lastingMs } = strike;
  const places = strike.places(world.inputTopics);
  strike.fire(`fetches are empty for ${lastingMs} ms, then huge`);
  for (const place of places) world.broker.setLeaderless(place, true);
  world.after(lastingMs, () => {
    for (const place of places) world.broker.setLeaderless(place, false);
  });
}

/** Injectors of the faults of logs. */
export const BROKER_FAULTS: Injectors<
  "B1" | "B2" | "B3" | "B4" | "B5" | "B6" | "B7" | "B8" | "B9" | "B10" | "B11" | "B12" | "B13"
> = {
  B1: changeLeader,
  B2: restart,
  B3: truncate,
  B4: expireRecords,
  B5: compact,
  B6: fillWithControls,
  B7: recreate,
  B8: (strike) => growTopic(strike, (before) => operatorComes(strike, () => resetGrown(strike, before))),
  B9: missReplicas,
  B10: shrinkRecords,
  B11: (strike) => strikeCalls(strike, { fate: "slow", calls: ["produce", "fetch", "commit"], timesMax: 40 }),
  // An adapter tells of a damaged batch as of a broker that cannot answer now: it is fetched again.
  B12: (strike) => strikeCalls(strike, { fate: "refused", calls: ["fetch"], timesMax: 2 }),
  B13: starve,
};
