import { Data, RecordBatch } from "apache-arrow";
import { constantData, rawData } from "./arrow_data.ts";
import { bitmapBytes } from "./bitmap.ts";
import { type ArrowData, bytesValues, isValidRow, offsetsOf } from "./column_data.ts";
import { concatData } from "./concat_data.ts";
import { int64FromNumbers, SAFE_MAX, wordsOf, wordsToNumber } from "./int64.ts";
import { type ColumnType, utf8 } from "./schema.ts";
import { copyBytes } from "./spans.ts";

/** Data that cannot stand under a column: where inside it, what was expected, what was found. */
export class Unfit extends Error {
  /** What was expected. */
  readonly expected: string;
  /** What was found. */
  readonly found: string;
  /** Path inside a list or struct. */
  readonly path: string;

  /** @param expected What was expected. @param found What was found. @param path Path inside a list or struct. */
  constructor(expected: string, found: string, path = "") {
    super(expected);
    this.expected = expected;
    this.found = found;
    this.path = path;
  }
}

/** Whether a batch was made with the Arrow library that we use, so that it can be passed on as it is. */
export function isOurs(batch: object): boolean {
  return batch.constructor === RecordBatch;
}

/** Numbers of Arrow's types, the same in all versions. */
const ID = {
  dictionary: -1,
  null: 1,
  int: 2,
  float: 3,
  binary: 4,
  utf8: 5,
  bool: 6,
  date: 8,
  timestamp: 10,
  list: 12,
  struct: 13,
  largeBinary: 19,
  largeUtf8: 20,
  largeList: 21,
};

/** Which rows count: a row under a null struct or list may be anything. */
type Present = ((row: number) => boolean) | null;

/**
 * Arrow data of any Arrow library as data of a column.
 *
 * @param type The column's type.
 * @param data Data, perhaps a slice.
 * @param present Which rows count; all when null.
 * @returns `data` itself when it already is such data, else data that shares its buffers where types are the same.
 * @throws {Unfit} when it is of another type or holds a null that it must not.
 */
export function adoptData(type: ColumnType, data: ArrowData, present: Present = null): ArrowData {
  if (data.type.typeId === ID.null) return adoptNull(type, data.length);
  checkNulls(type, data, present);
  switch (type.kind) {
    case "utf8":
    case "binary":
      return adoptBytes(type, data);
    case "bool":
      if (data.type.typeId !== ID.bool) throw unfit(type, data);
      return isNative(data) ? data : rawData(type, { ...common(data), data: data.values });
    case "list":
      return adoptList(type, data, present);
    case "struct":
      return adoptStruct(type, data, present);
    default:
      return adoptNumbers(type, data);
  }
}

function unfit(type: ColumnType, data: ArrowData): Unfit {
  return new Unfit(type.kind, String(data.type));
}

function isNative(data: ArrowData): boolean {
  return data.constructor === Data;
}

/** Length and nulls of data that is built over the same rows; a bitmap keeps its offset. */
function common(data: ArrowData): object {
  const { length, offset, nullCount } = data;
  return nullCount === 0 ? { length, offset, nullCount } : { length, offset, nullCount, nullBitmap: data.nullBitmap };
}

/** As {@linkcode common}, for values that begin anew at bit 0. */
function commonAtZero(data: ArrowData): object {
  const { length, nullCount } = data;
  if (nullCount === 0) return { length, nullCount };
  const nullBitmap = new Uint8Array(bitmapBytes(length));
  for (let row = 0; row < length; row++) {
    if (isValidRow(data, row)) nullBitmap[row >> 3] = nullBitmap[row >> 3]! | (1 << (row & 7));
  }
  return { length, nullCount, nullBitmap };
}

function checkNulls(type: ColumnType, data: ArrowData, present: Present): void {
  if (type.nullable || data.nullCount === 0) return;
  for (let row = 0; row < data.length; row++) {
    if (!isValidRow(data, row) && (present === null || present(row))) {
      throw new Unfit(`${type.kind} without nulls`, `a null in row ${row}`);
    }
  }
}

function adoptNull(type: ColumnType, length: number): ArrowData {
  if (!type.nullable && length > 0) throw new Unfit(`${type.kind} without nulls`, "nulls only");
  return constantData(type, length, !type.nullable);
}

