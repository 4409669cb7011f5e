import { int32, int64, timestampMs, utf8 } from "../../../lib/columns/schema.ts";
import { json } from "../../../lib/codecs/json/json.ts";
import { topic } from "../../../lib/operator/topic.ts";
import { tumblingCount } from "../../../lib/operators/tumbling_count.ts";
import type { SimJob, SimOptions } from "../contracts.ts";
import { streamOf } from "../swarm.ts";
import { deadLetterChecker } from "./job_checkers.ts";
import { GROUP_ID, INPUT, isInt32, jobApp, jobTopics, OUTPUT } from "./job_app.ts";
import { type Draft, EPOCH_MS, KeyedWorkload, poisonJson } from "./keyed_workload.ts";
import { objectOf, type SeenRecord } from "./record_texts.ts";
import { WindowChecker } from "./window_checker.ts";
import type { WindowLengths, WindowRecord } from "./window_fold.ts";

/** How far event times may be out of order. */
export const DISORDER_MS = 300;
/** Later than any event time but the extreme ones: closes every window. */
export const PROBE_MS = EPOCH_MS + 10 * 365 * 86_400_000;
/** First and last instants of a JavaScript date. */
const EXTREMES_MS = [-8_640_000_000_000_000, 8_640_000_000_000_000, 0, -1];

const visits = topic(INPUT, {
  value: json({ id: int32(), partition: int32(), key: utf8(), ts: timestampMs() }),
  eventTime: "ts",
  outOfOrdernessMs: DISORDER_MS,
});
const counts = topic(OUTPUT, {
  value: json({
    partition: int32(),
    key: utf8(),
    window_start: timestampMs(),
    window_end: timestampMs(),
    count: int64(),
  }),
  key: "key",
});

/**
 * Counts in windows of event time that close by the events and, on an idle partition, by elapsed time.
 *
 * @param options What was drawn.
 */
export function windows(options: SimOptions): SimJob {
  const lengths = windowLengths(options);
  return {
    name: "windows",
    createApp: () =>
      jobApp(options, (app, settings) => {
        const { sizeMs, allowedLatenessMs } = lengths;
        const count = tumblingCount<typeof visits.schema, "partition" | "key">({
          name: "visits",
          sizeMs,
          allowedLatenessMs,
          by: ["partition", "key"],
        });
        app.subscribe(visits, { publishTo: counts, ...settings }, count);
      }),
    topics: jobTopics(options),
    workload: new KeyedWorkload({
      topic: INPUT,
      options,
      row: (draft) => ({ key: draft.key, value: visit(draft, eventTimeMs(draft, options)) }),
      poison: poisonJson,
      probe: (next) => [closingRow(next("probe"))],
    }),
    checkers: (view) => {
      const letters = deadLetterChecker(view);
      const checker = new WindowChecker(view, {
        groupId: GROUP_ID,
        input: INPUT,
        output: OUTPUT,
        operator: "visits",
        lengths,
        read: readVisit,
        keyOf: ({ partition, key }) => `${partition}/${key}`,
        onRefused: (record) => letters.refuse(record),
      });
      return [checker, letters];
    },
  };
}

/**
 * Size and lateness of the windows of a run.
 *
 * @param options What was drawn.
 */
export function windowLengths(options: SimOptions): WindowLengths {
  const random = streamOf(options.seed, "window lengths");
  return {
    sizeMs: random.integer(500, 5_000),
    allowedLatenessMs: random.isHit(0.5) ? 0 : random.integer(1, 2_000),
    outOfOrdernessMs: DISORDER_MS,
  };
}

/**
 * An event time: about now, sometimes late, and in few runs an extreme one. The far future makes all that follows late, so
 * it comes near the end only.
 *
 * @param draft Of the record.
 * @param options What was drawn.
 */
export function eventTimeMs({ nowMs, random }: Draft, options: SimOptions): number {
  const draw = random.float();
  if (draw < 0.9) return nowMs - random.integer(0, DISORDER_MS);
  if (draw < 0.98) return nowMs - random.integer(0, 15_000);
  if (draw < 0.995 || !streamOf(options.seed, "extreme times").isHit(0.25)) return nowMs + random.integer(0, 1_000);
  const isLate = nowMs - EPOCH_MS > options.warmUpMs + 0.8 * options.safetyMs;
  const extreme = random.pick(EXTREMES_MS);
  return isLate || extreme <= 0 ? extreme : -extreme;
}

/** A row that is later than all others. */
function closingRow(draft: Draft): { key: string; value: string } {
  return { key: draft.key, value: visit(draft, PROBE_MS + draft.id * 10_000) };
}

function visit({ id, partition, key }: Draft, ts: number): string {
  return JSON.stringify({ id, partition, key, ts });
}

function readVisit({ value }: SeenRecord): Omit<WindowRecord, "offset"> | undefined {
  const found = objectOf(value);
  if (found === undefined || !isInt32(found.id) || !isInt32(found.partition)) return undefined;
  if (typeof found.key !== "string" || !Number.isInteger(found.ts)) return undefined;
  return { eventTimeMs: found.ts as number, key: `${found.partition}/${found.key}` };
}
