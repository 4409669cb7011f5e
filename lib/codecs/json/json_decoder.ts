import { invariant } from "../../base/assert.ts";
import { batchFromData } from "../../columns/batch.ts";
import type { ByteSpans } from "../../columns/records.ts";
import { type Batch, type Columns, type ColumnType, struct } from "../../columns/schema.ts";
import type { DecodedBatch, Decoder, RejectedRow } from "../codec.ts";
import { decodeExactly } from "./exact.ts";
import { KeyColumns } from "./key_columns.ts";
import { LayoutBook } from "./layout_book.ts";
import { StructColumn } from "./nested_columns.ts";
import type { ScanRun } from "./scanner.ts";
import { SLACK_BYTES } from "./scanner_emit.ts";
import { skipSpace } from "./skip_value.ts";

/** Options of {@linkcode createJsonDecoder}. */
export interface JsonDecoderOptions {
  /**
   * Whether scanners may be compiled with `new Function`. Where that is forbidden the general parser takes every row.
   *
   * @default {true}
   */
  isEvalAllowed?: boolean;
}

/**
 * Creates a decoder of JSON objects, one in each record value. A row is accepted exactly if `JSON.parse` accepts its
 * bytes (as UTF-8, without a byte order mark, at most 512 levels deep) and every column finds a value that it can hold
 * without a loss; of a member that occurs twice the last one counts, unknown members are ignored.
 *
 * - `utf8`: a string without lone surrogates. `binary`: a string of canonical, padded base64 (RFC 4648).
 * - `float64`: a number, rounded as `Number()` rounds; beyond the largest double it is refused.
 * - `int32`, `int64`: a number without a fraction in range, however written (`1e3`), exact to the last digit.
 * - `timestampMs`: such a number of epoch milliseconds within +-(2^53 - 1); text is refused.
 * - `bool`: `true` or `false`. `list`: an array. `struct`: an object.
 * - A nullable column takes `null`, and takes a missing member for `null`; any other column refuses both.
 * - A record key column takes the key: text and bytes as they are, other types as JSON text.
 *
 * @param schema The columns.
 * @param options Whether code may be generated.
 * @returns The decoder, for one task. Row numbers are those of the input; when `rows` is `null`, row i of the batch is
 * row `from + i`.
 * @throws {TypeError} when a column has an unknown kind, or a record key column is a list or a struct.
 * @throws {RangeError} when the schema nests deeper than 512 levels.
 */
export function createJsonDecoder<S extends Columns>(schema: S, options: JsonDecoderOptions = {}): Decoder<S> {
  return new JsonDecoder(schema, options);
}

/** Rows by the way they went, over the life of a decoder. */
export interface JsonDecoderCounts {
  /** Rows taken by a compiled scanner. */
  scanned: number;
  /** Rows taken by the general parser. */
  parsed: number;
  /** Rows taken by `JSON.parse`. */
  exact: number;
  /** Rows refused. */
  rejected: number;
}

/** See {@linkcode createJsonDecoder}. */
export class JsonDecoder<S extends Columns> implements Decoder<S> {
  /** Which way rows went. */
  readonly counts: JsonDecoderCounts = { scanned: 0, parsed: 0, exact: 0, rejected: 0 };
  readonly #schema: S;
  readonly #root: StructColumn;
  readonly #keys: KeyColumns;
  readonly #book: LayoutBook;

  /** @param schema The columns. @param options Whether code may be generated. */
  constructor(schema: S, options: JsonDecoderOptions) {
    const inValue = Object.entries(schema).filter(([, type]) => type.isRecordKey !== true);
    const columns: Record<string, ColumnType> = Object.fromEntries(inValue);
    this.#schema = schema;
    this.#root = new StructColumn(struct(columns), columns, 1);
    this.#keys = new KeyColumns(schema);
    this.#book = new LayoutBook(this.#root, options.isEvalAllowed ?? true);
  }

  /** Number of scanners compiled so far. */
  get compilations(): number {
    return this.#book.compilations;
  }

