import {
  Binary as ArrowBinary,
  Bool as ArrowBool,
  type DataType,
  Field,
  Float64 as ArrowFloat64,
  Int32 as ArrowInt32,
  Int64 as ArrowInt64,
  List as ArrowList,
  type RecordBatch,
  Schema,
  Struct as ArrowStruct,
  TimestampMillisecond,
  Utf8 as ArrowUtf8,
  type Vector,
} from "apache-arrow";

/** Phantom key of column types, batches and expressions: never present at run time. */
export declare const SHAPE: unique symbol;

/**
 * A column's type: what it is called, what one value is, what its array is, may it be null.
 *
 * `Nullable` is `false` for a column without nulls and `boolean` for one that admits them, so that a column without nulls
 * fits where nulls are admitted and not the reverse; `true` is a column that is known to be nullable, and fits there too.
 */
export interface ColumnType<
  out Kind extends string = string,
  out Value = unknown,
  out Values = unknown,
  out Nullable extends boolean = boolean,
> {
  /** Which type, as a word. */
  readonly kind: Kind;
  /** Whether a value may be null. */
  readonly nullable: Nullable;
  /** The Arrow type of the column. */
  readonly arrow: DataType;
  /** Element type of a list. */
  readonly element?: ColumnType;
  /** Columns of a struct. */
  readonly columns?: Columns;
  /** Set on a column that is filled from the record's key instead of its value. */
  readonly isRecordKey?: boolean;
  /** Never present at run time. @ignore */
  readonly [SHAPE]?: { value: Value; values: Values };
}

/** UTF-8 text. */
export type Utf8<N extends boolean = false> = ColumnType<"utf8", string, string[], N>;
/** Bytes. */
export type Binary<N extends boolean = false> = ColumnType<"binary", Uint8Array, Uint8Array[], N>;
/** IEEE 754 double. */
export type Float64<N extends boolean = false> = ColumnType<"float64", number, Float64Array, N>;
/** 64-bit signed integer. */
export type Int64<N extends boolean = false> = ColumnType<"int64", bigint, BigInt64Array, N>;
/** 32-bit signed integer. */
export type Int32<N extends boolean = false> = ColumnType<"int32", number, Int32Array, N>;
/** Instant in epoch milliseconds; one value is a number. */
export type TimestampMs<N extends boolean = false> = ColumnType<"timestampMs", number, BigInt64Array, N>;
/** true or false. */
export type Bool<N extends boolean = false> = ColumnType<"bool", boolean, Uint8Array, N>;
/** A list of values of one type. */
export type List<E extends ColumnType, N extends boolean = false> = ColumnType<"list", ValueOf<E>[], unknown, N>;
/** Named columns inside a column. */
export type Struct<S extends Columns, N extends boolean = false> = ColumnType<"struct", RowOf<S>, unknown, N>;

/** The columns of a schema by name, in order. */
export type Columns = { readonly [name: string]: ColumnType };
/** One value of a column. */
export type ValueOf<C extends ColumnType> = C extends ColumnType<string, infer V, unknown, infer N>
  ? (N extends true ? V | null : V)
  : never;
/** One row of a schema as an object. */
export type RowOf<S extends Columns> = { [K in keyof S]: ValueOf<S[K]> };
/** Names of the columns whose type is C. */
export type NamesOf<S extends Columns, C extends ColumnType> = {
  [K in keyof S & string]: S[K] extends C ? K : never;
}[keyof S & string];
/** Any number. */
export type Numeric = ColumnType<"float64" | "int32" | "int64" | "timestampMs", number | bigint>;
/** Flattens a type for error messages and hovers. */
export type Simplify<T> = { [K in keyof T]: T[K] } & unknown;
/** The same columns, each nullable. */
export type NullableColumns<V extends Columns> = {
  [P in keyof V]: V[P] extends ColumnType<infer Kd, infer Vl, infer A, boolean> ? ColumnType<Kd, Vl, A, boolean>
    : never;
};

/** Options of a column that holds no nulls (the default). */
export interface NotNullable {
  /** Whether a value may be null or missing. @default {false} */
  nullable?: false;
}
/** Options of a column that may hold nulls. */
export interface Nullable {
  /** A missing or null value becomes a null. */
  nullable: true;
}

function column(kind: string, arrow: DataType, options: NotNullable | Nullable | undefined, more: object = {}): never {
  return Object.freeze({ kind, arrow, nullable: options?.nullable === true, ...more }) as never;
}

