import { BrokerTimeoutError } from "../base/errors.ts";
import type { PartitionOffsets } from "../seams/broker.ts";
import type { Batch, Columns, RowOf } from "../columns/schema.ts";
import { asTopic } from "../operator/topic.ts";
import type { Topic } from "../operator/operator.ts";
import type { RunnerParts, TaskStatus } from "../runtime/runner_parts.ts";
import { groupIdOf } from "../runtime/subscription_spec.ts";
import type { SubscriptionSpec } from "../runtime/subscription_spec.ts";
import { AppMembers, DIRTY_CLOSE_MS } from "./app_members.ts";
import type { ResolvedOptions } from "./app_options.ts";
import { AppProducer } from "./app_producer.ts";
import { type ReadOptions, TopicReader } from "./topic_reader.ts";
import { within } from "./within.ts";

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

/** A started app: what runs, and how to stop it. */
export class RunningApp implements AsyncDisposable {
  /** Resolved options with their sources. */
  readonly options: ResolvedOptions;
  readonly #name: string;
  readonly #members: AppMembers;
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
      subscriptions: readonly SubscriptionSpec[];
      parts: RunnerParts;
      options: ResolvedOptions;
      owned: readonly { close(): Promise<void> }[];
    },
  ) {
    this.#name = parts.name;
    this.#parts = parts.parts;
    this.#owned = parts.owned;
    this.#producer = new AppProducer(parts.parts);
    this.options = parts.options;
    const { closeTimeoutMs } = parts.options;
    this.#members = new AppMembers(parts.name, parts.subscriptions, { parts: parts.parts, closeTimeoutMs });
    const signals = [this.#end.signal, this.#members.stopped];
    this.#ended = new Promise((resolve) => {
      for (const signal of signals) signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  /** Joins the groups; made by `Turbine.start()`. @ignore */
  async start(): Promise<void> {
    try {
      await this.#members.start();
      const { broker, state, blobs, environment } = this.#parts;
      const where = { broker: broker.location, state: state.location, checkpoints: blobs.location };
      const subscriptions = this.#members.runners.map((runner) => `${runner.name} <- ${runner.inputTopic}`);
      environment.observer.log("info", `App '${this.#name}' has started`, { subscriptions, ...where });
    } catch (error) {
      await this.close({ isDirty: true });
      throw error;
    }
  }

  /** Why the app stopped by itself, if it did: the first failure of a subscription. */
  get failure(): Error | undefined {
    return this.#members.failure;
  }

  /** Why the app could not be closed in good order, if so. */
  get closeFailure(): Error | undefined {
    return this.#closeFailure;
  }

  /** Resolves when a subscription has stopped by itself or the app has been closed, not when it is drained; never rejects. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /** Whether it has been closed. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Whether it has left its groups and can {@linkcode RunningApp.rejoin}. */
  get isDrained(): boolean {
    return !this.#members.areIn && this.#closed === undefined;
  }

  /** What each subscription is doing. */
  status(): readonly SubscriptionStatus[] {
    return this.#members.runners.map((runner) => ({
      name: runner.name,
      tasks: runner.status(),
      failures: runner.failures(),
    }));
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
    const reader = this.#members.runners.find((runner) => runner.inputTopic === name);
    const groupId = reader === undefined ? undefined : groupIdOf({ application: this.#name, name: reader.name });
    const committed = groupId === undefined ? [] : await admin.groupOffsets(groupId, partitions);
    return (await admin.offsets(partitions)).map((each) => ({
      ...each,
      committed: committed.find((one) => one.partition === each.partition)?.offset,
    }));
  }

  /**
   * Hands all partitions of this process over: stops fetching, commits what is processed, checkpoints, and leaves the
   * groups, a static member too, so that others go on at once and not when its session is over. The app stays open: it
   * can produce and read, and {@linkcode RunningApp.rejoin}. Past `closeTimeoutMs` it leaves without a commit. Does
   * nothing when it is drained already; after {@linkcode RunningApp.close} it resolves when that is done.
   *
   * @throws {BrokerTimeoutError} when something could not be committed: it has left its groups all the same, and the next
   * owners process again what was not.
   */
  async drain(): Promise<void> {
    if (this.#closed !== undefined) return await this.#closed;
    const wasDrained = this.isDrained;
    const { observer } = this.#parts.environment;
    try {
      await this.#members.drain();
      if (!wasDrained) observer.log("info", `App '${this.#name}' is drained`, { app: this.#name });
    } catch (error) {
      observer.log("error", (error as Error).message, { app: this.#name });
      throw error;
    }
  }

  /**
   * Joins the groups again after {@linkcode RunningApp.drain}, once that is done; resolves when it is a member. Does
   * nothing when it has not been drained.
   *
   * @throws {TypeError} when the app is closed.
   * @throws {StreamError} when the broker refuses, or no task can be opened; the app is still drained then, and may try
   * again.
   */
  async rejoin(): Promise<void> {
    if (this.#closed !== undefined) {
      throw new TypeError(`Cannot let app '${this.#name}' rejoin its groups as it is closed: start it again`);
    }
    const wasIn = this.#members.areIn;
    await this.#members.rejoin();
    if (!wasIn) this.#parts.environment.observer.log("info", `App '${this.#name}' has joined its groups again`);
  }

  /**
   * Closes in good order; past `closeTimeoutMs` the close is dirty: what is not committed will be processed again.
   *
   * @param options `isDirty`: commit and flush nothing.
   */
  close(options: { readonly isDirty?: boolean } = {}): Promise<void> {
    const isDirty = options.isDirty === true;
    // An orderly close that is under way is cut short.
    if (isDirty && this.#closed !== undefined) this.#members.cutShort();
    return this.#closed ??= this.#close(isDirty);
  }

  async #close(isDirty: boolean): Promise<void> {
    const { clock, observer } = this.#parts.environment;
    if (!await this.#members.close({ isDirty })) {
      const message =
        `Cannot close app '${this.#name}' within ${this.options.closeTimeoutMs} ms; closing without a commit`;
      this.#closeFailure = new BrokerTimeoutError(message, { context: { app: this.#name } });
      observer.log("error", message, { app: this.#name });
    }
    // What is left may wait for a broker that does not answer.
    await within(this.#closeRest(), { ms: DIRTY_CLOSE_MS, clock });
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
