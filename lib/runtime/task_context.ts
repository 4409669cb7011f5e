import { ProcessingError } from "../base/errors.ts";
import type { Batch, Columns, ColumnType } from "../columns/schema.ts";
import type {
  Context,
  InputInfo,
  KeyedState,
  StateAccess,
  StateTable,
  StateTables,
  Topic,
} from "../operator/operator.ts";
import type { LogLevel, Observer, StepDetail } from "../seams/observer.ts";
import { PositionRandom } from "./position_random.ts";

/** What a context needs of its task's state. */
export interface ContextState {
  /** The free form of an operator's state; the handler's own has the empty name. */
  keyed(operator: string): KeyedState;
  /** A table of an operator's state. */
  table<K extends ColumnType, V extends Columns>(operator: string, table: StateTable<K, V>): StateAccess<K, V>;
}

/** A batch for another topic, collected while a batch is processed. */
export interface EmittedBatch {
  /** Where it goes. */
  readonly topic: Topic;
  /** The rows. */
  readonly batch: Batch;
}

/** Rows that a handler handed to the record-error policy. */
export interface ContextRejection {
  /** Row of the input batch. */
  readonly row: number;
  /** Why. */
  readonly reason: string;
}

/** What one task gives its operators; one object for the life of the task, set anew for each batch. */
export class TaskContext implements Context {
  readonly state: KeyedState;
  readonly random: PositionRandom = new PositionRandom();
  readonly signal: AbortSignal;
  watermarkMs: number | undefined = undefined;
  taskTimeMs: number | undefined = undefined;
  isReplaying = false;
  input: InputInfo;
  /** Batches for other topics since the last `beginBatch`. */
  emitted: EmittedBatch[] = [];
  /** Whether the handler has written to the free form of state. */
  hasWritten = false;
  /** Rows refused since the last `beginBatch`. */
  rejections: ContextRejection[] = [];
  readonly #state: ContextState;
  readonly #observer: Observer;
  readonly #place: StepDetail;

  /**
   * @param state The task's state.
   * @param more Tables of the subscription, signal of the task, observer and the place for log lines.
   */
  constructor(
    state: ContextState,
    more: { tables: StateTables; signal: AbortSignal; observer: Observer; place: StepDetail; input: InputInfo },
  ) {
    this.#state = state;
    this.#observer = more.observer;
    this.#place = more.place;
    this.signal = more.signal;
    this.input = more.input;
    const form = state.keyed("");
    const access: Record<string, unknown> = {
      get: form.get.bind(form),
      getMany: form.getMany.bind(form),
      getBytes: form.getBytes.bind(form),
      put: (key: string, value: unknown) => {
        this.hasWritten = true;
        form.put(key, value);
      },
      putBytes: (key: string, value: Uint8Array) => {
        this.hasWritten = true;
        form.putBytes(key, value);
      },
      delete: form.delete.bind(form),
      scan: form.scan.bind(form),
    };
    for (const [name, table] of Object.entries(more.tables)) access[name] = state.table(`state.${name}`, table);
    this.state = Object.freeze(access) as unknown as KeyedState;
    // Handlers take the context apart: `(batch, { emit }) => ...`.
    this.emit = this.emit.bind(this);
    this.reject = this.reject.bind(this);
    this.log = this.log.bind(this);
    this.operatorState = this.operatorState.bind(this);
  }

  /**
   * Sets the context of the next batch.
   *
   * @param input Where the batch came from.
   * @param time Task time and watermark before the batch, and whether this is silent replay.
   */
  beginBatch(
    input: InputInfo,
    time: { taskTimeMs: number | undefined; watermarkMs: number | undefined; isReplaying: boolean },
  ): void {
    this.input = input;
    this.taskTimeMs = time.taskTimeMs;
    this.watermarkMs = time.watermarkMs;
    this.isReplaying = time.isReplaying;
    this.emitted = [];
    this.rejections = [];
    this.random.seed(input.partition, input.from);
  }

  emit<O extends Columns>(topic: Topic<O>, batch: Batch<NoInfer<O>>): void {
    if (typeof topic?.name !== "string" || typeof topic.codec?.encoder !== "function") {
      throw new TypeError(`Cannot emit a batch as its topic must be a topic(): current value is ${topic}`);
    }
    this.emitted.push({ topic: topic as Topic, batch: batch as Batch });
  }

  reject(rows: Int32Array | readonly number[], reason: string): void {
    const count = this.input.offsets.length;
    for (const row of rows) {
      if (!Number.isInteger(row) || row < 0 || row >= count) {
        throw new ProcessingError(
          `Cannot reject a row as it must be an integer from 0 to ${count - 1}: current value is ${row}`,
        );
      }
      this.rejections.push({ row, reason });
    }
  }

  /** Hands out what was emitted since the last call. */
  takeEmitted(): readonly EmittedBatch[] {
    const taken = this.emitted;
    if (taken.length > 0) this.emitted = [];
    return taken;
  }

  /** Hands out the rows that were rejected since the last call. */
  takeRejections(): readonly ContextRejection[] {
    const taken = this.rejections;
    if (taken.length > 0) this.rejections = [];
    return taken;
  }

  log(level: LogLevel, message: string, detail: StepDetail = {}): void {
    this.#observer.log(level, message, { ...this.#place, ...detail });
  }

  operatorState<K extends ColumnType, V extends Columns>(operator: string, table: StateTable<K, V>): StateAccess<K, V> {
    return this.#state.table(`operator.${operator}`, table);
  }
}
