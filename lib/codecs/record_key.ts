import type { Batch, ColumnType } from "../columns/schema.ts";
import { type ArrowData, columnData, validityOf } from "../columns/column_data.ts";
import type { ByteSpans } from "../columns/records.ts";
import { SerializationError } from "../base/errors.ts";
import { NUMBER_BYTES_MAX, putFloat64, putInt, putInt64, putUint64 } from "./json/format_number.ts";
import { valueKind } from "./json/json_encoder_plan.ts";

/**
 * Marks a column that stands in the record's key instead of its value: decoding fills it from the key, encoding leaves
 * it out of the value (name it as the topic's `key` to publish it again).
 *
 * @param type A scalar column type.
 * @returns The same type, marked.
 * @throws {TypeError} when the column is a list or a struct.
 *
 * @example A column from the key
 * ```ts
 * import { float64, json, recordKey, utf8 } from "@turbine/turbine";
 * import { assertEquals } from "@std/assert";
 *
 * const codec = json({ device: recordKey(utf8()), celsius: float64() });
 * assertEquals(codec.schema.device.isRecordKey, true);
 * ```
 */
export function recordKey<C extends ColumnType>(type: C): C {
  if (type.kind === "list" || type.kind === "struct") {
    throw new TypeError(`Cannot mark column as record key as it must be a scalar: current value is a ${type.kind}`);
  }
  return Object.freeze({ ...type, isRecordKey: true });
}

/**
 * Record keys of a batch: UTF-8 of text (not copied, as it stands), the bytes of binary, the JSON text of other scalars,
 * a null key for a null. -0 becomes `0`, because equal keys must meet in one partition.
 *
 * @param batch A batch.
 * @param columnName Its key column.
 * @returns One key for each row.
 * @throws {TypeError} when there is no such column or it is no scalar.
 * @throws {SerializationError} when a number is NaN or infinite, naming column and row.
 */
export function encodeKeys(batch: Batch, columnName: string): ByteSpans {
  const data = columnData(batch, columnName);
  switch (valueKind(data.type)) {
    case "utf8":
    case "binary":
      return textKeys(data);
    case "dictionary":
      return dictionaryKeys(data);
    case "null":
    case "list":
    case "struct":
    case undefined:
      throw new TypeError(`Cannot encode column '${columnName}' as keys as it must be a scalar: it is ${data.type}`);
    default:
      return scalarKeys(data, columnName);
  }
}

function textKeys(data: ArrowData): ByteSpans {
  const { length, valueOffsets } = data;
  const bytes = data.values ?? new Uint8Array(0);
  if (length === 0) return { bytes, starts: new Int32Array(0), ends: new Int32Array(0) };
  const ends = valueOffsets.subarray(1, length + 1);
  return { bytes, starts: withNulls(data, valueOffsets.subarray(0, length)), ends };
}

/** Starts with -1 in null rows; the same array when there are none. */
function withNulls(data: ArrowData, starts: Int32Array): Int32Array {
  const validity = validityOf(data);
  if (validity === null) return starts;
  const marked = starts.slice();
  for (let row = 0, bit = data.offset; row < marked.length; row++, bit++) {
    if ((validity[bit >> 3]! & (1 << (bit & 7))) === 0) marked[row] = -1;
  }
  return marked;
}

function dictionaryKeys(data: ArrowData): ByteSpans {
  const chunks = data.dictionary!.data as readonly ArrowData[];
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const parts = chunks.map(textKeys);
  const bytes = parts.length === 1
    ? parts[0]!.bytes
    : new Uint8Array(parts.reduce((n, part) => n + part.bytes.length, 0));
  const entryStarts = new Int32Array(length);
  const entryEnds = new Int32Array(length);
  let entry = 0;
  let base = 0;
  for (const part of parts) {
    if (parts.length > 1) bytes.set(part.bytes, base);
    for (let i = 0; i < part.starts.length; i++, entry++) {
      entryStarts[entry] = part.starts[i]! < 0 ? -1 : base + part.starts[i]!;
      entryEnds[entry] = base + part.ends[i]!;
    }
    base += part.bytes.length;
  }
  const indices = data.values;
  const starts = new Int32Array(data.length);
  const ends = new Int32Array(data.length);
  for (let row = 0; row < data.length; row++) {
    starts[row] = entryStarts[indices[row]] ?? -1;
    ends[row] = entryEnds[indices[row]] ?? -1;
  }
  return { bytes, starts: withNulls(data, starts), ends };
}

/** Writes the JSON text of one row at `at` and returns the position after it, or -1 when JSON has none. */
type PutScalar = (bytes: Uint8Array, at: number, row: number) => number;

function scalarKeys(data: ArrowData, columnName: string): ByteSpans {
  const put = putScalar(data);
  const bytes = new Uint8Array(data.length * NUMBER_BYTES_MAX);
  const starts = new Int32Array(data.length);
  const ends = new Int32Array(data.length);
  const validity = validityOf(data);
  let at = 0;
  for (let row = 0, bit = data.offset; row < data.length; row++, bit++) {
    if (validity !== null && (validity[bit >> 3]! & (1 << (bit & 7))) === 0) {
      starts[row] = -1;
      ends[row] = -1;
      continue;
    }
    starts[row] = at;
    at = put(bytes, at, row);
    if (at < 0) {
      throw new SerializationError(
        `Cannot encode column '${columnName}' as keys as row ${row} is NaN or infinite: filter such rows before publishing`,
        { context: { column: columnName, row } },
      );
    }
    ends[row] = at;
  }
  return { bytes: bytes.subarray(0, at), starts, ends };
}

function putScalar(data: ArrowData): PutScalar {
  const { values } = data;
  const kind = valueKind(data.type);
  if (kind === "bool") {
    return (bytes, at, row) => {
      const bit = row + data.offset;
      return putAscii(bytes, at, (values[bit >> 3] & (1 << (bit & 7))) !== 0 ? "true" : "false");
    };
  }
  if (kind === "float64") {
    const hints = new Int32Array(1).fill(2);
    // Adding 0 turns -0 into 0.
    return (bytes, at, row) => Number.isFinite(values[row]) ? putFloat64(bytes, at, values[row] + 0, hints, 0) : -1;
  }
  if (kind === "int" || kind === "uint32") return (bytes, at, row) => putInt(bytes, at, values[row]);
  const words = new Int32Array(values.buffer, values.byteOffset, values.length * 2);
  const put = kind === "uint64" ? putUint64 : putInt64;
  return (bytes, at, row) => put(bytes, at, words[2 * row]!, words[2 * row + 1]!);
}

function putAscii(bytes: Uint8Array, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
  return at + text.length;
}
