/**
 * Random expressions, each with a naive evaluation of one row over JavaScript values (BigInt, strings): what compiled
 * and interpreted expressions are held against.
 */
import fc from "fast-check";
import type { Row } from "./column_arbitraries_test.ts";
import { lit } from "./expression.ts";

// deno-lint-ignore no-explicit-any
type Any = any;

/** An expression and its meaning. */
export interface Case {
  /** Makes the expression from the columns. */
  make: (c: Any) => Any;
  /** The value in a row; throws a RangeError where the expression must. */
  of: (row: Row) => unknown;
  /** Whether its numbers are integers by type. */
  isInteger?: boolean;
}

const SAFE = BigInt(Number.MAX_SAFE_INTEGER);

const column = (name: string, isInteger = false): Case => ({
  make: (c) => c[name],
  of: (row) => row[name] ?? null,
  isInteger,
});
const literal = (value: number | bigint | string | boolean): Case => ({
  make: () => lit(value as Any),
  of: () => value,
  isInteger: typeof value === "bigint" || (typeof value === "number" && Number.isInteger(value)),
});

/** A value that arithmetic can use, or null. */
function toNumber(value: unknown): number | null {
  if (typeof value !== "bigint") return value as number | null;
  if (value > SAFE || value < -SAFE) throw new RangeError(`not safe: ${value}`);
  return Number(value);
}

function checked(value: number, isInteger: boolean): number {
  if (isInteger && (value > Number(SAFE) || value < -Number(SAFE))) throw new RangeError(`not safe: ${value}`);
  return value;
}

function compute(method: string, a: number, b: number): number {
  switch (method) {
    case "plus":
      return a + b;
    case "minus":
      return a - b;
    case "times":
      return a * b;
    case "dividedBy":
      return a / b;
    default:
      return a % b;
  }
}

function arithmetic(method: string, a: Case, b: Case): Case {
  const isInteger = a.isInteger! && b.isInteger! && method !== "dividedBy";
  return {
    make: (c) => a.make(c)[method](b.make(c)),
    isInteger,
    of(row) {
      const [x, y] = [toNumber(a.of(row)), toNumber(b.of(row))];
      if (x === null || y === null) return null;
      const value = checked(compute(method, x, y), isInteger);
      return isInteger && (method === "times" || method === "modulo") ? value + 0 : value;
    },
  };
}

function unary(method: string, a: Case): Case {
  return {
    make: (c) => a.make(c)[method](),
    isInteger: a.isInteger!,
    of(row) {
      const x = toNumber(a.of(row));
      if (x === null) return null;
      if (method === "abs") return Math.abs(x);
      if (method === "negate") return a.isInteger ? 0 - x : -x;
      if (Math.abs(x) >= 2 ** 52 || Number.isNaN(x)) return x;
      return x < 0 ? -Math.round(-x) : Math.round(x);
    },
  };
}

function convert(method: string, a: Case): Case {
  return {
    make: (c) => a.make(c)[method](),
    isInteger: method === "toFloat64" ? a.isInteger! : true,
    of(row) {
      const value = a.of(row);
      if (value === null) return null;
      if (method === "toFloat64") return toNumber(value);
      if (typeof value !== "bigint" && !Number.isInteger(value)) throw new RangeError("a fraction");
      const whole = BigInt(value as number | bigint);
      const bits = method === "toInt32" ? 32 : 64;
      if (BigInt.asIntN(bits, whole) !== whole) throw new RangeError("out of range");
      if (method === "toInt64") return whole;
      return method === "toTimestampMs" ? toNumber(whole) : Number(whole);
    },
  };
}

/** Numbers and texts by value; JavaScript compares bigint and number exactly, and texts by UTF-16, hence the arrays. */
export function order(a: unknown, b: unknown): number {
  if (typeof a === "string") {
    const [x, y] = [[...a as string], [...b as string]].map((points) => points.map((point) => point.codePointAt(0)!));
    for (let i = 0; i < Math.min(x!.length, y!.length); i++) if (x![i] !== y![i]) return x![i]! - y![i]!;
    return x!.length - y!.length;
  }
  const [x, y] = [a as number, b as number];
  return x < y ? -1 : x > y ? 1 : x == y ? 0 : NaN;
}

const COMPARISONS: Record<string, (sign: number) => boolean> = {
  equals: (sign) => sign === 0,
  notEquals: (sign) => sign !== 0,
  lessThan: (sign) => sign < 0,
  lessThanOrEqual: (sign) => sign <= 0,
  greaterThan: (sign) => sign > 0,
  greaterThanOrEqual: (sign) => sign >= 0,
};

function compare(method: string, a: Case, b: Case): Case {
  return {
    make: (c) => a.make(c)[method](b.make(c)),
    of(row) {
      const [x, y] = [a.of(row), b.of(row)];
      return x === null || y === null ? null : COMPARISONS[method]!(order(x, y));
    },
  };
}

function isIn(a: Case, values: (number | bigint | string)[]): Case {
  return {
    make: (c) => a.make(c).isIn(values),
    of(row) {
      const x = a.of(row);
      return x === null ? null : values.some((value) => order(x, value) === 0);
    },
  };
}

