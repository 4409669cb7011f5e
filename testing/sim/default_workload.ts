/** Input for jobs that bring none: rows drawn from the columns of their topics. */
import { batchOf } from "../../lib/columns/batch_of.ts";
import type { Records } from "../../lib/columns/records.ts";
import { partitionRows } from "../../lib/columns/partition_rows.ts";
import type { Columns, ColumnType, RowOf } from "../../lib/columns/schema.ts";
import { spanBytes } from "../../lib/columns/spans.ts";
import type { Topic } from "../../lib/operator/operator.ts";
import { TopicPublisher } from "../../lib/runtime/topic_publisher.ts";
import type { RecordRow } from "../record_rows.ts";
import type { SeededRandom } from "../seeded_random.ts";
import type { Feed, SimOptions, SimWorkload } from "./contracts.ts";
import { burstRows, sustainedFlow } from "./jobs/flow.ts";
import { EPOCH_MS } from "./jobs/keyed_workload.ts";

/** What a workload goes by. */
export interface DefaultWorkloadOptions {
  /** Partitions of each topic. */
  readonly partitions: Readonly<Record<string, number>>;
  /** What was drawn for the run. */
  readonly options: SimOptions;
}

/** Share of turns in which many batches come at once. */
const FLOOD_SHARE = 0.015;
/** Share of nulls in columns that may hold them. */
const NULL_SHARE = 0.1;
/** How far event times lie back from the moment of writing, without being late. */
const JITTER_MS = 200;

/**
 * Rows of topics, drawn from their columns: few different keys, one of them hot, small whole numbers and quarters, short
 * text, times about now; in a steady flow with bursts and silence, some of it in transactions when the run has them. A
 * record goes to the partition of its key.
 *
 * @param topics Input topics; their codecs declare their columns.
 * @param options Partitions, and what was drawn for the run.
 * @returns A workload for one run.
 * @throws {TypeError} when a topic declares no columns.
 */
export function defaultWorkload(topics: readonly Topic[], options: DefaultWorkloadOptions): SimWorkload {
  for (const { name, codec } of topics) {
    if (codec.isInferred) {
      throw new TypeError(
        `Cannot draw rows for topic '${name}' as its columns are not declared: pass a 'workload', or name them in json({...})`,
      );
    }
  }
  return new DrawnWorkload(topics, options);
}

class DrawnWorkload implements SimWorkload {
  readonly #sources: readonly Source[];
  readonly #options: SimOptions;

  constructor(topics: readonly Topic[], { partitions, options }: DefaultWorkloadOptions) {
    this.#sources = topics.map((topic) => new Source(topic, partitions[topic.name] ?? 1, options));
    this.#options = options;
  }

