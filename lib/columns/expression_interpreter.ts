/**
 * Expressions without code generation: each node is computed for the whole batch by a plain loop, operands first. Four to
 * fifteen times slower than compiled kernels, and the second opinion that tests hold them against.
 */
import { hasBit } from "./bitmap.ts";
import { columnData } from "./column_data.ts";
import { setOf } from "./expression_kernel.ts";
import { type CompareOperator, domainOf, type Node } from "./expression_node.ts";
import { bigintOf, bindColumn, isInt64, isSafe, roundTo, rowError, type StringSet } from "./expression_runtime.ts";
import { compareWords, compareWordsToNumber, highWord, lowWord, numberToWords, wordsToNumber } from "./int64.ts";
import type { PairTable } from "./pair_table.ts";
import type { Batch } from "./schema.ts";
import { compareBytes } from "./spans.ts";

/** The values of one node for a whole batch; which arrays are there depends on the node's domain. */
export interface Computed {
  /** 1 for each null row; null when no row is. */
  readonly nulls: Uint8Array | null;
  /** number: the values. */
  readonly numbers?: Float64Array;
  /** int64: the words. */
  readonly words?: Int32Array;
  /** bool: 1 for true. False under nulls. */
  readonly flags?: Uint8Array;
  /** string: buffer, first byte and one past the last byte of each row. */
  readonly strings?: { buffers: readonly Uint8Array[]; of: Int32Array; starts: Int32Array; ends: Int32Array };
}

/**
 * Computes a node for all rows of a batch.
 *
 * @param node The node.
 * @param batch The batch.
 * @param active 1 for each row whose failures count; null when all do.
 */
export function interpret(node: Node, batch: Batch, active: Uint8Array | null = null): Computed {
  const count = batch.numRows;
  switch (node.op) {
    case "column":
      return column(node, batch);
    case "literal":
      return literal(node.value, count);
    case "arithmetic":
      return arithmetic(node, batch, active);
    case "negate":
    case "abs":
    case "round":
      return unary(node, batch, active);
    case "convert":
      return convert(node, batch, active);
    case "compare":
      return compare(node, batch, active);
    case "isIn":
      return isIn(node, batch, active);
    case "and":
    case "or":
      return logic(node, batch, active);
    case "ifNull":
      return ifNull(node, batch, active);
    case "not": {
      const a = interpret(node.a, batch, active);
      return { nulls: a.nulls, flags: flagsWhere(count, (i) => a.flags![i] === 0 && !isNullAt(a, i)) };
    }
    case "isNull": {
      const { nulls } = interpret(node.a, batch, active);
      return { nulls: null, flags: nulls ?? new Uint8Array(count) };
    }
  }
}

type Active = Uint8Array | null;

/** The rows of `active` where `counts` holds too. */
function activeWhere(active: Active, count: number, counts: (row: number) => boolean): Uint8Array {
  return flagsWhere(count, (i) => (active === null || active[i] === 1) && counts(i));
}

function isNullAt(computed: Computed, row: number): boolean {
  return computed.nulls !== null && computed.nulls[row] === 1;
}

function flagsWhere(count: number, isTrue: (row: number) => boolean): Uint8Array {
  const flags = new Uint8Array(count);
  for (let i = 0; i < count; i++) flags[i] = isTrue(i) ? 1 : 0;
  return flags;
}

function eitherNull(a: Computed, b: Computed, count: number): Uint8Array | null {
  if (a.nulls === null) return b.nulls;
  if (b.nulls === null) return a.nulls;
  return flagsWhere(count, (i) => isNullAt(a, i) || isNullAt(b, i));
}

function column(node: Node & { op: "column" }, batch: Batch): Computed {
  const { values, offsets, validity, bitOffset } = bindColumn(node.kind, columnData(batch, node.name));
  const count = batch.numRows;
  const nulls = validity === null ? null : flagsWhere(count, (i) => !hasBit(validity, bitOffset + i));
  switch (node.kind) {
    case "float64":
      return { nulls, numbers: (values as Float64Array).subarray(0, count) };
    case "int32":
      return { nulls, numbers: Float64Array.from((values as Int32Array).subarray(0, count)) };
    case "timestampMs": {
      const numbers = new Float64Array(count);
      for (let i = 0; i < count; i++) numbers[i] = wordsToNumber(values as Int32Array, i);
      return { nulls, numbers };
    }
    case "int64":
      return { nulls, words: (values as Int32Array).subarray(0, 2 * count) };
    case "utf8":
      return {
        nulls,
        strings: {
          buffers: [values as Uint8Array],
          of: new Int32Array(count),
          starts: offsets!.subarray(0, count),
          ends: offsets!.subarray(1, count + 1),
        },
      };
    case "bool":
      return {
        nulls,
        flags: flagsWhere(
          count,
          (i) => hasBit(values as Uint8Array, bitOffset + i) && (nulls === null || nulls[i] === 0),
        ),
      };
    default:
      return { nulls };
  }
}

