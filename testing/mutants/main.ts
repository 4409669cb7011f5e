/**
 * Proves that the simulator finds bugs: patches each mutant into a copy of the sources, runs the simulator on small seeds
 * in order until one fails, and tells which seed it was. Fails when a mutant is not found, when the canary is not found
 * by the first seed, or when the median is too high.
 *
 *   deno run -A testing/mutants/main.ts [--only NAME[,NAME]] [--seeds 500] [--jobs 2] [--timeout SECONDS]
 *     [--baseline] [--check] [--json]
 *
 * `--baseline` runs the seeds on the sources as they are first, and ignores those that fail there: they prove nothing.
 * `--check` looks whether the patched files pass the type checker instead: a mutant is a bug that compiles.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { PatchedTree } from "./apply.ts";
import { checkTypes, failingSeeds, type Finding, hunt } from "./hunt.ts";
import type { Mutant } from "./mutant.ts";
import { CANARY, MUTANTS } from "./mutants.ts";
import { type Hunted, summary, tableLine } from "./report.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

interface Options {
  readonly mutants: readonly Mutant[];
  readonly isWhole: boolean;
  readonly seeds: number;
  readonly jobs: number;
  readonly timeoutMs: number;
  readonly hasBaseline: boolean;
  readonly isChecking: boolean;
  readonly isJson: boolean;
}

function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string", default: "" },
      seeds: { type: "string", default: "500" },
      jobs: { type: "string", default: "1" },
      timeout: { type: "string", default: "1200" },
      baseline: { type: "boolean", default: false },
      check: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
    },
  });
  const all = [CANARY, ...MUTANTS];
  const names = values.only.split(",").filter((name) => name !== "");
  for (const name of names) {
    if (all.some((mutant) => mutant.name === name)) continue;
    throw new TypeError(`Cannot hunt mutant as '--only' must name mutants of the list: current value is '${name}'`);
  }
  return {
    mutants: names.length === 0 ? all : all.filter(({ name }) => names.includes(name)),
    isWhole: names.length === 0 && !values.check,
    seeds: positive("seeds", values.seeds),
    jobs: positive("jobs", values.jobs),
    timeoutMs: positive("timeout", values.timeout) * 1_000,
    hasBaseline: values.baseline,
    isChecking: values.check,
    isJson: values.json,
  };
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new RangeError(`Cannot hunt mutants as '--${name}' must be an integer >= 1: current value is ${text}`);
}

async function baseline(options: Options): Promise<ReadonlySet<number>> {
  await using tree = await PatchedTree.create(ROOT);
  const seeds = await failingSeeds(tree, options);
  console.log(`${seeds.size} of ${options.seeds} seeds fail without a mutant: ${[...seeds].join(" ")}`);
  return seeds;
}

async function main(options: Options): Promise<number> {
  const { mutants, jobs, isJson, isChecking } = options;
  const bounds = { ...options, ignored: options.hasBaseline ? await baseline(options) : new Set<number>() };
  const waiting = [...mutants];
  const hunted: Hunted[] = [];
  const work = async (): Promise<void> => {
    await using tree = await PatchedTree.create(ROOT);
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      await tree.hold(mutant);
      const finding: Finding = isChecking ? await checkTypes(tree, bounds) : await hunt(tree, bounds);
      hunted.push({ mutant, finding });
      const { name, breaks } = mutant;
      console.log(isJson ? JSON.stringify({ name, breaks, ...finding }) : tableLine(hunted.at(-1)!));
    }
  };
  await Promise.all(Array.from({ length: Math.min(jobs, mutants.length) }, work));
  const { lines, isGood } = summary(hunted, options.isWhole);
  for (const line of lines) console.log(line);
  return isGood ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(readOptions(Deno.args)));
