import { checkOptionNames } from "../base/check_option_names.ts";
import type { Columns, ColumnType } from "../columns/schema.ts";
import type { StateTable } from "./operator.ts";

/** Options of {@linkcode stateTable}. */
export interface StateTableOptions<K extends ColumnType, V extends Columns> {
  /** Type of the keys: a scalar, or a struct of scalars. */
  key: K;
  /** Columns of the values; at least one. */
  value: V;
  /**
   * How many leading columns of a struct key choose the partition of a key: 1 for a key of (device, window) in a stream
   * that is keyed by device. State of one routing key stays together when the number of partitions changes.
   *
   * @default all columns
   */
  routing?: number;
}

const KEY_KINDS = "utf8, binary, float64, int32, int64, timestampMs, bool or a struct of these";

/**
 * Says what the state of one name is: a keyed table whose values are held in columns.
 *
 * @param options Type of the keys, columns of the values, routing.
 * @returns A frozen table, for the `state` option of a subscription.
 * @throws {TypeError} when the key is a list or nests them, there are no value columns, or an option does not exist.
 * @throws {RangeError} when `routing` is not a number of leading key columns.
 *
 * @example The last reading of each device
 * ```ts
 * import { float64, stateTable, utf8 } from "@turbine/turbine";
 * import { assertEquals } from "@std/assert";
 *
 * const last = stateTable({ key: utf8(), value: { seen: float64() } });
 * assertEquals(Object.keys(last.value), ["seen"]);
 * ```
 */
export function stateTable<K extends ColumnType, V extends Columns>(
  options: StateTableOptions<K, V>,
): StateTable<K, V> {
  checkOptionNames("state table", options, ["key", "value", "routing"]);
  const { key, value, routing } = options;
  if (key?.kind === "struct" && key.nullable) {
    throw new TypeError("Cannot create state table as a struct 'key' must not be nullable: current value is nullable");
  }
  if (!isKeyType(key)) {
    throw new TypeError(`Cannot create state table as 'key' must be ${KEY_KINDS}: current value is ${key?.kind}`);
  }
  const columns = typeof value === "object" && value !== null ? Object.entries(value) : [];
  if (columns.length === 0) {
    throw new TypeError(
      `Cannot create state table as 'value' must have at least one column: current value is ${value}`,
    );
  }
  for (const [name, type] of columns) {
    if (typeof type?.kind !== "string") {
      throw new TypeError(
        `Cannot create state table as column '${name}' must be a type such as float64(): current value is ${type}`,
      );
    }
  }
  if (routing === undefined) return Object.freeze({ key, value });
  const most = key.kind === "struct" ? Object.keys(key.columns!).length : 1;
  if (!Number.isInteger(routing) || routing < 1 || routing > most) {
    throw new RangeError(
      `Cannot create state table as 'routing' must be an integer from 1 to ${most}: current value is ${routing}`,
    );
  }
  return Object.freeze({ key, value, routing });
}

function isKeyType(key: ColumnType | undefined): boolean {
  if (typeof key?.kind !== "string" || key.kind === "list") return false;
  if (key.kind !== "struct") return true;
  const inner = Object.values(key.columns!);
  return inner.length > 0 && inner.every((type) => type.kind !== "list" && type.kind !== "struct");
}
