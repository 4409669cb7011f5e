import type { Columns } from "../columns/schema.ts";
import type { Operator, Topic } from "../operator/operator.ts";
import { chain } from "./chain.ts";

// deno-lint-ignore no-explicit-any
type Any = any;

/** One operator behind a topic. */
export function from<A extends Columns, B extends Columns>(topic: Topic<A>, a: Operator<NoInfer<A>, B>): Operator<A, B>;
/** Two operators behind a topic. */
export function from<A extends Columns, B extends Columns, C extends Columns>(
  topic: Topic<A>,
  a: Operator<NoInfer<A>, B>,
  b: Operator<B, C>,
): Operator<A, C>;
/** Three operators behind a topic. */
export function from<A extends Columns, B extends Columns, C extends Columns, D extends Columns>(
  topic: Topic<A>,
  a: Operator<NoInfer<A>, B>,
  b: Operator<B, C>,
  c: Operator<C, D>,
): Operator<A, D>;
/** Four operators behind a topic. */
export function from<A extends Columns, B extends Columns, C extends Columns, D extends Columns, E extends Columns>(
  topic: Topic<A>,
  a: Operator<NoInfer<A>, B>,
  b: Operator<B, C>,
  c: Operator<C, D>,
  d: Operator<D, E>,
): Operator<A, E>;
/** Five operators behind a topic. */
export function from<
  A extends Columns,
  B extends Columns,
  C extends Columns,
  D extends Columns,
  E extends Columns,
  F extends Columns,
>(
  topic: Topic<A>,
  a: Operator<NoInfer<A>, B>,
  b: Operator<B, C>,
  c: Operator<C, D>,
  d: Operator<D, E>,
  e: Operator<E, F>,
): Operator<A, F>;
/** Six operators behind a topic. */
export function from<
  A extends Columns,
  B extends Columns,
  C extends Columns,
  D extends Columns,
  E extends Columns,
  F extends Columns,
  G extends Columns,
>(
  topic: Topic<A>,
  a: Operator<NoInfer<A>, B>,
  b: Operator<B, C>,
  c: Operator<C, D>,
  d: Operator<D, E>,
  e: Operator<E, F>,
  f: Operator<F, G>,
): Operator<A, G>;
/** Seven operators behind a topic. */
export function from<
  A extends Columns,
  B extends Columns,
  C extends Columns,
  D extends Columns,
  E extends Columns,
  F extends Columns,
  G extends Columns,
  H extends Columns,
>(
  topic: Topic<A>,
  a: Operator<NoInfer<A>, B>,
  b: Operator<B, C>,
  c: Operator<C, D>,
  d: Operator<D, E>,
  e: Operator<E, F>,
  f: Operator<F, G>,
  g: Operator<G, H>,
): Operator<A, H>;
/** Eight operators behind a topic. */
export function from<
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
  topic: Topic<A>,
  a: Operator<NoInfer<A>, B>,
  b: Operator<B, C>,
  c: Operator<C, D>,
  d: Operator<D, E>,
  e: Operator<E, F>,
  f: Operator<F, G>,
  g: Operator<G, H>,
  h: Operator<H, I>,
): Operator<A, I>;
/**
 * A chain that stands alone: it starts from the topic that it is meant for, which gives its columns their types, and is
 * checked against them at once.
 *
 * @example A reusable piece
 * ```ts
 * import { float64, from, json, project, topic, utf8, where } from "@turbine/turbine";
 * import { assertEquals } from "@std/assert";
 *
 * const readings = topic("readings", { value: json({ device_id: utf8(), temperature: float64() }) });
 * const hotDevices = from(readings, where((c) => c.temperature.greaterThan(30)), project("device_id"));
 * assertEquals(Object.keys(hotDevices.schema(readings.schema)), ["device_id"]);
 * ```
 *
 * @param topic The topic whose columns come in.
 * @param steps One to eight operators.
 * @returns The chain.
 * @throws {TypeError} when an operator names a column that does not reach it, or as {@linkcode chain} does.
 */
export function from(topic: Topic, ...steps: Operator<Any, Any>[]): Operator<Any, Any> {
  const operator = (chain as (...steps: Operator<Any, Any>[]) => Operator<Any, Any>)(...steps);
  if (!topic.codec.isInferred) operator.schema(topic.schema);
  return operator;
}
