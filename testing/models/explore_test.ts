import { assertEquals } from "@std/assert";
import { type Choices, explore, summary } from "./explore.ts";

/** Adds up to three chosen numbers; some may go wrong. */
function sums(choices: Choices): string[] {
  let sum = 0;
  let faults = 0;
  for (let at = 0; at < 3; at++) {
    choices.reached(`${at}:${sum}:${faults}`);
    sum += choices.pick(2, `add ${at}`);
    if (choices.fault(["ok", "double", "zero"], `fault ${at}`) === "double") faults++;
  }
  return faults === 2 ? ["TWO"] : faults === 3 ? ["THREE"] : [];
}

Deno.test("explore() runs every combination of choices with at most so many faults", () => {
  const count = (faultsMax: number) => explore(sums, { faultsMax, mergesStates: false }).executions;
  // 8 ways to pick, times the ways to place 0, 1, 2 and 3 faults of two kinds in three places.
  assertEquals([0, 1, 2, 3].map(count), [8, 8 * (1 + 6), 8 * (1 + 6 + 12), 8 * (1 + 6 + 12 + 8)]);
});

Deno.test("explore() reports each kind of violation with the fewest choices that lead to it", () => {
  const { violations } = explore(sums, { faultsMax: 2, mergesStates: false });
  assertEquals([...violations], [["TWO", "fault 0: double; fault 1: double"]]);
  assertEquals([...explore(sums, { faultsMax: 3 }).violations.keys()].sort(), ["THREE", "TWO"]);
  assertEquals(explore(sums, { faultsMax: 1 }).violations.size, 0);
});

Deno.test("explore() ends executions whose rest is known, and finds the same", () => {
  for (const faultsMax of [0, 1, 2, 3]) {
    const whole = explore(sums, { faultsMax, mergesStates: false });
    const merged = explore(sums, { faultsMax });
    assertEquals(whole.cutShort, 0);
    assertEquals(merged.executions < whole.executions, true);
    assertEquals([...merged.violations.keys()].sort(), [...whole.violations.keys()].sort());
  }
});

Deno.test("explore() takes the greater debt for the harder state", () => {
  const debts = (sign: number) => (choices: Choices): string[] => {
    const debt = sign * choices.pick(3, "debt");
    choices.reached("same", debt);
    return debt + choices.pick(2, "more") > 2 ? ["OVER"] : [];
  };
  assertEquals([...explore(debts(1), { faultsMax: 0 }).violations.keys()], ["OVER"]);
  assertEquals(explore(debts(-1), { faultsMax: 0 }).cutShort, 2);
});

Deno.test("summary() is one line, and one for each violation", () => {
  assertEquals(
    summary("sums", explore(sums, { faultsMax: 0, mergesStates: false })),
    "   sums: 8 executions, all rules hold",
  );
  assertEquals(summary("sums", explore(sums, { faultsMax: 2 })).split("\n").length, 2);
});
