/** What a seeded bug is. */
import type { InvariantId } from "../sim/contracts.ts";

/** One place of a source file that is written otherwise. */
export interface Edit {
  /** Path from the repository's root. */
  readonly file: string;
  /** Text that stands in the file exactly once. */
  readonly find: string;
  /** What stands there instead. */
  readonly replace: string;
}

/** A bug that an engineer might plausibly write, as a patch of the sources: the library itself has no switch for it. */
export interface Mutant extends Edit {
  /** Short name in kebab-case. */
  readonly name: string;
  /** What the bug is, and why somebody would write it. */
  readonly sentence: string;
  /** Further places that belong to the same bug. @default {[]} */
  readonly also?: readonly Edit[];
  /** Invariants that it breaks, the likeliest first; the simulator may see another one before. */
  readonly breaks: readonly InvariantId[];
  /** The guarantee under which it can be seen. @default both */
  readonly guarantee?: "at-least-once" | "exactly-once";
  /** What a run has to draw before the bug can be seen. @default hardly anything */
  readonly needs?: string;
  /**
   * For bugs that no simulated run can tell from the good code, since another line of defence holds: the test that sees
   * it. They do not count among those that the simulator has to find.
   */
  readonly seenBy?: SeenBy;
}

/** The test that sees a mutant which the simulator cannot see. */
export interface SeenBy {
  /** Path of the test file. */
  readonly test: string;
  /** Why the simulator cannot see it. */
  readonly reason: string;
}

/** All places that a mutant writes otherwise. */
export function editsOf(mutant: Mutant): readonly Edit[] {
  const { file, find, replace, also = [] } = mutant;
  return [{ file, find, replace }, ...also];
}
