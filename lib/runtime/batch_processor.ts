import { DeserializationError, ProcessingError, RecordError, SerializationError, StreamError } from "../base/errors.ts";
import { InvariantError } from "../base/assert.ts";
import type { Decoder, RejectedRow } from "../codecs/codec.ts";
import { identityRows, withRowOrigins } from "../columns/row_origins.ts";
import type { Batch, Columns } from "../columns/schema.ts";
import { spanBytes } from "../columns/spans.ts";
import type { InputInfo, Result, Running, Topic } from "../operator/operator.ts";
import type { Observer } from "../seams/observer.ts";
import type { CommitOutputs } from "./commit_outputs.ts";
import { type DeadLetter, deadLetterRequest } from "./dead_letters.ts";
import { inputTimes } from "./input_times.ts";
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

/** Bytes of a refused record that a message shows. */
const SHOWN_BYTES = 80;

/** Bytes of a record, for people: printable ASCII as it is, everything else as `\xNN`, shortened. */
export function showBytes(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes.subarray(0, SHOWN_BYTES)) {
    text += byte >= 32 && byte < 127 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`;
  }
  return bytes.length > SHOWN_BYTES ? `${text}... (${bytes.length} bytes)` : text;
}

/** Decodes, runs the subscription's operator, and encodes: one for each task. Keeps no position and commits nothing. */
export class BatchProcessor {
  /** Rows handed to the record-error policy since the task began. */
  rejectedRows = 0;
  readonly #spec: SubscriptionSpec;
  readonly #partition: number;
  readonly #observer: Observer;
  readonly #decoder: Decoder;
  readonly #running: Running;
  readonly #context: TaskContext;
  readonly #publishers = new Map<Topic, TopicPublisher>();

  /**
   * @param spec The subscription.
   * @param parts State, signal and observer of the task.
   */
  constructor(
    spec: SubscriptionSpec,
    parts: { state: ContextState; partition: number; observer: Observer; signal: AbortSignal },
  ) {
    this.#spec = spec;
    this.#partition = parts.partition;
    this.#observer = parts.observer;
    this.#decoder = spec.input.codec.decoder();
    this.#running = spec.operator.open(spec.input.schema);
    const place = { subscription: spec.name, topic: spec.input.name, partition: parts.partition };
    const input = this.#noRows(0n);
    this.#context = new TaskContext(parts.state, { ...parts, tables: spec.settings.state, place, input });
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
    this.#observer.step("batch:decoded", { partition: this.#partition, from: input.from, rows: batch.numRows });
    if (rejected.length > 0) this.#refuseUndecodable(input, rejected, time.isReplaying, outputs);
    if (batch.numRows === 0) return time.taskTimeMs;
    const times = inputTimes(this.#spec.input, input, { batch, rows, taskTimeMs: time.taskTimeMs });
    const info: InputInfo = {
      topic: this.#spec.input.name,
      partition: this.#partition,
      from: input.from,
      to: input.to,
      outOfOrdernessMs: this.#spec.input.outOfOrdernessMs,
      ...times,
    };
    const context = this.#begin(info, time);
    withRowOrigins(batch, identityRows(batch.numRows));
    const result = await this.#guard(input, () => this.#running.process(batch, context));
    this.#publish(result, time.isReplaying, outputs);
    this.#refuseRejections(input, rows, time.isReplaying, outputs);
    const taskTimeMs = times.taskTimes[batch.numRows - 1]!;
    await this.#advance(input, { taskTimeMs, isReplaying: time.isReplaying }, outputs);
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
    this.#begin(this.#noRows(position), { ...time });
    await this.#advance({ from: position, to: position }, time, outputs);
  }

  async #advance(
    place: { from: bigint; to: bigint },
    time: { taskTimeMs: number; isReplaying: boolean },
    outputs: CommitOutputs,
  ): Promise<void> {
    const running = this.#running;
    if (running.advance === undefined) return;
    const context = this.#context;
    context.taskTimeMs = time.taskTimeMs;
    context.watermarkMs = time.taskTimeMs - this.#spec.input.outOfOrdernessMs;
    context.emitted = [];
    const result = await this.#guard(place, () => running.advance!(context.watermarkMs!, context));
    this.#publish(result, time.isReplaying, outputs);
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
      const { name, input } = this.#spec;
      const where = { topic: input.name, partition: this.#partition, from: place.from, to: place.to };
      const found = error instanceof Error ? error.message : String(error);
      throw new ProcessingError(
        `The handler of subscription '${name}' failed on topic '${input.name}' partition ${this.#partition} offsets ${place.from} to ${place.to}: ${found}`,
        { cause: error, context: where },
      );
    }
  }

  #publish(result: Result<Columns>, isReplaying: boolean, outputs: CommitOutputs): void {
    const { publishTo, name } = this.#spec;
    const batches: readonly Batch[] = result === undefined || result === null
      ? []
      : Array.isArray(result)
      ? result
      : [result as Batch];
    for (const batch of batches) {
      if (batch.numRows === 0) continue;
      if (publishTo === null) {
        throw new ProcessingError(
          `Subscription '${name}' returned a batch but has no 'publishTo': set it, or return nothing`,
        );
      }
      this.#publishTo(publishTo, batch, isReplaying, outputs);
    }
    for (const { topic, batch } of this.#context.emitted) {
      if (batch.numRows > 0) this.#publishTo(topic, batch, isReplaying, outputs);
    }
    this.#context.emitted = [];
  }

  #publishTo(topic: Topic, batch: Batch, isReplaying: boolean, outputs: CommitOutputs): void {
    let publisher = this.#publishers.get(topic);
    if (publisher === undefined) this.#publishers.set(topic, publisher = new TopicPublisher(topic));
    const encoded = publisher.encode(batch);
    if (encoded.rejected.length > 0) this.#refuseUnwritable(topic, encoded.rejected, isReplaying);
    if (isReplaying || encoded.request === undefined) return;
    outputs.add(encoded.request);
    if (this.#spec.settings.onCommitted !== undefined) {
      outputs.batches.push({ topic: topic.name, batch: encoded.batch });
    }
  }

  #refuseUnwritable(topic: Topic, rejected: readonly RejectedRow[], isReplaying: boolean): void {
    const first = rejected[0]!;
    const message = `Cannot write row ${first.row} to topic '${topic.name}': ${first.reason}`;
    const context = { topic: topic.name, row: first.row, rejectedRows: rejected.length };
    // A row that was made here has no record to dead-letter: only `skip` drops it.
    if (this.#spec.settings.onRecordError !== "skip") throw new SerializationError(message, { context });
    if (!isReplaying) this.rejectedRows += rejected.length;
    this.#observer.step("batch:rejected", { ...context, reason: first.reason });
  }

  #refuseUndecodable(
    input: InputBatch,
    rejected: readonly RejectedRow[],
    isReplaying: boolean,
    outputs: CommitOutputs,
  ): void {
    const letters = rejected.map((each) => ({ ...each, offset: input.offsets[each.row]! }));
    this.#refuse(input, letters, isReplaying, outputs);
  }

  /** Rows that the handler handed to the policy: row numbers of the decoded batch become rows of the input. */
  #refuseRejections(input: InputBatch, rows: Int32Array | null, isReplaying: boolean, outputs: CommitOutputs): void {
    const { rejections } = this.#context;
    if (rejections.length === 0) return;
    const letters = rejections.map(({ row, reason }) => {
      const own = rows === null ? row + input.fromRow : rows[row]!;
      return { row: own, reason, position: -1, offset: input.offsets[own]! };
    });
    this.#context.rejections = [];
    this.#refuse(input, letters, isReplaying, outputs);
  }

  #refuse(input: InputBatch, letters: readonly DeadLetter[], isReplaying: boolean, outputs: CommitOutputs): void {
    const { settings, name, input: topic } = this.#spec;
    const first = letters[0]!;
    const context = {
      topic: topic.name,
      partition: this.#partition,
      offset: first.offset,
      rejectedRows: letters.length,
    };
    if (settings.onRecordError === "fail") {
      const bytes = spanBytes(input.records.values, first.row);
      const shown = bytes === null ? "null" : showBytes(bytes);
      throw new DeserializationError(
        `Cannot read topic '${topic.name}' partition ${this.#partition} offset ${first.offset}: ${first.reason}` +
          (first.position >= 0 ? ` at byte ${first.position}` : "") +
          `; mend the producer, or set 'onRecordError' to 'skip' or 'dead-letter': the value is ${shown}`,
        { context: { ...context, position: first.position, value: shown } },
      );
    }
    this.#observer.step("batch:rejected", { ...context, reason: first.reason });
    if (isReplaying) return;
    this.rejectedRows += letters.length;
    if (settings.onRecordError === "skip") return;
    const { deadLetter: deadLetterTopic } = settings;
    const source = {
      records: input.records,
      topic: topic.name,
      partition: this.#partition,
      deadLetterTopic,
      subscription: name,
    };
    outputs.add(deadLetterRequest(letters, source));
  }
}
