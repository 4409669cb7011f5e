import { ProcessingError, RecordError, StreamError } from "../base/errors.ts";
import { InvariantError } from "../base/assert.ts";
import type { Decoder } from "../codecs/codec.ts";
import { identityRows, withRowOrigins } from "../columns/row_origins.ts";
import type { Batch, Columns } from "../columns/schema.ts";
import type { InputInfo, Result, Running, Topic } from "../operator/operator.ts";
import type { Observer } from "../seams/observer.ts";
import type { CommitOutputs } from "./commit_outputs.ts";
import { inputTimes } from "./input_times.ts";
import { type RefusalPlace, RowRefusals } from "./row_refusals.ts";
import type { SubscriptionSpec } from "./subscription_spec.ts";
import { type ContextState, TaskContext } from "./task_context.ts";
import type { InputBatch } from "./task_input.ts";
import { TopicPublisher } from "./topic_publisher.ts";

/** Time of a task around a batch. */
export interface BatchTime {
  /** Task time before the batch, or `undefined` before the first record. */
  readonly taskTimeMs: number | undefined;
  /** Silent replay: nothing is published. */
  readonly isReplaying: boolean;
}

/** What a processor is made of. */
export interface BatchProcessorParts {
  /** State of the task. */
  readonly state: ContextState;
  /** Partition number. */
  readonly partition: number;
  /** Sees steps and log lines. */
  readonly observer: Observer;
  /** Aborts when the task ends. */
  readonly signal: AbortSignal;
  /** Creates a topic that rows are emitted to, where that may be done. */
  readonly ensureTopic: (topic: Topic) => Promise<void>;
}

/** A batch, or a moment in which only time passed. */
type AnyPlace = RefusalPlace & {
  readonly to: bigint;
  /** Record timestamp of published rows that have none of their own; unknown before the first record. */
  timeMs: number | undefined;
};
/** A batch. */
type BatchPlace = AnyPlace & { readonly input: InputBatch };

/** Decodes, runs the subscription's operator, and encodes: one for each task. Keeps no position and commits nothing. */
export class BatchProcessor {
  readonly #spec: SubscriptionSpec;
  readonly #partition: number;
  readonly #observer: Observer;
  readonly #decoder: Decoder;
  readonly #running: Running;
  readonly #context: TaskContext;
  readonly #publishers = new Map<Topic, TopicPublisher>();
  readonly #refusals: RowRefusals;
  readonly #ensureTopic: (topic: Topic) => Promise<void>;

  /**
   * @param spec The subscription.
   * @param parts State, signal and observer of the task.
   */
  constructor(spec: SubscriptionSpec, parts: BatchProcessorParts) {
    this.#spec = spec;
    this.#refusals = new RowRefusals(spec, parts);
    this.#ensureTopic = parts.ensureTopic;
    this.#partition = parts.partition;
    this.#observer = parts.observer;
    this.#decoder = spec.input.codec.decoder();
    this.#running = spec.operator.open(spec.input.schema);
    const place = { subscription: spec.name, topic: spec.input.name, partition: parts.partition };
    const input = this.#noRows(0n);
    this.#context = new TaskContext(parts.state, { ...parts, tables: spec.settings.state, place, input });
  }

  /** Rows handed to the record-error policy since the task began. */
  get rejectedRows(): number {
    return this.#refusals.count;
  }

  /** Whether the handler has written to the free form of state since the task began. */
  get hasWrittenState(): boolean {
    return this.#context.hasWritten;
  }

  /** The lowest watermark at which the operators have something to do. */
  dueMs(): number | undefined {
    if (this.#running.advance === undefined) return undefined;
    return this.#running.dueMs === undefined ? -Infinity : this.#running.dueMs();
  }

  /** State was rolled back. */
  reset(): void {
    this.#running.reset?.();
  }

  /**
   * Processes the rows of a batch, then lets the operators see the new watermark.
   *
   * @param input Undecoded rows.
   * @param time Task time before them.
   * @param outputs Gets what is published; nothing while replaying.
   * @returns Task time after the batch.
   * @throws {RecordError} under the policy `fail`, naming topic, partition and offset.
   */
  async process(input: InputBatch, time: BatchTime, outputs: CommitOutputs): Promise<number | undefined> {
    const { records, fromRow, toRow } = input;
    if (fromRow === toRow) return time.taskTimeMs;
    const { batch, rows, rejected } = this.#decoder.decode(records.values, fromRow, toRow, records.keys);
    if (batch.numRows + rejected.length !== toRow - fromRow) {
      throw new InvariantError(
        `The ${this.#spec.input.codec.format} decoder lost rows: ${batch.numRows} + ${rejected.length} of ${
          toRow - fromRow
        }`,
      );
    }
    const { name: subscription } = this.#spec;
    const partition = this.#partition;
    this.#observer.step("batch:decoded", { subscription, partition, from: input.from, rows: batch.numRows });
    const { isReplaying } = time;
    const { from, to } = input;
    const place: BatchPlace = { input, rows, from, to, isReplaying, outputs, timeMs: time.taskTimeMs };
    this.#refusals.undecodable(rejected, place);
    if (batch.numRows === 0) return time.taskTimeMs;
    const times = this.#placed(
      place,
      () => inputTimes(this.#spec.input, input, { batch, rows, taskTimeMs: time.taskTimeMs }),
    );
    const taskTimeMs = times.taskTimes[batch.numRows - 1]!;
    place.timeMs = taskTimeMs;
    const info: InputInfo = {
      topic: this.#spec.input.name,
      partition: this.#partition,
      from,
      to,
      outOfOrdernessMs: this.#spec.input.outOfOrdernessMs,
      ...times,
    };
    const context = this.#begin(info, time);
    withRowOrigins(batch, identityRows(batch.numRows));
    await this.#publish(await this.#guard(place, () => this.#running.process(batch, context)), place);
    await this.#advance(place, taskTimeMs);
    this.#refusals.rejected(context.takeRejections(), place);
    return taskTimeMs;
  }

  /**
   * Task time was moved without records.
   *
   * @param position Where in the input.
   * @param time The new task time.
   * @param outputs Gets what is published.
   */
  async jump(
    position: bigint,
    time: { taskTimeMs: number; isReplaying: boolean },
    outputs: CommitOutputs,
  ): Promise<void> {
    const { taskTimeMs, isReplaying } = time;
    this.#begin(this.#noRows(position), time);
    const place = {
      input: undefined,
      rows: null,
      from: position,
      to: position,
      isReplaying,
      outputs,
      timeMs: taskTimeMs,
    };
    await this.#advance(place, taskTimeMs);
  }

  async #advance(place: AnyPlace, taskTimeMs: number): Promise<void> {
    const running = this.#running;
    if (running.advance === undefined) return;
    const context = this.#context;
    context.taskTimeMs = taskTimeMs;
    context.watermarkMs = taskTimeMs - this.#spec.input.outOfOrdernessMs;
    await this.#publish(await this.#guard(place, () => running.advance!(context.watermarkMs!, context)), place);
  }

