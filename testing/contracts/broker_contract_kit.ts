import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { Outcome } from "../../lib/base/outcome.ts";
import type { RecordSlab } from "../../lib/columns/records.ts";
import type {
  Broker,
  BrokerAdmin,
  CommittedPosition,
  Consumer,
  ConsumerOptions,
  Producer,
  RebalanceListener,
  TopicPartition,
  TransactionalProducer,
} from "../../lib/seams/broker.ts";
import { type ReadRow, type RecordRow, recordsOf, rowsOf } from "../record_rows.ts";
import type { BrokerHarness } from "./broker_contract.ts";

let nextName = 0;

/** Bounds of a poll that takes what there is. */
export const PLENTY = { maxRecords: 100_000, maxBytes: 64 * 1024 * 1024 } as const;

/** Remembers what a consumer told of its assignment. */
export class Witness implements RebalanceListener {
  /** What was told, in order: `assigned 0,1`, `revoked 0`, `lost 1`. */
  readonly events: string[] = [];
  /** Called, and awaited, within `revoked`. */
  onRevoked: (partitions: readonly TopicPartition[]) => Promise<void> = () => Promise.resolve();

  assigned(partitions: readonly TopicPartition[]): Promise<void> {
    this.#note("assigned", partitions);
    return Promise.resolve();
  }

  async revoked(partitions: readonly TopicPartition[]): Promise<void> {
    await this.onRevoked(partitions);
    this.#note("revoked", partitions);
  }

  lost(partitions: readonly TopicPartition[]): Promise<void> {
    this.#note("lost", partitions);
    return Promise.resolve();
  }

  /** How often something was told. */
  count(what: string): number {
    return this.events.filter((event) => event.startsWith(what)).length;
  }

  #note(what: string, partitions: readonly TopicPartition[]): void {
    this.events.push(`${what} ${partitions.map(({ partition }) => partition).sort().join()}`);
  }
}

/** What cases are written with: short ways to the seam, unique names, and a clean end. */
export class Kit {
  /** What the case runs on. */
  readonly harness: BrokerHarness;
  /** The adapter under test. */
  readonly broker: Broker;
  readonly #closers: (() => Promise<void>)[] = [];
  #admin: BrokerAdmin | null = null;

  /**
   * Short ways to one harness.
   *
   * @param harness What the case runs on.
   */
  constructor(harness: BrokerHarness) {
    this.harness = harness;
    this.broker = harness.broker;
  }

  /** A name that nobody else uses. */
  name(what: string): string {
    return `${this.harness.prefix}-${what}-${nextName++}`;
  }

  /** A new topic. */
  async topic(partitions = 1): Promise<string> {
    const topic = this.name("topic");
    await (await this.admin()).createTopics([{ topic, partitions }]);
    return topic;
  }

  /** Administration, opened once. */
  async admin(): Promise<BrokerAdmin> {
    if (this.#admin === null) {
      const admin = await this.broker.admin();
      this.#admin = admin;
      this.#closers.push(() => admin.close());
    }
    return this.#admin;
  }

  /** The broker from another client process. */
  async connect(): Promise<Broker> {
    const broker = await this.harness.connect();
    await broker.open();
    this.#closers.push(() => broker.close());
    return broker;
  }

  /** A new producer. */
  async producer(): Promise<Producer> {
    const producer = await this.broker.producer();
    this.#closers.push(() => producer.close());
    return producer;
  }

  /** An initialized transactional producer. */
  async transactional(
    transactionalId: string = this.name("tx"),
    options: { timeoutMs?: number; broker?: Broker } = {},
  ): Promise<TransactionalProducer> {
    const producer = await (options.broker ?? this.broker).transactionalProducer({
      transactionalId,
      transactionTimeoutMs: options.timeoutMs ?? 60_000,
    });
    this.#closers.push(() => producer.close());
    appliedValue(await producer.initialize());
    return producer;
  }

  /** A consumer that is not subscribed yet. It is closed dirty at the end unless the case closed it. */
  async consumer(options: Partial<ConsumerOptions> & { broker?: Broker } = {}): Promise<Consumer> {
    const { broker = this.broker, groupId = this.name("group"), ...rest } = options;
    const consumer = await broker.consumer({ groupId, ...rest });
    this.#closers.push(() => consumer.close({ isDirty: true }));
    return consumer;
  }