function between(a: Case, low: Case, high: Case): Case {
  const both = logic("and", compare("greaterThanOrEqual", a, low), compare("lessThanOrEqual", a, high));
  return { make: (c) => a.make(c).between(low.make(c), high.make(c)), of: both.of };
}

function logic(method: "and" | "or", a: Case, b: Case): Case {
  const decides = method === "or";
  return {
    make: (c) => a.make(c)[method](b.make(c)),
    of(row) {
      const x = a.of(row);
      if (x === decides) return decides;
      const y = b.of(row);
      return y === decides ? decides : x === null || y === null ? null : !decides;
    },
  };
}

const not = (a: Case): Case => ({
  make: (c) => a.make(c).not(),
  of(row) {
    const x = a.of(row);
    return x === null ? null : !x;
  },
});

const nullTest = (method: "isNull" | "isNotNull", a: Case): Case => ({
  make: (c) => a.make(c)[method](),
  of: (row) => (a.of(row) === null) === (method === "isNull"),
});

const ifNull = (a: Case, b: Case): Case => ({
  make: (c) => a.make(c).ifNull(b.make(c)),
  isInteger: Boolean(a.isInteger && b.isInteger),
  of: (row) => a.of(row) ?? b.of(row),
});

/** The columns that the expressions read, by sort; each with and without nulls. */
export interface Sources {
  float64: string[];
  int32: string[];
  int64: string[];
  timestampMs: string[];
  utf8: string[];
  bool: string[];
}

const columnsOfSort = (names: string[], isInteger = false) =>
  fc.constantFrom(...names).map((name) => column(name, isInteger));
const ARITHMETIC = ["plus", "minus", "times", "dividedBy", "modulo"];

/** Expressions that give numbers (of any type). */
export function numbers(from: Sources, depth: number): fc.Arbitrary<Case> {
  const leaves = fc.oneof(
    columnsOfSort(from.float64),
    columnsOfSort(from.int32, true),
    columnsOfSort(from.int64, true),
    columnsOfSort(from.timestampMs, true),
    fc.constantFrom<number | bigint>(0, -0, 1, -2, 1.5, NaN, Infinity, 2 ** 53, 3n, -(2n ** 63n), 2n ** 53n + 1n).map(
      literal,
    ),
  );
  if (depth === 0) return leaves;
  const inner = numbers(from, depth - 1);
  return fc.oneof(
    leaves,
    fc.tuple(fc.constantFrom(...ARITHMETIC), inner, inner).map(([method, a, b]) => arithmetic(method, a, b)),
    fc.tuple(fc.constantFrom("negate", "abs", "round"), inner).map(([method, a]) => unary(method, a)),
    fc.tuple(fc.constantFrom("toFloat64", "toInt32", "toInt64", "toTimestampMs"), inner).map(([method, a]) =>
      convert(method, a)
    ),
    ...[from.float64, from.int32, from.int64, from.timestampMs].map((names, i) =>
      fc.tuple(columnsOfSort(names, i > 0), columnsOfSort(names, i > 0)).map(([a, b]) => ifNull(a, b))
    ),
  );
}

/** Expressions that give texts. */
export function texts(from: Sources): fc.Arbitrary<Case> {
  const leaves = fc.oneof(columnsOfSort(from.utf8), fc.constantFrom("", "a", "é", "\u{10000}").map(literal));
  return fc.oneof(leaves, fc.tuple(leaves, leaves).map(([a, b]) => ifNull(a, b)));
}

/** Expressions that give booleans. */
export function booleans(from: Sources, depth: number): fc.Arbitrary<Case> {
  const number = numbers(from, Math.min(depth, 1));
  const text = texts(from);
  const method = fc.constantFrom(...Object.keys(COMPARISONS));
  const leaves = fc.oneof(
    columnsOfSort(from.bool),
    fc.tuple(method, number, number).map(([m, a, b]) => compare(m, a, b)),
    fc.tuple(method, text, text).map(([m, a, b]) => compare(m, a, b)),
    fc.tuple(number, number, number).map(([a, b, c]) => between(a, b, c)),
    fc.tuple(number, fc.subarray<number | bigint>([0, 1, -1, 1.5, NaN, 1n, 2n ** 53n + 1n, -(2n ** 63n), 2 ** 63]))
      .map(([a, values]) => isIn(a, values)),
    fc.tuple(text, fc.subarray(["", "a", "ab", "\uffff", "b", "é"])).map(([a, values]) => isIn(a, values)),
    fc.tuple(fc.constantFrom("isNull", "isNotNull"), fc.oneof(number, text))
      .map(([m, a]) => nullTest(m as "isNull", a)),
    fc.boolean().map(literal),
  );
  if (depth === 0) return leaves;
  const inner = booleans(from, depth - 1);
  return fc.oneof(
    leaves,
    fc.tuple(fc.constantFrom("and" as const, "or" as const), inner, inner).map(([m, a, b]) => logic(m, a, b)),
    inner.map(not),
    fc.tuple(fc.constantFrom("equals", "notEquals"), inner, inner).map(([m, a, b]) => compare(m, a, b)),
    fc.tuple(inner, inner).map(([a, b]) => ifNull(a, b)),
  );
}
