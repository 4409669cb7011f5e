/**
 * Source text of a kernel for one expression: one plain loop over typed arrays. The source names columns, constants and
 * texts by number only, so nothing that a user wrote ever becomes code, and expressions that differ only in names and
 * constants share one compiled function.
 *
 * Booleans are kept so that a null is never true: a filter looks at the value alone.
 *
 * All of an expression is computed in every row, as branches would cost more than they save; but a row fails only by
 * what decides its value. What stands behind `and`, `or` and `ifNull` therefore fails under a guard.
 */
import { canFail, domainOf, type IsInNode, type Node } from "./expression_node.ts";
import type { KernelConstant, KernelOutput, KernelSource } from "./expression_source.ts";

/** Names of the variables that hold a node's value in a row. */
interface Value {
  /** Expression that is true when the value is null; null when it never is. */
  readonly isNull: string | null;
  /** number, bool: the value. */
  readonly v: string;
  /** int64: the words. */
  readonly high: string;
  readonly low: string;
  /** string: number of its buffer in `Y`, first byte, one past the last byte. */
  readonly buffer: string;
  readonly start: string;
  readonly end: string;
}

const NONE = { v: "", high: "", low: "", buffer: "", start: "", end: "" };
const TWO_32 = "4294967296";
const SAFE = "9007199254740991";

/**
 * Generates a kernel.
 *
 * @param node The expression.
 * @param output What to write.
 * @param options Which columns hold nulls in this batch.
 * @returns The source and its arguments.
 */
export function kernelSource(
  node: Node,
  output: KernelOutput,
  options: { hasNulls: (column: string) => boolean },
): KernelSource {
  const writer = new KernelWriter(options.hasNulls);
  const value = writer.emit(node);
  const store = storeCode(output, value);
  const body = [...writer.body, store].join("\n");
  const hoisted = "const R=O.rows,V=O.values,N=O.validity,Q=O.buffers,S=O.starts,E=O.ends;";
  const source = `"use strict";\n${hoisted}\n${
    writer.head.join("\n")
  }\nlet m=0;\nfor(let i=0;i<n;i++){\n${body}\n}\nreturn m;`;
  const { columns, constants, buffers, texts } = writer;
  return { source, columns, constants, buffers, texts };
}

/** Writes one row; `m` counts selected rows for "select", else nulls. */
function storeCode(output: KernelOutput, value: Value): string {
  if (output === "select") return `R[m]=i;m+=${value.v}?1:0;`;
  const valid = value.isNull === null ? "" : `if(${value.isNull})m++;else N[i>>3]|=1<<(i&7);\n`;
  switch (output) {
    case "number":
    case "int32":
      return `${valid}V[i]=${value.v};`;
    case "int64":
      return `${valid}V[2*i]=${value.low};V[2*i+1]=${value.high};`;
    case "bool":
      return `${valid}if(${value.v})V[i>>3]|=1<<(i&7);`;
    case "string": {
      const put = `Q[i]=${value.buffer};S[i]=${value.start};E[i]=${value.end};`;
      return value.isNull === null ? put : `if(${value.isNull}){m++;S[i]=-1;}else{N[i>>3]|=1<<(i&7);${put}}`;
    }
  }
}

/** The buffer of a text: a variable when it is the same in every row. */
function bufferOf(value: Value): string {
  return /^\d+$/.test(value.buffer) ? `y${value.buffer}` : `Y[${value.buffer}]`;
}

/** Expression that is true where a boolean is true or null. */
function notFalse(value: Value): string {
  return value.isNull === null ? value.v : `(${value.isNull}||${value.v})`;
}

interface Scope {
  /** Expression that is true where a failure counts; null when it always does. */
  readonly guard: string | null;
  readonly known: Map<Node, Value>;
  readonly numbers: Map<Node, string>;
}

class KernelWriter {
  readonly head: string[] = [];
  readonly body: string[] = [];
  readonly columns: string[] = [];
  readonly constants: KernelConstant[] = [];
  readonly buffers: (number | string)[] = [];
  readonly texts: string[] = [];
  readonly #hasNulls: (column: string) => boolean;
  /** Guards that apply, innermost last; the first is none. What can fail is known only under its guard. */
  readonly #scopes: Scope[] = [{ guard: null, known: new Map(), numbers: new Map() }];
  #ids = 0;

