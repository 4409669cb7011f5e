/** The verifier job on a cluster: workers in processes of their own, records that go in, and the verdict at the end. */
import { assert } from "@std/assert";
import { kafkaBroker } from "../../../lib/adapters/kafka/kafka.ts";
import { Turbine } from "../../../mod.ts";
import { sleep } from "../../../tools/services/service.ts";
import { Feeder } from "./feeder.ts";
import type { TestCluster } from "./test_cluster.ts";
import { BATCH_ROWS, type InputRow, inputRows, PARTITIONS, topicsOf } from "./verifier_data.ts";
import { assertNothingOpen, checkOutputs, placesOf, type ReadRows } from "./verifier_check.ts";
import type { Guarantee, VerifierOptions } from "./verifier_job.ts";
import { WorkerProcess } from "./worker_process.ts";

/** How long the slowest thing may take: a machine that is shared, a coordinator that moves, a transaction that times out. */
const PATIENCE_MS = 120_000;
/**
 * Rows whose output a worker that is cut off has produced and not committed at most: batches in flight, and the one that is
 * processed.
 */
export const UNCOMMITTED_ROWS_MAX = 17 * BATCH_ROWS;

/** Options of {@linkcode Scene.open}. */
export interface SceneOptions {
  /** Where it plays. */
  readonly cluster: TestCluster;
  /** The job's promise. */
  readonly guarantee: Guarantee;
  /** Rows that are fed in all. */
  readonly rows: number;
  /** Whether the job's clients go through toxiproxy. @default {false} */
  readonly isProxied?: boolean;
  /** What a worker is told besides. @default {{}} */
  readonly worker?: Partial<VerifierOptions>;
  /** Reads the outputs at the end. @default {the adapter's own reader} */
  readonly read?: ReadRows;
}

/** What became of the outputs of a run. */
export interface Verdict {
  /** Rows that were fed. */
  readonly rows: number;
  /** Records whose output is missing, in either topic. */
  readonly lost: number;
  /** Rows that came again, of both topics. */
  readonly repeated: number;
  /** How many of them the guarantee allows. */
  readonly repeatedMax: number;
  /** Transactions of the feeder that ended otherwise than they should: it met the faults as well. */
  readonly feederTroubles: number;
}

/** One job on a cluster. */
export class Scene implements AsyncDisposable {
  /** Name of the app. */
  readonly name: string = `verifier-${crypto.randomUUID().slice(0, 8)}`;
  /** Puts records in. */
  readonly feeder: Feeder;
  /** Where it plays. */
  readonly cluster: TestCluster;
  readonly #options: SceneOptions;
  readonly #rows: readonly InputRow[];
  readonly #directory: string;
  readonly #workers = new Map<string, WorkerProcess>();
  readonly #past: WorkerProcess[] = [];
  readonly #notes: string[] = [];
  #partitions = PARTITIONS;

  private constructor(options: SceneOptions, directory: string) {
    this.#options = options;
    this.cluster = options.cluster;
    this.#directory = directory;
    this.#rows = inputRows(options.rows);
    this.feeder = new Feeder(this.name, {
      brokers: this.cluster.brokers,
      rows: this.#rows,
      note: (text) => this.note(text),
    });
  }

  /** Makes the topics of a job. */
  static async open(options: SceneOptions): Promise<Scene> {
    const scene = new Scene(options, await Deno.makeTempDir({ prefix: "turbine-verifier-" }));
    const broker = kafkaBroker({ brokers: options.cluster.brokers });
    try {
      const admin = await broker.admin();
      await admin.createTopics(scene.topics.map((topic) => ({ topic, partitions: PARTITIONS })));
    } finally {
      await broker.close();
    }
    return scene;
  }

  /** Names of input and outputs. */
  get topics(): string[] {
    return Object.values(topicsOf(this.name)).map(({ name }) => name);
  }

  /** Group of the job. */
  get groupId(): string {
    return `${this.name}.verifier`;
  }

