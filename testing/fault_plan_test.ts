import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { faultPlan } from "./fault_plan.ts";
import { FAULT_KINDS, type FaultKind, type PlannedFault } from "./sim/fault_kinds.ts";

Deno.test("faultPlan() stays within its bounds, in the order in which faults come", () => {
  const kinds: FaultKind[] = ["P1", "N2", "T3"];
  const plans = faultPlan({ durationMs: 5_000, kinds, processes: 2, faultsMax: 4 });
  for (const plan of fc.sample(plans, { numRuns: 500, seed: 1 })) {
    assert(plan.length <= 4);
    for (const [at, { kind, atMs, process, durationMs, draw }] of plan.entries()) {
      assert(kinds.includes(kind));
      assert(Number.isInteger(atMs) && atMs >= (plan[at - 1]?.atMs ?? 0) && atMs < 5_000);
      assert(process === 0 || process === 1);
      assert(Number.isInteger(durationMs) && durationMs >= 1);
      assert(Number.isInteger(draw) && draw >= 0 && draw < 2 ** 32);
    }
  }
});

Deno.test("faultPlan() reaches the empty plan, a full one, every kind and every process", () => {
  const unseen = new Set<string>([...Object.keys(FAULT_KINDS), "0", "1", "2", "empty", "full"]);
  for (const plan of fc.sample(faultPlan(), { numRuns: 1_000, seed: 1 })) {
    for (const { kind, process } of plan) {
      unseen.delete(kind);
      unseen.delete(String(process));
    }
    if (plan.length === 0) unseen.delete("empty");
    if (plan.length === 8) unseen.delete("full");
  }
  assertEquals([...unseen], []);
});

Deno.test("faultPlan() shrinks by leaving faults out, and changes none that remain", () => {
  const seen: (readonly PlannedFault[])[] = [];
  const holds = (plan: readonly PlannedFault[]) => {
    seen.push(plan);
    const crash = plan.findIndex(({ kind }) => kind === "P1");
    return crash < 0 || !plan.slice(crash + 1).some(({ kind }) => kind === "N2");
  };
  const { counterexample } = fc.check(fc.property(faultPlan({ kinds: ["P1", "N2", "C1"] }), holds), { seed: 3 });
  assertEquals(counterexample![0].map(({ kind }) => kind), ["P1", "N2"]);
  const first = seen.find((plan) => plan.some((fault) => fault.draw === counterexample![0][0]!.draw))!;
  assert(first.length > 2, "there was something to leave out");
  const all = new Set(first.map((fault) => JSON.stringify(fault)));
  assert(counterexample![0].every((fault) => all.has(JSON.stringify(fault))));
});

Deno.test("faultPlan() pauses a process for less than its session (P2) or for longer (P3)", () => {
  const plans = faultPlan({ kinds: ["P2", "P3"], failoverGraceMs: 2_000, durationMs: 60_000 });
  const faults = fc.sample(plans, { numRuns: 200, seed: 1 }).flat();
  assert(faults.some(({ kind }) => kind === "P2") && faults.some(({ kind }) => kind === "P3"));
  assert(faults.every(({ kind, durationMs }) => kind === "P2" ? durationMs < 2_000 : durationMs > 2_000));
});

Deno.test("faultPlan() says what is wrong with its options", () => {
  assertThrows(() => faultPlan({ durationMs: 0 }), RangeError, "'durationMs' must be an integer >= 1");
  assertThrows(() => faultPlan({ processes: 1.5 }), RangeError, "'processes' must be an integer >= 1");
  assertThrows(() => faultPlan({ faultsMax: -1 }), RangeError, "'faultsMax' must be an integer >= 0");
  assertThrows(() => faultPlan({ kinds: [] }), TypeError, "'kinds' must name some of FAULT_KINDS");
  assertThrows(() => faultPlan({ kinds: ["P1", "X9" as never] }), TypeError, '["P1","X9"]');
});
