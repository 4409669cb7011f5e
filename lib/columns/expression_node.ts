/**
 * What expressions are made of: immutable nodes that know their kind, whether they may be null, how they print, and for
 * numbers a bound on their magnitude (so that integer arithmetic that cannot leave the safe range is not checked).
 */

/** Kinds of columns. */
export type Kind =
  | "utf8"
  | "binary"
  | "float64"
  | "int64"
  | "int32"
  | "timestampMs"
  | "bool"
  | "list"
  | "struct";

/** How values of a kind are held while computing: doubles, pairs of int32 words, byte ranges, booleans, or not at all. */
export type Domain = "number" | "int64" | "string" | "bool" | "opaque";

/** Comparison operators as they print. */
export type CompareOperator = "==" | "!=" | "<" | "<=" | ">" | ">=";
/** Arithmetic operators as they print. */
export type ArithmeticOperator = "+" | "-" | "*" | "/" | "%";

interface NodeBase {
  /** Kind of its values. */
  readonly kind: Kind;
  /** Whether a value may be null. */
  readonly nullable: boolean;
  /** Bound on the magnitude of integer values; `Infinity` for anything that may have a fraction. */
  readonly bound: number;
  /** How it prints. */
  readonly text: string;
}

/** A column. */
export interface ColumnNode extends NodeBase {
  readonly op: "column";
  readonly name: string;
}
/** A constant. */
export interface LiteralNode extends NodeBase {
  readonly op: "literal";
  readonly value: number | bigint | string | boolean;
}
/** Arithmetic of two numbers; `isExact` when the result must be a safe integer. */
export interface ArithmeticNode extends NodeBase {
  readonly op: "arithmetic";
  readonly operator: ArithmeticOperator;
  readonly isExact: boolean;
  readonly a: Node;
  readonly b: Node;
}
/** Arithmetic of one number. */
export interface UnaryNode extends NodeBase {
  readonly op: "negate" | "abs" | "round";
  readonly digits: number;
  readonly a: Node;
}
/** Another number type, exactly or not at all. */
export interface ConvertNode extends NodeBase {
  readonly op: "convert";
  readonly a: Node;
}
/** Comparison of two numbers, texts or booleans. */
export interface CompareNode extends NodeBase {
  readonly op: "compare";
  readonly operator: CompareOperator;
  readonly a: Node;
  readonly b: Node;
}
/** Membership in a list of constants. */
export interface IsInNode extends NodeBase {
  readonly op: "isIn";
  readonly a: Node;
  readonly values: readonly (number | bigint | string)[];
}
/** Three-valued logic. */
export interface LogicNode extends NodeBase {
  readonly op: "and" | "or" | "ifNull";
  readonly a: Node;
  readonly b: Node;
}
/** Negation and the test for null. */
export interface TestNode extends NodeBase {
  readonly op: "not" | "isNull";
  readonly a: Node;
}

/** One node of an expression. */
export type Node =
  | ColumnNode
  | LiteralNode
  | ArithmeticNode
  | UnaryNode
  | ConvertNode
  | CompareNode
  | IsInNode
  | LogicNode
  | TestNode;

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const BOUNDS: Partial<Record<Kind, number>> = {
  int32: 2 ** 31,
  int64: 2 ** 63,
  timestampMs: Number.MAX_SAFE_INTEGER,
};

/** How values of a kind are held while computing. */
export function domainOf(kind: Kind): Domain {
  switch (kind) {
    case "float64":
    case "int32":
    case "timestampMs":
      return "number";
    case "int64":
      return "int64";
    case "utf8":
      return "string";
    case "bool":
      return "bool";
    default:
      return "opaque";
  }
}

/** Whether values of a kind are numbers. */
export function isNumeric(kind: Kind): boolean {
  const domain = domainOf(kind);
  return domain === "number" || domain === "int64";
}

/** A column as it prints: quoted unless it is a plain word. */
export function columnText(name: string): string {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) ? name : JSON.stringify(name);
}

/** A column. */
export function columnNode(name: string, kind: Kind, nullable: boolean): ColumnNode {
  return { op: "column", kind, nullable, bound: BOUNDS[kind] ?? Infinity, text: columnText(name), name };
}

