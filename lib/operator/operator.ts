import type { Batch, Column, Columns, ColumnType, NullableColumns, RowOf, ValueOf } from "../columns/schema.ts";
import type { Codec } from "../codecs/codec.ts";
import type { LogLevel, StepDetail } from "../seams/observer.ts";

/** Phantom key of types that exist only for the type checker. */
export declare const TYPE: unique symbol;

/** What a stream is: name, codec, key column, event time. Shared by jobs, tests and producers. */
export interface Topic<out S extends Columns = Columns> {
  /** Topic name. */
  readonly name: string;
  /** The columns of its values. */
  readonly schema: S;
  /** How values are written. */
  readonly codec: Codec<S>;
  /** Column that keys records that are published; `null`: no key. */
  readonly key: string | null;
  /** Column that is the event time; `null`: the record's own timestamp. */
  readonly eventTime: string | null;
  /** Bound on how late event times may come, in milliseconds. */
  readonly outOfOrdernessMs: number;
  /** Partitions when the topic is created. */
  readonly partitions: number;
  /** Whether a missing topic is created on brokers that do not create by themselves. */
  readonly createTopics: boolean;
}

/** State of one name: a keyed table of columns. */
export interface StateTable<K extends ColumnType = ColumnType, V extends Columns = Columns> {
  /** Type of the keys. */
  readonly key: K;
  /** Columns of the values. */
  readonly value: V;
  /** How many leading columns of a struct key choose the partition of a key. @default all */
  readonly routing?: number;
}

/** Access to a {@linkcode StateTable} from a handler. Writes are staged, therefore synchronous. */
export interface StateAccess<K extends ColumnType, V extends Columns> {
  /** One round to the store for the whole batch; a missing key gives a row of nulls. */
  getMany(keys: Column<K>): Promise<Batch<NullableColumns<V>>>;
  /** One key. */
  get(key: ValueOf<K>): Promise<RowOf<V> | undefined>;
  /** Writes one row for each key; a later row of the same key wins. `values` by column or as a batch. */
  putMany(keys: Column<K>, values: Batch<V> | { readonly [P in keyof V]: Column<V[P]> }): void;
  /** Writes one row. */
  put(key: ValueOf<K>, value: RowOf<V>): void;
  /** Deletes one key. */
  delete(key: ValueOf<K>): void;
  /** Deletes the keys of a column. */
  deleteMany(keys: Column<K>): void;
  /** All rows, in no defined order; reads see staged writes. */
  entries(): AsyncIterable<readonly [ValueOf<K>, RowOf<V>]>;
}

/** The tables of a subscription by name. */
// deno-lint-ignore no-explicit-any
export type StateTables = { readonly [name: string]: StateTable<any, any> };
/** Access to the tables of a subscription by name. */
export type StateAccesses<T extends StateTables> = {
  readonly [P in keyof T]: T[P] extends StateTable<infer K, infer V> ? StateAccess<K, V> : never;
};

/** The free form of state: any key, values by the state codec (JSON unless set). Convenient, slower than a table. */
export interface KeyedState {
  /** Value of a key, or `undefined`. */
  get<V = unknown>(key: string): Promise<V | undefined>;
  /** Values of many keys in one round. */
  getMany<V = unknown>(keys: readonly string[]): Promise<(V | undefined)[]>;
  /** Bytes of a key, or `undefined`. */
  getBytes(key: string): Promise<Uint8Array | undefined>;
  /** Writes a value. @throws {SerializationError} when the codec cannot hold it. */
  put(key: string, value: unknown): void;
  /** Writes bytes. */
  putBytes(key: string, value: Uint8Array): void;
  /** Deletes a key. */
  delete(key: string): void;
  /** Keys and values whose key starts with `prefix`, sorted by key; sees staged writes. */
  scan<V = unknown>(prefix?: string): AsyncIterable<readonly [string, V]>;
}

/** Where a batch came from. */
export interface InputInfo {
  /** Topic name. */
  readonly topic: string;
  /** Partition number. */
  readonly partition: number;
  /** Position of the first record. */
  readonly from: bigint;
  /** Position after the last record. */
  readonly to: bigint;
  /** Offset of each row of the batch that the handler gets first in a chain. */
  readonly offsets: Float64Array;
  /** Record timestamp of each row, epoch ms. */
  readonly timestamps: Float64Array;
  /** Event time of each row, epoch ms: the topic's event-time column, else the record timestamp. */
  readonly eventTimes: Float64Array;
  /** Task time up to and with each row: the running maximum of event times and journaled jumps. */
  readonly taskTimes: Float64Array;
  /** How far event times may be out of order: watermark = task time - this. */
  readonly outOfOrdernessMs: number;
}

