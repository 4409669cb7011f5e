/**
 * Whole jobs on a real Kafka (TURBINE_TEST_KAFKA=host:port), in processes that are killed, stopped and restarted while
 * records come in. Nothing is lost and every output is the fold of its key's prefix. At-least-once: output stands twice only
 * where a process was cut off, and there within bounds. Exactly-once: readers of what is committed see each output once.
 */
import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { kafkajsBroker } from "../../lib/adapters/kafkajs/kafkajs.ts";
import type { Broker } from "../../lib/seams/broker.ts";
import { Turbine } from "../../mod.ts";
import { SeededRandom } from "../seeded_random.ts";
import { BATCH_ROWS, type KafkaJobPromise, numbersOf, recordOf, sumsOf } from "./kafka_job.ts";

const ADDRESS = Deno.env.get("TURBINE_TEST_KAFKA");
const JOB = fileURLToPath(new URL("./kafka_job.ts", import.meta.url));
const MODULES = fileURLToPath(new URL("../../node_modules", import.meta.url));
const GRACE_MS = 6_000;
/** A process that is killed leaves a transaction behind; others wait until the broker ends it. */
const PATIENCE_MS = 100_000;
/** Rows that a process has produced and not committed at most: batches in flight, and the one that is processed. */
const UNCOMMITTED_ROWS_MAX = 17 * BATCH_ROWS;
const KILLS = 7;
const AT_LEAST_ONCE: KafkaJobPromise = { guarantee: "at-least-once", adapter: "kafkajs", transactionProtocol: 2 };
/** Both generations of transactions. */
const EXACTLY_ONCE: readonly KafkaJobPromise[] = ([1, 2] as const).map((transactionProtocol) => ({
  guarantee: "exactly-once",
  adapter: "kafka",
  transactionProtocol,
}));

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function until(what: string, attempt: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS;
  while (!await attempt()) {
    if (performance.now() > endMs) throw new Error(`Waited ${PATIENCE_MS} ms in vain until ${what}`);
    await sleep(20);
  }
}

/** One process of the job, from its start to its end. */
class JobProcess {
  readonly #child: Deno.ChildProcess;
  readonly #read: Promise<unknown>;
  #lines: string[] = [];
  #problems = "";
  #isEnded = false;

  constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#read = Promise.all([
      this.#each(child.stdout, (text) => this.#lines = (this.#lines.join("\n") + text).split("\n")),
      this.#each(child.stderr, (text) => this.#problems += text),
      child.status.then(() => this.#isEnded = true),
    ]);
  }

  /** Whether it has joined. */
  get isStarted(): boolean {
    return this.#lines.includes("started");
  }

  /** Warnings and errors that it has logged. */
  get problems(): string {
    return this.#problems;
  }

  /** Partitions that it works on. */
  get tasks(): string {
    return this.#lines.findLast((line) => line.startsWith("tasks "))?.slice(6) ?? "";
  }

  /** Waits until it works on all partitions. */
  async holdsAll(): Promise<void> {
    await until("a process works on all partitions", () => {
      this.assertRunning();
      return this.tasks === "0 1 2";
    });
  }

  /** Waits until it works on something. */
  async works(): Promise<void> {
    await until("a process works on a partition", () => {
      this.assertRunning();
      return this.tasks !== "";
    });
  }

  /** Nothing but this lane ends it. */
  assertRunning(): void {
    assert(!this.#isEnded, `a process ended by itself: ${this.#problems}`);
  }

  /** SIGSTOP and SIGCONT: silence, then it goes on as if nothing had been. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#child.kill(signal);
  }

  /** The process is no more; nothing is left running. */
  async kill(): Promise<void> {
    this.assertRunning();
    this.#child.kill("SIGKILL");
    await this.#read;
  }

  /** Asks it to end, and waits for it. */
  async terminate(): Promise<void> {
    this.#child.kill("SIGTERM");
    const { code } = await this.#child.status;
    await this.#read;
    assertEquals(code, 0, `a process did not close in good order: ${this.#problems}`);
  }

  async #each(stream: ReadableStream<Uint8Array<ArrayBuffer>>, take: (text: string) => void): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) take(text);
  }
}