/**
 * A constant.
 *
 * @throws {TypeError} when it is not a number, bigint, string or boolean, or a string that UTF-8 cannot hold.
 * @throws {RangeError} when a bigint does not fit 64 bits.
 */
export function literalNode(value: unknown): LiteralNode {
  const common = { op: "literal", nullable: false, text: textOf(value) } as const;
  switch (typeof value) {
    case "number":
      return { ...common, kind: "float64", bound: Number.isInteger(value) ? Math.abs(value) : Infinity, value };
    case "bigint":
      if (value < INT64_MIN || value > INT64_MAX) {
        throw new RangeError(`Cannot use bigint in expression as it must fit 64 bits: current value is ${value}`);
      }
      return { ...common, kind: "int64", bound: Math.abs(Number(value)), value };
    case "string":
      if (!value.isWellFormed()) {
        throw new TypeError(
          `Cannot use text in expression as it has a lone surrogate: current value is ${JSON.stringify(value)}`,
        );
      }
      return { ...common, kind: "utf8", bound: Infinity, value };
    case "boolean":
      return { ...common, kind: "bool", bound: Infinity, value };
    default:
      throw new TypeError(
        `Cannot use value in expression as it must be a number, bigint, string or boolean: current value is ${value}`,
      );
  }
}

function textOf(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  return Object.is(value, -0) ? "-0" : String(value);
}

/** A literal number as int64 where that is the same number, which compares faster. */
function asInt64Literal(node: Node): Node {
  if (node.op !== "literal" || typeof node.value !== "number" || !Number.isSafeInteger(node.value)) return node;
  return { ...node, kind: "int64", value: BigInt(node.value) };
}

/** Comparison; the operands' domains must fit. */
export function compareNode(operator: CompareOperator, a: Node, b: Node): CompareNode {
  const text = `(${a.text} ${operator} ${b.text})`;
  const fits = (isNumeric(a.kind) && isNumeric(b.kind)) ||
    (a.kind === b.kind && (a.kind === "utf8" || a.kind === "bool"));
  if (!fits) throw unfit(text, a, b);
  if (a.kind === "bool" && operator !== "==" && operator !== "!=") throw unfit(text, a, b);
  const left = b.kind === "int64" ? asInt64Literal(a) : a;
  const right = a.kind === "int64" ? asInt64Literal(b) : b;
  return {
    op: "compare",
    kind: "bool",
    nullable: a.nullable || b.nullable,
    bound: Infinity,
    text,
    operator,
    a: left,
    b: right,
  };
}

/** Arithmetic of two numbers. */
export function arithmeticNode(operator: ArithmeticOperator, a: Node, b: Node): ArithmeticNode {
  const text = `(${a.text} ${operator} ${b.text})`;
  if (!isNumeric(a.kind) || !isNumeric(b.kind)) throw unfit(text, a, b);
  const isInteger = a.bound < Infinity && b.bound < Infinity && operator !== "/";
  const bounds = {
    "+": a.bound + b.bound,
    "-": a.bound + b.bound,
    "*": a.bound * b.bound,
    "%": b.bound,
    "/": Infinity,
  };
  const isExact = isInteger && bounds[operator] > Number.MAX_SAFE_INTEGER;
  const bound = !isInteger ? Infinity : isExact ? Number.MAX_SAFE_INTEGER : bounds[operator];
  return {
    op: "arithmetic",
    kind: "float64",
    nullable: a.nullable || b.nullable,
    bound,
    text,
    operator,
    isExact,
    a,
    b,
  };
}

/** Negation, magnitude, rounding. */
export function unaryNode(op: "negate" | "abs" | "round", a: Node, digits = 0): UnaryNode {
  const text = op === "negate" ? `(-${a.text})` : op === "abs" ? `abs(${a.text})` : `round(${a.text}, ${digits})`;
  if (!isNumeric(a.kind)) throw unfit(text, a);
  if (!Number.isInteger(digits) || digits < 0 || digits > 15) {
    throw new RangeError(`Cannot round as 'digits' must be an integer from 0 to 15: current value is ${digits}`);
  }
  const bound = Math.min(a.bound, a.bound < Infinity ? Number.MAX_SAFE_INTEGER : Infinity);
  return { op, kind: "float64", nullable: a.nullable, bound, text, digits, a };
}

