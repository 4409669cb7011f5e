/**
 * A job under exactly-once on a real Kafka behind a proxy that loses, one after the other, each request of a transaction
 * and each reply: before and after the broker applied it. Runs when TURBINE_TEST_KAFKA names a broker (`host:port`).
 */
import { assert, assertEquals } from "@std/assert";
import { json, type RunningApp, topic, Turbine } from "../../mod.ts";
import type { KafkaBroker } from "../../lib/adapters/kafka/kafka_broker.ts";
import { processEnvironment } from "../../lib/adapters/kafka/process_environment.ts";
import type { Observer, StepLabel } from "../../lib/seams/observer.ts";
import { ADAPTERS, testKafka } from "./kafka_brokers.ts";
import { type Fate, KafkaProxy } from "./kafka_proxy.ts";
import { NUMBER, SUM, sumsHandler } from "./sums_handler.ts";

const ADDRESS = testKafka();
const PATIENCE_MS = 60_000;
const ROWS = 12;
const HOW = { key: "key", partitions: 2, createTopics: true } as const;
const PRODUCE = 0;
const INITIALIZE = 22;
const ADD_PARTITIONS = 24;
const ADD_OFFSETS = 25;
const END = 26;
const STAGE_OFFSETS = 28;
const NAMES: Readonly<Record<number, string>> = {
  [PRODUCE]: "Produce",
  [INITIALIZE]: "InitProducerId",
  [ADD_PARTITIONS]: "AddPartitionsToTxn",
  [ADD_OFFSETS]: "AddOffsetsToTxn",
  [END]: "EndTxn",
  [STAGE_OFFSETS]: "TxnOffsetCommit",
};
/** Requests that carry a transaction, by generation. An id is initialized after another one of them was lost. */
const REQUESTS: Readonly<Record<1 | 2, readonly number[]>> = {
  1: [ADD_PARTITIONS, PRODUCE, ADD_OFFSETS, STAGE_OFFSETS, END],
  2: [PRODUCE, STAGE_OFFSETS, END],
};