  /** The processes that run now. */
  get workers(): WorkerProcess[] {
    return [...this.#workers.values()];
  }

  /** The topics have grown. */
  set partitions(count: number) {
    this.#partitions = count;
  }

  /** Starts a worker, a static member of this id unless it is told otherwise. */
  start(id: string, more: Partial<VerifierOptions> = {}): WorkerProcess {
    const { guarantee, isProxied = false, worker = {}, cluster } = this.#options;
    const process = new WorkerProcess({
      name: this.name,
      guarantee,
      brokers: isProxied ? cluster.proxiedBrokers : cluster.brokers,
      stateDirectory: `${this.#directory}/state-${id}`,
      checkpointsDirectory: `${this.#directory}/checkpoints`,
      instanceId: id,
      failoverGraceMs: 10_000,
      ...worker,
      ...more,
    }, this.#directory);
    const before = this.#workers.get(id);
    if (before !== undefined) this.#past.push(before);
    this.#workers.set(id, process);
    return process;
  }

  /** Remembers what was done and when, for a failure's report. */
  note(text: string): void {
    const line = `${new Date().toISOString()} ${text}`;
    this.#notes.push(line);
    if (Deno.env.get("TURBINE_CLUSTER_VERBOSE") !== undefined) console.log(`    ${line}`);
  }

  /** A worker by its id. */
  worker(id: string): WorkerProcess {
    return this.#workers.get(id)!;
  }

  /** Forgets a worker that has ended. */
  forget(id: string): void {
    this.#past.push(this.worker(id));
    this.#workers.delete(id);
  }

  /** Waits; a worker that ends by itself meanwhile is a failure. */
  async until(
    what: string,
    attempt: () => boolean | Promise<boolean>,
    patienceMs: number = PATIENCE_MS,
  ): Promise<void> {
    const startMs = performance.now(), endMs = startMs + patienceMs;
    while (!await attempt()) {
      for (const worker of this.workers) worker.assertRunning();
      if (performance.now() > endMs) throw new Error(`Waited ${patienceMs} ms in vain until ${what}`);
      await sleep(30);
    }
    this.note(`${what}: after ${Math.round(performance.now() - startMs)} ms`);
  }

  /** Waits until all workers are at work and hold each partition once. */
  async isShared(): Promise<void> {
    const all = Array.from({ length: this.#partitions }, (_, partition) => partition).join();
    await this.until(
      "the workers share the partitions",
      () =>
        this.workers.every(({ isStarted, tasks }) => isStarted && tasks.length > 0) &&
        this.workers.flatMap(({ tasks }) => tasks).sort((a, b) => a - b).join() === all,
    );
  }

  /** Waits until everything that is in the input topic is committed. */
  async isCaughtUp(): Promise<void> {
    const places = placesOf([topicsOf(this.name).input.name], this.#partitions);
    let lag = "";
    const look = async () => {
      const ends = await this.cluster.admin.bounds(places, true);
      const committed = await this.cluster.admin.committed(this.groupId, places);
      const behind = ends.filter(({ partition, logEnd }) => committed.get(partition) !== logEnd);
      lag = behind.map(({ partition, logEnd }) => `${partition}: ${committed.get(partition)} of ${logEnd}`).join(", ");
      return behind.length === 0;
    };
    await this.until("everything is committed", look).catch((error) => {
      throw new Error(`${error.message}; partitions ${lag}`, { cause: error });
    });
  }

  /** Kills whatever runs, and forgets its state, as a machine that burned down. */
  async loseWorkers(): Promise<void> {
    for (const worker of this.workers) await worker.kill();
    this.#past.push(...this.workers);
    this.#workers.clear();
  }

  /**
   * Feeds the rest, lets the workers process it and close, and judges.
   *
   * @param repeatedRowsMax Rows that may come again in each output topic under at-least-once.
   * @param rowsPerSecond About how fast the rest is fed.
   * @throws {AssertionError} when the promise is broken.
   */
  async finish(repeatedRowsMax: number, rowsPerSecond: number): Promise<Verdict> {
    const { guarantee, cluster } = this.#options;
    const repeatedMax = guarantee === "exactly-once" ? 0 : repeatedRowsMax;
    await this.feeder.feedTo(this.#rows.length, rowsPerSecond);
    await this.isCaughtUp();
    await Promise.all(this.workers.map((worker) => worker.terminate()));
    await this.isCaughtUp();
    const counts = await this.#check();
    const both = [counts.echo, counts.totals];
    await assertNothingOpen(cluster.admin, placesOf(this.topics, PARTITIONS));
    const verdict = {
      rows: this.#rows.length,
      lost: both.reduce((sum, { missing }) => sum + missing.length, 0),
      repeated: both.reduce((sum, { repeated }) => sum + repeated, 0),
      repeatedMax: 2 * repeatedMax,
      feederTroubles: this.feeder.troubles,
    };
    for (const [topic, { rows, missing, repeated, wrong }] of Object.entries(counts)) {
      const list = (what: string, all: readonly string[]) => `${all.length} ${what}: ${all.slice(0, 5).join(", ")}`;
      assert(
        missing.length === 0 && wrong.length === 0 && repeated <= repeatedMax,
        `${topic} has ${rows} rows for ${this.#rows.length} records; ${repeated} came again (at most ${repeatedMax}); ` +
          `${list("are wrong", wrong)}; ${list("are missing", missing)}`,
      );
    }
    return verdict;
  }

  /** Ends what is still running. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.feeder.close();
    for (const worker of this.workers) await worker.kill();
    await Deno.remove(this.#directory, { recursive: true });
  }

  /** What was done and what all processes logged, for a failure's report. */
  get problems(): string {
    const all = [...this.#past, ...this.workers];
    return this.#notes.map((line) => `${line}\n`).join("") +
      all.map(({ problems }, at) => problems === "" ? "" : `process ${at}:\n${problems}`).join("");
  }

  async #check() {
    const broker = kafkaBroker({ brokers: this.cluster.brokers });
    try {
      const client = new Turbine(this.name, { broker });
      const read = this.#options.read ?? ((topic) => client.read(topic));
      return await checkOutputs(this.name, { rows: this.#rows, read });
    } finally {
      await broker.close();
    }
  }
}
