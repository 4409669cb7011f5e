import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { shrinkPlan } from "./shrink.ts";

/** Fails when the plan holds one of some groups of numbers as a whole. */
function failsWith(groups: readonly (readonly number[])[]): (plan: readonly number[]) => Promise<boolean> {
  return (plan) => Promise.resolve(groups.some((group) => group.every((need) => plan.includes(need))));
}

const plans = fc.record({
  length: fc.integer({ min: 1, max: 60 }),
  groups: fc.array(fc.uniqueArray(fc.nat({ max: 59 }), { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 3 }),
}).map(({ length, groups }) => ({
  plan: Array.from({ length }, (_, at) => at),
  groups: groups.map((group) => [...new Set(group.map((need) => need % length))]),
}));

Deno.test("shrinkPlan() gives a part that still fails, of which nothing can be left out, in the old order", async () => {
  await fc.assert(fc.asyncProperty(plans, async ({ plan, groups }) => {
    const fails = failsWith(groups);
    const shrunk = await shrinkPlan(plan, fails, { runsMax: 100_000 });
    assert(await fails(shrunk.plan));
    assert(shrunk.isMinimal);
    assertEquals(shrunk.plan, plan.filter((each) => shrunk.plan.includes(each)));
    for (const left of shrunk.plan) {
      assert(!await fails(shrunk.plan.filter((each) => each !== left)), `${left} can be left out of ${shrunk.plan}`);
    }
  }));
});

Deno.test("shrinkPlan() never runs more often than it may, and what it gives still fails", async () => {
  await fc.assert(fc.asyncProperty(plans, fc.nat({ max: 30 }), async ({ plan, groups }, runsMax) => {
    const fails = failsWith(groups);
    let runs = 0;
    const counted = (part: readonly number[]): Promise<boolean> => {
      runs++;
      return fails(part);
    };
    const shrunk = await shrinkPlan(plan, counted, { runsMax });
    assert(await fails(shrunk.plan));
    assert(runs <= runsMax);
    assertEquals(shrunk.runs, runs);
  }));
});

Deno.test("shrinkPlan() does the same runs each time", async () => {
  await fc.assert(
    fc.asyncProperty(plans, async ({ plan, groups }) => {
      const seen: string[][] = [[], []];
      for (const list of seen) {
        const fails = failsWith(groups);
        await shrinkPlan(plan, (part) => {
          list.push(part.join());
          return fails(part);
        });
      }
      assertEquals(seen[0], seen[1]);
      assertEquals(new Set(seen[0]).size, seen[0]!.length, "no part is run twice");
    }),
    { numRuns: 50 },
  );
});

Deno.test("shrinkPlan() finds out first whether any fault is needed", async () => {
  const shrunk = await shrinkPlan([1, 2, 3], () => Promise.resolve(true));
  assertEquals(shrunk, { plan: [], runs: 1, isMinimal: true });
  assertEquals(await shrinkPlan([], () => Promise.resolve(true)), { plan: [], runs: 0, isMinimal: true });
});

Deno.test("shrinkPlan() says when the bound of runs has kept it from going on", async () => {
  const plan = Array.from({ length: 16 }, (_, at) => at);
  const shrunk = await shrinkPlan(plan, failsWith([[0, 15]]), { runsMax: 4 });
  assertEquals(shrunk.isMinimal, false);
  const unbounded = await shrinkPlan(plan, failsWith([[0, 15]]));
  assertEquals(unbounded.plan, [0, 15]);
  const wrong = "Cannot shrink plan as 'runsMax' must be an integer >= 0: current value is -1";
  await assertRejects(() => shrinkPlan(plan, failsWith([[0]]), { runsMax: -1 }), RangeError, wrong);
});