/** Conversion to another number type. */
export function convertNode(kind: "float64" | "int32" | "int64" | "timestampMs", a: Node): Node {
  const text = `${kind}(${a.text})`;
  if (!isNumeric(a.kind)) throw unfit(text, a);
  if (a.kind === kind) return a;
  const bound = Math.min(BOUNDS[kind] ?? a.bound, a.bound < Infinity ? Math.max(a.bound, 0) : Infinity);
  return { op: "convert", kind, nullable: a.nullable, bound, text, a };
}

/** Membership in constants of the same sort. */
export function isInNode(a: Node, values: readonly unknown[]): IsInNode {
  const text = `(${a.text} in [${values.map(textOf).join(", ")}])`;
  if (!isNumeric(a.kind) && a.kind !== "utf8") throw unfit(text, a);
  const members = values.map((value) => {
    const literal = literalNode(value);
    const fits = isNumeric(a.kind) ? isNumeric(literal.kind) : literal.kind === a.kind;
    if (!fits) throw unfit(text, a, literal);
    return literal.value as number | bigint | string;
  });
  return { op: "isIn", kind: "bool", nullable: a.nullable, bound: Infinity, text, a, values: members };
}

/** `and`, `or`. */
export function logicNode(op: "and" | "or", a: Node, b: Node): LogicNode {
  const text = `(${a.text} ${op} ${b.text})`;
  if (a.kind !== "bool" || b.kind !== "bool") throw unfit(text, a, b);
  return { op, kind: "bool", nullable: a.nullable || b.nullable, bound: Infinity, text, a, b };
}

/** The first that is not null; a literal takes the kind of `a`. */
export function ifNullNode(a: Node, other: Node): LogicNode {
  const text = `ifNull(${a.text}, ${other.text})`;
  const b = literalAs(a.kind, other);
  if (b.kind !== a.kind || domainOf(a.kind) === "opaque") throw unfit(text, a, other);
  return { op: "ifNull", kind: a.kind, nullable: b.nullable, bound: Math.max(a.bound, b.bound), text, a, b };
}

function literalAs(kind: Kind, node: Node): Node {
  if (node.op !== "literal" || node.kind === kind || !isNumeric(node.kind) || !isNumeric(kind)) return node;
  const { value } = node;
  if (kind === "int64") return asInt64Literal(node);
  if (typeof value !== "number") return node;
  const fits = kind === "int32" ? value === (value | 0) : Number.isSafeInteger(value);
  return fits ? { ...node, kind } : node;
}

/** `not`, and the test for null (which no kind refuses). */
export function testNode(op: "not" | "isNull", a: Node): TestNode {
  const text = op === "not" ? `(not ${a.text})` : `(${a.text} is null)`;
  if (op === "not" && a.kind !== "bool") throw unfit(text, a);
  return { op, kind: "bool", nullable: op === "not" && a.nullable, bound: Infinity, text, a };
}

/** The nodes directly under a node. */
export function operandsOf(node: Node): readonly Node[] {
  if (node.op === "column" || node.op === "literal") return [];
  return "b" in node ? [node.a, node.b] : [node.a];
}

/** Whether a row can break a rule of the node or of one under it. */
export function canFail(node: Node): boolean {
  const operands = operandsOf(node);
  if (operands.some(canFail)) return true;
  if (node.op === "convert") return node.kind !== "float64" || node.a.kind === "int64";
  if (node.op !== "arithmetic" && node.op !== "negate" && node.op !== "abs" && node.op !== "round") return false;
  return operands.some((operand) => operand.kind === "int64") || (node.op === "arithmetic" && node.isExact);
}

function unfit(text: string, ...operands: Node[]): TypeError {
  const kinds = operands.map((node) => `${node.text} is ${node.kind}`).join(", ");
  return new TypeError(`Cannot build expression ${text} as its operands do not fit each other: ${kinds}`);
}