  #begin(input: InputInfo, time: BatchTime): TaskContext {
    const { taskTimeMs, isReplaying } = time;
    const watermarkMs = taskTimeMs === undefined ? undefined : taskTimeMs - input.outOfOrdernessMs;
    this.#context.beginBatch(input, { taskTimeMs, watermarkMs, isReplaying });
    return this.#context;
  }

  #noRows(position: bigint): InputInfo {
    const none = new Float64Array(0);
    const { name: topic, outOfOrdernessMs } = this.#spec.input;
    const place = { topic, partition: this.#partition, from: position, to: position, outOfOrdernessMs };
    return { ...place, offsets: none, timestamps: none, eventTimes: none, taskTimes: none };
  }

  /** Whatever user code throws becomes a ProcessingError that names the place; our own errors pass. */
  async #guard(
    place: { from: bigint; to: bigint },
    call: () => Result<Columns> | Promise<Result<Columns>>,
  ): Promise<Result<Columns>> {
    try {
      return await call();
    } catch (error) {
      if (error instanceof InvariantError || (error instanceof StreamError && !(error instanceof RecordError))) {
        throw error;
      }
      throw this.#failure(place, error instanceof Error ? error.message : String(error), error);
    }
  }

  async #publish(result: Result<Columns>, place: AnyPlace): Promise<void> {
    const { publishTo } = this.#spec;
    const batches: readonly Batch[] = result === undefined || result === null
      ? []
      : Array.isArray(result)
      ? result
      : [result as Batch];
    for (const batch of batches) {
      this.#checkResult(batch, place);
      if (batch.numRows > 0) this.#publishTo(publishTo!, batch, place);
    }
    for (const { topic, batch } of this.#context.takeEmitted()) {
      if (batch.numRows === 0 || place.isReplaying) continue;
      if (!this.#publishers.has(topic)) await this.#ensureTopic(topic);
      this.#publishTo(topic, batch, place);
    }
  }

  #checkResult(batch: Batch, place: AnyPlace): void {
    if (typeof batch?.numRows !== "number" || batch.schema === undefined) {
      throw this.#failure(place, `it must return a RecordBatch, several or nothing: current value is ${batch}`);
    }
    if (batch.numRows > 0 && this.#spec.publishTo === null) {
      throw this.#failure(place, "it returned a batch but has no 'publishTo': set it, or return nothing");
    }
  }

  #publishTo(topic: Topic, batch: Batch, place: AnyPlace): void {
    // What was published once is not published again; what could not be written then was settled then.
    if (place.isReplaying) return;
    let publisher = this.#publishers.get(topic);
    if (publisher === undefined) this.#publishers.set(topic, publisher = new TopicPublisher(topic));
    const { outputs } = place;
    const encoded = this.#placed(place, () => publisher.encode(batch, place.timeMs));
    this.#refusals.unwritable(topic, { rejected: encoded.rejected, batch: encoded.all }, place);
    if (encoded.request === undefined) return;
    outputs.add(encoded.request);
    if (this.#spec.settings.onCommitted !== undefined) {
      outputs.batches.push({ topic: topic.name, batch: encoded.batch });
    }
  }

  #placed<T>(place: AnyPlace, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof ProcessingError || error instanceof TypeError) {
        throw this.#failure(place, error.message, error);
      }
      throw error;
    }
  }

  #failure(place: { from: bigint; to: bigint }, found: string, cause?: unknown): ProcessingError {
    const { name, input } = this.#spec;
    const where = { topic: input.name, partition: this.#partition, from: place.from, to: place.to };
    return new ProcessingError(
      `The handler of subscription '${name}' failed on topic '${input.name}' partition ${this.#partition} offsets ${place.from} to ${place.to}: ${found}`,
      { cause, context: where },
    );
  }
}