/** Waits until two processes share the partitions. */
async function share(processes: readonly [JobProcess, JobProcess]): Promise<void> {
  await until("two processes share the partitions", () => {
    for (const process of processes) process.assertRunning();
    const [one, other] = processes.map(({ tasks }) => tasks) as [string, string];
    return one !== "" && other !== "" && [...one.split(" "), ...other.split(" ")].sort().join(" ") === "0 1 2";
  });
}

/** A job, its topics, and the records that go in all the time. */
class Scene {
  readonly #address: string;
  readonly #promise: KafkaJobPromise;
  readonly #name = `job-${crypto.randomUUID().slice(0, 8)}`;
  readonly #directory: string;
  readonly #broker: Broker;
  readonly #client: Turbine;
  readonly #processes: JobProcess[] = [];
  #isFeeding = true;
  #fed = 0;
  #feeding: Promise<void> = Promise.resolve();

  constructor(address: string, directory: string, promise: KafkaJobPromise) {
    this.#address = address;
    this.#directory = directory;
    this.#promise = promise;
    this.#broker = kafkajsBroker({ brokers: [address] });
    this.#client = new Turbine(this.#name, { broker: this.#broker });
  }

  /** Records go in until `finish`, a few every few milliseconds. */
  async feed(): Promise<void> {
    const numbers = numbersOf(this.#name);
    const some = async () => {
      await this.#client.produce(numbers, Array.from({ length: 20 }, (_, at) => recordOf(this.#fed + at)));
      this.#fed += 20;
    };
    await some();
    const more = async () => {
      for (; this.#isFeeding; await sleep(8)) await some();
    };
    this.#feeding = more();
  }

  /** Starts a process. */
  start(who: string, how: { isStatic: boolean }): JobProcess {
    const options = {
      address: this.#address,
      name: this.#name,
      stateDirectory: `${this.#directory}/state-${who}`,
      checkpointsDirectory: `${this.#directory}/checkpoints`,
      failoverGraceMs: GRACE_MS,
      ...this.#promise,
      ...how.isStatic ? { instanceId: who } : {},
    };
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--quiet",
        "--no-check",
        `--allow-read=${MODULES},${this.#directory},/etc/alpine-release`,
        `--allow-write=${this.#directory}`,
        `--allow-ffi=${MODULES}`,
        "--allow-net",
        "--allow-env",
        "--allow-sys",
        JOB,
        JSON.stringify(options),
      ],
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const process = new JobProcess(child);
    this.#processes.push(process);
    return process;
  }

  /** Ends the input, lets `left` process the rest and close, and checks the output. @returns Rows that stand twice. */
  async finish(left: readonly JobProcess[], options: { repeatedMax: number; fedMin: number }): Promise<void> {
    const repeatedMax = this.#promise.guarantee === "exactly-once" ? 0 : options.repeatedMax;
    this.#isFeeding = false;
    await this.#feeding;
    await until("everything is committed", () => this.#isAllCommitted());
    await Promise.all(left.map((process) => process.terminate()));
    assert(this.#fed >= options.fedMin, `only ${this.#fed} records were fed`);
    const repeated = await this.#check();
    console.log(`    ${this.#fed} records, ${repeated} outputs more than once (at most ${repeatedMax})`);
    assert(repeated <= repeatedMax, `${repeated} of ${this.#fed} records have output more than once`);
  }

  /** Ends what is still running. */
  async close(): Promise<void> {
    this.#isFeeding = false;
    await this.#feeding.catch(() => {});
    for (const process of this.#processes) await process.kill().catch(() => {});
    await this.#broker.close();
  }

  /** What the processes logged, for a failure's report. */
  get problems(): string {
    return this.#processes.map(({ problems }, at) => `process ${at}:\n${problems}`).join("");
  }

  async #isAllCommitted(): Promise<boolean> {
    const admin = await this.#broker.admin();
    const partitions = [0, 1, 2].map((partition) => ({ topic: numbersOf(this.#name).name, partition }));
    const committed = await admin.groupOffsets(`${this.#name}.sums`, partitions);
    const ends = await admin.offsets(partitions);
    await admin.close();
    return ends.every(({ partition, logEnd }) => {
      assert(logEnd > 0n, `no record went to partition ${partition}`);
      return committed.find((each) => each.partition === partition)?.offset === logEnd;
    });
  }

  async #check(): Promise<number> {
    const expected = new Map<number, number>();
    const byKey = new Map<string, number>();
    for (const { id, key } of await this.#client.read(numbersOf(this.#name))) {
      const sum = (byKey.get(key) ?? 0) + id;
      byKey.set(key, sum);
      assert(!expected.has(id), `record ${id} was fed twice`);
      expected.set(id, sum);
    }
    assertEquals(expected.size, this.#fed, "records in the input topic");
    const seen = new Map<number, number>();
    for (const { id, sum } of await this.#client.read(sumsOf(this.#name))) {
      assertEquals(sum, expected.get(id), `the sum of record ${id}: state was not the fold of its prefix`);
      seen.set(id, (seen.get(id) ?? 0) + 1);
    }
    assertEquals(seen.size, this.#fed, "records with output");
    return [...seen.values()].filter((times) => times > 1).length;
  }
}

function jobTest(
  name: string,
  run: (scene: Scene) => Promise<void>,
  promises = [AT_LEAST_ONCE, ...EXACTLY_ONCE],
): void {
  if (ADDRESS === undefined) return;
  for (const promise of promises) {
    const { guarantee, adapter, transactionProtocol } = promise;
    const how = guarantee === "exactly-once" ? `, generation ${transactionProtocol}` : "";
    Deno.test(`job on a real Kafka, ${guarantee}${how}, ${adapter}: ${name}`, () => runScene(run, promise));
  }
}

async function runScene(run: (scene: Scene) => Promise<void>, promise: KafkaJobPromise): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "turbine-kafka-job-" });
  const scene = new Scene(ADDRESS!, directory, promise);
  try {
    await scene.feed();
    await run(scene);
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${scene.problems}`, { cause: error });
  } finally {
    await scene.close();
    await Deno.remove(directory, { recursive: true });
  }
}

jobTest(`one process, killed with kill -9 at ${KILLS} random moments and restarted`, async (scene) => {
  const random = new SeededRandom(23);
  let started = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const process = scene.start("a", { isStatic: true });
    // Some before the first record or while state is recovered, most while batches are on their way.
    if (kill % 3 !== 0) await process.works();
    await sleep(random.uint32() % 1_500);
    if (process.isStarted) started += 1;
    await process.kill();
  }
  assert(started > 2, `only ${started} of ${KILLS} lives came to work`);
  const last = scene.start("a", { isStatic: true });
  await last.holdsAll();
  await scene.finish([last], { repeatedMax: KILLS * UNCOMMITTED_ROWS_MAX, fedMin: 3_000 });
});

jobTest("two processes, killed or stopped in turn: partitions and their state move to the other one", async (scene) => {
  let [one, other] = ["a", "b"].map((who) => scene.start(who, { isStatic: true })) as [JobProcess, JobProcess];
  await share([one, other]);
  await sleep(500);
  await other.kill();
  await one.holdsAll();
  await sleep(500);
  other = scene.start("b", { isStatic: true });
  await share([one, other]);
  await sleep(500);
  await one.kill();
  await other.holdsAll();
  one = scene.start("a", { isStatic: true });
  await share([one, other]);
  // One that comes back after its partitions were given away must not go on where it stood.
  one.signal("SIGSTOP");
  await other.holdsAll();
  await sleep(500);
  one.signal("SIGCONT");
  await share([one, other]);
  await sleep(500);
  await scene.finish([one, other], { repeatedMax: 3 * UNCOMMITTED_ROWS_MAX, fedMin: 3_000 });
});

for (const isStatic of [true, false]) {
  const kind = isStatic ? "static" : "dynamic";
  jobTest(`a rolling restart of two ${kind} members by SIGTERM gives no output twice`, async (scene) => {
    const processes = ["a", "b"].map((who) => scene.start(who, { isStatic })) as [JobProcess, JobProcess];
    await share(processes);
    for (const at of [0, 1, 0, 1] as const) {
      await sleep(400);
      await processes[at].terminate();
      if (!isStatic) await processes[1 - at]!.holdsAll();
      processes[at] = scene.start(["a", "b"][at]!, { isStatic });
      await share(processes);
    }
    await scene.finish(processes, { repeatedMax: 0, fedMin: 1_000 });
  }, [AT_LEAST_ONCE, EXACTLY_ONCE[1]!]);
}

if (ADDRESS === undefined) console.log("TURBINE_TEST_KAFKA is not set: no jobs are run on a real Kafka");
