import type { Columns } from "../columns/schema.ts";
import type { Operator, Running } from "../operator/operator.ts";
import { asOperator } from "./as_operator.ts";
import { LateRunning, RunningChain } from "./running_chain.ts";

/** One operator, as it is. */
export function chain<A extends Columns, B extends Columns>(a: Operator<A, B>): Operator<A, B>;
/** Two operators after each other. */
export function chain<A extends Columns, B extends Columns, C extends Columns>(
  a: Operator<A, B>,
  b: Operator<B, C>,
): Operator<A, C>;
/** Three operators after each other. */
export function chain<A extends Columns, B extends Columns, C extends Columns, D extends Columns>(
  a: Operator<A, B>,
  b: Operator<B, C>,
  c: Operator<C, D>,
): Operator<A, D>;
/** Four operators after each other. */
export function chain<A extends Columns, B extends Columns, C extends Columns, D extends Columns, E extends Columns>(
  a: Operator<A, B>,
  b: Operator<B, C>,
  c: Operator<C, D>,
  d: Operator<D, E>,
): Operator<A, E>;
/** Five operators after each other. */
export function chain<
  A extends Columns,
  B extends Columns,
  C extends Columns,
  D extends Columns,
  E extends Columns,
  F extends Columns,
>(a: Operator<A, B>, b: Operator<B, C>, c: Operator<C, D>, d: Operator<D, E>, e: Operator<E, F>): Operator<A, F>;
/** Six operators after each other. */
export function chain<
  A extends Columns,
  B extends Columns,
  C extends Columns,
  D extends Columns,
  E extends Columns,
  F extends Columns,
  G extends Columns,
>(
  a: Operator<A, B>,
  b: Operator<B, C>,
  c: Operator<C, D>,
  d: Operator<D, E>,
  e: Operator<E, F>,
  f: Operator<F, G>,
): Operator<A, G>;
/** Seven operators after each other. */
export function chain<
  A extends Columns,
  B extends Columns,
  C extends Columns,
  D extends Columns,
  E extends Columns,
  F extends Columns,
  G extends Columns,
  H extends Columns,
>(
  a: Operator<A, B>,
  b: Operator<B, C>,
  c: Operator<C, D>,
  d: Operator<D, E>,
  e: Operator<E, F>,
  f: Operator<F, G>,
  g: Operator<G, H>,
): Operator<A, H>;
/** Eight operators after each other. */
export function chain<
  A extends Columns,
  B extends Columns,
  C extends Columns,
  D extends Columns,
  E extends Columns,
  F extends Columns,
  G extends Columns,
  H extends Columns,
  I extends Columns,
>(
  a: Operator<A, B>,
  b: Operator<B, C>,
  c: Operator<C, D>,
  d: Operator<D, E>,
  e: Operator<E, F>,
  f: Operator<F, G>,
  g: Operator<G, H>,
  h: Operator<H, I>,
): Operator<A, I>;
/** Nine operators or more: not typed, as the types would take too long to check; use a chain of chains. */
export function chain(
  a: Operator,
  b: Operator,
  c: Operator,
  d: Operator,
  e: Operator,
  f: Operator,
  g: Operator,
  h: Operator,
  i: Operator,
  ...more: Operator[]
): Operator;
/**
 * Operators after each other, as one: each gets what the one before it gives. Chains nest.
 *
 * A chain infers its columns from where it is used (`app.subscribe(readings, {}, chain(...))`); one that stands alone
 * starts from its topic with {@linkcode from}.
 *
 * @example A filter and a computed column
 * ```ts
 * import { chain, float64, json, topic, where, withColumns } from "@turbine/turbine";
 * import { assertEquals } from "@std/assert";
 *
 * const readings = topic("readings", { value: json({ celsius: float64() }) });
 * type Readings = typeof readings.schema;
 * const hot = chain(
 *   where<Readings>((c) => c.celsius.greaterThan(30)),
 *   withColumns((c) => ({ fahrenheit: c.celsius.times(1.8).plus(32) })),
 * );
 * assertEquals(Object.keys(hot.schema(readings.schema)), ["celsius", "fahrenheit"]);
 * ```
 *
 * @param steps The operators, at least one.
 * @returns The chain. It keeps state when one of its operators does, and its output mode is `update` when that of one
 * of them is.
 * @throws {TypeError} when a step is not an operator, when two operators that keep state have one name, or when one
 * that keeps state follows a handler whose output columns are not declared.
 */
export function chain(...steps: Operator[]): Operator {
  if (steps.length === 0) {
    throw new TypeError("Cannot build chain as it needs at least one operator: current value is none");
  }
  const operators = steps.map((step) => asOperator(step));
  if (operators.length === 1) return operators[0]!;
  const stateNames = operators.flatMap((operator) => [...operator.stateNames]);
  for (const [i, name] of stateNames.entries()) {
    if (stateNames.indexOf(name) !== i) {
      throw new TypeError(
        `Cannot build chain as two operators that keep state have one name, which is their identity: current value is '${name}'`,
      );
    }
  }
  const unknownFrom = operators.findIndex((operator) => operator.isOutputUnknown === true);
  const late = unknownFrom < 0 ? [] : operators.slice(unknownFrom + 1);
  for (const operator of late) {
    if (operator.isStateful) {
      throw new TypeError(
        `Cannot build chain as an operator that keeps state follows a handler whose columns are not known before it runs; declare them by map(handler, { output }): current value is '${operator.name}'`,
      );
    }
  }
  return Object.freeze<Operator>({
    name: stateNames.join("+"),
    isStateful: stateNames.length > 0,
    stateNames: Object.freeze(stateNames),
    stateFormats: Object.freeze(Object.assign({}, ...operators.map((operator) => operator.stateFormats ?? {}))),
    outputMode: operators.some((operator) => operator.outputMode === "update") ? "update" : "append",
    isOutputUnknown: unknownFrom >= 0,
    schema: (input) => schemas(operators, input, unknownFrom).at(-1)!,
    open(input) {
      const inputs = schemas(operators, input, unknownFrom);
      return new RunningChain(operators.map((operator, i): Running => {
        return unknownFrom >= 0 && i > unknownFrom ? new LateRunning(operator) : operator.open(inputs[i]!);
      }));
    },
  });
}

/** The input columns of each operator and, last, the output columns; up to the first whose output is not known. */
function schemas(operators: readonly Operator[], input: Columns, unknownFrom: number): Columns[] {
  const known = unknownFrom < 0 ? operators : operators.slice(0, unknownFrom + 1);
  const result = [input];
  for (const operator of known) result.push(operator.schema(result.at(-1)!));
  return result;
}
