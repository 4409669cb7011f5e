/** The list of seeded bugs. */
import { RETENTION_MUTANTS, UPLOAD_MUTANTS } from "./checkpoint_mutants.ts";
import { COMMIT_EFFECT_MUTANTS, COMMIT_ORDER_MUTANTS } from "./commit_mutants.ts";
import { BROKER_MUTANTS, GROUP_MUTANTS } from "./group_mutants.ts";
import { INPUT_MUTANTS, REFUSAL_MUTANTS, TIME_MUTANTS } from "./input_mutants.ts";
import type { Mutant } from "./mutant.ts";
import { RECOVERY_MUTANTS, REPLAY_MUTANTS } from "./recovery_mutants.ts";
import { FLUSH_MUTANTS, UNDO_MUTANTS } from "./state_mutants.ts";

/** All of them, those of one area together. */
export const MUTANTS: readonly Mutant[] = [
  ...COMMIT_ORDER_MUTANTS,
  ...COMMIT_EFFECT_MUTANTS,
  ...UNDO_MUTANTS,
  ...FLUSH_MUTANTS,
  ...RECOVERY_MUTANTS,
  ...REPLAY_MUTANTS,
  ...INPUT_MUTANTS,
  ...TIME_MUTANTS,
  ...REFUSAL_MUTANTS,
  ...UPLOAD_MUTANTS,
  ...RETENTION_MUTANTS,
  ...GROUP_MUTANTS,
  ...BROKER_MUTANTS,
];

/** Breaks every run: when the first seed does not fail, it is the harness that is broken. */
export const CANARY: Mutant = {
  name: "canary",
  sentence: "Nothing that a handler returns is ever sent",
  file: "lib/runtime/commit_outputs.ts",
  find: "    this.requests.push(request);\n",
  replace: "",
  breaks: ["I-04"],
};
