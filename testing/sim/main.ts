/** `deno task sim`: runs seeds, prints what failed and how to see it again. */
import { cpuUsage } from "node:process";
import { parseArgs } from "node:util";
import type { Profile } from "./contracts.ts";
import { parseFaultPlan } from "./fault_plan.ts";
import { missingMarks } from "./marks.ts";
import { failureFile, failureText } from "./report.ts";
import { effortText, RunTotals } from "./run_summary.ts";
import { runSeed, type SeedRun, shrinkSeed } from "./seed_run.ts";
import { runSlices, type SeedSlice } from "./seed_slices.ts";

const USAGE = `Usage:
  deno task sim --seed N [--profile small|standard|soak] [--trace] [--until STEP] [--faults FILE]
  deno task sim --seed N --pin testing/sim/regressions/NAME.json   (keeps a failing run as a regression test)
  deno task sim --seeds A..B [--profile small|standard|soak] [--jobs N] [--stop-at-first] [--json] [--marks]
  (--marks: each mark that no run has seen counts as failed; --standard A..B: these seeds of profile standard as well)
  deno task sim --seeds commit:COUNT ...   (COUNT seeds that belong to the commit that is checked out)`;

interface SeedRange {
  readonly from: number;
  readonly to: number;
}

interface Arguments {
  readonly from: number;
  readonly to: number;
  readonly profile: Profile;
  readonly standard: SeedRange | undefined;
  readonly jobs: number;
  readonly isTraced: boolean;
  readonly isSummary: boolean;
  readonly isJson: boolean;
  readonly stopsAtFirst: boolean;
  readonly wantsMarks: boolean;
  readonly untilStep: number | undefined;
  readonly faults: string | undefined;
  readonly pin: string | undefined;
}

function fail(problem: string): never {
  console.error(`${problem}\n${USAGE}`);
  Deno.exit(2);
}

function integer(text: string | undefined, name: string): number {
  const value = Number(text);
  if (text === undefined || !Number.isSafeInteger(value) || value < 0) {
    fail(`Cannot read --${name} as it must be an integer >= 0: current value is '${text}'`);
  }
  return value;
}

/** Seeds as they are given: `A..B`, or so many that belong to the commit. */
function rangeOf(text: string | undefined): SeedRange | undefined {
  const range = text?.match(/^(\d+)\.\.(\d+)$/);
  if (range) return { from: Number(range[1]), to: Number(range[2]) };
  const count = text?.match(/^commit:(\d+)$/)?.[1];
  if (count === undefined) return undefined;
  // Without a commit (an archive, a shallow copy) these are the seeds from 0 on.
  const from = (parseInt(commit().slice(0, 6), 16) || 0) * 1_000;
  return { from, to: from + Number(count) - 1 };
}

function readArguments(args: string[]): Arguments {
  const { values } = parseArgs({
    args,
    options: {
      seed: { type: "string" },
      seeds: { type: "string" },
      profile: { type: "string", default: "small" },
      standard: { type: "string" },
      jobs: { type: "string", default: "1" },
      trace: { type: "boolean", default: false },
      until: { type: "string" },
      faults: { type: "string" },
      pin: { type: "string" },
      json: { type: "boolean", default: false },
      summary: { type: "boolean", default: false },
      marks: { type: "boolean", default: false },
      "stop-at-first": { type: "boolean", default: false },
    },
  });
  const { profile } = values;
  if (profile !== "small" && profile !== "standard" && profile !== "soak") {
    fail(`Cannot read --profile as it must be small, standard or soak: current value is '${profile}'`);
  }
  if ((values.seed === undefined) === (values.seeds === undefined)) fail("One of --seed and --seeds is needed");
  const range = rangeOf(values.seeds);
  if (values.seeds !== undefined && range === undefined) {
    fail(`Cannot read --seeds as it must be A..B or commit:COUNT: current value is '${values.seeds}'`);
  }
  const standard = rangeOf(values.standard);
  if (values.standard !== undefined && (standard === undefined || range === undefined)) {
    fail(`Cannot read --standard as it must be A..B, beside --seeds: current value is '${values.standard}'`);
  }
  return {
    from: range?.from ?? integer(values.seed, "seed"),
    to: range?.to ?? integer(values.seed, "seed"),
    profile,
    standard,
    jobs: Math.max(1, integer(values.jobs, "jobs")),
    isTraced: values.trace,
    isSummary: values.summary,
    isJson: values.json,
    stopsAtFirst: values["stop-at-first"],
    wantsMarks: values.marks,
    untilStep: values.until === undefined ? undefined : integer(values.until, "until"),
    faults: values.faults,
    pin: values.pin,
  };
}

/** The commit that is checked out, for reports. */
function commit(): string {
  try {
    const { stdout } = new Deno.Command("git", { args: ["rev-parse", "--short", "HEAD"], stderr: "null" }).outputSync();
    return new TextDecoder().decode(stdout).trim() || "unknown";
  } catch {
    return "unknown";
  }
}

