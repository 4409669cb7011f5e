import { assert, assertEquals, assertFalse, assertStringIncludes } from "@std/assert";
import { checkedFaultPlan, formatFaultPlan } from "./fault_plan.ts";
import { planned } from "./faults/played_world_test.ts";
import { counterexampleText, type Failure, failureFile, failureText } from "./report.ts";
import { swarmOptions } from "./swarm.ts";

const PLAN = [planned("P1"), planned("N2", { atMs: 12_400, process: 1, durationMs: 200, draw: 7 }), planned("S4")];

function failure(more: Partial<Failure> = {}): Failure {
  return {
    seed: 42,
    commit: "abc1234",
    step: 777,
    invariant: "I-04",
    message: "record 12 of events:0 has no output",
    options: swarmOptions(42, "small"),
    traceTail: Array.from({ length: 300 }, (_, at) => `line ${at}.`),
    plan: PLAN,
    command: "deno task sim --seed 42 --profile small --trace",
    ...more,
  };
}

Deno.test("failureText() tells seed, commit, step, the broken promise in a sentence, the command and the faults", () => {
  const shrunk = { plan: [PLAN[1]!], runs: 9, isMinimal: true };
  const text = failureText(failure({ shrunk }));
  for (
    const part of [
      "Seed 42 failed at step 777 (commit abc1234)",
      "I-04 does not hold: no loss: each input below the committed offset has all its outputs visible",
      "record 12 of events:0 has no output",
      "deno task sim --seed 42 --profile small --trace",
      "Faults needed for it: 1 of 3 (9 runs, none of them can be left out):",
      "  at 12.400 s N2 (a reply is lost after the effect) on process 1, 200 ms, draw 7",
      formatFaultPlan(shrunk.plan),
      '"seed":42',
    ]
  ) assertStringIncludes(text, part);
  assertFalse(text.includes("a process crashes"), "faults that are not needed are not shown");
});

Deno.test("failureText() shows the last lines of the trace, failureFile() more of them", () => {
  const text = failureText(failure());
  assertStringIncludes(text, "Last 40 lines of the trace:\n  line 260.");
  assertStringIncludes(text, "line 299.");
  assertFalse(text.includes("line 259."));
  assertStringIncludes(failureFile(failure()), "Last 200 lines of the trace:\n  line 100.");
});

Deno.test("failureText() says whether the plan was shrunk, how far, or whether no fault is needed", () => {
  assertStringIncludes(failureText(failure()), "Faults of the run (3):");
  const bounded = failure({ shrunk: { plan: PLAN, runs: 60, isMinimal: false } });
  assertStringIncludes(failureText(bounded), "3 of 3 (60 runs, perhaps fewer would do)");
  const none = failure({ shrunk: { plan: [], runs: 1, isMinimal: true } });
  assertStringIncludes(failureText(none), "No fault is needed, it fails without any (found in 1 runs).");
  assertStringIncludes(failureText(failure({ invariant: undefined })), "The run itself broke:");
});

Deno.test("counterexampleText() can be pasted: its faults are the shrunk plan", () => {
  const shrunk = { plan: PLAN.slice(0, 2), runs: 14, isMinimal: true };
  const text = counterexampleText({
    seed: 17,
    runs: 3,
    rule: "I-04",
    explanation: "a row is missing",
    plan: PLAN,
    shrunk,
  });
  assertStringIncludes(text, "Simulation failed after 3 runs: I-04\n{ seed: 17 }");
  assertStringIncludes(text, "Shrunk 1 time(s), from 3 faults, in 14 runs");
  assertStringIncludes(text, "Got: a row is missing");
  assertStringIncludes(text, "  - at 12.400 s N2");
  const call = text.match(/simulate\(factory, \{ seed: 17, faults: (\[[^]*?\]) \}\)/);
  assert(call !== null);
  const pasted: unknown = JSON.parse(call[1]!.replaceAll(/(\w+):/g, '"$1":').replaceAll(/,\s*\]/g, "]"));
  assertEquals(checkedFaultPlan(pasted), shrunk.plan);
});

Deno.test("counterexampleText() says when no fault is needed, and when shrinking came to its bound", () => {
  const none = { plan: [], runs: 1, isMinimal: true };
  const found = { seed: 1, runs: 1, rule: "the oracle", explanation: "x", plan: PLAN, shrunk: none };
  assertStringIncludes(counterexampleText(found), "Counterexample: no fault is needed");
  assertStringIncludes(counterexampleText(found), "Run it again: simulate(factory, { seed: 1, faults: [] })");
  const bounded = { ...found, shrunk: { plan: PLAN, runs: 60, isMinimal: false } };
  assertStringIncludes(counterexampleText(bounded), "(the bound of runs was reached)");
});
