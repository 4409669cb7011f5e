import fc, { type Arbitrary } from "fast-check";
import type { Columns, ColumnType, RowOf } from "../../lib/columns/schema.ts";
import type { Topic } from "../../lib/operator/operator.ts";

/** Few texts; as keys they reach both of two partitions. */
const TEXTS = ["a", "b", "d"];

/**
 * Input of a topic as jobs like it: few different keys and values, so that rows meet; numbers that add up exactly in any
 * order (small multiples of 1/4), so that nothing but the job makes a difference; event times from 0 that mostly rise, are
 * sometimes late and sometimes jump; nulls where they may be. `recordRow()` draws extremes instead.
 *
 * @param topic The topic.
 * @param options Most rows.
 * @returns An arbitrary of inputs in the order in which they are sent.
 */
export function topicRows<S extends Columns>(
  topic: Topic<S>,
  options: { readonly rowsMax?: number } = {},
): Arbitrary<readonly RowOf<S>[]> {
  const { rowsMax = 10 } = options;
  const cells = Object.entries(topic.schema).map(([name, type]) =>
    cellOf(type, name === topic.key).map((value) => [name, value] as const)
  );
  const stepMs = fc.oneof(
    { weight: 5, arbitrary: fc.nat({ max: 500 }) },
    { weight: 2, arbitrary: fc.integer({ min: -3_000, max: 0 }) },
    { weight: 1, arbitrary: fc.nat({ max: 60_000 }) },
  );
  const drawn = fc.record({ cells: fc.tuple(...cells), stepMs });
  return fc.array(drawn, { minLength: 1, maxLength: rowsMax, size: "max" }).map((rows) => {
    let timeMs = 0;
    return rows.map(({ cells, stepMs }) => {
      const row: Record<string, unknown> = Object.fromEntries(cells);
      const atMs = Math.max(0, timeMs + stepMs);
      timeMs = Math.max(timeMs, atMs);
      if (topic.eventTime !== null) row[topic.eventTime] = atMs;
      return row as RowOf<S>;
    });
  });
}

function cellOf(type: ColumnType, isKey = false): Arbitrary<unknown> {
  const value = presentCellOf(type);
  if (!type.nullable || isKey) return value;
  const withCrossShrink = { withCrossShrink: true };
  return fc.oneof(withCrossShrink, { weight: 4, arbitrary: value }, { weight: 1, arbitrary: fc.constant(null) });
}

function presentCellOf(type: ColumnType): Arbitrary<unknown> {
  switch (type.kind) {
    case "float64":
      return fc.integer({ min: -8, max: 160 }).map((quarters) => quarters / 4);
    case "int32":
      return fc.integer({ min: -2, max: 20 });
    case "int64":
      return fc.bigInt({ min: -2n, max: 20n });
    case "timestampMs":
      return fc.nat({ max: 60_000 });
    case "utf8":
      return fc.constantFrom(...TEXTS);
    case "binary":
      return fc.uint8Array({ minLength: 1, maxLength: 1, max: 2 });
    case "bool":
      return fc.boolean();
    case "list":
      return fc.array(cellOf(type.element!), { maxLength: 2 });
    default:
      return fc.tuple(
        ...Object.entries(type.columns!).map(([name, inner]) => cellOf(inner).map((value) => [name, value] as const)),
      ).map((pairs) => Object.fromEntries(pairs));
  }
}
