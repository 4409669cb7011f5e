import { batchOf } from "../../../lib/columns/batch_of.ts";
import { rows } from "../../../lib/columns/rows.ts";
import { int32, utf8 } from "../../../lib/columns/schema.ts";
import { json } from "../../../lib/codecs/json/json.ts";
import { topic } from "../../../lib/operator/topic.ts";
import type { SimJob, SimOptions } from "../contracts.ts";
import { GROUP_ID, INPUT, isInt32, jobApp, jobTopics, OUTPUT } from "./job_app.ts";
import { boundOf, jobCheckers } from "./job_checkers.ts";
import { type Draft, KeyedWorkload, poisonJson } from "./keyed_workload.ts";
import { objectOf, type SeenRecord } from "./record_texts.ts";
import { RowChecker } from "./row_checker.ts";
import { NOTHING, REFUSED, type RowReference, type Verdict } from "./row_reference.ts";

const orders = topic(INPUT, { value: json({ id: int32(), key: utf8(), amount: int32() }) });
const accepted = topic(OUTPUT, {
  value: json({ id: int32(), key: utf8(), amount: int32(), partition: int32(), offset: int32() }),
  key: "key",
});
/** A second output, of the same commits. */
const SIDE = "side";
const large = topic(SIDE, { value: json({ id: int32(), partition: int32(), offset: int32() }) });
/** Amounts from this one on go to the second output too. */
const LARGE = 70;

/**
 * A handler that rejects rows, among records that cannot even be read, and publishes to a second topic.
 *
 * @param options What was drawn.
 */
export function poison(options: SimOptions): SimJob {
  return {
    name: "poison",
    createApp: () =>
      jobApp(options, (app, settings) => {
        app.subscribe(orders, { publishTo: accepted, ...settings }, (batch, { input, emit, reject }) => {
          const { partition, offsets } = input;
          const made = [...rows(batch)].map((row, at) => ({ ...row, partition, offset: offsets[at]!, at }));
          reject(made.filter(({ amount }) => amount < 0).map(({ at }) => at), "the amount is negative");
          const good = made.filter(({ amount }) => amount >= 0);
          const much = good.filter(({ amount }) => amount >= LARGE);
          emit(large, batchOf(large.schema, much.map(({ id, offset }) => ({ id, partition, offset }))));
          return batchOf(accepted.schema, good.map(({ at: _, ...row }) => row));
        });
      }),
    topics: jobTopics(options, SIDE),
    workload: new KeyedWorkload({
      topic: INPUT,
      options,
      row: order,
      poison: poisonJson,
      probe: (next) => [order(next("k0"))],
      poisonShareMin: 0.02,
    }),
    checkers: (view) => [
      ...jobCheckers(view, { place: "offset", reference: new PoisonReference() }),
      new RowChecker(view, {
        groupId: GROUP_ID,
        input: INPUT,
        output: SIDE,
        place: "offset",
        reference: new SideReference(),
        bound: boundOf(view),
      }),
    ],
  };
}

function order({ id, key, random }: Draft): { key: string; value: string } {
  return { key, value: JSON.stringify({ id, key, amount: random.integer(-5, 100) }) };
}

/** An order that can be read. */
function orderOf(value: string | null | undefined): { id: number; key: string; amount: number } | undefined {
  const found = objectOf(value);
  if (found === undefined || !isInt32(found.id) || !isInt32(found.amount)) return undefined;
  const { id, key, amount } = found;
  return typeof key === "string" ? { id, key, amount } : undefined;
}

/** Orders that come out, and those that are refused. */
export class PoisonReference implements RowReference {
  /** Takes in the next record of its partition. */
  fold({ partition, offset, value }: SeenRecord): Verdict {
    const found = orderOf(value);
    if (found === undefined || found.amount < 0) return REFUSED;
    return { kind: "row", place: offset, row: { ...found, partition, offset }, key: found.key };
  }
}

/** Orders that go to the second output. */
export class SideReference implements RowReference {
  /** Takes in the next record of its partition. */
  fold({ partition, offset, value }: SeenRecord): Verdict {
    const found = orderOf(value);
    if (found === undefined || found.amount < 0) return REFUSED;
    if (found.amount < LARGE) return NOTHING;
    return { kind: "row", place: offset, row: { id: found.id, partition, offset } };
  }
}
