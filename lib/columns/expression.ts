import { unknownColumn } from "./column_data.ts";
import {
  arithmeticNode,
  type ArithmeticOperator,
  columnNode,
  compareNode,
  type CompareOperator,
  convertNode,
  ifNullNode,
  isInNode,
  type Kind,
  literalNode,
  logicNode,
  type Node,
  testNode,
  unaryNode,
} from "./expression_node.ts";
import type {
  BoolExpression,
  ColumnsAsExpressions,
  Expression,
  NumberExpression,
  StringExpression,
} from "./expression_types.ts";
import type { Columns, Float64, Int64 } from "./schema.ts";

/** The one class behind all expression interfaces: which methods make sense is decided by kind, again at run time. */
class NodeExpression {
  readonly #node: Node;

  constructor(node: Node) {
    this.#node = node;
    Object.freeze(this);
  }

  static nodeOf(value: unknown): Node | undefined {
    return typeof value === "object" && value !== null && #node in value ? value.#node : undefined;
  }

  #compare(operator: CompareOperator, other: unknown): NodeExpression {
    return new NodeExpression(compareNode(operator, this.#node, operand(other)));
  }
  #compute(operator: ArithmeticOperator, other: unknown): NodeExpression {
    return new NodeExpression(arithmeticNode(operator, this.#node, operand(other)));
  }

  isNull(): NodeExpression {
    return new NodeExpression(testNode("isNull", this.#node));
  }
  isNotNull(): NodeExpression {
    return new NodeExpression({
      ...testNode("not", testNode("isNull", this.#node)),
      text: `(${this.#node.text} is not null)`,
    });
  }
  equals(other: unknown): NodeExpression {
    return this.#compare("==", other);
  }
  notEquals(other: unknown): NodeExpression {
    return this.#compare("!=", other);
  }
  lessThan(other: unknown): NodeExpression {
    return this.#compare("<", other);
  }
  lessThanOrEqual(other: unknown): NodeExpression {
    return this.#compare("<=", other);
  }
  greaterThan(other: unknown): NodeExpression {
    return this.#compare(">", other);
  }
  greaterThanOrEqual(other: unknown): NodeExpression {
    return this.#compare(">=", other);
  }
  between(low: unknown, high: unknown): NodeExpression {
    return this.greaterThanOrEqual(low).and(this.lessThanOrEqual(high));
  }
  isIn(values: readonly unknown[]): NodeExpression {
    return new NodeExpression(isInNode(this.#node, values));
  }
  ifNull(other: unknown): NodeExpression {
    return new NodeExpression(ifNullNode(this.#node, operand(other)));
  }
  and(other: unknown): NodeExpression {
    return new NodeExpression(logicNode("and", this.#node, operand(other)));
  }
  or(other: unknown): NodeExpression {
    return new NodeExpression(logicNode("or", this.#node, operand(other)));
  }
  not(): NodeExpression {
    return new NodeExpression(testNode("not", this.#node));
  }
  plus(other: unknown): NodeExpression {
    return this.#compute("+", other);
  }
  minus(other: unknown): NodeExpression {
    return this.#compute("-", other);
  }
  times(other: unknown): NodeExpression {
    return this.#compute("*", other);
  }
  dividedBy(other: unknown): NodeExpression {
    return this.#compute("/", other);
  }
  modulo(other: unknown): NodeExpression {
    return this.#compute("%", other);
  }
  negate(): NodeExpression {
    return new NodeExpression(unaryNode("negate", this.#node));
  }
  abs(): NodeExpression {
    return new NodeExpression(unaryNode("abs", this.#node));
  }
  round(digits = 0): NodeExpression {
    return new NodeExpression(unaryNode("round", this.#node, digits));
  }
  toFloat64(): NodeExpression {
    return new NodeExpression(convertNode("float64", this.#node));
  }
  toInt32(): NodeExpression {
    return new NodeExpression(convertNode("int32", this.#node));
  }
  toInt64(): NodeExpression {
    return new NodeExpression(convertNode("int64", this.#node));
  }
  toTimestampMs(): NodeExpression {
    return new NodeExpression(convertNode("timestampMs", this.#node));
  }
  toString(): string {
    return this.#node.text;
  }
}

function operand(value: unknown): Node {
  return NodeExpression.nodeOf(value) ?? literalNode(value);
}

/**
 * The node of an expression.
 *
 * @param expression What a user's callback returned.
 * @param where Names the place in the error message, for example `where()`.
 * @returns The node.
 * @throws {TypeError} when it is not an expression.
 */
export function nodeOf(expression: unknown, where: string): Node {
  const node = NodeExpression.nodeOf(expression);
  if (node === undefined) {
    throw new TypeError(
      `Cannot use ${where} as its callback must return expressions made from columns: current value is ${expression}`,
    );
  }
  return node;
}

/** The expression of a node. */
export function expressionOf(node: Node): Expression {
  return new NodeExpression(node) as unknown as Expression;
}

/** A constant as an expression. */
export function lit(value: number): NumberExpression<Float64>;
/** A 64-bit integer as an expression. */
export function lit(value: bigint): NumberExpression<Int64>;
/** A text as an expression. */
export function lit(value: string): StringExpression<false>;
/** True or false as an expression. */
export function lit(value: boolean): BoolExpression<false>;
/**
 * A constant as an expression: for columns of one value, and for the left side of an operation. The right side takes
 * plain values.
 *
 * @example A constant column
 * ```ts
 * import { batchOf, float64, lit, rows, withColumn } from "@turbine/turbine";
 * import { assertEquals } from "@std/assert";
 *
 * const batch = batchOf({ celsius: float64() }, [{ celsius: 20 }]);
 * const kelvin = withColumn(batch, "kelvin", (c) => lit(273.15).plus(c.celsius));
 * assertEquals([...rows(kelvin)], [{ celsius: 20, kelvin: 293.15 }]);
 * ```
 *
 * @param value A number (float64), a bigint (int64), a text or a boolean.
 * @returns The expression.
 * @throws {TypeError} when it is anything else, or a text with a lone surrogate.
 * @throws {RangeError} when a bigint does not fit 64 bits.
 */
export function lit(value: number | bigint | string | boolean): Expression {
  return expressionOf(literalNode(value));
}

const CACHE = new WeakMap<Columns, object>();

/**
 * Columns as expressions: what callbacks are given.
 *
 * @param columns A schema.
 * @returns An object with one expression for each column; reading any other name throws.
 */
export function columnsAsExpressions<S extends Columns>(columns: S): ColumnsAsExpressions<S> {
  let made = CACHE.get(columns);
  if (made === undefined) {
    const names = Object.keys(columns);
    const known = new Map(names.map((name) => {
      const type = columns[name]!;
      return [name, expressionOf(columnNode(name, type.kind as Kind, type.nullable))];
    }));
    made = new Proxy({}, {
      get(_, name) {
        if (typeof name === "symbol") return undefined;
        const expression = known.get(name);
        if (expression === undefined) throw unknownColumn(name, names);
        return expression;
      },
      has: (_, name) => known.has(name as string),
      ownKeys: () => names,
      getOwnPropertyDescriptor: (_, name) =>
        known.has(name as string)
          ? { value: known.get(name as string), enumerable: true, configurable: true, writable: false }
          : undefined,
    });
    CACHE.set(columns, made);
  }
  return made as ColumnsAsExpressions<S>;
}
