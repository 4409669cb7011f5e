import { rawData } from "./arrow_data.ts";
import { batchFromData, childrenByName } from "./batch.ts";
import { bitmapBytes, packBits } from "./bitmap.ts";
import { type ArrowData, columnData, typeOfColumn } from "./column_data.ts";
import { nodeOf } from "./expression.ts";
import { type Computed, interpret } from "./expression_interpreter.ts";
import { canGenerateCode, columnsIn, CompiledKernel } from "./expression_kernel.ts";
import type { Kind, Node } from "./expression_node.ts";
import type { KernelOutput } from "./expression_source.ts";
import type { Expression, Expressions, ExpressionsOf } from "./expression_types.ts";
import { int64FromNumbers, wordsOf } from "./int64.ts";
import {
  type Batch,
  binary,
  bool,
  type Columns,
  type ColumnType,
  float64,
  int32,
  int64,
  timestampMs,
  utf8,
} from "./schema.ts";
import { copyBytes } from "./spans.ts";

/** Options of {@linkcode compileCondition} and {@linkcode compileExpressions}. */
export interface CompileOptions {
  /** Names the caller in error messages. @default {"expression"} */
  where?: string;
  /** Whether not to generate code even where the host allows it. @default {false} */
  isInterpreted?: boolean;
}

/** A condition over the columns of one schema. */
export interface CompiledCondition {
  /**
   * Finds the rows where the condition is true (not false, not null).
   *
   * @param batch A batch with the columns that it was compiled for.
   * @param rows Gets the row numbers in ascending order; as long as the batch.
   * @returns How many there are.
   * @throws {RangeError} when a row breaks a rule of integer arithmetic.
   */
  select(batch: Batch, rows: Int32Array): number;
}

/** Expressions over the columns of one schema. */
export interface CompiledExpressions<E extends Expressions = Expressions> {
  /** The columns they give. */
  readonly columns: ExpressionsOf<E> & Columns;
  /**
   * Computes all of them.
   *
   * @param batch A batch with the columns that they were compiled for.
   * @returns Arrow data in the order of `columns`, each with as many rows as the batch.
   * @throws {RangeError} when a row breaks a rule of integer arithmetic or of a conversion.
   */
  evaluate(batch: Batch): ArrowData[];
  /** {@linkcode evaluate} as a batch. */
  evaluateBatch(batch: Batch): Batch<ExpressionsOf<E> & Columns>;
}

/**
 * Compiles a condition.
 *
 * @param columns The columns of the batches to come.
 * @param condition A boolean expression over them.
 * @param options How to compile.
 * @returns The compiled condition.
 * @throws {TypeError} when it is not a boolean expression over these columns.
 */
export function compileCondition(
  columns: Columns,
  condition: Expression,
  options: CompileOptions = {},
): CompiledCondition {
  const { where = "expression", isInterpreted = false } = options;
  const node = nodeOf(condition, where);
  checkColumns(node, columns);
  if (node.kind !== "bool") {
    throw new TypeError(
      `Cannot use ${node.text} as condition of ${where} as it must be bool: current value is ${node.kind}`,
    );
  }
  if (!isInterpreted && canGenerateCode()) {
    const kernel = new CompiledKernel(node, "select");
    return { select: (batch, rows) => kernel.run(batch, { rows }).count };
  }
  return {
    select(batch, rows) {
      const flags = interpret(node, batch).flags!;
      let count = 0;
      for (let i = 0; i < batch.numRows; i++) if (flags[i] === 1) rows[count++] = i;
      return count;
    },
  };
}

/**
 * Compiles expressions, each into one column. A plain column is passed on without a copy.
 *
 * @param columns The columns of the batches to come.
 * @param expressions Expressions over them, by the name of the column to give.
 * @param options How to compile.
 * @returns The compiled expressions.
 * @throws {TypeError} when one is not an expression over these columns.
 */
export function compileExpressions<E extends Expressions>(
  columns: Columns,
  expressions: E,
  options: CompileOptions = {},
): CompiledExpressions<E> {
  const { where = "expression", isInterpreted = false } = options;
  const types: Record<string, ColumnType> = {};
  const evaluators: ((batch: Batch) => ArrowData)[] = [];
  for (const [name, expression] of Object.entries(expressions)) {
    const node = nodeOf(expression, where);
    checkColumns(node, columns);
    const type = node.op === "column" ? columns[node.name]! : typeOfNode(node);
    Object.defineProperty(types, name, { value: type, enumerable: true });
    evaluators.push(evaluator(node, type, isInterpreted || !canGenerateCode()));
  }
  const given = Object.freeze(types) as ExpressionsOf<E> & Columns;
  const evaluate = (batch: Batch) => evaluators.map((evaluateOne) => evaluateOne(batch));
  return { columns: given, evaluate, evaluateBatch: (batch) => batchFromData(given, evaluate(batch), batch.numRows) };
}

function checkColumns(node: Node, columns: Columns): void {
  for (const [name, kind] of columnsIn(node)) {
    const type = typeOfColumn(columns, name);
    if (type.kind !== kind) {
      throw new TypeError(`Cannot use ${node.text} as column '${name}' must be ${kind}: current value is ${type.kind}`);
    }
  }
}