/** Says all about a failing seed; the whole of it goes to a file. */
async function explain(run: SeedRun, isShrunk: boolean, pin?: string): Promise<void> {
  const { seed, profile } = run.options;
  const { invariant, message, step } = run.violation!;
  const failure = {
    seed,
    commit: commit(),
    step,
    invariant,
    message,
    options: run.options,
    traceTail: run.traceTail,
    plan: run.plan,
    shrunk: isShrunk ? await shrinkSeed(run) : undefined,
    command: `deno task sim --seed ${seed} --profile ${profile} --trace`,
  };
  console.log(failureText(failure));
  if (pin !== undefined) {
    const pinned = { found: `${invariant} ${message}`, options: run.options, plan: failure.shrunk?.plan ?? run.plan };
    Deno.writeTextFileSync(pin, JSON.stringify(pinned, null, 2) + "\n");
    console.log(`Pinned in ${pin}`);
  }
  try {
    Deno.mkdirSync(".turbine/sim", { recursive: true });
    Deno.writeTextFileSync(`.turbine/sim/${profile}-${seed}.txt`, failureFile(failure));
    console.log(`The whole of it is in .turbine/sim/${profile}-${seed}.txt`);
  } catch {
    // Without the permission to write there is no file.
  }
}

/** Processor time of this process so far: what a run costs whatever else the machine does. */
function cpuMs(): number {
  const { user, system } = cpuUsage();
  return (user + system) / 1_000;
}

async function runHere(args: Arguments): Promise<RunTotals> {
  const { from, to, profile, untilStep } = args;
  const totals = new RunTotals();
  const plan = args.faults === undefined ? undefined : parseFaultPlan(Deno.readTextFileSync(args.faults));
  for (let seed = from; seed <= to; seed++) {
    const startMs = cpuMs();
    const run = await runSeed(seed, profile, {
      ...(plan === undefined ? {} : { plan }),
      ...(untilStep === undefined ? {} : { untilStep }),
      ...(args.isTraced ? { print: (line: string) => console.log(line) } : {}),
    });
    totals.add(run, cpuMs() - startMs);
    if (from === to && !args.isSummary && !args.isJson) {
      console.log(
        `seed ${seed} ${profile}: ${run.options.job} ${run.options.guarantee}, trace ${run.traceHash}, ` +
          `${run.plan.length} faults planned`,
      );
    }
    if (run.violation === undefined || args.isSummary) continue;
    if (args.isJson) console.log(JSON.stringify({ ...run.violation, seed }));
    else await explain(run, plan === undefined && !args.isTraced, args.pin);
    if (args.stopsAtFirst) break;
  }
  return totals;
}

/** Seeds of a child at a time: enough to be worth its start, few enough to share well. */
const SLICE = { small: 500, standard: 50, soak: 2 } as const;

function* slicesOf(args: Arguments): Generator<SeedSlice> {
  const { from, to, profile, standard, jobs } = args;
  // Code gets fast by being run: the fewer children there are, the less often that begins anew.
  const parts = jobs === 1 ? 1 : 2 * jobs;
  const seeds = Math.min(2 * SLICE[profile], Math.max(SLICE[profile] / 5, Math.ceil((to - from + 1) / parts)));
  for (let first = from; first <= to; first += seeds) {
    yield { from: first, to: Math.min(to, first + seeds - 1), profile };
  }
  if (standard !== undefined) yield* slicesOf({ ...args, ...standard, profile: "standard", standard: undefined });
}

/** Whether seeds are run in children, which have the memory that suits them: not where something is told of each seed. */
function wantsChildren({ from, to, jobs, standard, ...args }: Arguments): boolean {
  const isTold = args.isTraced || args.isSummary || args.isJson || args.stopsAtFirst;
  const isChanged = args.untilStep !== undefined || args.faults !== undefined || args.pin !== undefined;
  return standard !== undefined || (from < to && (jobs > 1 || !(isTold || isChanged)));
}

async function runChildren(args: Arguments): Promise<RunTotals> {
  const totals = new RunTotals();
  await runSlices(slicesOf(args), { jobs: args.jobs, finished: (summary) => totals.merge(summary) });
  const { failed } = totals.summary();
  if (args.isJson) { for (const each of failed) console.log(JSON.stringify(each)); }
  else for (const { seed, profile } of failed.slice(0, 3)) await explain(await runSeed(seed, profile), true);
  return totals;
}

if (import.meta.main) {
  const args = readArguments(Deno.args);
  const totals = wantsChildren(args) ? await runChildren(args) : await runHere(args);
  const summary = totals.summary();
  const missing = args.wantsMarks ? missingMarks(summary.marks) : [];
  const failed = summary.failed.length + missing.length;
  if (args.isSummary) console.log(JSON.stringify(summary));
  else {
    if (!args.isJson) {
      for (const { seed, invariant, message } of summary.failed) console.log(`seed ${seed}: ${invariant} ${message}`);
      console.log(effortText(summary));
      for (const mark of missing) console.log(`no run has seen the mark '${mark}'`);
    }
    console.log(`${summary.passed} passed, ${failed} failed`);
  }
  if (failed > 0 && !args.isSummary) Deno.exit(1);
}