/** What a handler is given besides the batch. */
export interface Context<T extends StateTables = Record<never, never>> {
  /** Tables of the subscription by name, and the free form. */
  readonly state: StateAccesses<T> & KeyedState;
  /** Watermark before this batch: task time - outOfOrdernessMs; `undefined` before the first record. */
  readonly watermarkMs: number | undefined;
  /** Running maximum of event time and journaled jumps; the only time that may reach state. */
  readonly taskTimeMs: number | undefined;
  /** Where the batch came from. */
  readonly input: InputInfo;
  /** Whether this is silent replay: output is dropped, effects outside must not be repeated. */
  readonly isReplaying: boolean;
  /** Aborts when the task closes. */
  readonly signal: AbortSignal;
  /**
   * Deterministic randomness: a sequence that begins anew with each batch, from its first offset. The numbers depend on where
   * batches are cut, and a replay cuts them anew: use them for what need not be repeated, never for state.
   */
  readonly random: { /** The next 32 random bits. */ uint32(): number };
  /** Publishes a batch to another topic, in the same commit. */
  emit<O extends Columns>(topic: Topic<O>, batch: Batch<NoInfer<O>>): void;
  /**
   * Hands input rows to the record-error policy (skip or dead-letter) instead of processing them. Row numbers are those
   * of the subscription's input batch.
   */
  reject(rows: Int32Array | readonly number[], reason: string): void;
  /** A line in the log. */
  log(level: LogLevel, message: string, detail?: StepDetail): void;
  /**
   * State that belongs to a named operator; used by operators, not by handlers.
   *
   * @param operator Name of the operator.
   * @param table Shape of the table.
   */
  operatorState<K extends ColumnType, V extends Columns>(operator: string, table: StateTable<K, V>): StateAccess<K, V>;
}

/** What a handler may give back: nothing, one batch or several. */
export type Result<Out extends Columns> = Batch<Out> | readonly Batch<Out>[] | void | undefined;
/** A plain function as the step of a subscription. */
export type Handler<In extends Columns, Out extends Columns, Ctx = Context> = (
  batch: Batch<In>,
  context: Ctx,
) => Result<Out> | Promise<Result<Out>>;

/** Whether the output set depends on where batches are cut. `append`: it does not; `update`: the last value per key does not. */
export type OutputMode = "append" | "update";

/** Immutable description of a step; `open` makes the running part, one for each task. */
// deno-lint-ignore no-explicit-any
export interface Operator<in In extends Columns = any, out Out extends Columns = any> {
  /** Identity in state and checkpoints; empty for an operator without state. */
  readonly name: string;
  /** Whether it keeps state; then `name` is not empty. */
  readonly isStateful: boolean;
  /** Names of stateful operators inside (itself, or those of a chain). */
  readonly stateNames: readonly string[];
  /**
   * What the state of each stateful operator inside depends on besides its columns (a window's size), by name: state of
   * another text is refused. @default nothing
   */
  readonly stateFormats?: Readonly<Record<string, string>>;
  /** What its output means. */
  readonly outputMode: OutputMode;
  /**
   * Whether the output columns are known only from the batches that come out (a plain function); then `schema` gives the
   * input columns. @default {false}
   */
  readonly isOutputUnknown?: boolean;
  /**
   * The output columns for input columns: checked when the app starts.
   *
   * @throws {TypeError} when the input lacks a column or has it in another type.
   */
  schema(input: Columns): Columns;
  /** One running instance for each task. */
  open(input: In): Running<In, Out>;
}

/** The running part of an operator. */
// deno-lint-ignore no-explicit-any
export interface Running<in In extends Columns = any, out Out extends Columns = any> {
  /** Handles rows. */
  process(batch: Batch<In>, context: Context): Result<Out> | Promise<Result<Out>>;
  /**
   * Task time moved to `watermarkMs` after the rows of a batch, or by a journaled jump. Output passes through the
   * operators after this one before their own `advance`.
   */
  advance?(watermarkMs: number, context: Context): Result<Out> | Promise<Result<Out>>;
  /**
   * The lowest watermark at which `advance` has something to do, or `undefined` when nothing is pending. Lets an idle
   * task stay silent instead of journaling jumps that change nothing. Without this method every jump is made.
   */
  dueMs?(): number | undefined;
  /** State was rolled back or restored: drop whatever was cached from it. */
  reset?(): void;
}

/** What `subscribe` takes. */
export type Step<In extends Columns, Out extends Columns, Ctx = Context> = Operator<In, Out> | Handler<In, Out, Ctx>;
