import { Type } from "apache-arrow";
import { batchFromColumns } from "../columns/batch.ts";
import { bytesValues, columnData, isValidRow, offsetsOf } from "../columns/column_data.ts";
import type { ByteSpans } from "../columns/records.ts";
import type { Batch, Binary, Utf8 } from "../columns/schema.ts";
import { copyBytes, denseSpans, takeSpans } from "../columns/spans.ts";
import type { Codec, DecodedBatch, EncodedRows, RejectedRow } from "./codec.ts";

/** The one column of `text()` and `bytes()`. */
export type SingleColumn = { readonly value: Utf8 | Binary };

/** Finds the first byte that the format does not allow in `[start, end)`; -1 when there is none. */
export type FindBadByte = (bytes: Uint8Array, start: number, end: number) => number;

/** What a codec of one column needs. */
export interface SingleColumnFormat<S extends SingleColumn> {
  /** Name of the format. */
  readonly format: string;
  /** The column. */
  readonly schema: S;
  /** Why a row is refused that {@linkcode SingleColumnFormat.findBadByte} finds fault with. */
  readonly problem: string;
  /** Checks one value. */
  readonly findBadByte: FindBadByte;
}

/**
 * A codec whose one column `value` is the record value as it stands.
 *
 * @param format What differs between text and bytes.
 * @returns The codec; it keeps nothing between batches.
 */
export function singleColumnCodec<S extends SingleColumn>(format: SingleColumnFormat<S>): Codec<S> {
  return Object.freeze({
    format: format.format,
    schema: format.schema,
    isInferred: false,
    decoder: () => ({
      decode: (values: ByteSpans, from: number, to: number) => decode(format, values, { from, to }),
    }),
    encoder: () => ({ encode: (batch: Batch<S>) => encode(format, batch) }),
  });
}

function decode<S extends SingleColumn>(
  { schema, problem, findBadByte }: SingleColumnFormat<S>,
  { bytes, starts, ends }: ByteSpans,
  range: { from: number; to: number },
): DecodedBatch<S> {
  const { from, to } = range;
  const rejected: RejectedRow[] = [];
  const rows = new Int32Array(to - from);
  let count = 0;
  let total = 0;
  for (let row = from; row < to; row++) {
    const start = starts[row]!;
    const badAt = start < 0 ? -1 : findBadByte(bytes, start, ends[row]!);
    if (start < 0) rejected.push({ row, reason: "the value is null", position: -1 });
    else if (badAt >= 0) rejected.push({ row, reason: problem, position: badAt - start });
    else {
      rows[count++] = row;
      total += ends[row]! - start;
    }
  }
  const values = new Uint8Array(total);
  const offsets = new Int32Array(count + 1);
  for (let i = 0; i < count; i++) {
    offsets[i + 1] = copyBytes(bytes, starts[rows[i]!]!, ends[rows[i]!]!, values, offsets[i]!);
  }
  // deno-lint-ignore no-explicit-any
  const batch = batchFromColumns<any>(schema, { value: { values, offsets } }, count) as Batch<S>;
  return { batch, rows: rejected.length === 0 ? null : rows.subarray(0, count), rejected };
}

function encode<S extends SingleColumn>(
  { format, schema, problem, findBadByte }: SingleColumnFormat<S>,
  batch: Batch<S>,
): EncodedRows {
  const data = columnData(batch, "value");
  const expected = schema.value.kind === "utf8" ? Type.Utf8 : Type.Binary;
  if (data.type.typeId !== expected) {
    throw new TypeError(`Cannot encode column 'value' as ${format}: its Arrow type is ${data.type}`);
  }
  const bytes = bytesValues(data);
  const offsets = offsetsOf(data).subarray(0, data.length + 1);
  const rejected: RejectedRow[] = [];
  const rows = new Int32Array(data.length);
  let count = 0;
  for (let row = 0; row < data.length; row++) {
    if (!isValidRow(data, row)) {
      rejected.push({ row, reason: "column 'value' is null but not nullable", position: -1 });
    } else if (findBadByte(bytes, offsets[row]!, offsets[row + 1]!) >= 0) {
      rejected.push({ row, reason: `column 'value' is ${problem.replace("the value is ", "")}`, position: -1 });
    } else rows[count++] = row;
  }
  const values = denseSpans(bytes, offsets);
  if (rejected.length === 0) return { values, count, rows: null, rejected };
  const accepted = rows.subarray(0, count);
  return { values: takeSpans(values, accepted), count, rows: accepted, rejected };
}
