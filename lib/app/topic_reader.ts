import { BrokerTimeoutError, DeserializationError, UnknownTopicError } from "../base/errors.ts";
import { rows as rowsOf } from "../columns/rows.ts";
import type { Batch, Columns, RowOf } from "../columns/schema.ts";
import type { Topic } from "../operator/operator.ts";
import type { Environment } from "../seams/adapter.ts";
import type { Broker, BrokerAdmin, Consumer, TopicPartition } from "../seams/broker.ts";
import { randomId } from "../seams/random.ts";
import { checkOptionNames } from "../base/check_option_names.ts";
import { checkStartFrom, type StartFrom } from "./app_options.ts";

/** Rows that a reader could not decode. */
export interface UnreadableRow extends TopicPartition {
  /** Offset of the record. */
  readonly offset: number;
  /** Why. */
  readonly reason: string;
}

/** Options of {@linkcode TopicReader}. */
export interface ReadOptions {
  /** Where to begin. @default {"earliest"} */
  from?: StartFrom;
  /** Bound on one wait for records that the log's end promises, in milliseconds. @default {30_000} */
  timeoutMs?: number;
}

/**
 * Reads a topic outside of a job: committed records only, in partition order, never committing an offset. Each call
 * reads what came since the last one, up to the log's end at the time of the call.
 */
export class TopicReader<S extends Columns> implements AsyncDisposable {
  /** Rows that could not be decoded so far. */
  readonly unreadable: UnreadableRow[] = [];
  readonly #topic: Topic<S>;
  readonly #from: StartFrom;
  readonly #timeoutMs: number;
  readonly #open: () => Promise<Broker>;
  readonly #environment: Environment;
  readonly #onClosed: () => void;
  readonly #positions = new Map<number, bigint>();
  #consumer: Consumer | undefined;
  #admin: BrokerAdmin | undefined;

  /**
   * Made by `reader()` of an app; nothing is opened yet.
   *
   * @param topic What to read.
   * @param more The broker (opened at the first call), options and environment.
   */
  constructor(
    topic: Topic<S>,
    more: {
      readonly open: () => Promise<Broker>;
      readonly environment: Environment;
      readonly options: ReadOptions;
      readonly onClosed?: () => void;
    },
  ) {
    const { from, timeoutMs } = more.options;
    checkOptionNames(`reader of topic '${topic.name}'`, more.options, ["from", "timeoutMs"]);
    checkStartFrom(`reader of topic '${topic.name}'`, { name: "from", value: from });
    if (timeoutMs !== undefined && !(timeoutMs >= 0)) {
      throw new RangeError(
        `Cannot create reader of topic '${topic.name}' as 'timeoutMs' must be a number >= 0: current value is ${timeoutMs}`,
      );
    }
    this.#topic = topic;
    this.#open = more.open;
    this.#environment = more.environment;
    this.#onClosed = more.onClosed ?? (() => {});
    this.#from = from ?? "earliest";
    this.#timeoutMs = timeoutMs ?? 30_000;
  }

  /**
   * All rows since the last call as objects; none while the topic does not exist on a broker that creates topics.
   *
   * @throws {UnknownTopicError} when the topic does not exist on another broker.
   * @throws {BrokerTimeoutError} when the broker does not deliver what its log holds.
   */
  async rows(): Promise<RowOf<S>[]> {
    const out: RowOf<S>[] = [];
    for await (const batch of this.batches()) for (const row of rowsOf(batch)) out.push({ ...row });
    return out;
  }

  /**
   * As {@linkcode TopicReader.rows}, but a row that cannot be decoded is an error.
   *
   * @throws {DeserializationError} naming the first one; `unreadable` has all.
   */
  async rowsOrThrow(): Promise<RowOf<S>[]> {
    const out = await this.rows();
    const first = this.unreadable[0];
    if (first === undefined) return out;
    const { topic, partition, offset, reason } = first;
    throw new DeserializationError(
      `Cannot read ${this.unreadable.length} records of topic '${topic}', first partition ${partition} offset ${offset}: ` +
        `${reason}; read it with the columns it has, or with a reader(), which passes them over`,
      { context: { topic, partition, offset, unreadable: this.unreadable.length } },
    );
  }