function adoptNumbers(type: ColumnType, data: ArrowData): ArrowData {
  const found = data.type;
  const { length } = data;
  const isInt = found.typeId === ID.int;
  const isSmallInt = isInt && (found.bitWidth < 32 || (found.bitWidth === 32 && found.isSigned));
  const isFloat = found.typeId === ID.float;
  switch (type.kind) {
    case "float64":
      if (isFloat && found.precision === 2) return same(type, data);
      if (!(isFloat && found.precision === 1) && !(isInt && found.bitWidth <= 32)) throw unfit(type, data);
      return rawData(type, { ...common(data), data: Float64Array.from(data.values.subarray(0, length)) });
    case "int32":
      if (isInt && found.bitWidth === 32 && found.isSigned) return same(type, data);
      if (!isSmallInt) throw unfit(type, data);
      return rawData(type, { ...common(data), data: Int32Array.from(data.values.subarray(0, length)) });
    case "int64":
      if (isInt && found.bitWidth === 64 && found.isSigned) return same(type, data);
      if (!isInt || found.bitWidth > 32) throw unfit(type, data);
      return rawData(type, {
        ...common(data),
        data: int64FromNumbers(Float64Array.from(data.values.subarray(0, length))),
      });
    default: {
      const isTimestamp = found.typeId === ID.timestamp && (found.unit === 0 || found.unit === 1);
      const isDate = found.typeId === ID.date && found.unit === 1;
      if (!isTimestamp && !isDate) throw unfit(type, data);
      const adopted = same(type, data);
      const isSeconds = isTimestamp && found.unit === 0;
      checkInstants(adopted, isSeconds ? SAFE_MAX / 1000 : SAFE_MAX);
      if (isSeconds) return secondsToMs(type, adopted);
      return isTimestamp ? adopted : rawData(type, { ...common(adopted), data: adopted.values });
    }
  }
}

/** Data whose values need no change: as it is, or under our classes. */
function same(type: ColumnType, data: ArrowData): ArrowData {
  if (isNative(data)) return data;
  return rawData(type, { ...common(data), data: data.values });
}

/** Instants are numbers to everything that reads them, so they must be safe integers. */
function checkInstants(data: ArrowData, max: number): void {
  const words = wordsOf(data.values);
  for (let row = 0; row < data.length; row++) {
    const value = wordsToNumber(words, row);
    if ((value > max || value < -max) && isValidRow(data, row)) {
      throw new Unfit("timestampMs within ±(2^53 - 1)", `${data.values[row]} in row ${row}`);
    }
  }
}

function secondsToMs(type: ColumnType, data: ArrowData): ArrowData {
  const words = wordsOf(data.values);
  const instants = new Float64Array(data.length);
  for (let row = 0; row < data.length; row++) {
    instants[row] = isValidRow(data, row) ? wordsToNumber(words, row) * 1000 : 0;
  }
  return rawData(type, { ...common(data), data: int64FromNumbers(instants) });
}

function adoptBytes(type: ColumnType, data: ArrowData): ArrowData {
  const { typeId } = data.type;
  const isText = type.kind === "utf8";
  if (typeId === (isText ? ID.utf8 : ID.binary)) {
    if (isNative(data)) return data;
    return rawData(type, { ...common(data), valueOffsets: offsetsOf(data), data: bytesValues(data) });
  }
  if (typeId === (isText ? ID.largeUtf8 : ID.largeBinary)) {
    return rawData(type, { ...common(data), valueOffsets: smallOffsets(type, data), data: bytesValues(data) });
  }
  if (isText && typeId === ID.dictionary && data.dictionary !== undefined) return adoptDictionary(type, data);
  throw unfit(type, data);
}

/** 64-bit offsets as 32-bit ones. */
function smallOffsets(type: ColumnType, data: ArrowData): Int32Array {
  const offsets = data.valueOffsets as unknown as BigInt64Array;
  const result = new Int32Array(data.length + 1);
  if (offsets.length === 0) return result;
  if (offsets[data.length]! > 0x7fffffffn) throw new Unfit(`${type.kind} up to 2 GiB`, `${offsets[data.length]} bytes`);
  for (let row = 0; row <= data.length; row++) result[row] = Number(offsets[row]);
  return result;
}

