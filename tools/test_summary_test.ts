import { assert, assertEquals, assertThrows } from "@std/assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { commandWords } from "./command_line.ts";
import { judgeLane, parseLane, summaryLines, withReport, writesReport } from "./test_summary.ts";

Deno.test("commandWords() splits at spaces, but not in quotes", () => {
  assertEquals(commandWords("deno test  --allow-read='a b' \"c d\"e ''"), [
    "deno",
    "test",
    "--allow-read=a b",
    "c de",
    "",
  ]);
  assertEquals(commandWords("  "), []);
  assertThrows(() => commandWords("a 'b"), TypeError, "quotes must be closed");
});

Deno.test("parseLane() takes a name in front, and leaves '=' in commands alone", () => {
  assertEquals(parseLane("unit tests = deno test lib"), { name: "unit tests", words: ["deno", "test", "lib"] });
  assertEquals(parseLane("deno test --a=b"), { name: "deno test --a=b", words: ["deno", "test", "--a=b"] });
  assertThrows(() => parseLane("unit = "), TypeError, "must be a command");
});

Deno.test("judgeLane() lets nothing pass for success that is none", () => {
  const counts = (passed: number, failed: number) => ({ passed, failed, ignored: 0 });
  assertEquals(judgeLane(counts(3, 0), 0), { ...counts(3, 0), problem: null });
  assertEquals(judgeLane(counts(3, 2), 1), { ...counts(3, 2), problem: null });
  assertEquals(judgeLane(counts(3, 0), 1), { ...counts(3, 1), problem: "it ended with code 1 though no test failed" });
  assertEquals(judgeLane(counts(3, 2), 0), { ...counts(3, 3), problem: "it ended with code 0 though a test failed" });
  assertEquals(judgeLane(counts(0, 0), 0), { ...counts(0, 1), problem: "it ran no test" });
  assertEquals(judgeLane(undefined, 0), { ...counts(0, 1), problem: "it ended with code 0 and no results" });
  assertEquals(judgeLane({ passed: 0, failed: 0, ignored: 5 }, 0).failed, 1);
});

Deno.test("withReport() asks for the report before the arguments of the tests", () => {
  assertEquals(withReport(["test", "a"], "/r"), ["test", "a", "--junit-path=/r"]);
  assertEquals(withReport(["test", "a", "--", "b"], "/r"), ["test", "a", "--junit-path=/r", "--", "b"]);
});

Deno.test("writesReport() knows the tasks that end in deno test", () => {
  const tasks = {
    unit: "deno test --quiet lib",
    real: { command: "SERVER=127.0.0.1:1 deno test lanes" },
    nested: "deno task unit",
    both: "deno task sim && deno task unit",
    sim: { command: "deno run main.ts" },
    gate: "deno task sim --only a",
    none: {},
  };
  const told = Object.keys(tasks).filter((name) => writesReport(["task", name], tasks));
  assertEquals(told, ["unit", "real", "nested", "both"]);
  assertEquals(writesReport(["test", "lib"], {}), true);
  assertEquals(writesReport(["run", "test"], {}), false);
  assertEquals(writesReport(["task", "unknown"], tasks), false);
});

Deno.test("summaryLines() ends with the plain line of all lanes", () => {
  const lines = summaryLines([
    { name: "a", passed: 2, failed: 0, ignored: 1, problem: null },
    { name: "b", passed: 1, failed: 2, ignored: 0, problem: "it ended with code 9 though no test failed" },
  ]);
  assertEquals(lines, [
    "ok a: 2 passed, 0 failed, 1 ignored",
    "FAILED b: 1 passed, 2 failed (it ended with code 9 though no test failed)",
    "3 passed, 2 failed",
  ]);
});

/** Files of lanes that end in all ways. */
const LANES = {
  "good_test.ts": 'Deno.test("a", async (t) => { await t.step("b", () => {}); }); Deno.test("c", () => {});',
  "bad_test.ts": 'Deno.test("a", () => {}); Deno.test("b", () => { throw new Error("x"); });',
  "type_test.ts": 'const a: number = "x"; Deno.test("a", () => { a; });',
  "crash_test.ts": 'Deno.test("a", () => {}); Deno.test("b", () => { Deno.kill(Deno.pid, "SIGKILL"); });',
  "module_test.ts":
    'Deno.test("a", () => {}); setTimeout(() => { throw new Error("late"); }, 0); await new Promise((r) => setTimeout(r, 5));',
  "none_test.ts": "export {};",
  "program.ts": 'console.log("4 passed, 0 failed");',
  "liar.ts": 'console.log("4 passed, 0 failed"); Deno.exit(3);',
  "silent.ts": "",
};

async function summarize(lanes: readonly string[]): Promise<{ code: number; last: string; output: string }> {
  const directory = await Deno.makeTempDir();
  try {
    for (const [name, text] of Object.entries(LANES)) await Deno.writeTextFile(join(directory, name), text);
    const tool = fileURLToPath(import.meta.resolve("./test_summary.ts"));
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-config", "--allow-run", "--allow-read", "--allow-write", tool, ...lanes],
      cwd: directory,
      env: { NO_COLOR: "1" },
      stderr: "null",
    }).output();
    const output = new TextDecoder().decode(stdout);
    return { code, last: output.trimEnd().split("\n").at(-1)!, output };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("test_summary counts what all lanes ran and shows their output", async () => {
  const { code, last, output } = await summarize(["good = deno test --no-check good_test.ts", "deno run program.ts"]);
  assertEquals([code, last], [0, "6 passed, 0 failed"]);
  assert(output.includes("# good") && output.includes("2 passed (1 step)"), output);
});

Deno.test("test_summary fails when any lane fails, runs none, crashes or cannot be counted", async () => {
  const cases = [
    ["deno test --no-check bad_test.ts", "1 passed, 1 failed"],
    ["deno test type_test.ts", "0 passed, 1 failed"],
    ["deno test --no-check --allow-all crash_test.ts", "0 passed, 1 failed"],
    ["deno test --no-check none_test.ts", "0 passed, 1 failed"],
    ["deno test --no-check missing_test.ts", "0 passed, 1 failed"],
    ["deno test --no-check good_test.ts --filter nothing", "0 passed, 1 failed"],
    ["deno run liar.ts", "4 passed, 1 failed"],
    ["deno run silent.ts", "0 passed, 1 failed"],
    ["no-such-program-at-all", "0 passed, 1 failed"],
  ] as const;
  for (const [lane, expected] of cases) {
    const { code, last } = await summarize([lane]);
    assertEquals([code, last], [1, expected], lane);
  }
  const { code, last } = await summarize([cases[0][0], cases[1][0], "deno test --no-check good_test.ts"]);
  assertEquals([code, last], [1, "3 passed, 2 failed"]);
  assertEquals((await summarize(["deno test --no-check module_test.ts"])).code, 1);
  assertEquals((await summarize([])).code, 2);
});
