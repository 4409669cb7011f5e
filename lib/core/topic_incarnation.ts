import { CheckpointIncompatibleError } from "../base/errors.ts";
import type { TaskPosition } from "./position.ts";
import type { RecoveryInput } from "./recovery_input.ts";

/**
 * Whether offsets of a position count in the topic as it is now. A topic that was deleted and created again has the same
 * name and begins at 0 again: going on at an old offset would leave out its first records. A position of an older
 * release holds no topic id; it is taken for one of the present topic.
 *
 * @param input What was found: input partition and id of its topic.
 * @param position Of a local store or a checkpoint.
 */
export function isOfPresentTopic(input: Pick<RecoveryInput, "log" | "topicId">, position: TaskPosition): boolean {
  const { topic } = input.log;
  return position.offsets.every((at) => at.topic !== topic || (at.topicId ?? input.topicId) === input.topicId);
}

/**
 * The error for state of a topic that was created again.
 *
 * @param input What was found.
 * @param what Names the state: the local store, or a checkpoint.
 * @param position Its position.
 * @returns An error whose context holds task, field, what was expected and what was found.
 */
export function otherTopicError(
  input: RecoveryInput,
  what: string,
  { position }: { readonly position: TaskPosition },
): CheckpointIncompatibleError {
  const { log: { topic }, topicId: expected, task } = input;
  const field = `topics[${topic}].topicId`;
  const found = position.offsets.find((at) => at.topic === topic)!.topicId;
  return new CheckpointIncompatibleError(
    `Cannot use the ${what} of ${task}: '${field}' is ${found}, the running task has ${expected}; if the input was ` +
      "replaced on purpose, set the group's offset to the start of the log, which begins a new lineage. Nothing was " +
      "deleted",
    { context: { task, field, expected, found } },
  );
}
