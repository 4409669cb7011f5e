/** Looks for the first run of the simulator that a seeded bug spoils. */
import { TextLineStream } from "./text_lines.ts";
import type { PatchedTree } from "./apply.ts";
import { editsOf, type Mutant } from "./mutant.ts";

/** A run that failed, as the simulator tells. */
export interface FailedRun {
  /** Seed of the run. */
  readonly seed: number;
  /** Event at which it failed. */
  readonly step: number;
  /** The invariant that did not hold. */
  readonly invariant: string;
  /** What was found. */
  readonly message: string;
}

/** What became of the hunt for one mutant. */
export type Finding =
  | { readonly kind: "found"; readonly run: FailedRun; readonly ms: number }
  /** No seed failed, or its test held. */
  | { readonly kind: "missed"; readonly ms: number }
  /** Found by the test that is named in the mutant. */
  | { readonly kind: "seen"; readonly test: string; readonly ms: number }
  /** The program ended in another way: nothing was learned. */
  | { readonly kind: "broken"; readonly reason: string; readonly ms: number };

/** Bounds of a hunt. */
export interface HuntOptions {
  /** Seeds from 1 to this one are tried in order. */
  readonly seeds: number;
  /** The simulator is stopped after so long: a run that never ends counts as nothing learned. */
  readonly timeoutMs: number;
  /** Seeds that fail without any mutant: they prove nothing. @default {none} */
  readonly ignored?: ReadonlySet<number>;
}

/**
 * Runs the simulator, or the test that a mutant names, in a copy of the tree that holds the mutant.
 *
 * @param tree The copy that holds it.
 * @param options Seeds and time.
 */
export async function hunt(tree: PatchedTree, options: HuntOptions): Promise<Finding> {
  const mutant = held(tree);
  const beganMs = performance.now();
  const finding = mutant.seenBy === undefined
    ? await simulate(tree, options)
    : await runTest(tree, mutant.seenBy.test, options);
  return { ...finding, ms: Math.round(performance.now() - beganMs) };
}

/**
 * Looks whether the files that a mutant changes pass the type checker.
 *
 * @param tree The copy that holds it.
 * @param options Time.
 * @returns `seen` when they do, by the type checker.
 */
export async function checkTypes(tree: PatchedTree, options: HuntOptions): Promise<Finding> {
  const mutant = held(tree);
  const beganMs = performance.now();
  const files = [...new Set(editsOf(mutant).map(({ file }) => file))];
  const ended = await runDeno(tree, ["check", ...files], { ...options, onLine: () => false });
  const ms = Math.round(performance.now() - beganMs);
  if (ended.code === 0) return { kind: "seen", test: "the type checker: it compiles", ms };
  return { kind: "broken", reason: `it does not compile: ${ended.tail}`, ms };
}

function held(tree: PatchedTree): Mutant {
  if (tree.held !== null) return tree.held;
  throw new TypeError("Cannot hunt a mutant as the copy must hold one: current value is null");
}

/** The failed run that a line of the simulator tells of, or `undefined` for any other line. */
export function failedRun(line: string): FailedRun | undefined {
  if (!line.startsWith("{")) return undefined;
  let said: Partial<FailedRun>;
  try {
    said = JSON.parse(line);
  } catch {
    return undefined;
  }
  const { seed, step = -1, invariant, message = "" } = said;
  if (!Number.isSafeInteger(seed) || typeof invariant !== "string") return undefined;
  return { seed: seed!, step, invariant, message };
}

type Outcome =
  | { kind: "found"; run: FailedRun }
  | { kind: "missed" }
  | { kind: "seen"; test: string }
  | { kind: "broken"; reason: string };

/**
 * Runs the simulator on the copy as the sources are.
 *
 * @param tree A copy that holds no mutant.
 * @param options Seeds and time.
 * @returns Seeds that fail.
 * @throws {Error} when the simulator does not come to its end.
 */
export async function failingSeeds(tree: PatchedTree, options: HuntOptions): Promise<ReadonlySet<number>> {
  const seeds = new Set<number>();
  const ended = await runSimulator(tree, options, ({ seed }) => {
    seeds.add(seed);
    return false;
  });
  if (ended.isTimedOut || (ended.code !== 0) !== (seeds.size > 0)) {
    throw new Error(`Cannot hunt mutants as the simulator does not run on the sources: ${ended.tail}`);
  }
  return seeds;
}

async function simulate(tree: PatchedTree, options: HuntOptions): Promise<Outcome> {
  const { timeoutMs, ignored } = options;
  let run: FailedRun | undefined;
  const ended = await runSimulator(tree, options, (failed) => {
    if (ignored?.has(failed.seed) !== true) run ??= failed;
    return run !== undefined;
  });
  if (run !== undefined) return { kind: "found", run };
  if (ended.isTimedOut) return { kind: "broken", reason: `no end after ${timeoutMs / 1000} s` };
  if (ended.code === 0 || ended.code === 1 && (ignored?.size ?? 0) > 0) return { kind: "missed" };
  return { kind: "broken", reason: `the simulator ended with code ${ended.code}: ${ended.tail}` };
}

async function runTest(tree: PatchedTree, test: string, { timeoutMs }: HuntOptions): Promise<Outcome> {
  const ended = await runDeno(tree, ["test", "--quiet", test], { timeoutMs, onLine: () => false });
  if (ended.isTimedOut) return { kind: "broken", reason: `no end after ${timeoutMs / 1000} s` };
  return ended.code === 0 ? { kind: "missed" } : { kind: "seen", test };
}

/** Runs seeds in order. `onFailed` is told of each that fails; the simulator is stopped once it answers `true`. */
async function runSimulator(
  tree: PatchedTree,
  { seeds, timeoutMs }: HuntOptions,
  onFailed: (run: FailedRun) => boolean,
): Promise<Ended> {
  const args = ["testing/sim/main.ts", "--seeds", `1..${seeds}`, "--profile", "small", "--json"];
  return await runDeno(tree, ["run", ...args], {
    timeoutMs,
    onLine: (line) => {
      const run = failedRun(line);
      return run !== undefined && onFailed(run);
    },
  });
}

interface Ended {
  readonly code: number;
  readonly isTimedOut: boolean;
  /** The last lines of both outputs. */
  readonly tail: string;
}

/** Runs a program of the copy. `onLine` sees each line of its output; the program is stopped once it answers `true`. */
async function runDeno(
  tree: PatchedTree,
  [verb, ...args]: readonly string[],
  options: { readonly timeoutMs: number; readonly onLine: (line: string) => boolean },
): Promise<Ended> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [verb!, "--node-modules-dir=manual", ...verb === "check" ? [] : ["--no-check", "-A"], ...args],
    cwd: tree.root,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let isTimedOut = false;
  const stop = () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended meanwhile.
    }
  };
  const timer = setTimeout(() => {
    isTimedOut = true;
    stop();
  }, options.timeoutMs);
  const last: string[] = [];
  const follow = async (output: ReadableStream<Uint8Array>, isWatched: boolean): Promise<void> => {
    for await (const line of output.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream())) {
      last.push(line);
      if (last.length > 12) last.shift();
      if (isWatched && options.onLine(line)) stop();
    }
  };
  const [{ code }] = await Promise.all([child.status, follow(child.stdout, true), follow(child.stderr, false)]);
  clearTimeout(timer);
  return { code, isTimedOut, tail: last.join(" | ") };
}