  next(random: SeededRandom, atMs: number): { readonly feeds: readonly Feed[]; readonly afterMs: number } | null {
    const { warmUpMs, safetyMs, idleTimeoutMs } = this.#options;
    if (atMs >= warmUpMs + safetyMs) return null;
    const mood = random.float();
    if (mood < 0.04) return { feeds: [], afterMs: random.integer(200, 2_000 + 2 * (idleTimeoutMs ?? 1_000)) };
    const afterMs = random.integer(20, 400);
    const burst = mood < 0.08 ? random.integer(5, 20) : 1;
    const isFlood = mood > 1 - FLOOD_SHARE && burstRows(this.#options) > 0;
    const flow = sustainedFlow(this.#options) * afterMs / 1_000;
    const rows = isFlood ? burstRows(this.#options) : Math.floor(flow * burst + random.float());
    if (rows === 0) return { feeds: [], afterMs };
    return { feeds: random.pick(this.#sources).feeds(rows, random, EPOCH_MS + Math.floor(atMs)), afterMs };
  }
}

/** Draws rows of one topic. */
class Source {
  readonly #topic: Topic;
  readonly #partitions: number;
  readonly #options: SimOptions;
  readonly #publisher: TopicPublisher;
  #turn = 0;

  constructor(topic: Topic, partitions: number, options: SimOptions) {
    // A column that stands in the record's key is read from there, whatever the topic publishes as key.
    const recordKey = Object.keys(topic.schema).find((name) => topic.schema[name]!.isRecordKey === true);
    this.#topic = recordKey === undefined ? topic : { ...topic, key: recordKey };
    this.#partitions = partitions;
    this.#options = options;
    this.#publisher = new TopicPublisher(this.#topic);
  }

  feeds(count: number, random: SeededRandom, nowMs: number): Feed[] {
    const { schema, name } = this.#topic;
    const rows = Array.from({ length: count }, () => this.#row(random, nowMs));
    const { request } = this.#publisher.encode(batchOf(schema, rows), nowMs);
    if (request === undefined) return [];
    const records = recordRows(request.records);
    // Records without a key take turns.
    const parts = partitionRows(request, { count: this.#partitions, nullPartition: this.#turn++ });
    return parts.map(({ partition, rows: chosen }) => ({
      topic: name,
      partition,
      rows: chosen === null ? records : [...chosen].map((row) => records[row]!),
      as: this.#fate(random),
    }));
  }

  #fate(random: SeededRandom): NonNullable<Feed["as"]> {
    if (!this.#options.isInputTransactional) return "plain";
    const draw = random.float();
    return draw < 0.6 ? "committed" : draw < 0.8 ? "aborted" : "plain";
  }

  #row(random: SeededRandom, nowMs: number): RowOf<Columns> {
    const { schema, key, eventTime } = this.#topic;
    const { keys, hotShare } = this.#options;
    const chosen = random.isHit(hotShare) ? 0 : random.integer(0, keys - 1);
    return Object.fromEntries(
      Object.entries(schema).map(([name, type]) => {
        const isKey = name === key || type.isRecordKey === true;
        if (isKey) return [name, keyValue(type, chosen)];
        const value = cell(type, random, nowMs);
        return [name, name === eventTime && value === null ? nowMs : value];
      }),
    ) as RowOf<Columns>;
  }
}

/** The value of a key column for the key of a number. */
function keyValue(type: ColumnType, number: number): unknown {
  switch (type.kind) {
    case "utf8":
      return `k${number}`;
    case "binary":
      return new TextEncoder().encode(`k${number}`);
    case "int64":
      return BigInt(number);
    case "bool":
      return number % 2 === 0;
    default:
      return number;
  }
}

function cell(type: ColumnType, random: SeededRandom, nowMs: number): unknown {
  if (type.nullable && random.isHit(NULL_SHARE)) return null;
  switch (type.kind) {
    case "utf8":
      return random.pick(["", "a", "b", "c", "\u00e4\u00f6", `w${random.integer(0, 99)}`]);
    case "binary":
      return random.bytes(random.integer(0, 4));
    case "float64":
      return random.integer(-400, 400) / 4;
    case "int32":
      return random.integer(-100, 100);
    case "int64":
      return BigInt(random.integer(-100, 100));
    case "timestampMs":
      return nowMs - random.integer(0, JITTER_MS);
    case "bool":
      return random.isHit(0.5);
    case "list":
      return Array.from({ length: random.integer(0, 3) }, () => cell(type.element!, random, nowMs));
    default:
      return Object.fromEntries(
        Object.entries(type.columns!).map(([name, inner]) => [name, cell(inner, random, nowMs)]),
      );
  }
}

function recordRows({ count, keys, values, timestamps }: Records): RecordRow[] {
  return Array.from({ length: count }, (_, row): RecordRow => {
    const key = keys === null ? null : spanBytes(keys, row)?.slice() ?? null;
    const value = spanBytes(values, row)?.slice() ?? null;
    return timestamps === null ? { key, value } : { key, value, timestampMs: timestamps[row]! };
  });
}
