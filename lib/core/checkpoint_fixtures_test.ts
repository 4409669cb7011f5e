import type { CheckpointExpectations } from "./checkpoint_compatibility.ts";
import type { CheckpointManifest } from "./checkpoint_manifest.ts";
import { type CheckpointKey, CheckpointNames, type CheckpointTask } from "./checkpoint_names.ts";

/** What the tests of checkpoints share; holds no test of its own. */

export const TASK: CheckpointTask = { application: "shop", subscription: "orders", partition: 3 };
export const NAMES = new CheckpointNames(TASK);
export const LINEAGE = "main";
export const FINGERPRINT = "ab".repeat(32);

export const EXPECTATIONS: CheckpointExpectations = {
  clusterId: "cluster-1",
  topics: [{ topic: "orders", topicId: "topic-1", partitions: 8 }],
  operators: [{ name: "state.total", fingerprint: FINGERPRINT }],
  handlerVersion: 1,
};

export function keyOf(ownerToken: number, sequence: number, lineage = LINEAGE): CheckpointKey {
  return { lineage, ownerToken, sequence };
}

/** A manifest with one segment of its own, standing at `commitSequence`. */
export function manifestOf(
  key: CheckpointKey,
  commitSequence = key.ownerToken * 100 + key.sequence,
): CheckpointManifest {
  return {
    formatVersion: 1,
    ...TASK,
    ...key,
    clusterId: EXPECTATIONS.clusterId,
    topics: EXPECTATIONS.topics,
    position: {
      offsets: [{ topic: "orders", partition: 3, offset: 9_007_199_254_740_993n, leaderEpoch: 7 }],
      taskTimeMs: 1_700_000_000_000.5,
      watermarkMs: null,
      commitSequence,
    },
    storePosition: Uint8Array.of(0, 1, 254, 255),
    operators: EXPECTATIONS.operators,
    handlerVersion: 1,
    libraryVersion: "0.1.0",
    segments: [{
      kind: "base",
      name: NAMES.segment(key, "base", 0),
      bytes: 1_000,
      rows: 10,
      firstKey: Uint8Array.of(1),
      lastKey: Uint8Array.of(2, 0),
      sha256: "cd".repeat(32),
    }],
    previous: null,
    createdWallMs: 1_700_000_000_000,
  };
}
