import { type CheckpointManifest, MANIFEST_FORMAT_VERSION } from "../../../lib/core/checkpoint_manifest.ts";
import { CheckpointNames } from "../../../lib/core/checkpoint_names.ts";
import { decodeManifest, encodeManifest } from "../../../lib/core/manifest_codec.ts";
import { changeOptions } from "../changed_options.ts";
import { sustainedFlow } from "../jobs/flow.ts";
import { growTopic, resetGrown } from "./broker_faults.ts";
import {
  checkpointNames,
  committedOf,
  deleteObjects,
  hasState,
  operatorComes,
  readersOf,
  resetToLogStart,
  setOffsets,
  whileDown,
} from "./operator.ts";
import type { Injectors, Strike } from "./strike.ts";

/** A manifest of a checkpoint, newest of its owner. */
interface Found {
  readonly name: string;
  readonly names: CheckpointNames;
  readonly manifest: CheckpointManifest;
}

/** Attempts of an owner do not come that far: a planted manifest takes no name that is needed. */
const PLANTED_SEQUENCE = 900_000_000;
/** A fault that needs a checkpoint looks for one so often. */
const LOOKS_MAX = 20;
const LOOK_MS = 1_000;

/** Intact manifests, newest last in each task. */
function manifests(strike: Strike): Found[] {
  const { world } = strike;
  const found: Found[] = [];
  for (const groupId of world.groupIds) {
    for (const name of checkpointNames(world, groupId)) {
      if (!name.endsWith("-manifest.json") || !world.blobs.intact(name)) continue;
      const [application, subscription, partition] = name.split("/");
      const names = new CheckpointNames({
        application: application!,
        subscription: subscription!,
        partition: Number(partition),
      });
      const key = names.parse(name);
      if (key?.kind !== "manifest" || key.sequence >= PLANTED_SEQUENCE) continue;
      found.push({ name, names, manifest: decodeManifest(world.blobs.peek(name)!, name, names).manifest });
    }
  }
  return found;
}

/** Does something with a checkpoint, once there is one. */
function withCheckpoint(strike: Strike, act: (found: Found) => void, looks = 1): void {
  const newest = new Map(manifests(strike).map((found) => [found.names.prefix, found]));
  const found = strike.pick("checkpoint", [...newest.values()]);
  if (found !== undefined) return act(found);
  if (looks < LOOKS_MAX) strike.later(LOOK_MS, () => withCheckpoint(strike, act, looks + 1));
}

/**
 * A manifest that does not belong there stands before those of a task, and the task is opened anew: it stops and says so,
 * until the operator takes the manifest away.
 */
function plant(strike: Strike, what: string, change: (manifest: CheckpointManifest) => CheckpointManifest): void {
  const { world, lastingMs } = strike;
  withCheckpoint(strike, ({ names, manifest }) => {
    const sequence = PLANTED_SEQUENCE + strike.draw("sequence", 1_000_000);
    const planted = change({ ...manifest, sequence });
    const name = names.manifest(planted);
    const appeared = (): void => {
      // A store in trouble may have taken it without saying so.
      if (world.blobs.peek(name) === undefined) return;
      strike.fire(`${name} appears: ${what}`);
      for (const { number } of world.processes) world.crash(number, { restartAfterMs: 500, node: "same" });
      world.after(lastingMs, () => deleteObjects(world, [name]));
    };
    world.blobs.create(name, encodeManifest(planted).bytes).then(appeared, appeared);
  });
}

/** A process is deployed again with other options: other batches, other intervals. */
function changeSettings(strike: Strike): void {
  const { world, fault } = strike;
  strike.whenUp((process) => {
    const { options } = world;
    const sustained = [1, 2, 7, 64, 1_000].filter((rows) =>
      sustainedFlow({ ...options, batchRows: rows }) === options.rowsPerSecond
    );
    const batchRows = strike.pick("rows", sustained) ?? options.batchRows;
    const commitIntervalMs = strike.pick("commit", [0, 50, 500, 3_000])!;
    const checkpointIntervalMs = strike.pick("checkpoint", [1_000, 5_000, 30_000])!;
    const stateFlushIntervalMs = strike.pick("flush", [0, 300, 5_000])!;
    changeOptions(process, {
      app: { checkpointIntervalMs, stateFlushIntervalMs },
      subscription: { batchRows, commitIntervalMs },
    });
    const changed = { batchRows, commitIntervalMs, checkpointIntervalMs, stateFlushIntervalMs };
    strike.fire(`process ${process.number} is deployed again with ${JSON.stringify(changed)}`);
    world.stop(process.number, { restartAfterMs: fault.durationMs, node: "same" });
  });
}

