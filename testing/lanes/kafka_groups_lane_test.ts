/**
 * Workers that come and go on a real Kafka: drained and back, restarted one after the other, away for shorter and for
 * longer than the grace; in groups of both protocols. Runs when TURBINE_TEST_KAFKA names a broker (`host:port`), for
 * example `TURBINE_TEST_KAFKA=127.0.0.1:19092` after `deno task services up kafka`.
 */
import { assert, assertEquals } from "@std/assert";
import { json, topic, Turbine } from "../../mod.ts";
import type { KafkaBroker } from "../../lib/adapters/kafka/kafka_broker.ts";
import { kafkaBroker } from "../../lib/adapters/kafka/kafka.ts";
import type { KafkaOptions } from "../../lib/adapters/kafka/kafka_options.ts";
import { kafkajsBroker } from "../../lib/adapters/kafkajs/kafkajs.ts";
import { MemoryBlobStore } from "../../lib/adapters/memory/memory_blob_store.ts";
import { MemoryStateProvider } from "../../lib/adapters/memory/memory_state_provider.ts";
import type { RunningApp } from "../../lib/app/running_app.ts";
import { type AskedGroup, askGroup } from "./ask_group.ts";
import { testKafka } from "./kafka_brokers.ts";
import { NUMBER, SUM, sumsHandler } from "./sums_handler.ts";

type Guarantee = "at-least-once" | "exactly-once";
type Protocol = "classic" | "consumer";
type Adapter = "kafka" | "kafkajs";

/** A worker that is gone is not missed for so long. */
const GRACE_MS = 30_000;
/** Who is drained is followed at once: long before the grace is over. */
const PATIENCE_MS = 15_000;
/** A grace that a test can wait for; the `consumer` protocol takes none below its time between heartbeats, 5 s. */
const SHORT_GRACE_MS: Readonly<Record<Protocol, number>> = { classic: 2_000, consumer: 5_500 };
const PARTITIONS = 6;

/** What a scene runs on. */
interface SceneOptions {
  readonly address: string;
  readonly adapter: Adapter;
  readonly protocol: Protocol;
  readonly guarantee: Guarantee;
  readonly graceMs: number;
  readonly workers: number;
  /** Whether workers have instance ids. @default {true} */
  readonly isStatic?: boolean;
}

/** One process of the job, as often as it is started. */
interface Worker {
  readonly number: number;
  readonly state: MemoryStateProvider;
  /** Times that partitions were given to it or taken. */
  changes: number;
  running: RunningApp | undefined;
}

/** A job of running sums by key on several workers, its input, and what has to come out. */
class Scene {
  readonly workers: readonly Worker[];
  readonly groupId: string;
  readonly #options: SceneOptions;
  readonly #name = `groups-${crypto.randomUUID()}`;
  readonly #numbers;
  readonly #sums;
  readonly #blobs = new MemoryBlobStore();
  readonly #sent = new Map<string, number[]>();
  #next = 0;
  #feeder: RunningApp | undefined;
  #feeding: Promise<void> | undefined;
  #isFed = false;

  constructor(options: SceneOptions) {
    this.#options = options;
    this.groupId = `${this.#name}.sums`;
    const how = { key: "key", partitions: PARTITIONS, createTopics: true } as const;
    this.#numbers = topic(`${this.#name}-numbers`, { ...how, value: json(NUMBER) });
    this.#sums = topic(`${this.#name}-sums`, { ...how, value: json(SUM) });
    this.workers = Array.from({ length: options.workers }, (_, number) => ({
      number,
      state: new MemoryStateProvider({ isKept: true }),
      changes: 0,
      running: undefined,
    }));
  }