  /** @inheritdoc */
  decode(values: ByteSpans, from: number, to: number, keys: ByteSpans | null = null): DecodedBatch<S> {
    invariant(from >= 0 && from <= to && to <= values.starts.length, "rows to decode must lie within the values");
    const rejected: RejectedRow[] = [];
    this.#root.begin(to - from);
    const verdict = this.#refuseKeys(values.starts, from, to, keys);
    const run = this.#startRun(values, { from, to }, verdict, rejected);
    const { parsed, exact } = this.counts;
    while (run.row < to) {
      run.isStale = false;
      if (this.#book.scanner !== null) this.#book.scanner(run);
      else this.#parseRows(run);
    }
    const unknown = this.counts.parsed - parsed;
    this.counts.scanned += run.out - unknown - (this.counts.exact - exact);
    this.#book.settle(to - from, unknown);
    const count = run.out;
    const rows = rejected.length === 0 ? null : rowsBetween(from, to, rejected, count);
    this.#keys.fill(keys, from, { count, rows });
    return { batch: this.#assemble(count), rows, rejected };
  }

  /** Reads rows without a scanner, until there is one. */
  #parseRows(run: ScanRun): void {
    while (run.row < run.to && !run.isStale) if (run.parse(run.row++, run.out)) run.out++;
  }

  /** Checks the keys where a column takes them: rows whose key does not fit get no start. */
  #refuseKeys(starts: Int32Array, from: number, to: number, keys: ByteSpans | null): KeyVerdict {
    const verdict: KeyVerdict = { starts, reasons: null };
    if (this.#keys.columns.size === 0) return verdict;
    for (let row = from; row < to; row++) {
      const reason = this.#keys.check(keys, row);
      if (reason === null) continue;
      if (verdict.reasons === null) {
        verdict.reasons = new Map();
        verdict.starts = starts.slice();
      }
      verdict.reasons.set(row, reason);
      verdict.starts[row] = -1;
    }
    return verdict;
  }

  #startRun(
    values: ByteSpans,
    range: { from: number; to: number },
    keys: KeyVerdict,
    rejected: RejectedRow[],
  ): ScanRun {
    const { bytes, ends } = values;
    const { starts, reasons } = keys;
    const { counts } = this;
    const limit = bytes.length - SLACK_BYTES;
    const run: ScanRun = {
      bytes,
      view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
      starts,
      ends,
      row: range.from,
      to: range.to,
      out: 0,
      limit,
      isStale: false,
      hits: this.#book.hits,
      parse: (row, out) => {
        const start = starts[row]!, end = ends[row]!;
        let fault: { reason: string; position: number } | null;
        if (start < 0) fault = { reason: reasons?.get(row) ?? "the value is null", position: -1 };
        else if (this.#parseRow(bytes, start, end, out)) {
          counts.parsed++;
          if (end <= limit && this.#book.miss(bytes, start, end)) run.isStale = true;
          return true;
        } else fault = decodeExactly(this.#root, bytes, start, { end, row: out });
        if (fault === null) {
          counts.exact++;
          return true;
        }
        this.#root.forget(out);
        counts.rejected++;
        rejected.push({ row, ...fault });
        return false;
      },
    };
    return run;
  }

  /** Whether the general parser takes the row. */
  #parseRow(bytes: Uint8Array, start: number, end: number, out: number): boolean {
    const p = this.#root.parse(bytes, skipSpace(bytes, start, end), end, out);
    return p >= 0 && skipSpace(bytes, p, end) === end;
  }

  #assemble(count: number): Batch<S> {
    const children = Object.keys(this.#schema).map((name) => {
      const column = this.#keys.columns.get(name) ?? this.#root.columns[this.#root.indexOf(name)]!;
      return column.finish(count);
    });
    return batchFromData(this.#schema, children, count);
  }
}

interface KeyVerdict {
  /** First byte of each value, -1 where the row is refused. */
  starts: Int32Array;
  /** Why a row's key was refused. */
  reasons: Map<number, string> | null;
}

/** The rows of [from, to) that were not rejected. */
function rowsBetween(from: number, to: number, rejected: readonly RejectedRow[], count: number): Int32Array {
  const rows = new Int32Array(count);
  let next = 0, out = 0;
  for (let row = from; row < to; row++) {
    if (next < rejected.length && rejected[next]!.row === row) next++;
    else rows[out++] = row;
  }
  invariant(out === count, "each row of a batch must come from one input row");
  return rows;
}