/** A column of UTF-8 text. @param options Whether nulls may occur. @returns The column type. */
export function utf8(options?: NotNullable): Utf8;
/** A nullable column of UTF-8 text. */
export function utf8(options: Nullable): Utf8<boolean>;
export function utf8(options?: NotNullable | Nullable): Utf8<boolean> {
  return column("utf8", new ArrowUtf8(), options);
}
/** A column of bytes. @param options Whether nulls may occur. @returns The column type. */
export function binary(options?: NotNullable): Binary;
/** A nullable column of bytes. */
export function binary(options: Nullable): Binary<boolean>;
export function binary(options?: NotNullable | Nullable): Binary<boolean> {
  return column("binary", new ArrowBinary(), options);
}
/** A column of doubles. @param options Whether nulls may occur. @returns The column type. */
export function float64(options?: NotNullable): Float64;
/** A nullable column of doubles. */
export function float64(options: Nullable): Float64<boolean>;
export function float64(options?: NotNullable | Nullable): Float64<boolean> {
  return column("float64", new ArrowFloat64(), options);
}
/** A column of 64-bit signed integers. @param options Whether nulls may occur. @returns The column type. */
export function int64(options?: NotNullable): Int64;
/** A nullable column of 64-bit signed integers. */
export function int64(options: Nullable): Int64<boolean>;
export function int64(options?: NotNullable | Nullable): Int64<boolean> {
  return column("int64", new ArrowInt64(), options);
}
/** A column of 32-bit signed integers. @param options Whether nulls may occur. @returns The column type. */
export function int32(options?: NotNullable): Int32;
/** A nullable column of 32-bit signed integers. */
export function int32(options: Nullable): Int32<boolean>;
export function int32(options?: NotNullable | Nullable): Int32<boolean> {
  return column("int32", new ArrowInt32(), options);
}
/** A column of instants in epoch milliseconds. @param options Whether nulls may occur. @returns The column type. */
export function timestampMs(options?: NotNullable): TimestampMs;
/** A nullable column of instants in epoch milliseconds. */
export function timestampMs(options: Nullable): TimestampMs<boolean>;
export function timestampMs(options?: NotNullable | Nullable): TimestampMs<boolean> {
  return column("timestampMs", new TimestampMillisecond(), options);
}
/** A column of booleans. @param options Whether nulls may occur. @returns The column type. */
export function bool(options?: NotNullable): Bool;
/** A nullable column of booleans. */
export function bool(options: Nullable): Bool<boolean>;
export function bool(options?: NotNullable | Nullable): Bool<boolean> {
  return column("bool", new ArrowBool(), options);
}
/** A column of lists. @param element Type of the elements. @param options Whether nulls may occur. */
export function list<E extends ColumnType>(element: E, options?: NotNullable): List<E>;
/** A nullable column of lists. */
export function list<E extends ColumnType>(element: E, options: Nullable): List<E, boolean>;
export function list(element: ColumnType, options?: NotNullable | Nullable): ColumnType<"list", never, unknown, never> {
  return column("list", new ArrowList(arrowField("item", element)), options, { element });
}
/** A column of structs. @param columns The inner columns. @param options Whether nulls may occur. */
export function struct<S extends Columns>(columns: S, options?: NotNullable): Struct<S>;
/** A nullable column of structs. */
export function struct<S extends Columns>(columns: S, options: Nullable): Struct<S, boolean>;
export function struct(
  columns: Columns,
  options?: NotNullable | Nullable,
): ColumnType<"struct", never, unknown, never> {
  const fields = Object.entries(columns).map(([name, type]) => arrowField(name, type));
  return column("struct", new ArrowStruct(fields), options, { columns: Object.freeze({ ...columns }) });
}

/** The Arrow field of a column. */
export function arrowField(name: string, type: ColumnType): Field {
  return new Field(name, type.arrow, type.nullable);
}

const SCHEMAS = new WeakMap<Columns, Schema>();

/** The Arrow schema of columns; the same object for the same columns. */
export function arrowSchema(columns: Columns): Schema {
  let schema = SCHEMAS.get(columns);
  if (schema === undefined) {
    schema = new Schema(Object.entries(columns).map(([name, type]) => arrowField(name, type)));
    SCHEMAS.set(columns, schema);
  }
  return schema;
}

/** A vector that knows whether nulls can occur; at run time exactly an Arrow `Vector`. */
// deno-lint-ignore no-explicit-any
export interface Column<out C extends ColumnType = ColumnType> extends Vector<any> {
  /** Value at a row. Timestamps are numbers (epoch ms). */
  get(index: number): ValueOf<C>;
  /** Value at a row, counted from the end when negative. */
  at(index: number): ValueOf<C>;
  /** The typed array under the column (values under nulls are unspecified). */
  toArray(): C extends ColumnType<string, unknown, infer A> ? A : never;
  /** All values. */
  toJSON(): ValueOf<C>[];
  /** Iterates the values. */
  [Symbol.iterator](): IterableIterator<ValueOf<C>>;
  /** Never present at run time. @ignore */
  readonly [SHAPE]?: C;
}

/** A RecordBatch whose columns are known. At run time exactly an Arrow `RecordBatch`: no wrapper, no copy. */
// deno-lint-ignore no-explicit-any
export interface Batch<out S extends Columns = Columns> extends RecordBatch<any> {
  /** Only there so that a Batch stays assignable to RecordBatch. @ignore */
  // deno-lint-ignore no-explicit-any
  getChild(name: never): Vector<any>;
  /** A column by name. */
  getChild<K extends keyof S & string>(name: K): Column<S[K]>;
  /** Rows [begin, end) without a copy. */
  slice(begin?: number, end?: number): Batch<S>;
  /** Never present at run time. @ignore */
  readonly [SHAPE]: S;
}