  /** A subscribed consumer that has its assignment. */
  async member(
    topic: string,
    options: Partial<ConsumerOptions> & { broker?: Broker; witness?: RebalanceListener; among?: Consumer[] } = {},
  ): Promise<Consumer> {
    const { witness = new Witness(), among = [], ...rest } = options;
    const consumer = await this.consumer(rest);
    await consumer.subscribe([topic], witness);
    await this.until(() => consumer.assignment().length > 0, [consumer, ...among]);
    return consumer;
  }

  /** Writes rows to one partition. */
  async put(topic: string, rows: readonly (RecordRow | string)[], partition = 0): Promise<void> {
    const producer = await this.broker.producer();
    appliedValue(await producer.produce({ topic, records: recordsOf(rows), partitions: partition }));
    await producer.close();
  }

  /** Polls until `count` records came, in the order in which they came. */
  async take(consumer: Consumer, count: number, options: Partial<typeof PLENTY> = {}): Promise<ReadRow[]> {
    const rows: ReadRow[] = [];
    await this.eventually(async () => {
      for (const slab of await consumer.poll({ ...PLENTY, ...options, timeoutMs: 100 })) rows.push(...rowsOf(slab));
      return rows.length >= count;
    }, () => `${count} records; ${rows.length} came`);
    return rows;
  }

  /** Values of the next `count` records. */
  async values(consumer: Consumer, count: number): Promise<(string | null)[]> {
    return (await this.take(consumer, count)).map(({ value }) => value);
  }

  /** Reads a topic from its start with a group of its own, until `count` records came. */
  async readAll(topic: string, count: number, options: Partial<ConsumerOptions> = {}): Promise<ReadRow[]> {
    const consumer = await this.member(topic, options);
    const rows = await this.take(consumer, count);
    await consumer.close();
    return rows;
  }

  /** Polls for a while in which nothing may come. */
  async nothing(consumer: Consumer): Promise<void> {
    const slabs = await this.drain(consumer);
    assert.deepEqual(slabs.flatMap(rowsOf), []);
  }

  /** Polls for the quiet time and returns what came. */
  async drain(consumer: Consumer): Promise<RecordSlab[]> {
    const endMs = performance.now() + this.harness.timings.quietMs;
    const slabs: RecordSlab[] = [];
    while (performance.now() < endMs) slabs.push(...await consumer.poll({ ...PLENTY, timeoutMs: 20 }));
    return slabs;
  }

  /** Polls consumers in turn until something holds; what they read on the way is put back. */
  async until(isTrue: () => boolean, consumers: readonly Consumer[]): Promise<void> {
    await this.eventually(async () => {
      if (isTrue()) return true;
      for (const consumer of consumers) {
        const slabs = await consumer.poll({ maxRecords: 1, maxBytes: 1, timeoutMs: 10 });
        for (const slab of slabs) consumer.seek(slab, slab.from);
      }
      return isTrue();
    }, () => "a condition");
  }

  /** Tries until something holds, with the harness's patience. */
  async eventually(attempt: () => Promise<boolean>, what: () => string): Promise<void> {
    const endMs = performance.now() + this.harness.timings.patienceMs;
    while (!await attempt()) {
      if (performance.now() > endMs) assert.fail(`waited in vain for ${what()}`);
      await sleep(5);
    }
  }

  /** Lets real time pass. */
  async pause(ms: number): Promise<void> {
    await sleep(ms);
  }

  /** Closes what the case opened. */
  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) {
      // A case that crashed or fenced something leaves handles that cannot be closed in good order.
      await close().catch(() => {});
    }
  }
}

/** The value of an outcome that must be `applied`. */
export function appliedValue<T>(outcome: Outcome<T>): T {
  if (outcome.kind !== "applied") throw new Error(`expected applied, found ${outcome.kind}`, { cause: outcome.error });
  return outcome.value;
}

/** The error of an outcome that must be `not-applied`. */
export function refusedError(outcome: Outcome<unknown>): Error {
  assert.equal(outcome.kind, "not-applied", outcome.kind === "applied" ? "expected a refusal" : outcome.error.message);
  return (outcome as { error: Error }).error;
}

/** A position without leader epoch and metadata. */
export function positionAt(
  { topic, partition }: TopicPartition,
  offset: number | bigint,
  metadata = "",
): CommittedPosition {
  return { topic, partition, offset: BigInt(offset), leaderEpoch: -1, metadata };
}
