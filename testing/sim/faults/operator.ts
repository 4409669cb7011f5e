/** What a human operator does about a running job: stops it, sets offsets, deletes checkpoints. */
import { decodeCommitMetadata } from "../../../lib/core/commit_metadata.ts";
import type { OffsetEntry } from "../../../lib/embedded/change.ts";
import type { FaultWorld } from "../fault_world.ts";
import type { Place, Strike } from "./strike.ts";

/** From the stop of all processes to the operator's action, and from there to their start. */
const DOWN_MS = 700;
/** Processes are started one after the other, each after so long: the first one has done some work by then. */
const TURN_MS = 5_000;
/** An operator whose request to the object store fails tries again after this. */
const AGAIN_MS = 500;

/**
 * Stops all processes, does something while the groups have no members, and starts the processes again, in turn.
 *
 * @param world The world.
 * @param action What is done; nobody is up meanwhile.
 */
export function whileDown(world: FaultWorld, action: () => void): void {
  const stopAll = (restartAfterMs: number): void => {
    for (const { number } of world.processes) {
      world.crash(number, { restartAfterMs: restartAfterMs + number * TURN_MS, node: "same" });
    }
  };
  stopAll(3 * DOWN_MS);
  world.after(DOWN_MS, () => {
    // Those that came up meanwhile go down again: a group with members takes no orders.
    stopAll(DOWN_MS);
    for (const groupId of world.groupIds) {
      for (const { memberId } of world.broker.members(groupId)) world.broker.expireMember(groupId, memberId);
    }
    action();
  });
}

/**
 * The job is left alone with what happened to it, then the operator comes; also when faults are over by then, since nobody
 * else can help.
 */
export function operatorComes(strike: Strike, action: () => void): void {
  strike.world.after(strike.fault.durationMs, action);
}

/** Groups of the job that read a topic. */
export function readersOf(world: FaultWorld, topic: string): string[] {
  return world.groupIds.filter((_, at) => world.inputTopics[at] === topic);
}

/** What a group has committed for a partition. */
export function committedOf(
  world: FaultWorld,
  at: { readonly groupId: string; readonly place: Place },
): OffsetEntry | undefined {
  const { groupId, place } = at;
  return world.broker.committedOffsets(groupId)
    .find(({ topic, partition }) => topic === place.topic && partition === place.partition);
}

/** Whether a task has ever had state: only then is it claimed by owners. */
export function hasState(world: FaultWorld, at: { readonly groupId: string; readonly place: Place }): boolean {
  return world.blobs.names().some((name) => {
    const [application, subscription, number, kind] = name.split("/");
    return kind === "owners" && `${application}.${subscription}` === at.groupId &&
      Number(number) === at.place.partition;
  });
}

/** Whether what is committed speaks of state, and a checkpoint of it is there. */
export function isCheckpointed(
  world: FaultWorld,
  at: { readonly groupId: string; readonly entry: OffsetEntry },
): boolean {
  const { groupId, entry: { partition, metadata } } = at;
  const decoded = decodeCommitMetadata(metadata);
  if (decoded.kind !== "ours" || decoded.ownerToken === 0) return false;
  return checkpointNames(world, groupId, partition).some((name) =>
    isManifest(name) && name.includes(`/lineage-${decoded.lineage}/`) && world.blobs.intact(name)
  );
}

/** Writes what groups without members have committed. */
export function setOffsets(
  world: FaultWorld,
  request: { readonly groupId: string; readonly offsets: readonly OffsetEntry[] },
): void {
  world.broker.cluster.overwriteOffsets(request, world.broker.times());
}

/** Whether a name is that of a manifest. */
export function isManifest(name: string): boolean {
  return name.endsWith("-manifest.json");
}

/**
 * Names of the objects of a task's checkpoints; of all tasks of a group when no partition is given. Claims of owners are
 * none of them: a later owner must not get the token of an earlier one.
 */
export function checkpointNames(world: FaultWorld, groupId: string, partition?: number): string[] {
  return world.blobs.names().filter((name) => {
    const [application, subscription, number, kind] = name.split("/");
    return `${application}.${subscription}` === groupId && (partition ?? Number(number)) === Number(number) &&
      kind !== "owners";
  });
}

/** Names that operators have deleted, by world. */
const DELETED = new WeakMap<FaultWorld, Set<string>>();

/** Deletes objects one after the other, however often each takes. */
export function deleteObjects(world: FaultWorld, names: readonly string[]): void {
  let deleted = DELETED.get(world);
  if (deleted === undefined) DELETED.set(world, deleted = new Set());
  const [name, ...rest] = names;
  if (name === undefined) return;
  deleted.add(name);
  world.blobs.delete(name).then(
    () => deleteObjects(world, rest),
    () => world.after(AGAIN_MS, () => deleteObjects(world, names)),
  );
}

/** Partitions of topics that were grown, by world. */
const GROWN = new WeakMap<FaultWorld, Set<string>>();

/** Remembers which partitions were there before a topic was grown: checkpoints of theirs are refused from then on. */
export function noteGrown(world: FaultWorld, before: readonly Place[]): void {
  let grown = GROWN.get(world);
  if (grown === undefined) GROWN.set(world, grown = new Set());
  for (const { topic, partition } of before) grown.add(`${topic}:${partition}`);
}

/**
 * Whether a partition was there before its topic was grown. A task that runs then may still take its first checkpoint, and
 * stops when it is opened again.
 */
export function isGrown(world: FaultWorld, { topic, partition }: Place): boolean {
  return GROWN.get(world)?.has(`${topic}:${partition}`) ?? false;
}

/** Names that operators have deleted so far. */
export function deletedByOperators(world: FaultWorld): ReadonlySet<string> {
  return DELETED.get(world) ?? new Set();
}

/**
 * The reset of the handbook: the job is stopped, the groups that read these partitions are set to the first record that
 * the log still holds, and the checkpoints of before are deleted. Whatever was there is processed again, so the partitions
 * are excused.
 *
 * @param world The world.
 * @param what Partitions of input topics, and why they are reset, for people.
 */
export function resetToLogStart(
  world: FaultWorld,
  what: { readonly places: readonly Place[]; readonly reason: string },
): void {
  const { places, reason } = what;
  for (const { topic, partition } of places) world.excuse(topic, partition, reason);
  whileDown(world, () => {
    for (const place of places) {
      const log = world.broker.cluster.state.topics.get(place.topic)?.logs[place.partition];
      if (log === undefined) continue;
      for (const groupId of readersOf(world, place.topic)) {
        const entry = { ...place, offset: log.logStart, leaderEpoch: -1, metadata: "" };
        setOffsets(world, { groupId, offsets: [entry] });
        // Manifests first, as retention does: a manifest that can be seen has all its files.
        const names = checkpointNames(world, groupId, place.partition);
        deleteObjects(world, [...names.filter(isManifest), ...names.filter((name) => !isManifest(name))]);
      }
    }
  });
}
