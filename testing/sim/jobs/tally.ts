import { batchOf } from "../../../lib/columns/batch_of.ts";
import { int32, utf8 } from "../../../lib/columns/schema.ts";
import { json } from "../../../lib/codecs/json/json.ts";
import { topic } from "../../../lib/operator/topic.ts";
import type { SimJob, SimOptions } from "../contracts.ts";
import { INPUT, isInt32, jobApp, jobTopics, OUTPUT } from "./job_app.ts";
import { jobCheckers } from "./job_checkers.ts";
import { KeyedWorkload, keysOf, poisonJson } from "./keyed_workload.ts";
import { objectOf, type SeenRecord } from "./record_texts.ts";
import { REFUSED, type RowReference, type Verdict } from "./row_reference.ts";

const events = topic(INPUT, { value: json({ id: int32(), key: utf8() }) });
const tallies = topic(OUTPUT, {
  value: json({ id: int32(), key: utf8(), count: int32(), partition: int32(), offset: int32() }),
  key: "key",
});

/**
 * Counts the events of each key in free-form state; each event comes out with its number, so that a row lost from state, or
 * counted twice, shows in the next output of its key.
 *
 * @param options What was drawn.
 */
export function tally(options: SimOptions): SimJob {
  return {
    name: "tally",
    createApp: () =>
      jobApp(options, (app, settings) => {
        app.subscribe(events, { publishTo: tallies, ...settings }, async (batch, { state, input }) => {
          const ids = batch.getChild("id").toArray(), keys = batch.getChild("key").toJSON();
          const before = await state.getMany<number>(keys);
          const counts = new Map<string, number>();
          const rows = keys.map((key, at) => {
            const count = (counts.get(key) ?? before[at] ?? 0) + 1;
            counts.set(key, count);
            return { id: ids[at]!, key, count, partition: input.partition, offset: input.offsets[at]! };
          });
          for (const [key, count] of counts) state.put(key, count);
          return batchOf(tallies.schema, rows);
        });
      }),
    topics: jobTopics(options),
    workload: new KeyedWorkload({
      topic: INPUT,
      options,
      row: ({ id, key }) => ({ key, value: JSON.stringify({ id, key }) }),
      poison: poisonJson,
      probe: (next) => keysOf(options).map((key) => ({ key, value: JSON.stringify({ id: next(key).id, key }) })),
    }),
    checkers: (view) => jobCheckers(view, { place: "offset", reference: new TallyReference() }),
  };
}

/** Events of each key so far, in each partition. */
export class TallyReference implements RowReference {
  readonly #counts = new Map<string, number>();

  /** Takes in the next record of its partition. */
  fold({ partition, offset, value }: SeenRecord): Verdict {
    const event = objectOf(value);
    if (event === undefined || !isInt32(event.id) || typeof event.key !== "string") return REFUSED;
    const { id, key } = event;
    const place = `${partition}/${key}`;
    const count = (this.#counts.get(place) ?? 0) + 1;
    this.#counts.set(place, count);
    return { kind: "row", place: offset, row: { id, key, count, partition, offset }, key };
  }
}
