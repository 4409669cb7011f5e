import type { ByteSpans } from "../../columns/records.ts";
import type { Columns } from "../../columns/schema.ts";
import { decodeExactly } from "./exact.ts";
import type { JsonColumn } from "./json_column.ts";
import { createJsonColumn } from "./nested_columns.ts";
import { TextColumn } from "./text_columns.ts";

/**
 * The columns that are filled from the record's key: text and bytes as they are, numbers and booleans as JSON. They are
 * checked before the values and filled after them, when it is known which rows stay.
 */
export class KeyColumns {
  /** The columns by name. */
  readonly columns: ReadonlyMap<string, JsonColumn>;

  /**
   * @param schema All columns of the batch.
   * @throws {TypeError} when a key column is a list or a struct.
   */
  constructor(schema: Columns) {
    const columns = new Map<string, JsonColumn>();
    for (const [name, type] of Object.entries(schema)) {
      if (type.isRecordKey !== true) continue;
      if (type.kind === "list" || type.kind === "struct") {
        throw new TypeError(
          `Cannot create JSON decoder as record key column '${name}' must hold single values: current value is ${type.kind}`,
        );
      }
      columns.set(name, createJsonColumn(type, 0));
    }
    this.columns = columns;
  }

  /** Why the key of a row does not fit, or `null`. */
  check(keys: ByteSpans | null, row: number): string | null {
    for (const [name, column] of this.columns) {
      column.begin(1);
      const reason = write(name, column, keys, { row, out: 0 });
      if (reason !== null) return reason;
    }
    return null;
  }

  /** Fills the columns with the keys of the accepted rows: `count` rows from `from`, or those of `rows`. */
  fill(keys: ByteSpans | null, from: number, options: { count: number; rows: Int32Array | null }): void {
    const { count, rows } = options;
    for (const [name, column] of this.columns) {
      column.begin(count);
      for (let out = 0; out < count; out++) {
        write(name, column, keys, { row: rows === null ? from + out : rows[out]!, out });
      }
    }
  }
}

function write(
  name: string,
  column: JsonColumn,
  keys: ByteSpans | null,
  at: { row: number; out: number },
): string | null {
  const { row, out } = at;
  const start = keys === null ? -1 : keys.starts[row]!;
  if (start < 0) {
    if (!column.isNullable) return `column '${name}' is null as the record has no key`;
    column.setNull(out);
    return null;
  }
  const bytes = keys!.bytes, end = keys!.ends[row]!;
  if (column instanceof TextColumn) {
    return column.setBytes(out, bytes, start, end) ? null : `column '${name}' has a record key that is not UTF-8`;
  }
  if (column.parse(bytes, start, end, out) === end) return null;
  const fault = decodeExactly(column, bytes, start, { end, row: out });
  return fault === null ? null : `column '${name}' cannot be read from the record key: ${fault.reason}`;
}