function literal(value: number | bigint | string | boolean, count: number): Computed {
  switch (typeof value) {
    case "number":
      return { nulls: null, numbers: new Float64Array(count).fill(value) };
    case "bigint": {
      const words = new Int32Array(2 * count);
      for (let i = 0; i < count; i++) {
        words[2 * i] = lowWord(value);
        words[2 * i + 1] = highWord(value);
      }
      return { nulls: null, words };
    }
    case "string": {
      const bytes = new TextEncoder().encode(value);
      const ends = new Int32Array(count).fill(bytes.length);
      return {
        nulls: null,
        strings: { buffers: [bytes], of: new Int32Array(count), starts: new Int32Array(count), ends },
      };
    }
    case "boolean":
      return { nulls: null, flags: new Uint8Array(count).fill(value ? 1 : 0) };
  }
}

/** The values as doubles; fails on a 64-bit integer that a double cannot hold. */
function numbersOf(node: Node, computed: Computed, active: Active): Float64Array {
  if (computed.numbers !== undefined) return computed.numbers;
  const words = computed.words!;
  const numbers = new Float64Array(words.length >> 1);
  for (let i = 0; i < numbers.length; i++) {
    numbers[i] = wordsToNumber(words, i);
    if (!isSafe(numbers[i]!) && !isNullAt(computed, i) && (active === null || active[i] === 1)) {
      throw rowError(node.text, i, { rule: "safe", value: bigintOf(words[2 * i + 1]!, words[2 * i]!) });
    }
  }
  return numbers;
}

function arithmetic(node: Node & { op: "arithmetic" }, batch: Batch, active: Active): Computed {
  const count = batch.numRows;
  const left = interpret(node.a, batch, active);
  const right = interpret(node.b, batch, active);
  const a = numbersOf(node.a, left, active);
  const b = numbersOf(node.b, right, active);
  const nulls = eitherNull(left, right, count);
  const numbers = new Float64Array(count);
  const zero = node.bound < Infinity ? 0 : -0;
  switch (node.operator) {
    case "+":
      for (let i = 0; i < count; i++) numbers[i] = a[i]! + b[i]!;
      break;
    case "-":
      for (let i = 0; i < count; i++) numbers[i] = a[i]! - b[i]!;
      break;
    case "*":
      for (let i = 0; i < count; i++) numbers[i] = a[i]! * b[i]! + zero;
      break;
    case "/":
      for (let i = 0; i < count; i++) numbers[i] = a[i]! / b[i]!;
      break;
    case "%":
      for (let i = 0; i < count; i++) numbers[i] = a[i]! % b[i]! + zero;
      break;
  }
  if (node.isExact) {
    for (let i = 0; i < count; i++) {
      const value = numbers[i]!;
      const counts = (nulls === null || nulls[i] === 0) && (active === null || active[i] === 1);
      if (Math.abs(value) > Number.MAX_SAFE_INTEGER && counts) throw rowError(node.text, i, { rule: "safe", value });
    }
  }
  return { nulls, numbers };
}

function unary(node: Node & { op: "negate" | "abs" | "round" }, batch: Batch, active: Active): Computed {
  const of = interpret(node.a, batch, active);
  const a = numbersOf(node.a, of, active);
  const scale = 10 ** node.digits;
  const isInteger = node.bound < Infinity;
  const numbers = a.map((value) => {
    if (node.op === "abs") return Math.abs(value);
    if (node.op === "round") return roundTo(value, scale);
    return isInteger ? 0 - value : -value;
  });
  return { nulls: of.nulls, numbers };
}

function convert(node: Node & { op: "convert" }, batch: Batch, active: Active): Computed {
  const count = batch.numRows;
  const of = interpret(node.a, batch, active);
  const { nulls } = of;
  if (of.words !== undefined && node.kind !== "int32") return { nulls, numbers: numbersOf(node.a, of, active) };
  const words = new Int32Array(node.kind === "int64" ? 2 * count : 0);
  const numbers = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const value = of.numbers === undefined ? wordsToNumber(of.words!, i) : of.numbers[i]!;
    const fits = node.kind === "int32"
      ? value === (value | 0)
      : node.kind === "int64"
      ? isInt64(value)
      : node.kind === "timestampMs"
      ? Number.isSafeInteger(value)
      : true;
    if (!fits && !isNullAt(of, i) && (active === null || active[i] === 1)) {
      const found = of.words === undefined ? value : bigintOf(of.words[2 * i + 1]!, of.words[2 * i]!);
      throw rowError(node.text, i, { rule: node.kind as "int32" | "int64" | "timestampMs", value: found });
    }
    numbers[i] = node.kind === "int32" ? value | 0 : node.kind === "timestampMs" ? value + 0 : value;
    if (node.kind === "int64") numberToWords(value, words, i);
  }
  return node.kind === "int64" ? { nulls, words } : { nulls, numbers };
}