  static async start(options: SceneOptions): Promise<Scene> {
    const scene = new Scene(options);
    scene.#feeder = await new Turbine(`${scene.#name}-feeder`, {
      broker: scene.#broker(),
      checkpoints: "memory:",
      environment: { observer: { step: () => {}, log: () => {} } },
    }).start();
    for (const worker of scene.workers) await scene.startWorker(worker.number);
    await scene.shared();
    return scene;
  }

  async startWorker(number: number): Promise<void> {
    const worker = this.workers[number]!;
    const { guarantee, graceMs, isStatic = true } = this.#options;
    const app = new Turbine(this.#name, {
      broker: this.#broker(),
      ...isStatic ? { instanceId: `worker-${number}` } : {},
      state: worker.state,
      checkpoints: this.#blobs,
      checkpointIntervalMs: 500,
      stateFlushIntervalMs: 100,
      failoverGraceMs: graceMs,
      environment: {
        observer: {
          step: (label) => {
            if (label === "group:assigned" || label === "group:revoked" || label === "group:lost") worker.changes++;
          },
          log: (level, message) => {
            if (level === "error") console.error(`worker ${number}: ${message}`);
          },
        },
      },
    });
    app.subscribe(this.#numbers, {
      name: "sums",
      publishTo: this.#sums,
      processingGuarantee: guarantee,
      batchTimeoutMs: 5,
      commitIntervalMs: 20,
    }, sumsHandler);
    worker.running = await app.start();
  }

  running(number: number): RunningApp {
    return this.workers[number]!.running!;
  }

  held(number: number): number[] {
    const { running } = this.workers[number]!;
    return running === undefined ? [] : running.status()[0]!.tasks.map(({ partition }) => partition).sort();
  }

  /** Waits until these workers, and nobody else, have all partitions, and all about as many. */
  async shared(among: readonly number[] = this.workers.map(({ number }) => number)): Promise<void> {
    await until(
      () => {
        const counts = among.map((number) => this.held(number).length);
        const isAll = counts.reduce((sum, count) => sum + count, 0) === PARTITIONS;
        return isAll && Math.max(...counts) - Math.min(...counts) <= 1;
      },
      () =>
        `workers ${among.join(", ")} to have all partitions: ${
          JSON.stringify(this.workers.map((_, n) => this.held(n)))
        }`,
    );
  }

  async feed(count: number): Promise<void> {
    const rows = Array.from({ length: count }, () => {
      const id = this.#next++;
      const key = `k${(id * 7) % 29}`;
      const ids = this.#sent.get(key) ?? [];
      this.#sent.set(key, [...ids, id]);
      return { id, key };
    });
    await this.#feeder!.produce(this.#numbers, rows);
  }

  /** Feeds until {@linkcode Scene.check}. */
  keepFeeding(): void {
    const feedOn = async () => {
      while (!this.#isFed) {
        await this.feed(10);
        await sleep(30);
      }
    };
    this.#feeding = feedOn();
    // What goes wrong is told by the check.
    this.#feeding.catch(() => {});
  }

  /** Waits for all output: each row is there once, in order for its key, with the right sum. */
  async check(): Promise<void> {
    this.#isFed = true;
    await this.#feeding;
    await using reader = this.#feeder!.reader(this.#sums);
    const rows: { id: number; key: string; sum: number }[] = [];
    await until(async () => {
      rows.push(...await reader.rows());
      return rows.length >= this.#next;
    }, () => `${this.#next} rows; ${rows.length} came`);
    // What was doubled would come behind.
    await sleep(300);
    rows.push(...await reader.rows());
    const found = new Map<string, [number, number][]>();
    for (const { id, key, sum } of rows) found.set(key, [...found.get(key) ?? [], [id, sum]]);
    for (const [key, ids] of this.#sent) {
      let sum = 0;
      assertEquals(found.get(key), ids.map((id) => [id, sum += id]), `the rows of key '${key}'`);
    }
    assertEquals(rows.length, this.#next);
  }

  async ask(): Promise<AskedGroup> {
    return await askGroup(this.#options.address, { groupId: this.groupId, protocol: this.#options.protocol });
  }

  async close(): Promise<void> {
    this.#isFed = true;
    await this.#feeding?.catch(() => {});
    for (const { running } of this.workers) await running?.close();
    await this.#feeder?.close();
  }

  #broker(): KafkaBroker {
    const { adapter, address, protocol } = this.#options;
    const options: KafkaOptions = {
      brokers: [address],
      groupProtocol: protocol,
      heartbeatIntervalMs: 100,
      fetchWaitMs: 50,
    };
    return adapter === "kafka" ? kafkaBroker(options) : kafkajsBroker(options);
  }
}

async function sleep(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

async function until(holds: () => boolean | Promise<boolean>, what: () => string): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS;
  while (!await holds()) {
    assert(performance.now() < endMs, `waited in vain for ${what()}`);
    await sleep(10);
  }
}

function laneTest(name: string, options: SceneOptions, run: (scene: Scene) => Promise<void>): void {
  const { adapter, protocol, guarantee } = options;
  Deno.test(`${adapter}, ${protocol} groups, ${guarantee}: ${name}`, async () => {
    const scene = await Scene.start(options);
    try {
      await run(scene);
    } finally {
      await scene.close();
    }
  });
}

