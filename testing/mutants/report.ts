/** What the hunt for mutants comes to, for people and for the summary of tests. */
import type { Finding } from "./hunt.ts";
import type { Mutant } from "./mutant.ts";

/** The middle of the seeds at which mutants are found must not be above this. */
export const MEDIAN_MAX = 20;

/** A mutant and what became of it. */
export interface Hunted {
  /** The mutant. */
  readonly mutant: Mutant;
  /** What became of it. */
  readonly finding: Finding;
}

/** The middle of numbers; of an even count the lower one of the two, `NaN` of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[(sorted.length - 1) >> 1] ?? NaN;
}

/** Seeds at which the simulator found mutants. */
export function seedsOf(hunted: readonly Hunted[]): number[] {
  return hunted.flatMap(({ finding }) => finding.kind === "found" ? [finding.run.seed] : []);
}

/** Whether a mutant was found as it should be; the canary by the first seed. */
export function isCaught({ mutant, finding }: Hunted): boolean {
  if (finding.kind === "found") return mutant.name !== "canary" || finding.run.seed === 1;
  return finding.kind === "seen";
}

/** One line of the table. */
export function tableLine(hunted: Hunted): string {
  const { mutant, finding } = hunted;
  const head = `${isCaught(hunted) ? "ok    " : "MISSED"} ${mutant.name.padEnd(42)}`;
  switch (finding.kind) {
    case "found": {
      const { seed, invariant, message } = finding.run;
      const isForetold = mutant.breaks.some((id) => id === invariant) ? " " : "*";
      const first = message.split("\n")[0]!.slice(0, 140);
      return `${head} seed ${String(seed).padStart(3)}  ${invariant}${isForetold} ${first}`;
    }
    case "seen":
      return `${head} seen by ${finding.test}`;
    case "missed":
      return `${head} ${mutant.seenBy === undefined ? "no seed" : `not seen by ${mutant.seenBy.test}`}`;
    case "broken":
      return `${head} ${finding.reason}`;
  }
}

/**
 * The lines after the table; the last one is the plain count of a lane of tests.
 *
 * @param hunted Every mutant that was hunted.
 * @param isWhole Whether all were: only then does the median count.
 */
export function summary(
  hunted: readonly Hunted[],
  isWhole: boolean,
): { readonly lines: string[]; readonly isGood: boolean } {
  const caught = hunted.filter(isCaught).length;
  const middle = median(seedsOf(hunted.filter(({ mutant }) => mutant.name !== "canary")));
  const isMedianGood = middle <= MEDIAN_MAX;
  const lines = [
    `median seed ${middle}, at most ${MEDIAN_MAX} is wanted${isWhole ? "" : " (not judged: not all were hunted)"}`,
  ];
  const passed = caught + (isWhole && isMedianGood ? 1 : 0);
  const failed = hunted.length - caught + (isWhole && !isMedianGood ? 1 : 0);
  lines.push(`${passed} passed, ${failed} failed`);
  return { lines, isGood: failed === 0 && hunted.length > 0 };
}
