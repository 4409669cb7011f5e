import { float64, int32 } from "../../../lib/columns/schema.ts";
import { json } from "../../../lib/codecs/json/json.ts";
import { topic } from "../../../lib/operator/topic.ts";
import { chain } from "../../../lib/operators/chain.ts";
import { project } from "../../../lib/operators/project.ts";
import { where } from "../../../lib/operators/where.ts";
import { withColumns } from "../../../lib/operators/with_columns.ts";
import type { SimJob, SimOptions } from "../contracts.ts";
import { INPUT, isInt32, jobApp, jobTopics, OUTPUT } from "./job_app.ts";
import { jobCheckers } from "./job_checkers.ts";
import { type Draft, KeyedWorkload, poisonJson } from "./keyed_workload.ts";
import { objectOf, type SeenRecord } from "./record_texts.ts";
import { NOTHING, REFUSED, type RowReference, type Verdict } from "./row_reference.ts";

const readings = topic(INPUT, {
  value: json({ id: int32(), partition: int32(), amount: float64(), parts: int32() }),
});
const shares = topic(OUTPUT, {
  value: json({ id: int32(), partition: int32(), doubled: float64(), share: float64() }),
  key: "id",
});
/** Amounts up to this one are dropped. */
const LIMIT = 20;

/**
 * A filter, computed columns and a projection: no state, and rows that cannot be written, since a division by zero has no
 * JSON. These are refused as the record that they came from.
 *
 * @param options What was drawn.
 */
export function stateless(options: SimOptions): SimJob {
  return {
    name: "stateless",
    createApp: () =>
      jobApp(options, (app, settings) => {
        const steps = chain(
          where<typeof readings.schema>((c) => c.amount.greaterThan(LIMIT)),
          withColumns((c) => ({ doubled: c.amount.times(2).plus(1), share: c.amount.dividedBy(c.parts) })),
          project("id", "partition", "doubled", "share"),
        );
        app.subscribe(readings, { publishTo: shares, ...settings }, steps);
      }),
    topics: jobTopics(options),
    workload: new KeyedWorkload({
      topic: INPUT,
      options,
      row: reading,
      poison: poisonJson,
      probe: (next) => [reading(next("k0"))],
    }),
    checkers: (view) => jobCheckers(view, { place: "id", reference: new StatelessReference() }),
  };
}

function reading({ id, key, partition, random }: Draft): { key: string; value: string } {
  const amount = random.integer(0, 400) / 4;
  const parts = random.isHit(0.01) ? 0 : random.integer(1, 9);
  return { key, value: JSON.stringify({ id, partition, amount, parts }) };
}

/** Each record by itself. */
export class StatelessReference implements RowReference {
  /** Takes in the next record of its partition. */
  fold({ value }: SeenRecord): Verdict {
    const row = objectOf(value);
    if (row === undefined || !isInt32(row.id) || !isInt32(row.partition) || !isInt32(row.parts)) return REFUSED;
    const { id, partition, amount, parts } = row;
    if (typeof amount !== "number") return REFUSED;
    if (amount <= LIMIT) return NOTHING;
    if (parts === 0) return { kind: "refused", place: id };
    return { kind: "row", place: id, row: { id, partition, doubled: amount * 2 + 1, share: amount / parts } };
  }
}
