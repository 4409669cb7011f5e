/**
 * Running a compiled kernel: binds a batch's buffers and the constants to the generated function. Where the host forbids
 * code generation (a Content-Security-Policy, a hardened runtime), expressions are interpreted instead.
 */
import { columnData } from "./column_data.ts";
import { kernelSource } from "./expression_codegen.ts";
import { domainOf, type IsInNode, type Kind, type Node, operandsOf } from "./expression_node.ts";
import {
  bigintOf,
  bindColumn,
  type BoundColumn,
  isInt64,
  roundTo,
  rowError,
  type RowRule,
  StringSet,
} from "./expression_runtime.ts";
import type { KernelConstant, KernelOutput, KernelSource } from "./expression_source.ts";
import { compareWordsToNumber, highWord, lowWord } from "./int64.ts";
import { PairTable } from "./pair_table.ts";
import type { Batch } from "./schema.ts";
import { compareBytes, equalBytes } from "./spans.ts";

/** Arrays that a kernel writes; which of them depends on the output. */
export interface KernelTarget {
  /** select: numbers of the rows. */
  readonly rows?: Int32Array;
  /** number: doubles. int32: integers. int64: words. bool: bits, clear at first. */
  readonly values?: Float64Array | Int32Array | Uint8Array;
  /** Bits of the rows that are not null, clear at first. */
  readonly validity?: Uint8Array;
  /** string: number of the buffer, first byte, one past the last byte. */
  readonly buffers?: Int32Array;
  readonly starts?: Int32Array;
  readonly ends?: Int32Array;
}

/** What a run gave. */
export interface KernelResult {
  /** select: number of rows. Else: number of nulls. */
  readonly count: number;
  /** string: the buffers that `buffers` counts. */
  readonly buffers: readonly Uint8Array[];
}

type Kernel = (
  columns: readonly BoundColumn[],
  constants: readonly unknown[],
  buffers: readonly Uint8Array[],
  count: number,
  target: KernelTarget,
  library: object,
) => number;

const FUNCTIONS_MAX = 1024;
const functions = new Map<string, Kernel>();
let isAllowed: boolean | undefined;

/** Whether the host lets us compile code from text. */
export function canGenerateCode(): boolean {
  if (isAllowed === undefined) {
    try {
      isAllowed = new Function("return true")() as boolean;
    } catch {
      isAllowed = false;
    }
  }
  return isAllowed;
}

function functionOf(source: string): Kernel {
  let kernel = functions.get(source);
  if (kernel === undefined) {
    kernel = new Function("I", "K", "Y", "n", "O", "X", source) as Kernel;
    if (functions.size >= FUNCTIONS_MAX) functions.clear();
    functions.set(source, kernel);
  }
  return kernel;
}

interface Variant {
  readonly source: KernelSource;
  readonly kernel: Kernel;
  readonly constants: readonly unknown[];
  readonly texts: readonly (Uint8Array | null)[];
  readonly library: object;
}

/** The columns that an expression reads, each once. */
export function columnsIn(node: Node, found: Map<string, Kind> = new Map()): Map<string, Kind> {
  if (node.op === "column") found.set(node.name, node.kind);
  for (const operand of operandsOf(node)) columnsIn(operand, found);
  return found;
}

/** One expression with one output, compiled once for each set of columns that hold nulls. */
export class CompiledKernel {
  readonly #node: Node;
  readonly #output: KernelOutput;
  readonly #columns: readonly (readonly [name: string, kind: Kind])[];
  readonly #variants = new Map<number | string, Variant>();

  /** @param node The expression. @param output What to write. */
  constructor(node: Node, output: KernelOutput) {
    this.#node = node;
    this.#output = output;
    this.#columns = [...columnsIn(node)];
  }

  /** Runs over all rows of a batch. */
  run(batch: Batch, target: KernelTarget): KernelResult {
    const data = this.#columns.map(([name]) => columnData(batch, name));
    let pattern = "";
    for (const column of data) pattern += column.nullCount > 0 ? "n" : ".";
    let variant = this.#variants.get(pattern);
    if (variant === undefined) {
      variant = this.#compile(pattern);
      this.#variants.set(pattern, variant);
    }
    const { source, constants, texts, library, kernel } = variant;
    const byName = new Map(this.#columns.map(([name, kind], i) => [name, bindColumn(kind, data[i]!)]));
    const columns = source.columns.map((name) => byName.get(name)!);
    const buffers = source.buffers.map((of, i) => texts[i] ?? columns[of as number]!.values as Uint8Array);
    return { count: kernel(columns, constants, buffers, batch.numRows, target, library), buffers };
  }

  #compile(pattern: string): Variant {
    const withNulls = new Set(this.#columns.filter((_, i) => pattern[i] === "n").map(([name]) => name));
    const source = kernelSource(this.#node, this.#output, { hasNulls: (name) => withNulls.has(name) });
    const encoder = new TextEncoder();
    const fail = (text: number, row: number, rule: RowRule, value: number | bigint): never => {
      throw rowError(source.texts[text]!, row, { rule, value });
    };
    return {
      source,
      kernel: functionOf(source.source),
      constants: source.constants.map(constantOf),
      texts: source.buffers.map((of) => typeof of === "string" ? encoder.encode(of) : null),
      library: { fail, bigintOf, compareWordsToNumber, compareBytes, equalBytes, isInt64, roundTo },
    };
  }
}

function constantOf(constant: KernelConstant): unknown {
  if (constant.kind === "set") return setOf(constant.node);
  const { value } = constant;
  return typeof value === "bigint" ? { high: highWord(value), low: lowWord(value) } : value;
}

/** The set of a membership test, fit for the domain of its operand. Constants that no value can equal are left out. */
export function setOf(node: IsInNode): StringSet | PairTable | Set<number> {
  const { values } = node;
  switch (domainOf(node.a.kind)) {
    case "string":
      return new StringSet(values as string[]);
    case "int64": {
      const table = new PairTable(values.length);
      for (const value of values) {
        const exact = typeof value === "bigint" ? value : isInt64(value as number) ? BigInt(value) : undefined;
        if (exact !== undefined) table.intern(lowWord(exact), highWord(exact));
      }
      return table;
    }
    default: {
      const numbers = values.map((value) =>
        typeof value === "bigint" && BigInt(Number(value)) !== value ? NaN : Number(value)
      );
      return new Set(numbers.filter((value) => !Number.isNaN(value)));
    }
  }
}