function rollingTests(options: SceneOptions): void {
  laneTest("workers are drained in turn, others follow at once, and nothing is lost or doubled", {
    ...options,
    graceMs: GRACE_MS,
    workers: 3,
  }, async (scene) => {
    scene.keepFeeding();
    for (const { number } of scene.workers) {
      await sleep(200);
      await scene.running(number).drain();
      assertEquals(scene.held(number), []);
      await scene.shared(scene.workers.map((each) => each.number).filter((other) => other !== number));
      const { members } = await scene.ask();
      assertEquals(members.includes(`worker-${number}-sums`), false, "who was drained is still in the group");
      if (number === 1) {
        await scene.running(number).close();
        await scene.startWorker(number);
      } else await scene.running(number).rejoin();
      await scene.shared();
    }
    await scene.check();
  });
}

function fleetTests(options: SceneOptions): void {
  laneTest("all workers are drained at once while input comes in, and go on where they were", {
    ...options,
    graceMs: GRACE_MS,
    workers: 3,
    isStatic: false,
  }, async (scene) => {
    scene.keepFeeding();
    const fleet = scene.workers.map(({ number }) => number);
    for (let round = 0; round < 3; round++) {
      await sleep(300);
      // In the second round without waiting for each other: some come back while others still leave.
      if (round === 1) {
        for (const number of fleet) {
          const running = scene.running(number);
          running.drain().then(() => running.rejoin());
          await sleep(40 * number);
        }
      } else {
        await Promise.all(fleet.map((number) => scene.running(number).drain()));
        assertEquals(fleet.map((number) => scene.held(number)), [[], [], []]);
        await Promise.all(fleet.map((number) => scene.running(number).rejoin()));
      }
      await scene.shared();
    }
    await scene.check();
  });
}

function staticTests(options: SceneOptions): void {
  laneTest("a worker that is restarted inside the grace goes on with its partitions, and no rebalance", {
    ...options,
    graceMs: GRACE_MS,
    workers: 2,
  }, async (scene) => {
    scene.keepFeeding();
    // Without a commit at the end, at-least-once would process some records again.
    for (const isDirty of options.guarantee === "exactly-once" ? [false, true] : [false]) {
      const before = await scene.ask();
      const held = [scene.held(0), scene.held(1)];
      const { changes } = scene.workers[1]!;
      await scene.running(0).close({ isDirty });
      await sleep(500);
      await scene.startWorker(0);
      await until(() => scene.held(0).length > 0, () => "the restarted worker to have its partitions back");
      assertEquals([scene.held(0), scene.held(1)], held);
      await sleep(300);
      const after = await scene.ask();
      assertEquals(after.generation, before.generation, "the group is in another generation");
      assertEquals(after.members, before.members);
      assertEquals(scene.workers[1]!.changes, changes, "the other worker was disturbed");
    }
    await scene.check();
  });

  laneTest("partitions of a worker that stays away for longer than the grace move, and some come back with it", {
    ...options,
    graceMs: SHORT_GRACE_MS[options.protocol],
    workers: 2,
  }, async (scene) => {
    scene.keepFeeding();
    const before = await scene.ask();
    await scene.running(0).close();
    assertEquals(scene.held(1).length, PARTITIONS / 2);
    await scene.shared([1]);
    const without = await scene.ask();
    assert(without.generation > before.generation, "the group is still in the old generation");
    assertEquals(without.members, ["worker-1-sums"]);
    await scene.startWorker(0);
    await scene.shared();
    const again = await scene.ask();
    assert(again.generation > without.generation, "the worker came back without a rebalance");
    assertEquals(again.members, before.members);
    await scene.check();
  });
}

const ADDRESS = testKafka();
if (ADDRESS === undefined) console.log("cannot: groups on Kafka: TURBINE_TEST_KAFKA is not set to host:port");
else {
  for (const protocol of ["classic", "consumer"] as const) {
    const at = { address: ADDRESS, protocol, graceMs: GRACE_MS, workers: 2 };
    rollingTests({ ...at, adapter: "kafka", guarantee: "exactly-once" });
    rollingTests({ ...at, adapter: "kafka", guarantee: "at-least-once" });
    rollingTests({ ...at, adapter: "kafkajs", guarantee: "exactly-once" });
    fleetTests({ ...at, adapter: "kafka", guarantee: protocol === "classic" ? "exactly-once" : "at-least-once" });
    staticTests({ ...at, adapter: "kafka", guarantee: "exactly-once" });
    staticTests({ ...at, adapter: "kafkajs", guarantee: "at-least-once" });
  }
}
