import { BrokerTimeoutError } from "../base/errors.ts";
import type { PartitionOffsets } from "../seams/broker.ts";
import type { Batch, Columns, RowOf } from "../columns/schema.ts";
import { asTopic } from "../operator/topic.ts";
import type { Topic } from "../operator/operator.ts";
import type { RunnerParts, TaskStatus } from "../runtime/runner_parts.ts";
import { groupIdOf } from "../runtime/subscription_spec.ts";
import type { SubscriptionRunner } from "../runtime/subscription_runner.ts";
import type { ResolvedOptions } from "./app_options.ts";
import { AppProducer } from "./app_producer.ts";
import { type ReadOptions, TopicReader } from "./topic_reader.ts";

/** What the parts of a running app are doing. */
export interface SubscriptionStatus {
  /** Name of the subscription. */
  readonly name: string;
  /** Its tasks in this process. */
  readonly tasks: readonly TaskStatus[];
  /** Tasks that failed and are no longer processed, by partition. */
  readonly failures: ReadonlyMap<number, Error>;
}

/** Offsets of a partition, and what the app's subscription on that topic committed. */
export interface TopicOffsets extends PartitionOffsets {
  /** Committed offset, or `undefined` when nothing was committed. */
  readonly committed: bigint | undefined;
}

/** How long a close without commit may take once an orderly one has run out of time, in milliseconds. */
const DIRTY_CLOSE_MS = 1_000;

/** A started app: what runs, and how to stop it. */
export class RunningApp implements AsyncDisposable {
  /** Resolved options with their sources. */
  readonly options: ResolvedOptions;
  readonly #name: string;
  readonly #runners: readonly SubscriptionRunner[];
  readonly #parts: RunnerParts;
  readonly #owned: readonly { close(): Promise<void> }[];
  readonly #producer: AppProducer;
  readonly #readers = new Set<TopicReader<Columns>>();
  readonly #end = new AbortController();
  readonly #ended: Promise<void>;
  #closed: Promise<void> | undefined;
  #isClosed = false;
  #closeFailure: Error | undefined;