async function until(what: string, attempt: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS;
  while (!await attempt()) {
    if (performance.now() > endMs) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Loses what it is told to. */
class Losses {
  #left: { apiKey: number; fate: Fate }[] = [];
  #always: { apiKey: number; fate: Fate } | null = null;

  constructor(proxy: KafkaProxy) {
    proxy.fate = (apiKey) => {
      if (apiKey === this.#always?.apiKey) return this.#always.fate;
      const at = this.#left.findIndex((each) => each.apiKey === apiKey);
      return at < 0 ? "pass" : this.#left.splice(at, 1)[0]!.fate;
    };
  }

  /** Loses each of these once, and waits until they were lost. */
  async lose(losses: readonly { apiKey: number; fate: Fate }[]): Promise<void> {
    this.#left = [...losses];
    await until(`${losses.map(({ apiKey, fate }) => `${NAMES[apiKey]} is ${fate}`).join(" and ")}`, () => {
      return this.#left.length === 0;
    });
  }

  /** Loses one request, however often it is sent, until something is seen. */
  async loseAll(loss: { apiKey: number; fate: Fate }, isSeen: () => boolean): Promise<void> {
    this.#always = loss;
    await until(`something is seen while every ${NAMES[loss.apiKey]} is ${loss.fate}`, isSeen);
    this.#always = null;
  }
}

/** A job behind a proxy, and what its topics hold. */
class Scene {
  readonly proxy = new KafkaProxy(ADDRESS!);
  readonly losses = new Losses(this.proxy);
  readonly steps = new Map<StepLabel, number>();
  readonly #name = `lost-${crypto.randomUUID().slice(0, 8)}`;
  readonly #numbers = topic(`${this.#name}-numbers`, { ...HOW, value: json(NUMBER) });
  readonly #sums = topic(`${this.#name}-sums`, { ...HOW, value: json(SUM) });
  readonly #direct: KafkaBroker;
  readonly #broker: KafkaBroker;
  readonly #client: Turbine;
  readonly #errors: string[] = [];
  #running: RunningApp | null = null;
  #fed = 0;
  #isFeeding = true;
  #feeding: Promise<void> = Promise.resolve();

  constructor(adapter: keyof typeof ADAPTERS, transactionProtocol: 1 | 2) {
    const environment = processEnvironment();
    const bounds = { transactionProtocol, requestTimeoutMs: 2_000, heartbeatIntervalMs: 100, fetchWaitMs: 20 };
    this.#direct = ADAPTERS[adapter]({ brokers: [ADDRESS!] }, environment);
    this.#broker = ADAPTERS[adapter]({ brokers: [this.proxy.address], ...bounds }, environment);
    this.#client = new Turbine(this.#name, { broker: this.#direct });
  }

  /** How often a step was taken. */
  count(label: StepLabel): number {
    return this.steps.get(label) ?? 0;
  }

  /** Starts the job, and feeds it until `finish`. */
  async start(): Promise<void> {
    const observer: Observer = {
      step: (label) => void this.steps.set(label, this.count(label) + 1),
      log: (level, message) => void (level === "error" && this.#errors.push(message)),
    };
    const app = new Turbine(this.#name, { broker: this.#broker, environment: { observer } });
    app.subscribe(this.#numbers, {
      publishTo: this.#sums,
      name: "sums",
      processingGuarantee: "exactly-once",
      batchRows: 30,
      commitIntervalMs: 1,
    }, sumsHandler);
    this.#running = await app.start();
    this.#feeding = this.#feed();
  }

  /** Lets the job process the rest, closes it, and checks that each output stands once. */
  async finish(): Promise<void> {
    this.#isFeeding = false;
    await this.#feeding;
    await until("everything is committed", () => this.#isAllCommitted());
    await this.#running!.close();
    const expected = new Map<number, number>();
    const byKey = new Map<string, number>();
    for (const { id, key } of await this.#client.read(this.#numbers)) {
      byKey.set(key, (byKey.get(key) ?? 0) + id);
      expected.set(id, byKey.get(key)!);
    }
    assertEquals(expected.size, this.#fed);
    const seen: number[] = [];
    for (const { id, sum } of await this.#client.read(this.#sums)) {
      assertEquals(sum, expected.get(id), `the sum of record ${id}`);
      seen.push(id);
    }
    assertEquals(seen.sort((a, b) => a - b), Array.from({ length: this.#fed }, (_, id) => id), "each output once");
    assertEquals(this.#errors, []);
  }

  /** Closes everything. */
  async close(): Promise<void> {
    this.#isFeeding = false;
    await this.#feeding.catch(() => {});
    await this.#running?.close().catch(() => {});
    await this.#broker.close();
    await this.#direct.close();
    await this.proxy.close();
  }

  async #feed(): Promise<void> {
    while (this.#isFeeding) {
      const ids = Array.from({ length: ROWS }, (_, at) => this.#fed + at);
      await this.#client.produce(this.#numbers, ids.map((id) => ({ id, key: `k${(id * 7) % 13}` })));
      this.#fed += ROWS;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async #isAllCommitted(): Promise<boolean> {
    assertEquals(this.#running!.failure, undefined);
    const admin = await this.#direct.admin();
    const partitions = [0, 1].map((partition) => ({ topic: this.#numbers.name, partition }));
    const committed = await admin.groupOffsets(`${this.#name}.sums`, partitions);
    const ends = await admin.offsets(partitions);
    return ends.every(({ partition, logEnd }) =>
      committed.find((each) => each.partition === partition)?.offset === logEnd
    );
  }
}

async function loseAll(scene: Scene, generation: 1 | 2): Promise<void> {
  const { losses } = scene;
  for (const apiKey of REQUESTS[generation]) {
    for (const fate of ["request-lost", "reply-lost"] as const) {
      await losses.lose([{ apiKey, fate }]);
      // What takes the producer's place is lost too.
      await losses.lose([{ apiKey: STAGE_OFFSETS, fate }, { apiKey: INITIALIZE, fate }]);
    }
  }
  assert(scene.count("produce:unknown") + scene.count("commit:unknown") >= REQUESTS[generation].length);
  // An end that stays without a reply is not known to have happened, nor not to: the group's offsets decide.
  for (const fate of ["request-lost", "reply-lost"] as const) {
    const before = scene.count("commit:unknown");
    await losses.loseAll({ apiKey: END, fate }, () => scene.count("commit:unknown") > before);
  }
}

if (ADDRESS === undefined) {
  console.log("cannot: lost requests of transactions: TURBINE_TEST_KAFKA is not set to host:port");
} else {
  for (const adapter of Object.keys(ADAPTERS) as (keyof typeof ADAPTERS)[]) {
    for (const generation of [1, 2] as const) {
      const what = "each request of a transaction is lost once, and its reply once; every output stands once";
      Deno.test(`${adapter}, generation ${generation}: ${what}`, async () => {
        const scene = new Scene(adapter, generation);
        try {
          await scene.start();
          await loseAll(scene, generation);
          await scene.finish();
        } finally {
          await scene.close();
        }
      });
    }
  }
}
