import { CheckpointIncompatibleError } from "../base/errors.ts";
import type { CheckpointManifest, CheckpointOperator, CheckpointTopic } from "./checkpoint_manifest.ts";

/** What a checkpoint must have been taken of to be of use to a task. */
export interface CheckpointExpectations {
  /** Identity of the cluster. */
  readonly clusterId: string;
  /** Input topics of the task. */
  readonly topics: readonly CheckpointTopic[];
  /** Operators with state. */
  readonly operators: readonly CheckpointOperator[];
  /** Version of the handler; `undefined` takes state of any version. */
  readonly handlerVersion: number | undefined;
}

/** One difference between a checkpoint and the running task. */
export interface Incompatibility {
  /** Path of the manifest's field. */
  readonly field: string;
  /** What the running task has. */
  readonly expected: string;
  /** What the checkpoint has. */
  readonly found: string;
  /** What the user can do. */
  readonly advice: string;
}

const NOTHING = "nothing";
const SAME_TOPIC = "if the input was replaced on purpose, reset the subscription, which begins a new lineage";
const SAME_STATE =
  "its columns or its settings were changed: deploy the version that wrote it, or keep that one declared as " +
  "it was beside a new one of another name, or start a subscription of another name";
const KEPT_STATE = "its state would be lost: declare it again, or start a subscription of another name";

/**
 * Compares a checkpoint with the running task. Operators that the checkpoint does not know begin empty; one that it
 * knows and the task does not would lose its state.
 *
 * @param manifest An intact manifest.
 * @param expected What the task needs.
 * @returns The first difference, or `undefined` when the checkpoint can be used.
 */
export function findIncompatibility(
  manifest: CheckpointManifest,
  expected: CheckpointExpectations,
): Incompatibility | undefined {
  if (manifest.clusterId !== expected.clusterId) {
    return {
      field: "clusterId",
      expected: expected.clusterId,
      found: manifest.clusterId,
      advice: "connect to the cluster it was taken on, or use another checkpoint location",
    };
  }
  return topicDifference(manifest.topics, expected.topics) ?? operatorDifference(manifest, expected) ??
    versionDifference(manifest, expected) ?? deltaDifference(manifest);
}

/**
 * The error for a difference.
 *
 * @param name Name of the manifest.
 * @param difference What {@linkcode findIncompatibility} found.
 * @returns An error whose context holds name, field, expected and found.
 */
export function incompatibleError(name: string, difference: Incompatibility): CheckpointIncompatibleError {
  const { field, expected, found, advice } = difference;
  return new CheckpointIncompatibleError(
    `Cannot use checkpoint '${name}': '${field}' is ${found}, the running task has ${expected}; ${advice}. ` +
      "Nothing was deleted",
    { context: { name, field, expected, found } },
  );
}

function topicDifference(
  found: readonly CheckpointTopic[],
  expected: readonly CheckpointTopic[],
): Incompatibility | undefined {
  const names = (topics: readonly CheckpointTopic[]) => topics.map((topic) => topic.topic).sort().join(", ") || NOTHING;
  if (names(found) !== names(expected)) {
    return { field: "topics", expected: names(expected), found: names(found), advice: SAME_TOPIC };
  }
  for (const topic of expected) {
    const other = found.find((candidate) => candidate.topic === topic.topic)!;
    const at = `topics[${topic.topic}]`;
    if (other.topicId !== topic.topicId) {
      return { field: `${at}.topicId`, expected: topic.topicId, found: other.topicId, advice: SAME_TOPIC };
    }
    if (other.partitions !== topic.partitions) {
      const [is, was] = [String(topic.partitions), String(other.partitions)];
      return { field: `${at}.partitions`, expected: is, found: was, advice: SAME_TOPIC };
    }
  }
  return undefined;
}

function operatorDifference(
  manifest: CheckpointManifest,
  expected: CheckpointExpectations,
): Incompatibility | undefined {
  for (const { name, fingerprint } of manifest.operators) {
    const current = expected.operators.find((candidate) => candidate.name === name);
    if (current?.fingerprint === fingerprint) continue;
    return {
      field: `operators[${name}].fingerprint`,
      expected: current?.fingerprint ?? NOTHING,
      found: fingerprint,
      advice: current === undefined ? KEPT_STATE : SAME_STATE,
    };
  }
  return undefined;
}

function versionDifference(
  manifest: CheckpointManifest,
  expected: CheckpointExpectations,
): Incompatibility | undefined {
  if (expected.handlerVersion === undefined || manifest.handlerVersion === expected.handlerVersion) return undefined;
  return {
    field: "handlerVersion",
    expected: String(expected.handlerVersion),
    found: String(manifest.handlerVersion),
    advice: "run the handler version that wrote it, or start a subscription of another name",
  };
}

/** Deltas are part of the format; this version does not merge them. */
function deltaDifference(manifest: CheckpointManifest): Incompatibility | undefined {
  const index = manifest.segments.findIndex((segment) => segment.kind === "delta");
  if (index < 0) return undefined;
  return {
    field: `segments[${index}].kind`,
    expected: "base",
    found: "delta",
    advice: "run a library version that merges deltas",
  };
}
