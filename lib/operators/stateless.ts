import type { Batch, Columns } from "../columns/schema.ts";
import type { Operator, Result } from "../operator/operator.ts";

/** What a stateless operator does. */
export interface StatelessDefinition<In extends Columns, Out extends Columns> {
  /** The output columns for input columns; throws a TypeError when these do not fit. */
  schema(input: Columns): Columns;
  /** The function for the batches of one task. */
  open(input: In): (batch: Batch<In>) => Result<Out>;
}

/** An operator without state, name or sense of time. */
export function stateless<In extends Columns, Out extends Columns>(
  definition: StatelessDefinition<In, Out>,
): Operator<In, Out> {
  return Object.freeze<Operator<In, Out>>({
    name: "",
    isStateful: false,
    stateNames: Object.freeze([]),
    outputMode: "append",
    schema: (input) => definition.schema(input),
    open: (input) => ({ process: definition.open(input) }),
  });
}
