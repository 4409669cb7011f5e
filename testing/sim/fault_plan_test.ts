import { assert, assertEquals, assertGreater, assertLess, assertThrows } from "@std/assert";
import type { SimOptions } from "./contracts.ts";
import { aftermathMs, durationRange, FAULT_KIND_LIST } from "./fault_durations.ts";
import type { FaultKind, PlannedFault } from "./fault_kinds.ts";
import { describeFault, drawFaultPlan, formatFaultPlan, parseFaultPlan } from "./fault_plan.ts";
import { swarmOptions } from "./swarm.ts";

function optionsWith(rates: SimOptions["rates"], more: Partial<SimOptions> = {}): SimOptions {
  return { ...swarmOptions(7, "standard"), ...more, rates };
}

const ALL_RATES = Object.fromEntries(FAULT_KIND_LIST.map((kind) => [kind, 1])) as Record<FaultKind, number>;

Deno.test("drawFaultPlan() draws the same plan for the same options, sorted, within the time with faults", () => {
  const options = optionsWith(ALL_RATES);
  const plan = drawFaultPlan(options);
  assertEquals(drawFaultPlan(options), plan);
  assertGreater(plan.length, 500);
  const endMs = options.warmUpMs + options.safetyMs;
  let before = 0;
  for (const { kind, atMs, process, durationMs, draw } of plan) {
    assert(atMs >= before && atMs >= options.warmUpMs && atMs + durationMs + aftermathMs(kind) < endMs, `${kind}`);
    assert(Number.isInteger(process) && process >= 0 && process < options.processes);
    assert(Number.isInteger(draw) && draw >= 0 && draw <= 0xffff_ffff);
    before = atMs;
  }
});

Deno.test("drawFaultPlan() leaves all other faults as they are when a kind is added or dropped", () => {
  const many = drawFaultPlan(optionsWith(ALL_RATES));
  const { P1: _, ...rates } = ALL_RATES;
  assertEquals(drawFaultPlan(optionsWith(rates)), many.filter(({ kind }) => kind !== "P1"));
  assertEquals(drawFaultPlan(optionsWith({ N2: 1 })), many.filter(({ kind }) => kind === "N2"));
});

Deno.test("drawFaultPlan() draws as many faults as the rate says, and none of a kind without one", () => {
  const options = optionsWith({ N1: 30, N2: 0 }, { safetyMs: 3_600_000 });
  const plan = drawFaultPlan(options);
  assert(plan.every(({ kind }) => kind === "N1"));
  // 1,800 are expected, with a standard deviation of 42.
  assertGreater(plan.length, 1_600);
  assertLess(plan.length, 2_000);
  assertEquals(drawFaultPlan(optionsWith({})), []);
});

Deno.test("durationRange() keeps a short pause below the session timeout and a long one above it", () => {
  const options = optionsWith({}, { failoverGraceMs: 10_000, safetyMs: 600_000 });
  assertLess(durationRange("P2", options)[1], 10_000);
  assertGreater(durationRange("P3", options)[0], 10_000);
  assertEquals(durationRange("N3", options), [1, 120_000]);
  assertEquals(durationRange("S16", { ...options, safetyMs: 21_600_000 }), [600_000, 600_000]);
  for (const kind of FAULT_KIND_LIST) {
    const [low, high] = durationRange(kind, { ...options, safetyMs: 40_000 });
    assert(low >= 1 && low <= high && high <= 20_000, kind);
  }
});

Deno.test("parseFaultPlan() reads what formatFaultPlan() wrote, in the order in which faults come", () => {
  const plan = drawFaultPlan(optionsWith(ALL_RATES)).slice(0, 40);
  assertEquals(parseFaultPlan(formatFaultPlan(plan)), plan);
  assertEquals(parseFaultPlan(formatFaultPlan(plan.toReversed())), plan);
  assertEquals(parseFaultPlan("[]"), []);
  assertEquals(formatFaultPlan([]), "[]");
  assertEquals(formatFaultPlan(plan).split("\n").length, plan.length + 2, "one line for each fault");
});

Deno.test("parseFaultPlan() names the place and what was found there", () => {
  const fault: PlannedFault = { kind: "P1", atMs: 5, process: 0, durationMs: 1, draw: 3 };
  const cases: readonly (readonly [value: unknown, message: string])[] = [
    [{ fault }, "Cannot read fault plan as it must be an array of faults: current value is {"],
    [[fault, 7], "Cannot read fault plan as fault 1 must be an object: current value is 7"],
    [[{ ...fault, kind: "P99" }], "'kind' of fault 0 must be one of P1, P2 ... O8: current value is \"P99\""],
    [[{ ...fault, kind: "toString" }], 'current value is "toString"'],
    [[{ ...fault, atMs: -1 }], "'atMs' of fault 0 must be an integer in [0, 9007199254740991]: current value is -1"],
    [[{ ...fault, draw: 2 ** 32 }], "'draw' of fault 0 must be an integer in [0, 4294967295]"],
    [
      [{ ...fault, process: undefined }],
      "'process' of fault 0 must be an integer in [0, 1000]: current value is undefined",
    ],
    [
      [{ ...fault, when: 3 }],
      "Cannot read fault plan as fault 0 has a field that does not exist: current value is 'when'",
    ],
  ];
  for (const [value, message] of cases) assertThrows(() => parseFaultPlan(JSON.stringify(value)), TypeError, message);
  assertThrows(() => parseFaultPlan("[{"), TypeError, "Cannot read fault plan as it is no JSON");
});

Deno.test("describeFault() says in words what a fault is", () => {
  const text = describeFault({ kind: "N2", atMs: 12_400, process: 1, durationMs: 200, draw: 7 });
  assertEquals(text, "at 12.400 s N2 (a reply is lost after the effect) on process 1, 200 ms, draw 7");
});
