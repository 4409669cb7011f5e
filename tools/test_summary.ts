/**
 * Runs lanes of tests one after the other, shows their output as it comes, and ends with the plain line
 * `N passed, N failed`, counted from what the lanes really ran. A lane is a command line, with a name in front if wanted:
 *
 * deno run --allow-run --allow-read --allow-write tools/test_summary.ts "unit = deno test --allow-read lib" "deno task sim"
 *
 * `deno test` (and `deno task` of one) is counted by its JUnit report, any other program by its last line
 * `N passed, N failed`. Each of these counts as one more failure, so that it can never pass for success: a lane that ran
 * no test, that cannot be counted, or that ended with an error though no test failed (a type error, a crash, a leak).
 */
import { commandWords } from "./command_line.ts";
import { countOutput, countReport, type TestCounts } from "./test_results.ts";

/** One command of tests. */
export interface Lane {
  /** Name for the summary. */
  readonly name: string;
  /** Program and arguments. */
  readonly words: readonly string[];
}

/** What became of a lane. */
export interface LaneResult extends TestCounts {
  /** Name of the lane. */
  readonly name: string;
  /** Why the lane failed as a whole, which is counted in `failed`; `null` when it did not. */
  readonly problem: string | null;
}

/**
 * Reads a lane: `name = command` or just a command.
 *
 * @throws {TypeError} when there is no command.
 */
export function parseLane(text: string): Lane {
  const named = /^\s*([\w -]+?)\s+=\s+(.*)$/s.exec(text);
  const words = commandWords(named === null ? text : named[2]!);
  if (words.length === 0) throw new TypeError(`Cannot run lane as it must be a command: current value is '${text}'`);
  return { name: named === null ? text.trim() : named[1]!, words };
}

/**
 * Judges a lane by what it counted and how it ended.
 *
 * @param counts What was counted, if anything could be.
 * @param exitCode How the command ended.
 */
export function judgeLane(counts: TestCounts | undefined, exitCode: number): Omit<LaneResult, "name"> {
  if (counts === undefined) {
    const problem = `it ended with code ${exitCode} and no results`;
    return { passed: 0, failed: 1, ignored: 0, problem };
  }
  let problem: string | null = null;
  if (counts.failed === 0 && exitCode !== 0) problem = `it ended with code ${exitCode} though no test failed`;
  else if (counts.failed > 0 && exitCode === 0) problem = "it ended with code 0 though a test failed";
  else if (counts.passed + counts.failed === 0) problem = "it ran no test";
  return { ...counts, failed: counts.failed + (problem === null ? 0 : 1), problem };
}

/** Runs a lane to its end. */
async function runLane(lane: Lane): Promise<LaneResult> {
  const [program, ...args] = lane.words;
  const isDeno = program === "deno" || program === Deno.execPath();
  const reportPath = isDeno && writesReport(args, await readTasks()) ? await Deno.makeTempFile() : undefined;
  if (reportPath !== undefined) await Deno.remove(reportPath);
  try {
    const command = new Deno.Command(isDeno ? Deno.execPath() : program!, {
      args: reportPath === undefined ? args : withReport(args, reportPath),
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    });
    const child = command.spawn();
    const [output, { code }] = await Promise.all([showOutput(child.stdout), child.status]);
    const counts = (reportPath === undefined ? undefined : await readReport(reportPath)) ?? countOutput(output);
    return { name: lane.name, ...judgeLane(counts, code) };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return { name: lane.name, passed: 0, failed: 1, ignored: 0, problem: `there is no program '${program}'` };
  } finally {
    if (reportPath !== undefined) await Deno.remove(reportPath).catch(() => {});
  }
}

/** What a `deno.json` says about its tasks. */
type Tasks = Readonly<Record<string, string | { readonly command?: string }>>;

/** The tasks of the directory in which the lanes run; none without a `deno.json`. */
async function readTasks(): Promise<Tasks> {
  try {
    return (JSON.parse(await Deno.readTextFile("deno.json")) as { tasks?: Tasks }).tasks ?? {};
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return {};
    throw error;
  }
}

/** Whether these arguments of `deno` end in a `deno test`, which alone knows the option for the report. */
export function writesReport(args: readonly string[], tasks: Tasks): boolean {
  if (args[0] === "test") return true;
  if (args[0] !== "task" || args[1] === undefined) return false;
  const task = tasks[args[1]];
  const command = typeof task === "string" ? task : task?.command;
  // Arguments go to the last command of a task: variables in front of it are no part of its name.
  const last = command?.split(/&&|\|\||;/).at(-1)?.trim().replace(/^(?:[A-Z_]+=\S* +)+/, "") ?? "";
  return /^deno test\b/.test(last) || (/^deno task\b/.test(last) && writesReport(last.split(/ +/).slice(1), tasks));
}

/** Options go before `--`, where the arguments of the tests begin. */
export function withReport(args: readonly string[], path: string): string[] {
  const end = args.indexOf("--");
  const report = `--junit-path=${path}`;
  return end < 0 ? [...args, report] : [...args.slice(0, end), report, ...args.slice(end)];
}

async function readReport(path: string): Promise<TestCounts | undefined> {
  try {
    return countReport(await Deno.readTextFile(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Passes output through as it comes; keeps its end, where results stand. */
async function showOutput(stdout: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let tail = "";
  for await (const bytes of stdout) {
    for (let rest = bytes; rest.length > 0;) rest = rest.subarray(Deno.stdout.writeSync(rest));
    tail = (tail + decoder.decode(bytes, { stream: true })).slice(-65_536);
  }
  return tail + decoder.decode();
}

/** The lines of the summary, the plain one last. */
export function summaryLines(results: readonly LaneResult[]): string[] {
  const lines = results.map(({ name, passed, failed, ignored, problem }) =>
    `${failed === 0 ? "ok" : "FAILED"} ${name}: ${passed} passed, ${failed} failed${
      ignored > 0 ? `, ${ignored} ignored` : ""
    }${problem === null ? "" : ` (${problem})`}`
  );
  const sum = (count: (result: LaneResult) => number) => results.reduce((total, result) => total + count(result), 0);
  return [...lines, `${sum(({ passed }) => passed)} passed, ${sum(({ failed }) => failed)} failed`];
}

/** Runs all lanes; returns the exit code. */
async function main(args: readonly string[]): Promise<number> {
  if (args.length === 0) {
    console.error('Usage: test_summary.ts "name = command" ...');
    return 2;
  }
  const lanes = args.map(parseLane);
  const results: LaneResult[] = [];
  for (const lane of lanes) {
    console.log(`\n# ${lane.name}`);
    results.push(await runLane(lane));
  }
  console.log(`\n${summaryLines(results).join("\n")}`);
  return results.every(({ failed }) => failed === 0) ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
