/** A job with state on a real Kafka behind a proxy that cuts connections, and what its topics hold in the end. */
import { assert, assertEquals } from "@std/assert";
import { kafkaBroker } from "../../lib/adapters/kafka/kafka.ts";
import type { KafkaBroker } from "../../lib/adapters/kafka/kafka_broker.ts";
import { processEnvironment } from "../../lib/adapters/kafka/process_environment.ts";
import { StreamError } from "../../lib/base/errors.ts";
import type { StepLabel } from "../../lib/seams/observer.ts";
import { batchOf, int32, json, type RunningApp, topic, Turbine, utf8 } from "../../mod.ts";
import { PLENTY, Witness } from "../contracts/broker_contract_kit.ts";
import { type ReadRow, rowsOf } from "../record_rows.ts";
import { type Cut, CuttingProxy } from "./kafka_cuts.ts";

/** What the job promises, and the protocols that it speaks. */
export interface CutJob {
  readonly guarantee: "at-least-once" | "exactly-once";
  readonly transactionProtocol: 1 | 2;
  readonly groupProtocol: "classic" | "consumer";
}

/** What may make a job send a request that it does not send all the time. */
export type Stimulus = "wait" | "cut" | "toggle";

/** What came of the job. */
export interface CutReport {
  readonly records: number;
  /** Rows of output that stand there again. */
  readonly repeated: number;
  /** How often output went back to an earlier record of its partition. */
  readonly returns: number;
}

const PATIENCE_MS = 40_000;
const PARTITIONS = [0, 1] as const;
const HOW = { key: "key", partitions: PARTITIONS.length, createTopics: true } as const;
const NUMBER = { id: int32(), key: utf8() };
const COUNT = { id: int32(), key: utf8(), count: int32() };
/** Records that come in at once, and the pause after them, in milliseconds. */
const FED_AT_ONCE = 6;
const PAUSE_MS = 12;
const BATCH_ROWS = 10;
/** Rows of a partition that a process has produced and not committed at most: batches in flight, and the one at hand. */
const UNCOMMITTED_ROWS_MAX = 17 * BATCH_ROWS;
/** The shortest session that groups of either protocol take. */
const SESSION_MS = 6_000;

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A process of the job, played in this one. */
interface Member {
  readonly broker: KafkaBroker;
  readonly running: RunningApp;
}

/** The job: one member that stays, another one that comes and goes, and records that come in until the end. */
export class CutScene {
  readonly proxy: CuttingProxy;
  /** Starts that failed as a connection was cut; the next one succeeded. */
  readonly failedStarts: string[] = [];
  readonly #job: CutJob;
  readonly #directory: string;
  readonly #name = `cut-${crypto.randomUUID().slice(0, 8)}`;
  readonly #numbers = topic(`${this.#name}-numbers`, { ...HOW, value: json(NUMBER) });
  readonly #counts = topic(`${this.#name}-counts`, { ...HOW, value: json(COUNT) });
  readonly #direct: KafkaBroker;
  readonly #client: Turbine;
  readonly #steps = new Map<StepLabel, number>();
  readonly #errors: string[] = [];
  #steady: Member | null = null;
  #guest: Member | null = null;
  #disturbances = 0;
  #fed = 0;
  #isFeeding = true;
  #feeding: Promise<void> = Promise.resolve();

  /**
   * @param address Broker, `host:port`.
   * @param job What the job promises.
   * @param directory Where its checkpoints go.
   */
  constructor(address: string, job: CutJob, directory: string) {
    this.proxy = new CuttingProxy(address);
    this.#job = job;
    this.#directory = directory;
    this.#direct = kafkaBroker({ brokers: [address], fetchWaitMs: 20 }, processEnvironment());
    this.#client = new Turbine(this.#name, { broker: this.#direct });
  }

  /** Starts the job, and feeds it until `finish`. At its very first start a connection may be cut. */
  async start(cut?: Cut): Promise<void> {
    if (cut !== undefined) this.proxy.arm(cut);
    this.#steady = await this.#startMember();
    assert(this.proxy.isStruck, `${cut?.name} was not sent`);
    this.#feeding = this.#feed();
    await this.#progress();
  }

  /** Waits until the job has sent all of these requests. */
  async sends(names: readonly string[]): Promise<void> {
    const missing = () => names.filter((name) => !this.proxy.names.has(name));
    await this.#until("the job sends all that it should", () => missing().length === 0);
  }

  /** The other member comes, or goes if it is there. */
  async toggle(): Promise<void> {
    if (this.#guest === null) {
      this.#guest = await this.#startMember();
      return await this.#until("the member that came has a partition", () => this.#tasksOf(this.#guest!) > 0);
    }
    const { broker, running } = this.#guest;
    this.#guest = null;
    await running.close();
    await broker.close();
  }

