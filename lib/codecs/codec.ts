import type { ByteSpans } from "../columns/records.ts";
import type { Batch, Columns } from "../columns/schema.ts";

/** One row that could not be decoded or encoded. */
export interface RejectedRow {
  /** Row in the input (slab for decode, batch for encode). */
  readonly row: number;
  /** What is wrong, in one sentence without the row's content. */
  readonly reason: string;
  /** Byte in the row's value where it was noticed, or -1 when there is no such place (encode). */
  readonly position: number;
}

/** Decoded columns and what was refused. */
export interface DecodedBatch<S extends Columns = Columns> {
  /** Accepted rows in input order. */
  readonly batch: Batch<S>;
  /** Input row of each accepted row; `null` when every input row was accepted (row i is row i). */
  readonly rows: Int32Array | null;
  /** Refused rows in input order. */
  readonly rejected: readonly RejectedRow[];
}

/** Encoded rows and what was refused. */
export interface EncodedRows {
  /** One value for each accepted row, in batch order. */
  readonly values: ByteSpans;
  /** Number of accepted rows. */
  readonly count: number;
  /** Batch row of each accepted row; `null` when every row was accepted. */
  readonly rows: Int32Array | null;
  /** Refused rows in batch order. */
  readonly rejected: readonly RejectedRow[];
}

/** Turns bytes into columns. One instance for each task: it may learn from what it sees and is not re-entrant. */
export interface Decoder<S extends Columns = Columns> {
  /**
   * Decodes rows [from, to) of `values`. Null rows (tombstones) are refused with the reason `the value is null`.
   *
   * @param values Bytes of each row.
   * @param from First row.
   * @param to One past the last row.
   * @param keys Record keys, for schemas with a `recordKey()` column.
   * @returns The batch, and rejected rows with row numbers of `values`.
   */
  decode(values: ByteSpans, from: number, to: number, keys?: ByteSpans | null): DecodedBatch<S>;
}

/** Turns columns into bytes. One instance for each task. */
export interface Encoder<S extends Columns = Columns> {
  /** Encodes all rows of a batch. */
  encode(batch: Batch<S>): EncodedRows;
}

/** A format with its columns. */
export interface Codec<out S extends Columns = Columns> {
  /** Which format (`json`, `text`, `bytes`). */
  readonly format: string;
  /** The columns; `undefined` when they are inferred from the data. */
  readonly schema: S;
  /** Whether the schema is inferred from each batch (the slow way). */
  readonly isInferred: boolean;
  /** A decoder for one task. */
  decoder(): Decoder<S>;
  /** An encoder for one task. */
  // deno-lint-ignore no-explicit-any
  encoder(): Encoder<any>;
}