  /**
   * Made by `Turbine.start()`.
   *
   * @param parts What was opened for it.
   */
  constructor(
    parts: {
      name: string;
      runners: readonly SubscriptionRunner[];
      parts: RunnerParts;
      options: ResolvedOptions;
      owned: readonly { close(): Promise<void> }[];
    },
  ) {
    this.#name = parts.name;
    this.#runners = parts.runners;
    this.#parts = parts.parts;
    this.#owned = parts.owned;
    this.#producer = new AppProducer(parts.parts);
    this.options = parts.options;
    const { signal } = this.#end;
    this.#ended = new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  }

  /** Joins the groups; made by `Turbine.start()`. @ignore */
  async start(): Promise<void> {
    try {
      for (const runner of this.#runners) await runner.start();
      const { broker, state, blobs, environment } = this.#parts;
      const where = { broker: broker.location, state: state.location, checkpoints: blobs.location };
      const subscriptions = this.#runners.map((runner) => `${runner.name} <- ${runner.inputTopic}`);
      environment.observer.log("info", `App '${this.#name}' has started`, { subscriptions, ...where });
    } catch (error) {
      await this.close({ isDirty: true });
      throw error;
    }
  }

  /** Why the app stopped by itself, if it did: the first failure of a subscription. */
  get failure(): Error | undefined {
    return this.#runners.find((runner) => runner.failure !== undefined)?.failure;
  }

  /** Why the app could not be closed in good order, if so. */
  get closeFailure(): Error | undefined {
    return this.#closeFailure;
  }

  /** Resolves when a subscription has stopped by itself or all have been closed; never rejects. */
  get ended(): Promise<void> {
    return Promise.race([this.#ended, ...this.#runners.map((runner) => runner.ended)]);
  }

  /** Whether it has been closed. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** What each subscription is doing. */
  status(): readonly SubscriptionStatus[] {
    return this.#runners.map((runner) => ({ name: runner.name, tasks: runner.status(), failures: runner.failures() }));
  }

  /**
   * Puts records into a topic; resolves when they are acknowledged.
   *
   * @param topic The topic, or its name.
   * @param rows Objects, or a batch with the topic's columns.
   * @throws {SerializationError} when a row cannot be written; nothing is produced then.
   * @throws {BrokerError} when the broker does not take them.
   */
  async produce<S extends Columns>(
    topic: Topic<S> | string,
    rows: readonly RowOf<NoInfer<S>>[] | Batch<NoInfer<S>>,
  ): Promise<void> {
    await this.#producer.produce(asTopic(topic), rows);
  }

  /**
   * All committed rows of a topic up to its end.
   *
   * @param topic The topic, or its name.
   * @param options Where to begin.
   */
  async read<S extends Columns>(topic: Topic<S> | string, options: ReadOptions = {}): Promise<RowOf<S>[]> {
    await using reader = this.reader(topic, options);
    return await reader.rowsOrThrow();
  }

  /**
   * A reader that goes on where its last call ended.
   *
   * @param topic The topic, or its name.
   * @param options Where to begin.
   */
  reader<S extends Columns>(topic: Topic<S> | string, options: ReadOptions = {}): TopicReader<S> {
    const { broker, environment } = this.#parts;
    const reader: TopicReader<S> = new TopicReader(asTopic(topic), {
      open: () => Promise.resolve(broker),
      environment,
      options,
      onClosed: () => void this.#readers.delete(reader as unknown as TopicReader<Columns>),
    });
    this.#readers.add(reader as unknown as TopicReader<Columns>);
    return reader;
  }

  /**
   * Offsets of a topic's partitions, and what the subscription that reads it committed.
   *
   * @param topic The topic, or its name.
   */
  async offsets(topic: Topic | string): Promise<readonly TopicOffsets[]> {
    const { admin } = this.#parts;
    const name = typeof topic === "string" ? topic : topic.name;
    const [description] = await admin.describeTopics([name]);
    if (description === undefined) return [];
    const partitions = Array.from({ length: description.partitions }, (_, partition) => ({ topic: name, partition }));
    const reader = this.#runners.find((runner) => runner.inputTopic === name);
    const groupId = reader === undefined ? undefined : groupIdOf({ application: this.#name, name: reader.name });
    const committed = groupId === undefined ? [] : await admin.groupOffsets(groupId, partitions);
    return (await admin.offsets(partitions)).map((each) => ({
      ...each,
      committed: committed.find((one) => one.partition === each.partition)?.offset,
    }));
  }

  /** Stops fetching, commits what is processed, checkpoints and closes: the same as {@linkcode RunningApp.close}. */
  drain(): Promise<void> {
    return this.close();
  }

  /**
   * Closes in good order; past `closeTimeoutMs` the close is dirty: what is not committed will be processed again.
   *
   * @param options `isDirty`: commit and flush nothing.
   */
  close(options: { readonly isDirty?: boolean } = {}): Promise<void> {
    const isDirty = options.isDirty === true;
    // An orderly close that is under way is cut short.
    if (isDirty && this.#closed !== undefined) { for (const runner of this.#runners) void runner.close({ isDirty }); }
    return this.#closed ??= this.#close(isDirty);
  }

  async #close(isDirty: boolean): Promise<void> {
    const { clock, observer } = this.#parts.environment;
    const closeRunners = async (how: { isDirty: boolean }) => {
      await Promise.all(this.#runners.map((runner) => runner.close(how)));
    };
    const finished = new AbortController();
    const within = async (work: Promise<void>, ms: number): Promise<boolean> => {
      const timeout = clock.sleep(ms, finished.signal).then(() => false);
      return await Promise.race([work.then(() => true), timeout]);
    };
    const { closeTimeoutMs } = this.options;
    if (isDirty || !await within(closeRunners({ isDirty }), closeTimeoutMs)) {
      if (!isDirty) {
        const message = `Cannot close app '${this.#name}' within ${closeTimeoutMs} ms; closing without a commit`;
        this.#closeFailure = new BrokerTimeoutError(message, { context: { app: this.#name } });
        observer.log("error", message, { app: this.#name });
      }
      await within(closeRunners({ isDirty: true }), DIRTY_CLOSE_MS);
    }
    // What is left may wait for a broker that does not answer.
    await within(this.#closeRest(), DIRTY_CLOSE_MS);
    finished.abort();
    this.#isClosed = true;
    observer.log("info", `App '${this.#name}' is closed`);
    this.#end.abort();
  }

  async #closeRest(): Promise<void> {
    const rest = [this.#producer, ...this.#readers, ...this.#owned];
    for (const each of rest) {
      try {
        await each.close();
      } catch (error) {
        const { message } = error as Error;
        this.#parts.environment.observer.log("error", `A part of app '${this.#name}' could not be closed: ${message}`);
      }
    }
  }

  /** Same as {@linkcode RunningApp.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
