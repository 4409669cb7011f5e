import { assert, assertEquals } from "@std/assert";
import { InvariantError } from "../../lib/base/assert.ts";
import { RecoveryImpossibleError } from "../../lib/base/errors.ts";
import type { CommitVariant } from "../../lib/core/commit_protocol.ts";
import { type CommitDesign, CommitProcess, Crash, DirtyClose } from "./commit_process.ts";
import { BATCH, CommitWorld, fold, INPUT } from "./commit_world.ts";
import { type Choices, type Exploration, explore, summary } from "./explore.ts";

const STARTS_MAX = 10;

/** One execution: processes start, die and start again until the input is done; then a cold start from checkpoints. */
function execute(design: CommitDesign, choices: Choices): string[] {
  const world = new CommitWorld(design.guarantee);
  let node = 0;
  for (let starts = 0;; starts++) {
    if (starts === STARTS_MAX) return ["NO PROGRESS"];
    const process = new CommitProcess(world, design, { choices, node });
    try {
      process.run();
      return check(world, design, process.sum);
    } catch (error) {
      if (error instanceof RecoveryImpossibleError) return [...world.violations, "STOPPED LOUDLY"];
      if (error instanceof InvariantError) return [`INVARIANT: ${error.message}`];
      if (!(error instanceof Crash) && !(error instanceof DirtyClose)) throw error;
      world.repeatsMax += BATCH;
      const { flushable } = process;
      if (error instanceof Crash && choices.pick(2, "restart on the other node") === 1) {
        world.locals[node] = flushable[0];
        node = 1 - node;
      } else {
        const latest = flushable.length - 1;
        world.locals[node] = flushable[latest - choices.pick(latest + 1, "flushes missing in the store")];
      }
    }
  }
}

function check(world: CommitWorld, design: CommitDesign, sum: number): string[] {
  const found = [...world.violations];
  const seen = new Set(world.outputs.map((one) => one.at));
  const repeats = world.outputs.length - seen.size;
  if (seen.size < INPUT.length) found.push("LOSS (I-04)");
  if (design.guarantee === "at-least-once" && repeats > world.repeatsMax) {
    found.push("DUPLICATES ABOVE THE BOUND (I-06)");
  }
  if (sum !== fold(INPUT.length)) found.push("STATE != fold (I-01)");
  const never: Choices = { pick: () => 0, fault: (kinds) => kinds[0]!, reached: () => {} };
  world.locals = [undefined, undefined];
  const cold = new CommitProcess(world, design, { choices: never, node: 1 });
  try {
    cold.run();
    if (cold.sum !== fold(INPUT.length)) found.push("STATE OF A COLD START != fold (I-01)");
  } catch (error) {
    found.push(`COLD START FAILED: ${(error as Error).message}`);
  }
  return found;
}

function run(name: string, design: CommitDesign, faultsMax: number): Exploration {
  const result = explore((choices) => execute(design, choices), { faultsMax });
  console.log(summary(`${name}, at most ${faultsMax} faults`, result));
  return result;
}

const ALO = { guarantee: "at-least-once", withOverlap: true } as const;
const EOS = { guarantee: "exactly-once", withOverlap: true } as const;
const APPLY_BEFORE_PLAIN_COMMIT: CommitVariant = { order: ["begin", "produce", "apply", "commit-offsets"] };
const APPLY_BEFORE_END: CommitVariant = { order: ["begin", "produce", "apply", "send-offsets", "end-transaction"] };

/** Designs that keep every rule, with any three faults. */
const GOOD: Readonly<Record<string, CommitDesign>> = {
  "ALO-5 produce > commit > apply, silent replay": ALO,
  "EOS-6 produce > commit > apply, silent replay, ask the witness, new producer": EOS,
};

for (const [name, design] of Object.entries(GOOD)) {
  Deno.test(`${name}: holds under any three faults`, () => {
    assertEquals([...run(name, design, 3).violations], []);
  });
  Deno.test(`${name}: holds without overlap under any two faults`, () => {
    assertEquals([...run(`${name}, no overlap`, { ...design, withOverlap: false }, 2).violations], []);
  });
}

/** Designs that look as good, the rule that each breaks first, and how many faults that takes. */
const BAD: readonly { name: string; design: CommitDesign; breaks: string; faults: number }[] = [
  {
    name: "ALO-1 apply > produce > commit, resume at the state",
    design: { ...ALO, resume: "state", variant: { order: ["begin", "apply", "produce", "commit-offsets"] } },
    breaks: "LOSS (I-04)",
    faults: 1,
  },
  {
    name: "ALO-2 produce > apply > commit, resume at the committed offset with the state as it is",
    design: { ...ALO, resume: "committed", variant: APPLY_BEFORE_PLAIN_COMMIT },
    breaks: "WRONG OUTPUT",
    faults: 1,
  },
  {
    name: "ALO-3 produce > apply > commit, resume at the state without silent replay",
    design: { ...ALO, resume: "state", variant: APPLY_BEFORE_PLAIN_COMMIT },
    breaks: "DUPLICATES ABOVE THE BOUND (I-06)",
    faults: 1,
  },
  {
    name: "EOS-1 produce > apply > commit, the local store is kept when it is ahead",
    design: { ...EOS, resume: "state-or-committed", variant: APPLY_BEFORE_END },
    breaks: "LOSS (I-04)",
    faults: 1,
  },
  {
    name: "EOS-3 an unknown commit is taken for committed",
    design: { ...EOS, variant: { witness: "assume-committed" } },
    breaks: "LOSS (I-04)",
    faults: 1,
  },
  {
    name: "EOS-4 an unknown commit is taken for aborted",
    design: { ...EOS, variant: { witness: "assume-aborted" } },
    breaks: "DUPLICATE (I-05)",
    faults: 1,
  },
  {
    name: "EOS-5 the producer is kept after an unknown outcome",
    design: { ...EOS, variant: { reusesProducer: true } },
    breaks: "DUPLICATE (I-05)",
    faults: 1,
  },
];

for (const { name, design, breaks, faults } of BAD) {
  Deno.test(`${name}: is found to break '${breaks}'`, () => {
    const { violations } = run(name, design, faults);
    assert(violations.has(breaks), `found only ${[...violations.keys()].join(", ")}`);
  });
}

Deno.test("ALO-4 produce > apply > commit, silent replay: holds, as at-least-once may have its store ahead", () => {
  assertEquals([...run("ALO-4", { ...ALO, variant: APPLY_BEFORE_PLAIN_COMMIT }, 2).violations], []);
});

Deno.test("EOS-2 produce > apply > commit, a store that is ahead is not used: nothing is lost or repeated, at a price", () => {
  const { violations } = run("EOS-2", { ...EOS, variant: APPLY_BEFORE_END }, 2);
  assertEquals([...violations.keys()].sort(), ["STOPPED LOUDLY", "STORE LEADS THE COMMITTED OFFSET (I-03)"]);
});

Deno.test("Merging equal states hides nothing: with one fault, each design breaks the same rules without it", () => {
  for (const design of [...Object.values(GOOD), ...BAD.map((one) => one.design)]) {
    const kinds = [true, false].map((mergesStates) => {
      const result = explore((choices) => execute(design, choices), { faultsMax: 1, mergesStates });
      return [...result.violations.keys()].sort();
    });
    assertEquals(kinds[0], kinds[1], `with and without merging: ${JSON.stringify(design)}`);
  }
});
