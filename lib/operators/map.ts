import { checkOptionNames } from "../base/check_option_names.ts";
import { asBatch } from "../columns/as_batch.ts";
import type { Batch, Columns } from "../columns/schema.ts";
import type { Context, Handler, Operator, Result } from "../operator/operator.ts";
import { asOperator } from "./as_operator.ts";

/** Options of {@linkcode map}. */
export interface MapOptions<O extends Columns> {
  /**
   * The columns of the batches that the handler returns. Then they are checked, wider batches are cut to these columns,
   * and batches of another Arrow library are adopted. Required before an operator that keeps state.
   *
   * @default the columns are taken from the first batch that comes out
   */
  output?: O;
}

/**
 * A step written by hand, for use inside {@linkcode chain}. (A subscription takes a plain function as it is.)
 *
 * @example A step by hand between two others
 * ```ts
 * import { float64, from, json, map, take, topic, where } from "@turbine/turbine";
 * import { assertEquals } from "@std/assert";
 *
 * const readings = topic("readings", { value: json({ temperature: float64() }) });
 * const firstWarm = from(
 *   readings,
 *   where((c) => c.temperature.greaterThan(20)),
 *   map((batch) => take(batch, [0]), { output: readings.schema }),
 * );
 * assertEquals(firstWarm.isStateful, false);
 * ```
 *
 * @param handler Gets each batch and the context; returns nothing, a batch or several, or a promise of these.
 * @param options The columns it returns.
 * @returns The operator.
 * @throws {TypeError} when `handler` is not a function or an option does not exist.
 */
export function map<S extends Columns, O extends Columns>(
  handler: Handler<S, O>,
  options: MapOptions<O> = {},
): Operator<S, O> {
  checkOptionNames("map", options, ["output"]);
  const { output } = options;
  if (typeof handler !== "function") {
    throw new TypeError(`Cannot create map as its handler must be a function: current value is ${handler}`);
  }
  if (output === undefined) return asOperator(handler);
  const check = (result: Result<O>): Result<O> => {
    if (result === undefined || result === null) return undefined;
    const batches = (Array.isArray(result) ? result : [result]) as readonly Batch<O>[];
    return batches.map((batch) => asBatch(output, batch));
  };
  return Object.freeze<Operator<S, O>>({
    name: "",
    isStateful: false,
    stateNames: Object.freeze([]),
    outputMode: "append",
    schema: () => output,
    open: () => ({
      process(batch: Batch<S>, context: Context): Result<O> | Promise<Result<O>> {
        const result = handler(batch, context);
        return result instanceof Promise ? result.then(check) : check(result);
      },
    }),
  });
}
