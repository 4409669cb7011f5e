/** Damage where it hurts: in the checkpoints from which tasks would be restored next. */
import { type CheckpointManifest, compareManifests } from "../../../lib/core/checkpoint_manifest.ts";
import { CheckpointNames } from "../../../lib/core/checkpoint_names.ts";
import { decodeCommitMetadata } from "../../../lib/core/commit_metadata.ts";
import { decodeManifest } from "../../../lib/core/manifest_codec.ts";
import type { FaultWorld } from "../fault_world.ts";
import { checkpointNames, committedOf, isManifest } from "./operator.ts";
import type { Place, Strike } from "./strike.ts";

/** A checkpoint that nothing is wrong with. */
interface Whole {
  readonly name: string;
  readonly manifest: CheckpointManifest;
}

/**
 * Damages the newest checkpoint of each task, sometimes all but the oldest one, as long as an intact one is left from which
 * the task can go on: promised is that it does.
 *
 * @param strike Of kind S6 or S13.
 * @returns Whether there was one to damage.
 */
export function damageNewestCheckpoints(strike: Strike): boolean {
  const { world, fault } = strike;
  const turn = strike.draw("turn", 2);
  let damaged = 0;
  for (const [at, groupId] of world.groupIds.entries()) {
    for (const place of strike.places([world.inputTopics[at]!])) {
      const whole = usableCheckpoints(world, { groupId, place });
      const most = whole.length - 1;
      for (const { name, manifest } of whole.slice(0, strike.draw("how many", 2) === 0 ? most : Math.min(1, most))) {
        const { segments } = manifest;
        // Bits of manifests and of files in turn; a checkpoint without its manifest is none, so mostly files are lost.
        const isFile = fault.kind === "S6" ? (damaged + turn) % 2 === 0 : strike.draw(`what of ${name}`, 4) > 0;
        const file = isFile ? strike.pick(`file of ${name}`, segments) : undefined;
        const object = file?.name ?? name;
        const draw = strike.draw(`bit of ${name}`, 0x7fff_ffff);
        world.blobs.damageNow(fault, object, file === undefined ? bitOfDigit(world.blobs.peek(name)!, draw) : draw);
        damaged++;
      }
    }
  }
  return damaged > 0;
}

/**
 * Lets a bad copy of the newest manifest of each task be read for a while, where there is another checkpoint.
 *
 * @param strike Of kind S17.
 * @returns Whether there was one.
 */
export function misreadNewestManifests(strike: Strike): boolean {
  const { world, fault } = strike;
  let misread = 0;
  for (const [at, groupId] of world.groupIds.entries()) {
    for (const place of strike.places([world.inputTopics[at]!])) {
      const [newest, ...older] = usableCheckpoints(world, { groupId, place });
      if (newest === undefined || older.length === 0) continue;
      world.blobs.badCopies.add(newest.name, fault);
      misread++;
    }
  }
  return misread > 0;
}

/** Checkpoints of a task that can be restored, newest first: those to which the journal of decisions reaches back. */
function usableCheckpoints(world: FaultWorld, at: { readonly groupId: string; readonly place: Place }): Whole[] {
  const { groupId, place: { topic, partition } } = at;
  const committed = committedOf(world, at);
  const metadata = decodeCommitMetadata(committed?.metadata ?? "");
  const log = world.broker.cluster.state.topics.get(topic)?.logs[partition];
  if (committed === undefined || metadata.kind !== "ours" || log === undefined) return [];
  const usable: Whole[] = [];
  for (const name of checkpointNames(world, groupId, partition).filter(isManifest)) {
    const manifest = wholeManifest(world, name);
    const offset = Number(manifest?.position.offsets[0]?.offset ?? -1);
    const first = Math.max(log.logStart, Number(metadata.journal.from));
    if (manifest?.lineage !== metadata.lineage || offset < first || offset > committed.offset) continue;
    if (manifest.position.commitSequence <= metadata.commitSequence) usable.push({ name, manifest });
  }
  return usable.sort((left, right) => compareManifests(right.manifest, left.manifest));
}

/** A manifest, if it and its files are as they were written and no fault ever said otherwise. */
function wholeManifest({ blobs }: FaultWorld, name: string): CheckpointManifest | undefined {
  const isWhole = (object: string): boolean => blobs.intact(object) && !blobs.hasLied(object);
  if (!isWhole(name)) return undefined;
  const [application, subscription, partition] = name.split("/");
  const task = { application: application!, subscription: subscription!, partition: Number(partition) };
  try {
    const { manifest } = decodeManifest(blobs.peek(name)!, name, new CheckpointNames(task));
    return manifest.segments.every((segment) => isWhole(segment.name)) ? manifest : undefined;
  } catch {
    // Planted by another fault: of a newer release, say.
    return undefined;
  }
}

/** The lowest bit of a digit: what is read then makes sense, and is something else. */
function bitOfDigit(bytes: Uint8Array, draw: number): number {
  const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;
  const from = draw % bytes.length;
  const next = bytes.findIndex((byte, at) => at >= from && isDigit(byte));
  return 8 * (next >= 0 ? next : bytes.findIndex(isDigit));
}
