/** One input as far as silent replay is concerned. */
export interface ReplayedInput {
  /** Topic name. */
  readonly topic: string;
  /** Whether its cleanup policy removes records by key: a replay would read fewer records than were processed. */
  readonly isCompacted: boolean;
  /** Whether it is read as a table: only the last value of a key counts. */
  readonly isTable: boolean;
}

/** Whether a subscription's state can be rebuilt by replaying its inputs. */
export type ReplayableVerdict =
  | { readonly kind: "allowed" }
  | { readonly kind: "refused"; readonly reason: string };

/**
 * Silent replay repeats the same rows in the same order only for one input whose records all stay, or for several that
 * are merged by a rule that depends on the records alone. Everything else needs `durability: "changelog"`.
 *
 * @param inputs The inputs of a subscription with state.
 * @param options Durability of its state, and how several inputs are merged.
 */
export function replayableInputs(
  inputs: readonly ReplayedInput[],
  options: { readonly durability: "checkpoint" | "changelog"; readonly merge: "arrival" | "record-timestamp" },
): ReplayableVerdict {
  if (options.durability === "changelog") return { kind: "allowed" };
  const names = inputs.map((input) => input.topic).join(", ");
  if (inputs.length > 1 && options.merge === "arrival") {
    return refuse(
      `Cannot restore state by replay as the inputs are merged in the order of arrival, which no replay repeats: set ` +
        `'durability' to "changelog": current inputs are ${names}`,
    );
  }
  const compacted = inputs.find((input) => input.isCompacted && !input.isTable);
  if (compacted !== undefined) {
    return refuse(
      `Cannot restore state by replay as the input is compacted and a replay would read fewer records: set ` +
        `'durability' to "changelog": current input is ${compacted.topic}`,
    );
  }
  return { kind: "allowed" };
}

function refuse(reason: string): ReplayableVerdict {
  return { kind: "refused", reason };
}