  constructor(hasNulls: (column: string) => boolean) {
    this.#hasNulls = hasNulls;
  }

  emit(node: Node): Value {
    for (const scope of this.#scopes) {
      const value = scope.known.get(node);
      if (value !== undefined) return value;
    }
    const value = this.#emitNew(node);
    (canFail(node) ? this.#scopes.at(-1)! : this.#scopes[0]!).known.set(node, value);
    return value;
  }

  /** Emits a node whose failures count only where `guard` is true. */
  #emitGuarded(node: Node, guard: string): Value {
    if (!canFail(node)) return this.emit(node);
    const outer = this.#scopes.at(-1)!.guard;
    const inner = this.#let(outer === null ? guard : `${outer}&&(${guard})`);
    this.#scopes.push({ guard: inner, known: new Map(), numbers: new Map() });
    const value = this.emit(node);
    this.#scopes.pop();
    return value;
  }

  #emitNew(node: Node): Value {
    switch (node.op) {
      case "column":
        return this.#column(node);
      case "literal":
        return this.#literal(node.value);
      case "arithmetic":
        return this.#arithmetic(node);
      case "negate":
      case "abs":
      case "round":
        return this.#unary(node);
      case "convert":
        return this.#convert(node);
      case "compare":
        return this.#compare(node);
      case "isIn":
        return this.#isIn(node);
      case "and":
      case "or":
        return this.#logic(node);
      case "ifNull":
        return this.#ifNull(node);
      case "not": {
        const a = this.emit(node.a);
        return this.#bool(a.isNull, `!${a.v}`);
      }
      case "isNull":
        return { ...NONE, isNull: null, v: this.emit(node.a).isNull ?? "false" };
    }
  }

  #let(code: string): string {
    const name = `t${this.#ids++}`;
    this.body.push(`const ${name}=${code};`);
    return name;
  }

  /** A boolean that is false when null. */
  #bool(isNull: string | null, code: string): Value {
    return { ...NONE, isNull, v: this.#let(isNull === null ? code : `!${isNull}&&${code}`) };
  }

  #eitherNull(a: Value, b: Value): string | null {
    if (a.isNull === null || a.isNull === b.isNull) return b.isNull;
    if (b.isNull === null) return a.isNull;
    return this.#let(`${a.isNull}||${b.isNull}`);
  }

  #fail(isNull: string | null, condition: string, options: { node: Node; rule: string; args: string }): void {
    let text = this.texts.indexOf(options.node.text);
    if (text < 0) text = this.texts.push(options.node.text) - 1;
    const { guard } = this.#scopes.at(-1)!;
    const counts = `${guard === null ? "" : `${guard}&&`}${isNull === null ? "" : `!${isNull}&&`}`;
    this.body.push(`if(${counts}${condition})X.fail(${text},i,"${options.rule}",${options.args});`);
  }

  #column(node: Node & { op: "column" }): Value {
    let k = this.columns.indexOf(node.name);
    if (k < 0) {
      k = this.columns.push(node.name) - 1;
      this.head.push(
        `const v${k}=I[${k}].values,o${k}=I[${k}].offsets,b${k}=I[${k}].validity,f${k}=I[${k}].bitOffset;`,
      );
    }
    const bit = (bits: string) => `((${bits}[(f${k}+i)>>3]>>((f${k}+i)&7))&1)`;
    const isNull = this.#hasNulls(node.name) ? this.#let(`${bit(`b${k}`)}===0`) : null;
    switch (domainOf(node.kind)) {
      case "number":
        return {
          ...NONE,
          isNull,
          v: this.#let(node.kind === "timestampMs" ? `v${k}[2*i+1]*${TWO_32}+(v${k}[2*i]>>>0)` : `v${k}[i]`),
        };
      case "int64":
        return { ...NONE, isNull, low: this.#let(`v${k}[2*i]`), high: this.#let(`v${k}[2*i+1]`) };
      case "string":
        return { ...NONE, isNull, ...this.#buffer(k), start: this.#let(`o${k}[i]`), end: this.#let(`o${k}[i+1]`) };
      case "bool":
        return this.#bool(isNull, `${bit(`v${k}`)}===1`);
      case "opaque":
        return { ...NONE, isNull };
    }
  }

  #buffer(of: number | string): { buffer: string } {
    let index = this.buffers.indexOf(of);
    if (index < 0) {
      index = this.buffers.push(of) - 1;
      this.head.push(`const y${index}=Y[${index}];`);
    }
    return { buffer: String(index) };
  }

  #constant(constant: KernelConstant): string {
    const index = this.constants.push(constant) - 1;
    this.head.push(`const k${index}=K[${index}];`);
    return `k${index}`;
  }

  #literal(value: number | bigint | string | boolean): Value {
    if (typeof value === "string") {
      const { buffer } = this.#buffer(value);
      return { ...NONE, isNull: null, buffer, start: "0", end: `y${buffer}.length` };
    }
    const name = this.#constant({ kind: "literal", value });
    if (typeof value !== "bigint") return { ...NONE, isNull: null, v: name };
    this.head.push(`const ${name}h=${name}.high,${name}l=${name}.low;`);
    return { ...NONE, isNull: null, high: `${name}h`, low: `${name}l` };
  }

  /** The node as a double; a 64-bit integer that a double cannot hold fails. */
  #number(node: Node): string {
    const value = this.emit(node);
    if (domainOf(node.kind) === "number") return value.v;
    for (const scope of this.#scopes) {
      const known = scope.numbers.get(node);
      if (known !== undefined) return known;
    }
    const name = this.#let(`${value.high}*${TWO_32}+(${value.low}>>>0)`);
    const args = `X.bigintOf(${value.high},${value.low})`;
    this.#fail(value.isNull, `(${name}>${SAFE}||${name}<-${SAFE})`, { node, rule: "safe", args });
    this.#scopes.at(-1)!.numbers.set(node, name);
    return name;
  }

  #arithmetic(node: Node & { op: "arithmetic" }): Value {
    const a = this.#number(node.a);
    const b = this.#number(node.b);
    const isNull = this.#eitherNull(this.emit(node.a), this.emit(node.b));
    // + 0 turns the -0 of an integer product or remainder into 0
    const isInteger = node.bound < Infinity && (node.operator === "*" || node.operator === "%");
    const v = this.#let(isInteger ? `${a}${node.operator}${b}+0` : `${a}${node.operator} ${b}`);
    if (node.isExact) this.#fail(isNull, `(${v}>${SAFE}||${v}<-${SAFE})`, { node, rule: "safe", args: v });
    return { ...NONE, isNull, v };
  }

  #unary(node: Node & { op: "negate" | "abs" | "round" }): Value {
    const a = this.#number(node.a);
    const { isNull } = this.emit(node.a);
    if (node.op === "abs") return { ...NONE, isNull, v: this.#let(`Math.abs(${a})`) };
    if (node.op === "negate") return { ...NONE, isNull, v: this.#let(node.bound < Infinity ? `0-${a}` : `-${a}`) };
    const scale = this.#constant({ kind: "literal", value: 10 ** node.digits });
    return { ...NONE, isNull, v: this.#let(`X.roundTo(${a},${scale})`) };
  }

  #convert(node: Node & { op: "convert" }): Value {
    const from = this.emit(node.a);
    const { isNull } = from;
    const fail = (condition: string, args: string) => this.#fail(isNull, condition, { node, rule: node.kind, args });
    if (node.a.kind === "int64") {
      const args = `X.bigintOf(${from.high},${from.low})`;
      if (node.kind === "int32") {
        fail(`${from.high}!==${from.low}>>31`, args);
        return { ...NONE, isNull, v: from.low };
      }
      return { ...NONE, isNull, v: this.#number(node.a) };
    }
    const v = from.v;
    switch (node.kind) {
      case "int32":
        fail(`${v}!==(${v}|0)`, v);
        return { ...NONE, isNull, v: this.#let(`${v}|0`) };
      case "timestampMs":
        fail(`!Number.isSafeInteger(${v})`, v);
        // an instant is an integer, which has no -0
        return { ...NONE, isNull, v: this.#let(`${v}+0`) };
      case "int64": {
        fail(`!X.isInt64(${v})`, v);
        const high = this.#let(`Math.floor(${v}/${TWO_32})`);
        return { ...NONE, isNull, high, low: this.#let(`(${v}-${high}*${TWO_32})|0`) };
      }
      default:
        return { ...NONE, isNull, v };
    }
  }

  #compare(node: Node & { op: "compare" }): Value {
    const a = this.emit(node.a);
    const b = this.emit(node.b);
    const isNull = this.#eitherNull(a, b);
    const operator = node.operator === "==" ? "===" : node.operator === "!=" ? "!==" : node.operator;
    const isEquality = operator.endsWith("==");
    const domains = `${domainOf(node.a.kind)} ${domainOf(node.b.kind)}`;
    switch (domains) {
      case "int64 int64": {
        if (isEquality) {
          const same = `(${a.high}===${b.high}&&${a.low}===${b.low})`;
          return this.#bool(isNull, operator === "===" ? same : `!${same}`);
        }
        const strict = operator.slice(0, 1);
        const low = `(${a.low}>>>0)${operator}(${b.low}>>>0)`;
        return this.#bool(isNull, `(${a.high}${strict}${b.high}||(${a.high}===${b.high}&&${low}))`);
      }
      case "int64 number":
        return this.#bool(isNull, `(X.compareWordsToNumber(${a.high},${a.low},${b.v})${operator}0)`);
      case "number int64":
        return this.#bool(isNull, `(-X.compareWordsToNumber(${b.high},${b.low},${a.v})${operator}0)`);
      case "string string": {
        const args = `${bufferOf(a)},${a.start},${a.end},${bufferOf(b)},${b.start},${b.end}`;
        if (isEquality) return this.#bool(isNull, `${operator === "!==" ? "!" : ""}X.equalBytes(${args})`);
        return this.#bool(isNull, `(X.compareBytes(${args})${operator}0)`);
      }
      default:
        return this.#bool(isNull, `(${a.v}${operator}${b.v})`);
    }
  }

  #isIn(node: IsInNode): Value {
    const a = this.emit(node.a);
    const set = this.#constant({ kind: "set", node });
    switch (domainOf(node.a.kind)) {
      case "int64":
        return this.#bool(a.isNull, `${set}.find(${a.low},${a.high})>=0`);
      case "string":
        return this.#bool(a.isNull, `${set}.has(${bufferOf(a)},${a.start},${a.end})`);
      default:
        return this.#bool(a.isNull, `${set}.has(${a.v})`);
    }
  }

  #logic(node: Node & { op: "and" | "or" | "ifNull" }): Value {
    const a = this.emit(node.a);
    const b = this.#emitGuarded(node.b, node.op === "or" ? `!${a.v}` : notFalse(a));
    const v = this.#let(node.op === "and" ? `${a.v}&&${b.v}` : `${a.v}||${b.v}`);
    const either = this.#eitherNull(a, b);
    if (either === null) return { ...NONE, isNull: null, v };
    if (node.op === "or") return { ...NONE, isNull: this.#let(`!${v}&&(${either})`), v };
    // null unless one of them is false
    return { ...NONE, isNull: this.#let(`(${either})&&${notFalse(a)}&&${notFalse(b)}`), v };
  }

  #ifNull(node: Node & { op: "and" | "or" | "ifNull" }): Value {
    const a = this.emit(node.a);
    if (a.isNull === null) return a;
    const b = this.#emitGuarded(node.b, a.isNull);
    const choose = (x: string, y: string) => x === y ? x : this.#let(`${a.isNull}?${y}:${x}`);
    return {
      isNull: b.isNull === null ? null : this.#let(`${a.isNull}&&${b.isNull}`),
      v: choose(a.v, b.v),
      high: choose(a.high, b.high),
      low: choose(a.low, b.low),
      buffer: choose(a.buffer, b.buffer),
      start: choose(a.start, b.start),
      end: choose(a.end, b.end),
    };
  }
}
