import { Data, RecordBatch, type Schema, Struct as ArrowStruct, type Vector } from "apache-arrow";
import { constantData, emptyData, isSameType, rawData } from "./arrow_data.ts";
import { countBits } from "./bitmap.ts";
import type { ArrowData, ValuesArray } from "./column_data.ts";
import { unknownColumn } from "./column_data.ts";
import { concatData } from "./concat_data.ts";
import { arrowSchema, type Batch, type Columns, type ColumnType } from "./schema.ts";

/** Buffers of one column, as codecs and operators hold them. */
export interface ColumnBuffers {
  /**
   * float64: Float64Array. int32: Int32Array. int64, timestampMs: BigInt64Array, or Int32Array of low and high words.
   * bool: Uint8Array of bits. utf8, binary: Uint8Array of bytes. Not used by list and struct.
   */
  readonly values?: ValuesArray;
  /** utf8, binary, list: one more than rows, ascending, within `values` or the elements. */
  readonly offsets?: Int32Array;
  /** Bitmap of the rows that are not null. @default {null} no row is null */
  readonly validity?: Uint8Array | null;
  /** Number of nulls when it is known; else it is counted. */
  readonly nullCount?: number;
  /** list: the elements. */
  readonly element?: ColumnInput;
  /** list: number of elements. */
  readonly elementCount?: number;
  /** struct: the inner columns. */
  readonly columns?: { readonly [name: string]: ColumnInput };
}

/** What a column can be built from without a copy. */
// deno-lint-ignore no-explicit-any
export type ColumnInput = ColumnBuffers | ValuesArray | ArrowData | Vector<any>;

/**
 * A batch over existing buffers, without a copy: the builder of codecs and operators.
 *
 * @param schema The columns.
 * @param columns One input for each column of the schema.
 * @param count Number of rows.
 * @returns The batch.
 * @throws {TypeError} when a column is missing, has a wrong array, too few values, or nulls though it is not nullable.
 */
export function batchFromColumns<S extends Columns>(
  schema: S,
  columns: { readonly [K in keyof S]: ColumnInput },
  count: number,
): Batch<S> {
  const children: ArrowData[] = [];
  for (const name of Object.keys(schema)) {
    const input = columns[name];
    if (input === undefined) {
      throw new TypeError(`Cannot build batch as column '${name}' is missing: current value is undefined`);
    }
    children.push(columnFromInput(name, schema[name]!, { input, count }));
  }
  return batchFromData(schema, children, count);
}

/**
 * A batch over Arrow data that is known to fit the schema: nothing is checked.
 *
 * @param schema The columns.
 * @param children Data of each column in schema order, each with `count` rows.
 * @param count Number of rows.
 * @returns The batch.
 */
export function batchFromData<S extends Columns>(schema: S, children: ArrowData[], count: number): Batch<S> {
  const arrow = arrowSchema(schema);
  const data = new Data(structOf(arrow), 0, count, 0, [undefined, undefined, NO_BYTES] as object, children);
  // The constructor of a batch clones the schema, field by field, and makes the data a second time.
  const batch = new EmptyBatch() as { -readonly [K in "schema" | "data" | "_metadata"]: unknown };
  batch.schema = arrow;
  batch.data = data;
  batch._metadata = new Map();
  return batch as unknown as Batch<S>;
}

/** A batch before anything is in it: what the constructor of batches has for its `this`. */
const EmptyBatch = function () {} as unknown as new () => object;
EmptyBatch.prototype = RecordBatch.prototype;

const NO_BYTES = new Uint8Array(0);
const STRUCTS = new WeakMap<Schema, ArrowStruct>();

/** The struct of all columns: one for all batches of a schema. */
function structOf(schema: Schema): ArrowStruct {
  let struct = STRUCTS.get(schema);
  if (struct === undefined) STRUCTS.set(schema, struct = new ArrowStruct(schema.fields));
  return struct;
}

/**
 * A batch without rows.
 *
 * @param schema The columns.
 * @returns The batch.
 */
export function emptyBatch<S extends Columns>(schema: S): Batch<S> {
  return batchFromData(schema, Object.values(schema).map((type) => constantData(type, 0, true)), 0);
}

interface InputOptions {
  input: ColumnInput;
  count: number;
}

/** Arrow data of one column from what the caller has. */
export function columnFromInput(name: string, type: ColumnType, options: InputOptions): ArrowData {
  const { input, count } = options;
  let data: ArrowData;
  if (Array.isArray(input)) {
    throw wrongColumn(name, type, "it must be a column or a typed array (batchOf() makes columns of rows)", "Array");
  }
  if (input instanceof Data) data = input;
  else if (isVector(input)) data = input.data.length === 1 ? input.data[0]! : concatData(type, input.data);
  else data = fromBuffers(name, type, { buffers: ArrayBuffer.isView(input) ? { values: input } : input, count });
  if (data.length !== count) throw wrongColumn(name, type, `it must have ${count} rows`, data.length);
  if (!isSameType(type, data.type)) throw wrongColumn(name, type, `its type must be ${type.arrow}`, data.type);
  if (!type.nullable && data.nullCount > 0) {
    throw wrongColumn(name, type, "it is not nullable", `${data.nullCount} nulls`);
  }
  return data;
}