function holds(operator: CompareOperator, order: number): boolean {
  switch (operator) {
    case "==":
      return order === 0;
    case "!=":
      return order !== 0;
    case "<":
      return order < 0;
    case "<=":
      return order <= 0;
    case ">":
      return order > 0;
    case ">=":
      return order >= 0;
  }
}

/** Order of two doubles: NaN when either is NaN. */
function compareNumbers(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : a === b ? 0 : NaN;
}

function compare(node: Node & { op: "compare" }, batch: Batch, active: Active): Computed {
  const count = batch.numRows;
  const a = interpret(node.a, batch, active);
  const b = interpret(node.b, batch, active);
  const nulls = eitherNull(a, b, count);
  const orderAt = (i: number): number => {
    if (a.flags !== undefined) return a.flags[i]! - b.flags![i]!;
    if (a.strings !== undefined) {
      const [x, y] = [a.strings, b.strings!];
      return compareBytes(
        x.buffers[x.of[i]!]!,
        x.starts[i]!,
        x.ends[i]!,
        y.buffers[y.of[i]!]!,
        y.starts[i]!,
        y.ends[i]!,
      );
    }
    const [x, y] = [a.words, b.words];
    if (x !== undefined && y !== undefined) return compareWords(x[2 * i + 1]!, x[2 * i]!, y[2 * i + 1]!, y[2 * i]!);
    if (x !== undefined) return compareWordsToNumber(x[2 * i + 1]!, x[2 * i]!, b.numbers![i]!);
    if (y !== undefined) return -compareWordsToNumber(y[2 * i + 1]!, y[2 * i]!, a.numbers![i]!);
    return compareNumbers(a.numbers![i]!, b.numbers![i]!);
  };
  const flags = flagsWhere(count, (i) => (nulls === null || nulls[i] === 0) && holds(node.operator, orderAt(i)));
  return { nulls, flags };
}

function isIn(node: Node & { op: "isIn" }, batch: Batch, active: Active): Computed {
  const a = interpret(node.a, batch, active);
  const set = setOf(node);
  const hasAt = (i: number): boolean => {
    switch (domainOf(node.a.kind)) {
      case "string": {
        const { buffers, of, starts, ends } = a.strings!;
        return (set as StringSet).has(buffers[of[i]!]!, starts[i]!, ends[i]!);
      }
      case "int64":
        return (set as PairTable).find(a.words![2 * i]!, a.words![2 * i + 1]!) >= 0;
      default:
        return (set as Set<number>).has(a.numbers![i]!);
    }
  };
  return { nulls: a.nulls, flags: flagsWhere(batch.numRows, (i) => !isNullAt(a, i) && hasAt(i)) };
}

function logic(node: Node & { op: "and" | "or" | "ifNull" }, batch: Batch, active: Active): Computed {
  const count = batch.numRows;
  const decides = node.op === "or" ? 1 : 0;
  const a = interpret(node.a, batch, active);
  const isOpen = (i: number) => isNullAt(a, i) || a.flags![i] !== decides;
  const b = interpret(node.b, batch, activeWhere(active, count, isOpen));
  const flags = new Uint8Array(count);
  const nulls = eitherNull(a, b, count) === null ? null : new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const isDecided = (!isNullAt(a, i) && a.flags![i] === decides) || (!isNullAt(b, i) && b.flags![i] === decides);
    if (isDecided) flags[i] = decides;
    else if (isNullAt(a, i) || isNullAt(b, i)) nulls![i] = 1;
    else flags[i] = 1 - decides;
  }
  return { nulls, flags };
}

function ifNull(node: Node & { op: "and" | "or" | "ifNull" }, batch: Batch, active: Active): Computed {
  const count = batch.numRows;
  const a = interpret(node.a, batch, active);
  if (a.nulls === null) return a;
  const b = interpret(node.b, batch, activeWhere(active, count, (i) => isNullAt(a, i)));
  const nulls = b.nulls === null ? null : flagsWhere(count, (i) => isNullAt(a, i) && isNullAt(b, i));
  if (a.numbers !== undefined) {
    return { nulls, numbers: a.numbers.slice(0, count).map((value, i) => isNullAt(a, i) ? b.numbers![i]! : value) };
  }
  if (a.words !== undefined) {
    return { nulls, words: a.words.slice(0, 2 * count).map((word, i) => isNullAt(a, i >> 1) ? b.words![i]! : word) };
  }
  if (a.flags !== undefined) {
    return { nulls, flags: flagsWhere(count, (i) => (isNullAt(a, i) ? b : a).flags![i] === 1) };
  }
  const [x, y] = [a.strings!, b.strings!];
  const pick = (from: Int32Array, or: Int32Array, shift = 0) =>
    from.map((value, i) => isNullAt(a, i) ? or[i]! + shift : value);
  return {
    nulls,
    strings: {
      buffers: [...x.buffers, ...y.buffers],
      of: pick(x.of, y.of, x.buffers.length),
      starts: pick(x.starts, y.starts),
      ends: pick(x.ends, y.ends),
    },
  };
}
