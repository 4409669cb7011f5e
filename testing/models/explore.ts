/** The decisions of one execution of a model: which fault happens, which of several legal things comes next. */
export interface Choices {
  /**
   * One of several legal continuations.
   *
   * @param width How many there are; 0 is the ordinary one.
   * @param label Names the choice in a counterexample.
   */
  pick(width: number, label: string): number;
  /**
   * Whether, and how, something goes wrong here. Anything but 0 uses up one fault.
   *
   * @param kinds The ordinary course first, then the faults by name.
   * @param label Names the place.
   */
  fault<K extends string>(kinds: readonly K[], label: string): K;
  /**
   * Says that everything that can matter from here on is in `key`. An execution that reaches what another one has explored
   * from, with at least as many faults left, ends here.
   *
   * @param key The whole state of the model, but for `debt`.
   * @param debt Of two executions with one key, the one with the greater debt breaks a rule if the other does. @default {0}
   */
  reached(key: string, debt?: number): void;
}

/** What an exploration found. */
export interface Exploration {
  /** Executions run, those cut short by {@linkcode Choices.reached} included. */
  readonly executions: number;
  /** Executions that were cut short. */
  readonly cutShort: number;
  /** Violations by kind, each with the shortest list of choices that was found to lead to it. */
  readonly violations: ReadonlyMap<string, string>;
}

/** Ends an execution whose rest is known. Models must let it pass. */
export class KnownState extends Error {}

/** One decision on the tape. */
interface Decision {
  readonly value: number;
  readonly width: number;
  readonly isFault: boolean;
  readonly label: string;
}

/**
 * Runs a model under every combination of choices with at most `faultsMax` faults: a depth-first search over the tape of
 * decisions. The model must be deterministic in its choices.
 *
 * @param model One execution; returns the kinds of the violations it saw.
 * @param options Bound of faults in one execution; `mergesStates: false` makes nothing of {@linkcode Choices.reached}.
 */
export function explore(
  model: (choices: Choices) => readonly string[],
  options: { readonly faultsMax: number; readonly mergesStates?: boolean },
): Exploration {
  const known = new Map<string, { readonly left: number; readonly debt: number }[]>();
  const violations = new Map<string, { text: string; choices: number }>();
  let executions = 0, cutShort = 0;

  const execute = (prefix: readonly number[]): Decision[] => {
    const tape: Decision[] = [];
    let faults = 0;
    const decide = (width: number, isFault: boolean, label: string): number => {
      const value = prefix[tape.length] ?? 0;
      if (isFault && value !== 0) faults++;
      tape.push({ value, width, isFault, label });
      return value;
    };
    const choices: Choices = {
      pick: (width, label) => decide(width, false, label),
      fault: (kinds, label) => {
        const at = tape.length;
        const value = decide(kinds.length, true, label);
        if (value !== 0) tape[at] = { ...tape[at]!, label: `${label}: ${kinds[value]}` };
        return kinds[value]!;
      },
      reached: (key, debt = 0) => {
        // What stands on the prefix is being explored by the execution that it was taken from.
        if (options.mergesStates === false || tape.length < prefix.length) return;
        const left = options.faultsMax - faults;
        const explored = known.get(key) ?? [];
        if (explored.some((one) => one.left >= left && one.debt >= debt)) throw new KnownState();
        known.set(key, [...explored.filter((one) => one.left > left || one.debt > debt), { left, debt }]);
      },
    };
    executions++;
    let found: readonly string[] = [];
    try {
      found = model(choices);
    } catch (error) {
      if (!(error instanceof KnownState)) throw error;
      cutShort++;
    }
    const taken = tape.filter((one) => one.value !== 0);
    for (const kind of found) {
      if ((violations.get(kind)?.choices ?? Infinity) <= taken.length) continue;
      const text = taken.map((one) => one.isFault ? one.label : `${one.label}=${one.value}`).join("; ") || "no fault";
      violations.set(kind, { text, choices: taken.length });
    }
    return tape;
  };

  const search = (prefix: readonly number[]): void => {
    const tape = execute(prefix);
    let faults = 0;
    for (let at = 0; at < tape.length; at++) {
      const { width, isFault, value } = tape[at]!;
      if (at >= prefix.length && (!isFault || faults < options.faultsMax)) {
        const before = tape.slice(0, at).map((one) => one.value);
        for (let other = 1; other < width; other++) search([...before, other]);
      }
      if (isFault && value !== 0) faults++;
    }
  };
  search([]);
  return { executions, cutShort, violations: new Map([...violations].map(([kind, { text }]) => [kind, text])) };
}

/** One line about an exploration. */
export function summary(name: string, result: Exploration): string {
  const found = [...result.violations].map(([kind, text]) => `${kind} [${text}]`).join("\n      ");
  return `   ${name}: ${result.executions} executions${found === "" ? ", all rules hold" : `\n      ${found}`}`;
}
