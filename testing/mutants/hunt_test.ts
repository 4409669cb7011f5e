import { assertEquals } from "@std/assert";
import { failedRun, type Finding } from "./hunt.ts";
import { CANARY, MUTANTS } from "./mutants.ts";
import { median, summary, tableLine } from "./report.ts";
import { TextLineStream } from "./text_lines.ts";

const found = (seed: number): Finding => ({
  kind: "found",
  run: { seed, step: 7, invariant: "I-05", message: "a record twice\nmore" },
  ms: 1,
});
const mutant = (at: number) => MUTANTS[at]!;

Deno.test("failedRun() reads the simulator's lines and no others", () => {
  const line = `{"seed":12,"step":340,"invariant":"I-05","message":"twice"}`;
  assertEquals(failedRun(line), { seed: 12, step: 340, invariant: "I-05", message: "twice" });
  for (const other of ["", "12 passed, 0 failed", "{not json", `{"seeds":3}`, `{"seed":"a","invariant":"I-05"}`]) {
    assertEquals(failedRun(other), undefined);
  }
});

Deno.test("median() is the lower middle", () => {
  assertEquals(median([9, 1, 5]), 5);
  assertEquals(median([9, 1, 5, 7]), 5);
  assertEquals(median([]), NaN);
});

Deno.test("summary() counts each mutant and the median as tests", () => {
  const all = [1, 30, 3].map((seed, at) => ({ mutant: mutant(at), finding: found(seed) }));
  assertEquals(summary(all, true).lines.at(-1), "4 passed, 0 failed");
  const slow = [40, 30, 3].map((seed, at) => ({ mutant: mutant(at), finding: found(seed) }));
  assertEquals(summary(slow, true).lines.at(-1), "3 passed, 1 failed");
  assertEquals(summary(slow, false).lines.at(-1), "3 passed, 0 failed");
});

Deno.test("summary() fails for a mutant that is missed, for a broken run, for a late canary, and for no mutant at all", () => {
  const cases: Finding[] = [{ kind: "missed", ms: 1 }, { kind: "broken", reason: "no end", ms: 1 }];
  for (const finding of cases) assertEquals(summary([{ mutant: mutant(0), finding }], false).isGood, false);
  assertEquals(summary([{ mutant: CANARY, finding: found(2) }], false).isGood, false);
  assertEquals(summary([{ mutant: CANARY, finding: found(1) }], false).isGood, true);
  assertEquals(summary([], false).isGood, false);
});

Deno.test("tableLine() shows the first line of what was found", () => {
  const line = tableLine({ mutant: CANARY, finding: found(1) });
  assertEquals([line.startsWith("ok"), line.includes("seed   1  I-05*"), line.includes("more")], [true, true, false]);
});

Deno.test("TextLineStream cuts lines wherever chunks end", async () => {
  const lines = ReadableStream.from(["a\nb", "c\r\n\nd"]).pipeThrough(new TextLineStream());
  assertEquals(await Array.fromAsync(lines), ["a", "bc", "", "d"]);
});
