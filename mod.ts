/**
 * Turbine: batch-first stream processing for Deno. A job subscribes a handler to a topic; the handler gets one Apache Arrow
 * `RecordBatch` for each poll of a partition plus keyed state, and returns a `RecordBatch` that is published.
 *
 * @example A filter, run by the test driver on an in-memory broker
 * ```ts
 * import { filter, float64, json, topic, Turbine, utf8 } from "@turbine/turbine";
 * import { TestDriver } from "@turbine/turbine/testing";
 * import { assertEquals } from "@std/assert";
 *
 * const readings = topic("readings", { value: json({ device: utf8(), temperature: float64() }), key: "device" });
 * const alerts = topic("alerts", { value: json({ device: utf8() }), key: "device" });
 *
 * const app = new Turbine("thermostat");
 * app.subscribe(readings, { publishTo: alerts }, (batch) => filter(batch, (c) => c.temperature.greaterThan(30)));
 *
 * await using driver = await TestDriver.start(app);
 * await driver.send(readings, [{ device: "a", temperature: 31 }, { device: "b", temperature: 20 }]);
 * await driver.settle();
 * assertEquals(driver.read(alerts), [{ device: "a" }]);
 * ```
 *
 * @module
 */
export * from "./lib/base/errors.ts";
export { InvariantError } from "./lib/base/assert.ts";
export { applied, notApplied, type Outcome, unknown } from "./lib/base/outcome.ts";

export type { DataType, Field, RecordBatch, Schema, Vector } from "apache-arrow";
export * from "./lib/columns/schema.ts";
export type { ByteSpans, Records, RecordSlab } from "./lib/columns/records.ts";
export { decodeHeaders, encodeHeaders, type HeaderEntry } from "./lib/columns/headers.ts";
export { batchOf } from "./lib/columns/batch_of.ts";
export { asBatch } from "./lib/columns/as_batch.ts";
export { batchFromColumns, type ColumnBuffers, type ColumnInput, emptyBatch } from "./lib/columns/batch.ts";
export type { ArrowData, ValuesArray } from "./lib/columns/column_data.ts";
export { concatBatches } from "./lib/columns/concat.ts";
export { filter, type FilterCondition } from "./lib/columns/filter.ts";
export { take } from "./lib/columns/take.ts";
export { rows } from "./lib/columns/rows.ts";
export { selectColumns, withColumn } from "./lib/columns/select_columns.ts";
export { groupRows, type RowGroups } from "./lib/columns/group_rows.ts";
export { lit } from "./lib/columns/expression.ts";
export type * from "./lib/columns/expression_types.ts";

export type * from "./lib/codecs/codec.ts";
export { json, type JsonOptions } from "./lib/codecs/json/json.ts";
export { text } from "./lib/codecs/text.ts";
export { bytes } from "./lib/codecs/bytes.ts";
export type { SingleColumn } from "./lib/codecs/single_column.ts";
export { recordKey } from "./lib/codecs/record_key.ts";
export { jsonValues, type ValueCodec } from "./lib/codecs/value_codec.ts";

export * from "./lib/operator/operator.ts";
export { topic, type TopicOptions } from "./lib/operator/topic.ts";
export { stateTable, type StateTableOptions } from "./lib/operator/state_table.ts";

export { asOperator } from "./lib/operators/as_operator.ts";
export { chain } from "./lib/operators/chain.ts";
export { from } from "./lib/operators/from.ts";
export { map, type MapOptions } from "./lib/operators/map.ts";
export { project } from "./lib/operators/project.ts";
export { tumblingCount, type TumblingCountOptions, type TumblingCountOutput } from "./lib/operators/tumbling_count.ts";
export { where } from "./lib/operators/where.ts";
export { type WithColumns, withColumns } from "./lib/operators/with_columns.ts";

export type * from "./lib/seams/adapter.ts";
export type * from "./lib/seams/blob_store.ts";
export type * from "./lib/seams/broker.ts";
export type * from "./lib/seams/clock.ts";
export type * from "./lib/seams/observer.ts";
export { STEP_LABELS } from "./lib/seams/observer.ts";
export { type Random, randomId } from "./lib/seams/random.ts";
export type * from "./lib/seams/state_store.ts";

export type * from "./lib/runtime/subscription_spec.ts";
export type { TaskStatus } from "./lib/runtime/runner_parts.ts";
export { DEAD_LETTER_HEADERS } from "./lib/runtime/dead_letters.ts";

export type { ResolvedOptions, RunOverrides, StartFrom, TurbineOptions } from "./lib/app/app_options.ts";
export type { OptionSource } from "./lib/app/option_rules.ts";
export type { AppDefinition } from "./lib/app/start_app.ts";
export { RunningApp, type SubscriptionStatus, type TopicOffsets } from "./lib/app/running_app.ts";
export type { SubscribeOptions } from "./lib/app/subscribe_options.ts";
export { type ReadOptions, TopicReader, type UnreadableRow } from "./lib/app/topic_reader.ts";
export { type RunOptions, Turbine } from "./lib/app/turbine.ts";
