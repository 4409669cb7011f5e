import type { Operator, Topic } from "../operator/operator.ts";

/**
 * Checks, before anything runs, that an operator's output fits the topic that it is published to.
 *
 * @param problem How the message begins.
 * @param parts Input topic, operator and output topic.
 * @throws {TypeError} when a column is missing, of another type, or nullable where it must not be.
 */
export function checkOutput(
  problem: string,
  parts: { readonly input: Topic; readonly operator: Operator; readonly publishTo: Topic | null },
): void {
  const { input, operator, publishTo } = parts;
  if (input.codec.isInferred || operator.isOutputUnknown === true) return;
  const output = operator.schema(input.schema);
  if (publishTo === null) {
    throw new TypeError(
      `${problem} its operators return batches: set 'publishTo' to the topic they go to: current value is undefined`,
    );
  }
  if (publishTo.codec.isInferred) return;
  for (const [name, wanted] of Object.entries(publishTo.schema)) {
    if (wanted.isRecordKey) continue;
    const found = output[name];
    const columns = Object.keys(output).join(", ");
    if (found === undefined) {
      throw new TypeError(
        `${problem} topic '${publishTo.name}' has a column '${name}' that its operators do not return: current value is ${columns}`,
      );
    }
    if (String(found.arrow) !== String(wanted.arrow)) {
      throw new TypeError(
        `${problem} column '${name}' of topic '${publishTo.name}' is ${wanted.arrow}, not the type returned: current value is ${found.arrow}`,
      );
    }
    if (found.nullable && !wanted.nullable) {
      throw new TypeError(
        `${problem} column '${name}' of topic '${publishTo.name}' takes no nulls but may be null: use ifNull() or where(), or declare it nullable: current value is nullable`,
      );
    }
  }
}
