import fc, { type Arbitrary } from "fast-check";
import { LawError } from "./law_error.ts";
import type { LawOptions } from "./law_options.ts";

/** What is wrong in one case, in words. */
export class LawBreach extends Error {
  /** @param message What is wrong. @param options What was thrown. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "LawBreach";
  }
}

/** A law, ready to be checked. */
export interface LawCheck<Case> {
  /** Name of the law's function. */
  readonly law: string;
  /** Draws cases. */
  readonly cases: Arbitrary<Case>;
  /** Checks one case. */
  readonly holds: (drawn: Case) => Promise<void>;
}

/**
 * Checks a law for many cases; a case in which it does not hold is made smaller as long as that goes.
 *
 * @param check The law.
 * @param options Number of cases, seed and path.
 * @throws {LawError} when it does not hold.
 */
export async function checkLaw<Case>(check: LawCheck<Case>, options: LawOptions): Promise<void> {
  const { law, cases, holds } = check;
  const { numRuns = 30, seed = 1, path } = options;
  const property = fc.asyncProperty(cases, holds);
  const replayed = path === undefined ? {} : { path, endOnFailure: true };
  const details = await fc.check(property, { numRuns, seed, ...replayed });
  if (!details.failed) return;
  const { counterexamplePath, counterexample, errorInstance: cause, numShrinks } = details;
  const found = cause instanceof Error ? cause.message : String(cause);
  const again = `{ seed: ${details.seed}, path: "${counterexamplePath}" }`;
  const message = `${found}\n\nMade smaller ${numShrinks} times. To run this case alone, add to the options of ` +
    `${law}(): ${again}`;
  const place = { law, seed: details.seed, path: counterexamplePath ?? "", counterexample: counterexample?.[0], cause };
  throw new LawError(message, place);
}

/** Lines of a message, indented. */
export function indented(lines: readonly string[], most = 12): string {
  const kept = lines.length > most ? [...lines.slice(0, most), `... and ${lines.length - most} more`] : lines;
  return (kept.length === 0 ? ["nothing"] : kept).map((line) => `    ${line}`).join("\n");
}
