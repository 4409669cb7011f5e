import { checkOptionNames } from "../base/check_option_names.ts";
import type { Codec } from "../codecs/codec.ts";
import { json } from "../codecs/json/json.ts";
import type { Columns, NamesOf, TimestampMs } from "../columns/schema.ts";
import type { Topic } from "./operator.ts";

/** Options of {@linkcode topic}. */
export interface TopicOptions<S extends Columns> {
  /** How values are written, and their columns. */
  value: Codec<S>;
  /** Column that keys the records that are published; a null key goes round robin per batch. @default no key */
  key?: keyof S & string;
  /**
   * Column that is the event time; otherwise the record's own timestamp is. A null there is no event time: then the
   * record's timestamp counts, and a row that is published is stamped with task time, one that is produced with wall time.
   *
   * @default the record's timestamp
   */
  eventTime?: NamesOf<S, TimestampMs<boolean>>;
  /** How far event times may be out of order, in milliseconds: watermark = task time - this. @default {0} */
  outOfOrdernessMs?: number;
  /** Partitions when the topic is created. @default {1} */
  partitions?: number;
  /** Create the topic when it is missing, on brokers that do not do so by themselves. @default {false} */
  createTopics?: boolean;
}

const OPTION_NAMES = ["value", "key", "eventTime", "outOfOrdernessMs", "partitions", "createTopics"];

/** Topic names as Kafka allows them. */
const TOPIC_NAME = /^[A-Za-z0-9._-]{1,249}$/;

/**
 * Throws unless `name` is a legal topic name.
 *
 * @param name The name.
 * @throws {TypeError} when Kafka would refuse it.
 */
export function checkTopicName(name: string): void {
  if (!TOPIC_NAME.test(name) || name === "." || name === "..") {
    throw new TypeError(
      `Cannot create topic as its name must be 1 to 249 characters of A-Z a-z 0-9 . _ -: current value is '${name}'`,
    );
  }
}

/**
 * Says what a stream is: its name, the columns of its values, key and event time. Topic values are shared by jobs,
 * tests and producers.
 *
 * @param name Topic name, of `A-Z a-z 0-9 . _ -`.
 * @param options Codec, key column, event time and how to create it.
 * @returns A frozen topic.
 * @throws {TypeError} when the name is illegal, an option does not exist or names a column that does not.
 * @throws {RangeError} when a number is out of range.
 *
 * @example A topic of readings, keyed by device
 * ```ts
 * import { float64, json, timestampMs, topic, utf8 } from "@turbine/turbine";
 * import { assertEquals } from "@std/assert";
 *
 * const readings = topic("readings", {
 *   value: json({ device_id: utf8(), ts: timestampMs(), temperature: float64() }),
 *   key: "device_id",
 *   eventTime: "ts",
 * });
 * assertEquals(Object.keys(readings.schema), ["device_id", "ts", "temperature"]);
 * ```
 */
export function topic<S extends Columns>(name: string, options: TopicOptions<S>): Topic<S> {
  checkTopicName(name);
  checkOptionNames(`topic '${name}'`, options, OPTION_NAMES);
  const { value: codec, key, eventTime, outOfOrdernessMs = 0, partitions = 1, createTopics = false } = options;
  const problem = `Cannot create topic '${name}' as`;
  if (codec === undefined || typeof codec.decoder !== "function") {
    throw new TypeError(`${problem} 'value' must be a codec such as json({...}): current value is ${codec}`);
  }
  for (const [option, column] of [["key", key], ["eventTime", eventTime]] as const) {
    if (column !== undefined && !codec.isInferred && codec.schema[column] === undefined) {
      const columns = Object.keys(codec.schema).join(", ");
      throw new TypeError(`${problem} '${option}' must be one of the columns ${columns}: current value is '${column}'`);
    }
  }
  if (eventTime !== undefined && !codec.isInferred && codec.schema[eventTime]!.kind !== "timestampMs") {
    throw new TypeError(`${problem} 'eventTime' must be a timestampMs() column: current value is '${eventTime}'`);
  }
  if (!Number.isFinite(outOfOrdernessMs) || outOfOrdernessMs < 0) {
    throw new RangeError(`${problem} 'outOfOrdernessMs' must be a number >= 0: current value is ${outOfOrdernessMs}`);
  }
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > 100_000) {
    throw new RangeError(`${problem} 'partitions' must be an integer from 1 to 100000: current value is ${partitions}`);
  }
  return Object.freeze({
    name,
    schema: codec.schema,
    codec,
    key: key ?? null,
    eventTime: eventTime ?? null,
    outOfOrdernessMs,
    partitions,
    createTopics,
  });
}

/**
 * A topic from a bare name: JSON with a schema inferred from each batch, the slow way.
 *
 * @param nameOrTopic A topic, or its name.
 */
export function asTopic<S extends Columns>(nameOrTopic: Topic<S> | string): Topic<S> {
  return typeof nameOrTopic === "string"
    ? topic(nameOrTopic, { value: json() }) as Topic<Columns> as Topic<S>
    : nameOrTopic;
}
