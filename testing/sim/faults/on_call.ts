/**
 * The operator on call: when faults have taken every copy of a task's state, or what it reads, the task stops and says so,
 * as it must; then it is reset. As long as one intact checkpoint is left it is not: a task that stops nevertheless is in
 * the wrong.
 */
import { decodeCommitMetadata } from "../../../lib/core/commit_metadata.ts";
import { CheckpointNames } from "../../../lib/core/checkpoint_names.ts";
import { decodeManifest } from "../../../lib/core/manifest_codec.ts";
import type { LogLevel, StepDetail } from "../../../lib/seams/observer.ts";
import type { Checker, SimProcess } from "../contracts.ts";
import type { FaultWorld } from "../fault_world.ts";
import { checkpointNames, committedOf, deletedByOperators, isGrown, resetToLogStart } from "./operator.ts";
import type { Place } from "./strike.ts";

/** Errors with which a task stops that finds no state to go on with. */
const STOPS: ReadonlySet<unknown> = new Set([
  "RecoveryImpossibleError",
  "OffsetOutOfRangeError",
  "CheckpointIncompatibleError",
]);
/** The operator sleeps, and reads the message first. */
const RESPONSE_MS = 2_000;

/**
 * Watches for tasks that cannot recover. One of the checkers of a run.
 *
 * @param world The world.
 */
export function operatorOnCall(world: FaultWorld): Checker {
  const called = new Set<string>();
  return {
    invariants: [],
    log: (_process: SimProcess, level: LogLevel, _message: string, detail: StepDetail) => {
      const { error, subscription, partition } = detail;
      if (level !== "error" || !STOPS.has(error) || typeof partition !== "number") return;
      const at = world.groupIds.findIndex((groupId) => groupId.endsWith(`.${subscription}`));
      const topic = world.inputTopics[at];
      const key = `${topic}:${partition}`;
      if (topic === undefined || called.has(key)) return;
      const groupId = world.groupIds[at]!;
      const place = { topic, partition };
      // Its checkpoint is of the topic as it was: of a task that went on when the operator came.
      const isOld = error === "CheckpointIncompatibleError" && isGrown(world, place);
      if (!world.excused.has(key) && !isOld && !isStateLost(world, { groupId, place })) return;
      called.add(key);
      const reason = world.excused.get(key) ??
        (isOld
          ? "the number of partitions of its topic was raised"
          : "faults have taken every checkpoint of its state");
      world.excuse(topic, partition, reason);
      world.after(RESPONSE_MS, () => {
        called.delete(key);
        resetToLogStart(world, { places: [place], reason });
      });
    },
  };
}

/** Whether checkpoints of the lineage that a group has committed were damaged or deleted, and none is left. */
function isStateLost(world: FaultWorld, at: { readonly groupId: string; readonly place: Place }): boolean {
  const metadata = decodeCommitMetadata(committedOf(world, at)?.metadata ?? "");
  if (metadata.kind !== "ours") return false;
  const [application, subscription] = splitGroup(at.groupId);
  const names = new CheckpointNames({ application, subscription, partition: at.place.partition });
  const prefix = `${names.prefix}lineage-${metadata.lineage}/`;
  const isTouched = [...world.blobs.damaged.keys(), ...deletedByOperators(world)].some((name) =>
    name.startsWith(prefix)
  );
  return isTouched &&
    !checkpointNames(world, at.groupId, at.place.partition).some((name) =>
      name.startsWith(prefix) && isWhole(world, names, { name, from: metadata.journal.from })
    );
}

/**
 * Whether a name is that of a manifest that can be read, all of whose files can be, and to which the journal of decisions
 * reaches back: an older one is left over, and no use to anybody.
 */
function isWhole(
  world: FaultWorld,
  names: CheckpointNames,
  at: { readonly name: string; readonly from: bigint },
): boolean {
  const { name, from } = at;
  if (!name.endsWith("-manifest.json") || !world.blobs.intact(name)) return false;
  try {
    const { manifest } = decodeManifest(world.blobs.peek(name)!, name, names);
    const { offset = -1n } = manifest.position.offsets[0] ?? {};
    return offset >= from && manifest.segments.every((segment) => world.blobs.intact(segment.name));
  } catch {
    // Of a newer release, or planted: no use to anybody.
    return false;
  }
}

/** Application and subscription of a group; a subscription's name holds no dot. */
function splitGroup(groupId: string): [application: string, subscription: string] {
  const dot = groupId.lastIndexOf(".");
  return [groupId.slice(0, dot), groupId.slice(dot + 1)];
}