const MAKERS: Partial<Record<Kind, (options: { nullable: true }) => ColumnType>> = {
  utf8,
  binary,
  float64,
  int64,
  int32,
  timestampMs,
  bool,
};

function typeOfNode(node: Node): ColumnType {
  return MAKERS[node.kind]!({ nullable: node.nullable as true });
}

function evaluator(node: Node, type: ColumnType, isInterpreted: boolean): (batch: Batch) => ArrowData {
  if (node.op === "column") return (batch) => columnData(batch, node.name);
  if (isInterpreted) return (batch) => dataOfComputed(type, interpret(node, batch), batch.numRows);
  const output = outputOf(type.kind as Kind);
  const kernel = new CompiledKernel(node, output);
  return (batch) => {
    const count = batch.numRows;
    const validity = new Uint8Array(bitmapBytes(count));
    if (output === "string") {
      const target = {
        validity,
        buffers: new Int32Array(count),
        starts: new Int32Array(count),
        ends: new Int32Array(count),
      };
      const result = kernel.run(batch, target);
      return stringData(type, { ...target, sources: result.buffers, nullCount: result.count });
    }
    const values = valuesFor(output, count);
    const { count: nullCount } = kernel.run(batch, { values, validity });
    return fixedData(type, { values, validity, nullCount, length: count });
  };
}

function outputOf(kind: Kind): KernelOutput {
  switch (kind) {
    case "float64":
    case "timestampMs":
      return "number";
    case "utf8":
      return "string";
    default:
      return kind as KernelOutput;
  }
}

function valuesFor(output: KernelOutput, count: number): Float64Array | Int32Array | Uint8Array {
  switch (output) {
    case "int32":
      return new Int32Array(count);
    case "int64":
      return wordsOf(new BigInt64Array(count));
    case "bool":
      return new Uint8Array(bitmapBytes(count));
    default:
      return new Float64Array(count);
  }
}

interface FixedValues {
  values: Float64Array | Int32Array | Uint8Array;
  validity: Uint8Array;
  nullCount: number;
  length: number;
}

function fixedData(type: ColumnType, { values, validity, nullCount, length }: FixedValues): ArrowData {
  let data: ArrayBufferView = values;
  if (type.kind === "timestampMs") data = int64FromNumbers(values as Float64Array);
  else if (type.kind === "int64") data = new BigInt64Array(values.buffer, values.byteOffset, length);
  return rawData(
    type,
    nullCount === 0 ? { length, nullCount, data } : { length, nullCount, nullBitmap: validity, data },
  );
}

interface StringValues {
  sources: readonly Uint8Array[];
  buffers: Int32Array;
  starts: Int32Array;
  ends: Int32Array;
  validity: Uint8Array;
  nullCount: number;
}

function stringData(
  type: ColumnType,
  { sources, buffers, starts, ends, validity, nullCount }: StringValues,
): ArrowData {
  const length = starts.length;
  let total = 0;
  for (let i = 0; i < length; i++) if (starts[i]! >= 0) total += ends[i]! - starts[i]!;
  const valueOffsets = new Int32Array(length + 1);
  const data = new Uint8Array(total);
  let at = 0;
  for (let i = 0; i < length; i++) {
    if (starts[i]! >= 0) at = copyBytes(sources[buffers[i]!]!, starts[i]!, ends[i]!, data, at);
    valueOffsets[i + 1] = at;
  }
  const common = { length, nullCount, valueOffsets, data };
  return rawData(type, nullCount === 0 ? common : { ...common, nullBitmap: validity });
}

function dataOfComputed(type: ColumnType, computed: Computed, length: number): ArrowData {
  const { nulls } = computed;
  let nullCount = 0;
  const valid = new Uint8Array(length);
  for (let i = 0; i < length; i++) {
    const isNull = nulls !== null && nulls[i] === 1;
    if (isNull) nullCount++;
    else valid[i] = 1;
  }
  const validity = packBits(valid, length);
  if (computed.strings !== undefined) {
    const { buffers: sources, of: buffers, ends } = computed.strings;
    const starts = computed.strings.starts.map((start, i) => valid[i] === 1 ? start : -1);
    return stringData(type, { sources, buffers, starts, ends, validity, nullCount });
  }
  const values = computed.flags !== undefined
    ? packBits(computed.flags, length)
    : computed.words !== undefined
    ? computed.words
    : type.kind === "int32"
    ? Int32Array.from(computed.numbers!.subarray(0, length))
    : computed.numbers!.slice(0, length);
  return fixedData(type, { values, validity, nullCount, length });
}

/** Data of a batch's own columns with some replaced in place and new ones appended. */
export function mergeColumns(
  batch: Batch,
  columns: Columns,
  more: { columns: Columns; data: readonly ArrowData[] },
): { children: ArrowData[]; columns: Columns } {
  const byName = new Map<string, ArrowData>();
  for (const [i, data] of childrenByName(batch, columns).entries()) byName.set(Object.keys(columns)[i]!, data);
  for (const [i, name] of Object.keys(more.columns).entries()) byName.set(name, more.data[i]!);
  const merged = mergeSchemas(columns, more.columns);
  return { children: Object.keys(merged).map((name) => byName.get(name)!), columns: merged };
}

/** Columns with some replaced in place and new ones appended. */
export function mergeSchemas(columns: Columns, more: Columns): Columns {
  return Object.freeze({ ...columns, ...more });
}