  /**
   * All batches since the last call.
   *
   * @throws {UnknownTopicError} when the topic does not exist on a broker that does not create topics.
   * @throws {BrokerTimeoutError} when the broker does not deliver what its log holds.
   */
  async *batches(): AsyncIterableIterator<Batch<S>> {
    const consumer = this.#consumer ??= await this.#join();
    if (consumer === undefined) return;
    const decoder = this.#topic.codec.decoder();
    const ends = new Map((await this.#admin!.offsets(this.#partitions())).map((each) => [each.partition, each.logEnd]));
    const deadlineMs = this.#environment.clock.monotonicMs() + this.#timeoutMs;
    const isBehind = () => [...ends].some(([partition, end]) => this.#positions.get(partition)! < end);
    while (isBehind()) {
      for (const slab of await consumer.poll({ maxRecords: 65_536, maxBytes: 8_388_608, timeoutMs: 100 })) {
        this.#positions.set(slab.partition, slab.to);
        const { batch, rejected } = decoder.decode(slab.records.values, 0, slab.records.count, slab.records.keys);
        for (const { row, reason } of rejected) {
          this.unreadable.push({ topic: slab.topic, partition: slab.partition, offset: slab.offsets[row]!, reason });
        }
        if (batch.numRows > 0) yield batch;
      }
      if (isBehind() && this.#environment.clock.monotonicMs() > deadlineMs) {
        throw new BrokerTimeoutError(
          `Cannot read topic '${this.#topic.name}' to its end within ${this.#timeoutMs} ms`,
          {
            context: { topic: this.#topic.name, positions: Object.fromEntries(this.#positions) },
          },
        );
      }
    }
  }

  /** Leaves the broker. */
  async close(): Promise<void> {
    const consumer = this.#consumer, admin = this.#admin;
    this.#consumer = undefined;
    this.#admin = undefined;
    this.#onClosed();
    await consumer?.close();
    await admin?.close();
  }

  /** Same as {@linkcode TopicReader.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #partitions(): TopicPartition[] {
    return [...this.#positions.keys()].map((partition) => ({ topic: this.#topic.name, partition }));
  }

  async #join(): Promise<Consumer | undefined> {
    const broker = await this.#open();
    const { name } = this.#topic;
    const admin = this.#admin ??= await broker.admin();
    const [description] = await admin.describeTopics([name]);
    if (description === undefined) {
      if (broker.capabilities.createsTopics) return undefined;
      throw new UnknownTopicError(`Cannot read topic '${name}' as it does not exist at ${broker.location}`, {
        context: { topic: name, broker: broker.location },
      });
    }
    const all = Array.from({ length: description.partitions }, (_, partition) => ({ topic: name, partition }));
    const starts = await this.#starts(admin, all);
    for (const { partition, offset } of starts) this.#positions.set(partition, offset);
    const consumer = await broker.consumer({ groupId: `turbine-reader-${randomId(this.#environment.random)}` });
    await consumer.subscribe([name], {
      assigned: (partitions) => {
        for (const each of partitions) consumer.seek(each, this.#positions.get(each.partition) ?? 0n);
        return Promise.resolve();
      },
      revoked: () => Promise.resolve(),
      lost: () => Promise.resolve(),
    });
    return consumer;
  }

  async #starts(
    admin: BrokerAdmin,
    all: readonly TopicPartition[],
  ): Promise<readonly (TopicPartition & { offset: bigint })[]> {
    if (typeof this.#from === "object") return await admin.offsetsAt(all, this.#from.atMs);
    const bounds = await admin.offsets(all);
    return bounds.map((each) => ({ ...each, offset: this.#from === "latest" ? each.logEnd : each.logStart }));
  }
}