function adoptDictionary(type: ColumnType, data: ArrowData): ArrowData {
  const nullable = utf8({ nullable: true });
  const chunks = (data.dictionary as unknown as { data: ArrowData[] }).data;
  if (data.type.dictionary.typeId < 0) throw unfit(type, data);
  const entries = concatData(
    nullable,
    chunks.map((chunk) => {
      if (chunk.type.typeId !== ID.utf8 && chunk.type.typeId !== ID.largeUtf8) throw unfit(type, data);
      return adoptData(nullable, chunk);
    }),
  );
  const offsets = offsetsOf(entries);
  const indices = data.values as Int32Array;
  const { length } = data;
  const valueOffsets = new Int32Array(length + 1);
  const nullBitmap = new Uint8Array(bitmapBytes(length));
  let nullCount = 0;
  for (let row = 0; row < length; row++) {
    const entry = isValidRow(data, row) ? Number(indices[row]) : -1;
    const isPresent = entry >= 0 && isValidRow(entries, entry);
    if (isPresent) nullBitmap[row >> 3] = nullBitmap[row >> 3]! | (1 << (row & 7));
    else if (!type.nullable && entry >= 0) throw new Unfit("utf8 without nulls", `a null in row ${row}`);
    else nullCount++;
    valueOffsets[row + 1] = valueOffsets[row]! + (isPresent ? offsets[entry + 1]! - offsets[entry]! : 0);
  }
  const bytes = new Uint8Array(valueOffsets[length]!);
  for (let row = 0; row < length; row++) {
    const from = offsets[Number(indices[row])] ?? 0;
    copyBytes(
      bytesValues(entries),
      from,
      from + valueOffsets[row + 1]! - valueOffsets[row]!,
      bytes,
      valueOffsets[row]!,
    );
  }
  const rows = nullCount === 0 ? { length, nullCount } : { length, nullCount, nullBitmap };
  return rawData(type, { ...rows, valueOffsets, data: bytes });
}

function adoptList(type: ColumnType, data: ArrowData, present: Present): ArrowData {
  const { typeId } = data.type;
  if (typeId !== ID.list && typeId !== ID.largeList) throw unfit(type, data);
  const valueOffsets = typeId === ID.list ? offsetsOf(data) : smallOffsets(type, data);
  const elements = data.children[0]!;
  let inside: Present = null;
  if (!type.element!.nullable && elements.nullCount > 0) {
    const covered = new Uint8Array(elements.length);
    for (let row = 0; row < data.length; row++) {
      if (isValidRow(data, row) && (present === null || present(row))) {
        covered.fill(1, valueOffsets[row]!, valueOffsets[row + 1]!);
      }
    }
    inside = (at) => covered[at] === 1;
  }
  const child = within("[]", () => adoptData(type.element!, elements, inside));
  if (isNative(data) && typeId === ID.list && child === elements) return data;
  return rawData(type, { ...common(data), valueOffsets, child });
}

function adoptStruct(type: ColumnType, data: ArrowData, present: Present): ArrowData {
  if (data.type.typeId !== ID.struct) throw unfit(type, data);
  const fields = data.type.children as { name: string }[];
  const entries = Object.entries(type.columns!);
  const inside: Present = data.nullCount === 0
    ? present
    : (row) => isValidRow(data, row) && (present === null || present(row));
  let isSame = isNative(data) && entries.length === fields.length;
  const children = entries.map(([name, inner], i) =>
    within(`.${name}`, () => {
      const index = fields.findIndex((field) => field.name === name);
      if (index < 0) throw new Unfit(inner.kind, `only ${fields.map((field) => field.name).join(", ")}`);
      const child = data.children[index]!;
      const adopted = adoptData(inner, child, inside);
      isSame = isSame && adopted === child && index === i;
      return adopted;
    })
  );
  if (isSame) return data;
  return rawData(type, { ...commonAtZero(data), children });
}

function within<T>(path: string, adopt: () => T): T {
  try {
    return adopt();
  } catch (error) {
    if (!(error instanceof Unfit)) throw error;
    throw new Unfit(error.expected, error.found, `${path}${error.path}`);
  }
}
