import { batchFromData } from "./batch.ts";
import { dataOfValues, ValueMismatch } from "./column_builder.ts";
import type { Batch, Columns, RowOf } from "./schema.ts";
import { shownValue } from "./shown_value.ts";

/**
 * A batch from rows: for tests, examples and small inputs. Every value is checked against its column.
 *
 * @example Two readings
 * ```ts
 * import { batchOf, float64, timestampMs, utf8 } from "@turbine/turbine";
 * import { assertEquals } from "@std/assert";
 *
 * const batch = batchOf({ device_id: utf8(), ts: timestampMs(), temperature: float64({ nullable: true }) }, [
 *   { device_id: "d-1", ts: 1_700_000_000_000, temperature: 21.5 },
 *   { device_id: "d-2", ts: 1_700_000_000_001, temperature: null },
 * ]);
 * assertEquals(batch.numRows, 2);
 * assertEquals(batch.getChild("temperature").get(0), 21.5);
 * ```
 *
 * @param schema The columns.
 * @param rows One object for each row: float64, int32 and timestampMs are numbers, int64 is a bigint, binary is a
 * Uint8Array. A nullable column may be null or missing.
 * @returns The batch, in the order of `rows`.
 * @throws {TypeError} when a value is missing, mistyped or extra; the message names row and column.
 */
export function batchOf<S extends Columns>(schema: S, rows: readonly RowOf<S>[]): Batch<S> {
  checkColumnTypes(schema);
  if (!Array.isArray(rows)) {
    throw new TypeError(`Cannot build batch as its rows must be an array: current value is ${shownValue(rows)}`);
  }
  const names = Object.keys(schema);
  const known = new Set(names);
  for (const [row, values] of rows.entries()) {
    if (typeof values !== "object" || values === null) {
      throw new TypeError(`Cannot build batch as row ${row} must be an object: current value is ${values}`);
    }
    const extra = Object.keys(values).find((name) => !known.has(name));
    if (extra !== undefined) {
      throw new TypeError(
        `Cannot build batch as row ${row} has a value for none of the columns ${
          names.join(", ")
        }: current value is '${extra}'`,
      );
    }
  }
  const children = names.map((name) => {
    const type = schema[name]!;
    try {
      return dataOfValues(type, rows.map((row) => Object.hasOwn(row, name) ? row[name] : undefined));
    } catch (error) {
      if (!(error instanceof ValueMismatch)) throw error;
      throw new TypeError(
        `Cannot build batch as column '${name}${error.path}' (${type.kind}) of row ${error.row} wants ${error.wanted}: current value is ${
          shownValue(error.found)
        }`,
      );
    }
  });
  return batchFromData(schema, children, rows.length);
}

const CHECKED = new WeakSet<Columns>();

/** A topic or a constructor in place of a schema would fail deep inside Arrow. */
function checkColumnTypes(schema: Columns): void {
  if (typeof schema !== "object" || schema === null) {
    throw new TypeError(`Cannot build batch as its schema must be an object: current value is ${shownValue(schema)}`);
  }
  if (CHECKED.has(schema)) return;
  for (const [name, type] of Object.entries(schema)) {
    if (typeof type?.kind === "string" && type.arrow !== undefined) continue;
    throw new TypeError(
      `Cannot build batch as column '${name}' must be a column type such as utf8(): current value is ${
        shownValue(type)
      }`,
    );
  }
  CHECKED.add(schema);
}
