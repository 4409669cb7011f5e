import { float64, int32, int64, timestampMs } from "../../../lib/columns/schema.ts";
import { json } from "../../../lib/codecs/json/json.ts";
import { topic } from "../../../lib/operator/topic.ts";
import { chain } from "../../../lib/operators/chain.ts";
import { tumblingCount } from "../../../lib/operators/tumbling_count.ts";
import { where } from "../../../lib/operators/where.ts";
import { withColumns } from "../../../lib/operators/with_columns.ts";
import type { RecordRow } from "../../record_rows.ts";
import type { SimJob, SimOptions } from "../contracts.ts";
import { deadLetterChecker } from "./job_checkers.ts";
import { GROUP_ID, INPUT, isInt32, jobApp, jobTopics, OUTPUT } from "./job_app.ts";
import { type Draft, KeyedWorkload, poisonJson } from "./keyed_workload.ts";
import { objectOf, type SeenRecord } from "./record_texts.ts";
import { WindowChecker } from "./window_checker.ts";
import type { WindowRecord } from "./window_fold.ts";
import { DISORDER_MS, eventTimeMs, PROBE_MS, windowLengths } from "./windows.ts";

const measures = topic(INPUT, {
  value: json({ id: int32(), partition: int32(), amount: float64() }),
  outOfOrdernessMs: DISORDER_MS,
});
const histogram = topic(OUTPUT, {
  value: json({
    partition: int32(),
    bucket: float64(),
    window_start: timestampMs(),
    window_end: timestampMs(),
    count: int64(),
  }),
  key: "bucket",
  eventTime: "window_end",
});
/** Amounts up to this one are dropped; their time counts all the same. */
const LIMIT = 30;
/** Amounts of one bucket. */
const BUCKET = 25;

/**
 * A filter, a computed column and windows over what is left: lateness is judged by the dropped rows too. The event time is
 * the record's own timestamp.
 *
 * @param options What was drawn.
 */
export function chained(options: SimOptions): SimJob {
  const lengths = windowLengths(options);
  return {
    name: "chain",
    createApp: () =>
      jobApp(options, (app, settings) => {
        const steps = chain(
          where<typeof measures.schema>((c) => c.amount.greaterThan(LIMIT)),
          withColumns((c) => ({ bucket: c.amount.dividedBy(BUCKET).round() })),
          tumblingCount({
            name: "histogram",
            sizeMs: lengths.sizeMs,
            allowedLatenessMs: lengths.allowedLatenessMs,
            by: ["partition", "bucket"],
          }),
        );
        app.subscribe(measures, { publishTo: histogram, ...settings }, steps);
      }),
    topics: jobTopics(options),
    workload: new KeyedWorkload({
      topic: INPUT,
      options,
      row: (draft) => measure(draft, eventTimeMs(draft, options)),
      poison: poisonJson,
      probe: (next) => {
        const draft = next("k0");
        return [measure(draft, PROBE_MS + draft.id * 10_000, LIMIT)];
      },
    }),
    checkers: (view) => {
      const letters = deadLetterChecker(view);
      const checker = new WindowChecker(view, {
        groupId: GROUP_ID,
        input: INPUT,
        output: OUTPUT,
        operator: "histogram",
        lengths,
        read: readMeasure,
        keyOf: ({ partition, bucket }) => `${partition}/${bucket}`,
        onRefused: (record) => letters.refuse(record),
      });
      return [checker, letters];
    },
  };
}

function measure({ id, key, partition, random }: Draft, atMs: number, amount = random.integer(0, 400) / 4): RecordRow {
  return { key, value: JSON.stringify({ id, partition, amount }), timestampMs: Math.max(0, atMs) };
}

function readMeasure({ value, timestampMs }: SeenRecord): Omit<WindowRecord, "offset"> | undefined {
  const found = objectOf(value);
  if (found === undefined || !isInt32(found.id) || !isInt32(found.partition)) return undefined;
  const { partition, amount } = found;
  if (typeof amount !== "number") return undefined;
  // Halves are away from zero, and amounts are positive here.
  const bucket = Math.round(amount / BUCKET);
  return { eventTimeMs: timestampMs, key: amount > LIMIT ? `${partition}/${bucket}` : undefined };
}