// deno-lint-ignore no-explicit-any
function isVector(input: ColumnInput): input is Vector<any> {
  return Array.isArray((input as { data?: unknown }).data);
}

function fromBuffers(name: string, type: ColumnType, options: { buffers: ColumnBuffers; count: number }): ArrowData {
  const { buffers, count } = options;
  const validity = buffers.validity ?? null;
  if (validity !== null && validity.length * 8 < count) {
    throw wrongColumn(name, type, `its validity needs ${count} bits`, validity.length * 8);
  }
  const nullCount = validity === null ? 0 : buffers.nullCount ?? count - countBits(validity, 0, count);
  const common = nullCount === 0 ? { length: count, nullCount } : { length: count, nullCount, nullBitmap: validity };
  switch (type.kind) {
    case "utf8":
    case "binary":
      return rawData(type, {
        ...common,
        valueOffsets: offsetsWithin(name, type, { offsets: buffers.offsets, count, max: buffers.values?.length ?? 0 }),
        data: buffers.values === undefined ? new Uint8Array(0) : valuesOf(name, type, buffers.values, Uint8Array),
      });
    case "list": {
      const elementCount = buffers.elementCount ?? buffers.offsets?.[count] ?? 0;
      const valueOffsets = offsetsWithin(name, type, { offsets: buffers.offsets, count, max: elementCount });
      const input = buffers.element;
      const child = input === undefined && elementCount === 0
        ? emptyData(type.element!)
        : columnFromInput(`${name}[]`, type.element!, { input: required(name, type, input), count: elementCount });
      return rawData(type, { ...common, valueOffsets, child });
    }
    case "struct":
      return rawData(type, {
        ...common,
        children: Object.entries(type.columns!).map(([inner, column]) =>
          columnFromInput(`${name}.${inner}`, column, { input: required(name, type, buffers.columns?.[inner]), count })
        ),
      });
    case "bool": {
      const values = valuesOf(name, type, buffers.values, Uint8Array);
      if (values.length * 8 < count) throw wrongColumn(name, type, `it needs ${count} bits`, values.length * 8);
      return rawData(type, { ...common, data: values });
    }
    default:
      return rawData(type, { ...common, data: fixedValues(name, type, { values: buffers.values, count }) });
  }
}

function fixedValues(name: string, type: ColumnType, options: { values: ValuesArray | undefined; count: number }) {
  const { count } = options;
  let values = options.values;
  if (values instanceof Int32Array && type.kind !== "int32" && type.kind !== "float64") {
    if (values.byteOffset % 8 !== 0 || values.length % 2 !== 0) {
      throw wrongColumn(name, type, "its words must be whole and aligned to 8 bytes", values.byteOffset);
    }
    values = new BigInt64Array(values.buffer, values.byteOffset, values.length / 2);
  }
  const array = valuesOf(name, type, values, type.arrow.ArrayType as new (length: number) => ValuesArray);
  if (array.length < count) throw wrongColumn(name, type, `it needs ${count} values`, array.length);
  return array.length === count ? array : array.subarray(0, count);
}

function valuesOf<A extends ValuesArray>(
  name: string,
  type: ColumnType,
  values: ValuesArray | undefined,
  constructor: new (length: number) => A,
): A {
  if (values instanceof constructor) return values;
  throw wrongColumn(name, type, `its values must be ${constructor.name}`, values?.constructor.name);
}

function offsetsWithin(
  name: string,
  type: ColumnType,
  options: { offsets: Int32Array | undefined; count: number; max: number },
): Int32Array {
  const { offsets, count, max } = options;
  if (!(offsets instanceof Int32Array) || offsets.length <= count) {
    throw wrongColumn(name, type, `its offsets must be ${count + 1} int32`, offsets?.length);
  }
  if (offsets[0]! < 0 || offsets[count]! > max) {
    throw wrongColumn(name, type, `its offsets must lie within 0 and ${max}`, `${offsets[0]} to ${offsets[count]}`);
  }
  return offsets.length === count + 1 ? offsets : offsets.subarray(0, count + 1);
}

function required(name: string, type: ColumnType, input: ColumnInput | undefined): ColumnInput {
  if (input === undefined) throw wrongColumn(name, type, "its inner columns must be given", input);
  return input;
}

function wrongColumn(name: string, type: ColumnType, rule: string, found: unknown): TypeError {
  return new TypeError(
    `Cannot build batch as column '${name}' (${type.kind}) is wrong, ${rule}: current value is ${found}`,
  );
}

/** Arrow data of each column of `schema` in a batch, found by name. */
export function childrenByName(batch: Batch, schema: Columns): ArrowData[] {
  const names = batch.schema.fields.map((field) => field.name);
  return Object.keys(schema).map((name, i) => {
    const index = names[i] === name ? i : names.indexOf(name);
    if (index < 0) throw unknownColumn(name, names);
    return batch.data.children[index]! as ArrowData;
  });
}