  /**
   * Cuts one connection as told, provoked in turn by stimuli until it has happened, and waits until the job has committed
   * something after it.
   */
  async cut(cut: Cut, stimuli: readonly Stimulus[]): Promise<void> {
    this.#disturbances += 1;
    this.proxy.arm(cut);
    for (const stimulus of stimuli) {
      if (this.proxy.isStruck) break;
      this.proxy.arm(cut);
      if (stimulus === "cut") {
        this.#disturbances += 1;
        this.proxy.cut();
      } else if (stimulus === "toggle") await this.toggle();
      for (let waits = 0; waits < 60 && !this.proxy.isStruck; waits++) await sleep(5);
    }
    assert(this.proxy.isStruck, `${cut.name} was not sent, so it could not be ${cut.fate}`);
    await this.#progress();
  }

  /** Lets the job process the rest, closes it, and compares its output with its input. */
  async finish(): Promise<CutReport> {
    this.#isFeeding = false;
    await this.#feeding;
    await this.#until("everything is committed", () => this.#isAllCommitted());
    await this.#closeMembers();
    assertEquals(this.#errors, [], "errors that were logged");
    return await this.#compare();
  }

  /** Ends what still runs. */
  async close(): Promise<void> {
    this.#isFeeding = false;
    this.proxy.disarm();
    await this.#feeding.catch(() => {});
    await this.#closeMembers().catch(() => {});
    await this.#direct.close();
    await this.proxy.close();
  }

  async #closeMembers(): Promise<void> {
    const members = [this.#guest, this.#steady];
    this.#guest = this.#steady = null;
    for (const member of members) {
      await member?.running.close();
      await member?.broker.close();
    }
  }

  async #startMember(): Promise<Member> {
    for (;;) {
      const { guarantee: _, ...protocols } = this.#job;
      const bounds = { requestTimeoutMs: 3_000, heartbeatIntervalMs: 100, fetchWaitMs: 20, reconnectBackoffMaxMs: 100 };
      const broker = kafkaBroker(
        { brokers: [this.proxy.address], ...protocols, ...bounds },
        processEnvironment(),
      );
      try {
        return { broker, running: await this.#app(broker).start() };
      } catch (error) {
        await broker.close();
        if (!(error instanceof StreamError)) throw error;
        this.failedStarts.push(error.message);
        assert(this.failedStarts.length < 20, `the job does not start: ${error.message}`);
      }
    }
  }

  #app(broker: KafkaBroker): Turbine {
    const app = new Turbine(this.#name, {
      broker,
      checkpoints: `file:${this.#directory}`,
      checkpointIntervalMs: 400,
      failoverGraceMs: SESSION_MS,
      environment: {
        observer: {
          step: (label) => void this.#steps.set(label, (this.#steps.get(label) ?? 0) + 1),
          log: (level, message) => void (level === "error" && this.#errors.push(message)),
        },
      },
    });
    const counts = this.#counts;
    app.subscribe(this.#numbers, {
      publishTo: counts,
      name: "counts",
      processingGuarantee: this.#job.guarantee,
      batchRows: BATCH_ROWS,
      commitIntervalMs: 1,
    }, async (batch, { state }) => {
      const ids = batch.getChild("id").toArray();
      const rows: { id: number; key: string; count: number }[] = [];
      for (const [at, key] of batch.getChild("key").toJSON().entries()) {
        const count = (await state.get<number>(key) ?? 0) + 1;
        state.put(key, count);
        rows.push({ id: ids[at]!, key, count });
      }
      return batchOf(counts.schema, rows);
    });
    return app;
  }

  async #feed(): Promise<void> {
    for (; this.#isFeeding; await sleep(PAUSE_MS)) {
      const ids = Array.from({ length: FED_AT_ONCE }, (_, at) => this.#fed + at);
      await this.#client.produce(this.#numbers, ids.map((id) => ({ id, key: `k${(id * 7) % 13}` })));
      this.#fed += FED_AT_ONCE;
    }
  }

  /** Waits until something that is produced from now on is committed. */
  async #progress(): Promise<void> {
    const from = this.#count("transaction:begin") + this.#count("produce:before");
    const isMoving = () => this.#count("transaction:begin") + this.#count("produce:before") > from;
    await this.#until("the job goes on", isMoving);
    const committed = this.#count("apply:after");
    await this.#until("the job commits", () => this.#count("apply:after") > committed);
  }

  #count(label: StepLabel): number {
    return this.#steps.get(label) ?? 0;
  }

  #tasksOf({ running }: Member): number {
    assertEquals(running.failure, undefined);
    return running.status()[0]!.tasks.length;
  }

  #failures(): string {
    const members = [this.#steady, this.#guest].filter((member) => member !== null);
    const failures = members.flatMap(({ running }) => [...running.status()[0]!.failures.values()]);
    return failures.map((failure) => `${failure}`).join(", ");
  }

  async #until(what: string, attempt: () => boolean | Promise<boolean>): Promise<void> {
    const endMs = performance.now() + PATIENCE_MS;
    while (!await attempt()) {
      for (const member of [this.#steady, this.#guest]) if (member !== null) this.#tasksOf(member);
      if (performance.now() > endMs) {
        throw new Error(`Waited in vain until ${what}; ${this.proxy.story}; failures: ${this.#failures()}`);
      }
      await sleep(5);
    }
  }

  async #isAllCommitted(): Promise<boolean> {
    const admin = await this.#direct.admin();
    const places = PARTITIONS.map((partition) => ({ topic: this.#numbers.name, partition }));
    const committed = await admin.groupOffsets(`${this.#name}.counts`, places);
    const ends = await admin.offsets(places);
    await admin.close();
    return ends.every(({ partition, logEnd }) =>
      committed.find((each) => each.partition === partition)?.offset === logEnd
    );
  }

  /** Rows of each partition, in order; those of open or aborted transactions are not seen. */
  async #rows(topicName: string, isComplete: (rows: readonly ReadRow[]) => boolean): Promise<ReadRow[][]> {
    const consumer = await this.#direct.consumer({ groupId: `${this.#name}-${crypto.randomUUID()}` });
    await consumer.subscribe([topicName], new Witness());
    const rows: ReadRow[] = [];
    let quiet = 0;
    await this.#until(`all of '${topicName}' is read; ${this.#fed} records were fed`, async () => {
      const slabs = await consumer.poll({ ...PLENTY, timeoutMs: 50 });
      for (const slab of slabs) rows.push(...rowsOf(slab));
      quiet = slabs.length === 0 ? quiet + 1 : 0;
      return isComplete(rows) && quiet > 2;
    });
    await consumer.close();
    return PARTITIONS.map((partition) => rows.filter((row) => row.partition === partition));
  }

  async #compare(): Promise<CutReport> {
    const inputs = await this.#rows(this.#numbers.name, ({ length }) => length >= this.#fed);
    assertEquals(inputs.flat().length, this.#fed, "each record was fed once");
    const ids = (rows: readonly ReadRow[]) => new Set(rows.map(({ value }) => JSON.parse(value!).id as number));
    const outputs = await this.#rows(this.#counts.name, (rows) => ids(rows).size >= this.#fed);
    let repeated = 0, returns = 0;
    for (const partition of PARTITIONS) {
      const found = compareRows(expectedRows(inputs[partition]!), outputs[partition]!.map(({ value }) => value!));
      repeated += found.repeated;
      returns += found.returns;
    }
    if (this.#job.guarantee === "exactly-once") {
      assertEquals([repeated, returns], [0, 0], "rows that stand there twice");
    }
    const returnsMax = this.#disturbances * PARTITIONS.length;
    assert(returns <= returnsMax, `output went back ${returns} times, at most ${returnsMax} times was to be expected`);
    return { records: this.#fed, repeated, returns };
  }
}

/** Output of a partition of input as it is without any trouble. */
function expectedRows(input: readonly ReadRow[]): string[] {
  const counts = new Map<string, number>();
  return input.map(({ value }) => {
    const { id, key } = JSON.parse(value!) as { id: number; key: string };
    const count = (counts.get(key) ?? 0) + 1;
    counts.set(key, count);
    return JSON.stringify({ id, key, count });
  });
}

/** Output has to be what is expected, in order; it may go back a little and come again from there. */
function compareRows(expected: readonly string[], output: readonly string[]): { repeated: number; returns: number } {
  const places = new Map(expected.map((row, at) => [row, at]));
  let repeated = 0, returns = 0, next = 0, highest = 0;
  for (const row of output) {
    const at = places.get(row);
    assert(at !== undefined, `${row} is not the output of any record`);
    if (at !== next) {
      assert(at < next, `${row} came when ${expected[next]} was due`);
      assert(highest - at <= UNCOMMITTED_ROWS_MAX, `output went back by ${highest - at} rows to ${row}`);
      returns += 1;
    }
    if (at < highest) repeated += 1;
    next = at + 1;
    highest = Math.max(highest, next);
  }
  assertEquals(highest, expected.length, "records with output");
  return { repeated, returns };
}
