/**
 * The cluster lane: the verifier job on private clusters of one node and of three.
 *
 * deno task cluster --minutes M [--seed N] [--only REGEXP]   all cells at full size, then random scenes until M minutes are over
 * deno task test:cluster                                    (--short) all cells with few rows
 *
 * Prints what was counted, and ends with `N passed, N failed`; the exit code is 1 when a promise was broken. `--only` takes
 * cells and scenes whose name, with nodes and guarantee in front (`3 exactly-once mixture`), fits a regular expression;
 * TURBINE_CLUSTER_VERBOSE=1 shows what is done and when.
 */
import { SeededRandom } from "../../seeded_random.ts";
import { CELLS, type CellSize, cellText, runCell } from "./cells.ts";
import { type Result, resultLine, resultOf, resultTable } from "./results.ts";
import type { Verdict } from "./scene.ts";
import { SCENES, shuffled } from "./scenes.ts";
import { TestCluster, type TestClusterOptions } from "./test_cluster.ts";

const FULL: Omit<CellSize, "seed"> = { rows: 100_000, bounces: 3, rowsPerSecond: 4_000 };
const SHORT: Omit<CellSize, "seed"> = { rows: 3_000, bounces: 3, rowsPerSecond: 1_000 };
const SCENE = { rows: 20_000, rowsPerSecond: 1_000 } as const;
/** Scenes on a cluster before it is the other one's turn. */
const SCENES_IN_TURN = 6;

interface LaneOptions {
  readonly isShort: boolean;
  readonly minutes: number;
  readonly seed: number;
  readonly only: RegExp;
}

function optionsOf(words: readonly string[]): LaneOptions {
  const valueOf = (name: string) => words.includes(name) ? words[words.indexOf(name) + 1] : undefined;
  const numberOf = (name: string, otherwise: number) => {
    const value = Number(valueOf(name) ?? otherwise);
    if (Number.isFinite(value) && value >= 0) return value;
    throw new RangeError(`Cannot run lane as '${name}' must be a number >= 0: current value is ${valueOf(name)}`);
  };
  return {
    isShort: words.includes("--short"),
    minutes: numberOf("--minutes", 60),
    seed: numberOf("--seed", Date.now() % 1_000_000),
    only: new RegExp(valueOf("--only") ?? ""),
  };
}

/** The cluster that is used now: whole, and of the kind that was asked for last. */
class CurrentCluster implements AsyncDisposable {
  #cluster: TestCluster | undefined;
  #kind = "";

  async take(options: TestClusterOptions): Promise<TestCluster> {
    const kind = JSON.stringify(options);
    if (this.#cluster === undefined || kind !== this.#kind) {
      await this[Symbol.asyncDispose]();
      this.#cluster = await TestCluster.start(options);
      this.#kind = kind;
    }
    return this.#cluster;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const cluster = this.#cluster;
    this.#cluster = undefined;
    await cluster?.[Symbol.asyncDispose]();
  }
}

class Lane {
  readonly #options: LaneOptions;
  readonly #current: CurrentCluster;
  readonly #results: Result[] = [];
  readonly #endMs: number;

  constructor(options: LaneOptions, current: CurrentCluster) {
    this.#options = options;
    this.#current = current;
    this.#endMs = performance.now() + options.minutes * 60_000;
  }

  get results(): readonly Result[] {
    return this.#results;
  }

  async cells(size: Omit<CellSize, "seed">): Promise<void> {
    for (const [at, cell] of CELLS.entries()) {
      const { nodes, guarantee } = cell;
      await this.#run(
        { name: cellText(cell), nodes, guarantee },
        { nodes },
        (cluster) => runCell(cell, { ...size, seed: this.#options.seed + at, cluster }),
      );
    }
  }

  async scenes(): Promise<void> {
    const random = new SeededRandom(this.#options.seed);
    // `--only` may mean cells.
    if (this.#scenesOn(1, random).length + this.#scenesOn(3, random).length === 0) return;
    const waiting: Record<1 | 3, (() => Promise<void>)[]> = { 1: [], 3: [] };
    for (let nodes: 1 | 3 = 1; !this.#isOver; nodes = nodes === 1 ? 3 : 1) {
      const own = waiting[nodes];
      if (own.length === 0) own.push(...shuffled(this.#scenesOn(nodes, random), random));
      for (const scene of own.splice(0, SCENES_IN_TURN)) if (!this.#isOver) await scene();
    }
  }

  get #isOver(): boolean {
    return performance.now() >= this.#endMs;
  }

  /** Every kind of scene under both guarantees. */
  #scenesOn(nodes: 1 | 3, random: SeededRandom): (() => Promise<void>)[] {
    return SCENES.flatMap(({ name, only, play }) =>
      (["at-least-once", "exactly-once"] as const)
        .filter((guarantee) => only === undefined || (only.nodes === nodes && only.guarantee === guarantee))
        .filter((guarantee) => this.#isWanted({ name, nodes, guarantee }))
        .map((guarantee) => () => {
          const seed = random.uint32();
          return this.#run({ name, nodes, guarantee }, { nodes, isProxied: true }, (cluster) => {
            return play({ ...SCENE, cluster, guarantee, seed });
          });
        })
    );
  }

  #isWanted({ name, nodes, guarantee }: Pick<Result, "name" | "nodes" | "guarantee">): boolean {
    return this.#options.only.test(`${nodes} ${guarantee} ${name}`);
  }

  async #run(
    what: Pick<Result, "name" | "nodes" | "guarantee">,
    kind: TestClusterOptions,
    run: (cluster: TestCluster) => Promise<Verdict>,
  ): Promise<void> {
    if (!this.#isWanted(what)) return;
    const result = await resultOf(what, async () => await run(await this.#current.take(kind)));
    this.#results.push(result);
    console.log(resultLine(result));
    if (result.failure === undefined) return;
    console.log(result.failure.message.replace(/^/gm, "    "));
    // Nobody knows what it left behind.
    await this.#current[Symbol.asyncDispose]();
  }
}

async function main(): Promise<number> {
  const options = optionsOf(Deno.args);
  console.log(`Seed ${options.seed}`);
  await using current = new CurrentCluster();
  const lane = new Lane(options, current);
  await lane.cells(options.isShort ? SHORT : FULL);
  if (!options.isShort) await lane.scenes();
  const failed = lane.results.filter(({ failure }) => failure !== undefined).length;
  console.log(`\n${resultTable(lane.results)}\n\n${lane.results.length - failed} passed, ${failed} failed`);
  return failed;
}

if (import.meta.main) Deno.exit(await main() === 0 ? 0 : 1);
