import type { Columns } from "../columns/schema.ts";
import type { Handler, Operator, Step } from "../operator/operator.ts";

/**
 * Any step as an operator: an operator is given back as it is, a plain function is wrapped.
 *
 * @param step An operator or a handler.
 * @returns An operator. That of a handler has no name and no state of its own, and its output columns are not known
 * before it runs (`isOutputUnknown`): what it publishes is checked batch by batch.
 * @throws {TypeError} when it is neither.
 */
export function asOperator<In extends Columns, Out extends Columns>(step: Step<In, Out>): Operator<In, Out> {
  if (typeof step === "function") return handlerOperator(step);
  if (typeof step !== "object" || step === null || typeof step.open !== "function") {
    throw new TypeError(`Cannot use step as it must be an operator or a function: current value is ${step}`);
  }
  return step;
}

function handlerOperator<In extends Columns, Out extends Columns>(handler: Handler<In, Out>): Operator<In, Out> {
  return Object.freeze<Operator<In, Out>>({
    name: "",
    isStateful: false,
    stateNames: Object.freeze([]),
    outputMode: "append",
    isOutputUnknown: true,
    schema: (input) => input,
    open: () => ({ process: (batch, context) => handler(batch, context) }),
  });
}
