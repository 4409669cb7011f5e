/** The verifier job on a cluster: workers in processes of their own, records that go in, and the verdict at the end. */
import { kafkaBroker } from "../../../lib/adapters/kafka/kafka.ts";
import type { TopicPartition } from "../../../lib/seams/broker.ts";
import { Turbine } from "../../../mod.ts";
import { sleep } from "../../../tools/services/service.ts";
import { Feeder } from "./feeder.ts";
import type { TestCluster } from "./test_cluster.ts";
import { BATCH_ROWS, FAILOVER_GRACE_MS, type InputRow, inputRows, PARTITIONS, topicsOf } from "./verifier_data.ts";
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
  /** From this row on records have other keys: those of after the input topic has grown. @default {none} */
  readonly grownFrom?: number;
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

/** The guarantee was not kept. */
export class BrokenPromise extends Error {
  /** What was counted. */
  readonly verdict: Verdict;

  /** @param message What is wrong. @param verdict What was counted. */
  constructor(message: string, verdict: Verdict) {
    super(message);
    this.verdict = verdict;
  }
}

/** Lines of a process's log that a failure's report shows. */
const LOG_LINES_MAX = 12;

/** One job on a cluster. */
export class Scene implements AsyncDisposable {
  /** Name of the app. */
  readonly name: string = `verifier-${crypto.randomUUID().slice(0, 8)}`;
  /** Puts records in; another one after the input topic has grown. */
  feeder: Feeder;
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
    this.#rows = inputRows(options.rows, options.grownFrom);
    this.feeder = this.#makeFeeder(0);
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

  /** Partitions of the input topic. */
  get partitions(): number {
    return this.#partitions;
  }

  /** The input topic grows; what feeds it knows all partitions afterwards. */
  async grow(partitions: number): Promise<void> {
    await this.cluster.admin.grow(topicsOf(this.name).input.name, partitions);
    this.#partitions = partitions;
    await this.feeder.close();
    this.feeder = this.#makeFeeder(this.feeder.fed);
    this.note(`the input topic has ${partitions} partitions`);
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
      failoverGraceMs: FAILOVER_GRACE_MS,
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

  /**
   * Waits until everything that is in the input topic is committed. A transaction that has ended can be read a moment later,
   * when its markers are written: until then there is more to come than readers see.
   */
  async isCaughtUp(): Promise<void> {
    const places = placesOf([topicsOf(this.name).input.name], this.#partitions);
    let lag = "";
    const look = async () => {
      const ends = await this.cluster.admin.bounds(places, false);
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
   * Feeds while something else happens, and waits for both.
   *
   * @param feed Up to which row, and about how fast.
   * @param event What happens.
   * @throws What `event` or the feeder threw; nothing is under way then.
   */
  async feedDuring(
    { end, rowsPerSecond }: { readonly end: number; readonly rowsPerSecond: number },
    event: Promise<unknown>,
  ): Promise<void> {
    const done = event.catch(async (error) => {
      // A broker that stays down would keep the feeder trying.
      await this.feeder.close();
      throw error;
    });
    const [happened, fed] = await Promise.allSettled([done, this.feeder.feedTo(end, rowsPerSecond)]);
    if (happened.status === "rejected") throw happened.reason;
    if (fed.status === "rejected") throw fed.reason;
  }

  /**
   * Feeds the rest, lets the workers process it and close, and judges.
   *
   * @param repeatedRowsMax Rows that may come again in each output topic.
   * @param rowsPerSecond About how fast the rest is fed.
   * @throws {BrokenPromise} when the promise is broken.
   */
  async finish(repeatedRowsMax: number, rowsPerSecond: number): Promise<Verdict> {
    await this.feeder.feedTo(this.#rows.length, rowsPerSecond);
    await this.isCaughtUp();
    await Promise.all([...this.#workers.keys()].map(async (id) => {
      await this.worker(id).terminate();
      this.forget(id);
    }));
    await this.isCaughtUp();
    await assertNothingOpen(this.cluster.admin, this.#places());
    return await this.judge({ repeatedRowsMax });
  }

  /**
   * Judges what stands in the output topics.
   *
   * @param how Rows that may come again in each of them; the number of rows that were processed, if not all; whether the
   * beginning of the input is gone.
   * @throws {BrokenPromise} when the promise is broken.
   */
  async judge(
    { repeatedRowsMax, processed = this.#rows.length, isInputCut = false }: {
      readonly repeatedRowsMax: number;
      readonly processed?: number;
      readonly isInputCut?: boolean;
    },
  ): Promise<Verdict> {
    this.note(`replies that workers missed: ${this.#missedReplies()}`);
    const counts = await this.#check(this.#rows.slice(0, processed), isInputCut);
    const both = Object.values(counts);
    const verdict = {
      rows: processed,
      lost: both.reduce((sum, { missing }) => sum + missing.length, 0),
      repeated: both.reduce((sum, { repeated }) => sum + repeated, 0),
      repeatedMax: both.length * repeatedRowsMax,
      feederTroubles: this.feeder.troubles,
    };
    for (const [topic, { rows, missing, repeated, wrong }] of Object.entries(counts)) {
      if (missing.length === 0 && wrong.length === 0 && repeated <= repeatedRowsMax) continue;
      const list = (what: string, all: readonly string[]) => `${all.length} ${what}: ${all.slice(0, 5).join(", ")}`;
      throw new BrokenPromise(
        `${topic} has ${rows} rows for ${processed} records; ${repeated} came again (at most ${repeatedRowsMax}); ` +
          `${list("are wrong", wrong)}; ${list("are missing", missing)}`,
        verdict,
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

  /** An error, with what was done and what all processes logged last. */
  failure(error: unknown): Error {
    const all = [...this.#past, ...this.workers];
    const logs = all.map(({ problems }, at) => {
      const lines = problems.split("\n");
      return problems === "" ? "" : `process ${at}:\n${lines.slice(-LOG_LINES_MAX).join("\n")}`;
    });
    const message = `${(error as Error).message}\n${this.#notes.map((line) => `${line}\n`).join("")}${logs.join("")}`;
    return error instanceof BrokenPromise ? new BrokenPromise(message, error.verdict) : new Error(message);
  }

  /** Requests whose fate workers had to find out, as they logged it: where the cuts have hit. */
  #missedReplies(): string {
    const counts = new Map<string, number>();
    for (const { problems } of [...this.#past, ...this.workers]) {
      for (const [, request] of problems.matchAll(/before the reply to (\w+)/g)) {
        counts.set(request!, (counts.get(request!) ?? 0) + 1);
      }
    }
    return [...counts].map(([request, count]) => `${count} of ${request}`).join(", ") || "none";
  }

  #makeFeeder(fed: number): Feeder {
    const { brokers } = this.cluster;
    return new Feeder(this.name, { brokers, rows: this.#rows, fed, note: (text) => this.note(text) });
  }

  #places(): TopicPartition[] {
    const { input, echo, totals } = topicsOf(this.name);
    return [...placesOf([input.name], this.#partitions), ...placesOf([echo.name, totals.name], PARTITIONS)];
  }

  async #check(rows: readonly InputRow[], isInputCut: boolean) {
    const broker = kafkaBroker({ brokers: this.cluster.brokers });
    try {
      const client = new Turbine(this.name, { broker });
      const read = this.#options.read ?? ((topic) => client.read(topic));
      const isEchoOnly = this.#options.worker?.isStateless === true;
      return await checkOutputs(this.name, { rows, read, isInputCut, isEchoOnly });
    } finally {
      await broker.close();
    }
  }
}