/** An operator deletes a whole checkpoint: the manifest first, as retention does. */
function deleteCheckpoint(strike: Strike): void {
  withCheckpoint(strike, ({ name, manifest }) => {
    strike.fire(`an operator deletes ${name}`);
    const others = manifests(strike).filter((other) => other.name !== name);
    const isShared = (file: string): boolean =>
      others.some((other) => other.manifest.segments.some((segment) => segment.name === file));
    const files = manifest.segments.map((segment) => segment.name).filter((file) => !isShared(file));
    deleteObjects(strike.world, [name, ...files]);
  });
}

function raisePartitions(strike: Strike): void {
  whileDown(strike.world, () => growTopic(strike, (before) => resetGrown(strike, before)));
}

/**
 * The committed offset is set while the job is down: to the log's start, which a job with state takes as a new beginning;
 * to what an older export holds, metadata and all, which it takes as a late commit or goes back to; or anywhere, which it
 * takes only when it has no state. When it stops, the operator resets it.
 */
function setCommitted(strike: Strike): void {
  const { world } = strike;
  const place = strike.place(world.inputTopics);
  if (place === undefined) return;
  const { topic, partition } = place;
  const groups = readersOf(world, topic).filter((groupId) => committedOf(world, { groupId, place }) !== undefined);
  if (groups.length === 0) return strike.later(LOOK_MS, () => setCommitted(strike));
  const exported = groups.map((groupId) => ({ groupId, offsets: [committedOf(world, { groupId, place })!] }));
  const how = strike.pick("how", ["start", "export", "anywhere"] as const)!;
  const reason = "an operator has set its committed offset";
  const set = (): void => {
    const log = world.broker.cluster.state.topics.get(topic)?.logs[partition];
    if (log === undefined) return;
    const { logStart, lastStableOffset } = log;
    const offset = how === "start" ? logStart : logStart + strike.draw("offset", 1 + lastStableOffset - logStart);
    const entry = { ...place, offset, leaderEpoch: -1, metadata: "" };
    const wanted = how === "export" ? exported : groups.map((groupId) => ({ groupId, offsets: [entry] }));
    world.excuse(topic, partition, reason);
    strike.fire(`the committed offset of ${topic}:${partition} is set to ${wanted[0]!.offsets[0]!.offset} (${how})`);
    const isRefused = how === "anywhere" && groups.some((groupId) => hasState(world, { groupId, place }));
    for (const request of wanted) setOffsets(world, request);
    if (isRefused) operatorComes(strike, () => resetToLogStart(world, { places: [place], reason }));
  };
  if (how !== "export") return whileDown(world, set);
  strike.later(strike.lastingMs, () => whileDown(world, set));
}

/** An operator whose worker could not join its groups tries again after this. */
const REJOIN_MS = 1_000;

/** A worker is taken out of its groups, at any moment of its work, and put back. */
function drain(strike: Strike): void {
  const { world } = strike;
  strike.whenUp((process) => {
    const { app, number } = process;
    if (app === undefined) return;
    strike.fire(`process ${number} is drained, and joins again after ${strike.lastingMs} ms`);
    // What it could not commit it tells in its log, and has left all the same.
    app.drain().catch(() => undefined);
    const rejoin = (): void => {
      if (process.app !== app || app.isClosed) return;
      app.rejoin().catch(() => world.after(REJOIN_MS, rejoin));
    };
    world.after(strike.lastingMs, rejoin);
  });
}

/** Injectors of what operators do. */
export const OPERATIONS_FAULTS: Injectors<"O2" | "O3" | "O4" | "O5" | "O6" | "O7" | "O8"> = {
  O2: (strike) =>
    plant(strike, "a newer release has written it", (manifest) => ({
      ...manifest,
      formatVersion: MANIFEST_FORMAT_VERSION + 1,
    })),
  O3: changeSettings,
  O4: (strike) =>
    strike.draw("of what", 2) === 0
      ? plant(strike, "it is of another cluster", (manifest) => ({ ...manifest, clusterId: "another-cluster" }))
      : plant(strike, "it is of another topic", (manifest) => ({
        ...manifest,
        topics: manifest.topics.map((topic) => ({ ...topic, topicId: "another-topic" })),
      })),
  O5: deleteCheckpoint,
  O6: raisePartitions,
  O7: setCommitted,
  O8: drain,
};
