/**
 * What the type checker must accept and refuse. Each `@ts-expect-error` is a mistake that users make: the file does not
 * check when one of them goes unnoticed.
 */
import { assertEquals, assertThrows } from "@std/assert";
import { filter } from "../columns/filter.ts";
import type { ColumnsAsExpressions } from "../columns/expression_types.ts";
import { batchOf } from "../columns/batch_of.ts";
import { type Batch, bool, type Columns, float64, int64, timestampMs, utf8 } from "../columns/schema.ts";
import { rows } from "../columns/rows.ts";
import { selectColumns, withColumn } from "../columns/select_columns.ts";
import type { Handler, Operator, Topic } from "../operator/operator.ts";
import { chain } from "./chain.ts";
import { from } from "./from.ts";
import { map } from "./map.ts";
import { project } from "./project.ts";
import { where } from "./where.ts";
import { withColumns } from "./with_columns.ts";

const columns = {
  device_id: utf8(),
  ts: timestampMs(),
  temperature: float64(),
  note: utf8({ nullable: true }),
  pressure: float64({ nullable: true }),
  n: int64(),
  ok: bool(),
};
type Readings = typeof columns;
const readings = { schema: columns, codec: { schema: columns, isInferred: false } } as unknown as Topic<Readings>;
type Alerts = { device_id: Readings["device_id"]; temperature: Readings["temperature"] };
const alerts = {} as Topic<Alerts>;

/** As `Turbine.subscribe` infers: input from the topic, output from `publishTo`. */
function subscribe<S extends Columns, O extends Columns = Columns>(
  _topic: Topic<S>,
  _options: { publishTo?: Topic<O> },
  step: Operator<NoInfer<S>, NoInfer<O>> | Handler<NoInfer<S>, NoInfer<O>>,
): unknown {
  return step;
}

Deno.test("steps take their columns from the topic, whether alone, in a chain or behind from()", () => {
  subscribe(readings, { publishTo: alerts }, where((c) => c.temperature.greaterThan(30)));
  subscribe(readings, { publishTo: alerts }, project("device_id", "temperature"));
  subscribe(readings, { publishTo: alerts }, (batch) => filter(batch, (c) => c.temperature.greaterThan(30)));
  subscribe(
    readings,
    {},
    chain(
      where((c) => c.note.isNull().and(c.temperature.between(0, c.pressure))),
      withColumns((c) => ({ fahrenheit: c.temperature.times(1.8).plus(32), day: c.ts.minus(c.ts.modulo(86_400_000)) })),
      map((batch) => filter(batch, (c) => c.fahrenheit.greaterThan(100))),
      where((c) => c.day.greaterThan(0)),
      project("device_id", "fahrenheit"),
    ),
  );
  const hot: Operator<Readings, Alerts> = from(
    readings,
    where((c) => c.ok),
    where((c) => c.n.greaterThan(5n).or(c.n.equals(3))),
    project("device_id", "temperature"),
  );
  const reusable = <S extends Columns & { temperature: Readings["temperature"] }>() =>
    where((c: ColumnsAsExpressions<S>) => (c as ColumnsAsExpressions<Alerts>).temperature.isNull());
  assertEquals(Object.keys(hot.schema(columns)), ["device_id", "temperature"]);
  assertEquals(reusable<Readings>().schema(columns), columns);
});

Deno.test("nullability is tracked through expressions", () => {
  const operator = from(
    readings,
    withColumns((c) => ({
      sum: c.temperature.plus(c.pressure),
      filled: c.pressure.ifNull(0),
      twice: c.temperature.times(2),
      known: c.note.isNotNull(),
    })),
  );
  type Out = typeof operator extends Operator<Readings, infer O> ? O : never;
  const sum: Out["sum"]["nullable"] = true;
  const filled: Out["filled"]["nullable"] = false;
  const twice: Out["twice"]["nullable"] = false;
  const known: Out["known"]["nullable"] = false;
  const output = operator.schema(columns);
  assertEquals(["sum", "filled", "twice", "known"].map((name) => output[name]!.nullable), [sum, filled, twice, known]);
});

Deno.test("a column without nulls fits where nulls are admitted", () => {
  const nullable = {} as Topic<{ device_id: Readings["note"]; temperature: Readings["pressure"] }>;
  subscribe(readings, { publishTo: nullable }, project("device_id", "temperature"));
  subscribe(readings, { publishTo: nullable }, (batch) => batch);
  const twice = map<Readings, { twice: ReturnType<typeof float64> }>((batch) =>
    batchOf({ twice: float64() }, [...rows(batch)].map((row) => ({ twice: row.temperature * 2 })))
  );
  assertEquals(twice.isOutputUnknown, true);
});

Deno.test("mistakes do not check", () => {
  const mistakes = (batch: Batch<Readings>) => {
    // @ts-expect-error a misspelt column in where()
    subscribe(readings, {}, where((c) => c.temprature.greaterThan(1)));
    // @ts-expect-error a misspelt column in project()
    subscribe(readings, {}, project("device"));
    // @ts-expect-error a text compared with a number
    subscribe(readings, {}, where((c) => c.device_id.greaterThan(1)));
    // @ts-expect-error a number compared with a text
    subscribe(readings, {}, where((c) => c.temperature.equals("1")));
    // @ts-expect-error a condition that is a number
    subscribe(readings, {}, where((c) => c.temperature.plus(1)));
    // @ts-expect-error arithmetic on text
    subscribe(readings, {}, withColumns((c) => ({ x: c.device_id.plus(1) })));
    // @ts-expect-error a column that an earlier operator dropped
    subscribe(readings, {}, chain(project("device_id", "ts"), where((c) => c.temperature.greaterThan(1))));
    // @ts-expect-error the output lacks a column of the topic
    subscribe(readings, { publishTo: alerts }, chain(where((c) => c.note.isNull()), project("device_id")));
    // @ts-expect-error the handler returns a batch that lacks a column
    subscribe(readings, { publishTo: alerts }, (b) => selectColumns(b, "device_id"));
    // @ts-expect-error a nullable column where the topic takes no nulls
    subscribe(readings, { publishTo: alerts }, withColumns((c) => ({ temperature: c.pressure })));
    // @ts-expect-error a column of another type than the topic's
    subscribe(readings, { publishTo: alerts }, withColumns((c) => ({ temperature: c.n })));
    // @ts-expect-error a misspelt column in a handler
    batch.getChild("temprature");
    // @ts-expect-error a misspelt column in filter()
    filter(batch, (c) => c.temprature.isNull());
    // @ts-expect-error a misspelt column in selectColumns()
    selectColumns(batch, "temprature");
    // @ts-expect-error a misspelt column in withColumn()
    withColumn(batch, "x", (c) => c.temprature);
    // @ts-expect-error a number for a column of 64-bit integers
    batchOf({ n: int64() }, [{ n: 1 }]);
    // @ts-expect-error a null in a column without nulls
    batchOf({ t: float64() }, [{ t: null }]);
    // @ts-expect-error a default of another type
    where<Readings>((c) => c.note.ifNull(3).equals("x"));
  };
  assertEquals(mistakes.length, 1);
  assertThrows(() => from(readings, where((c) => (c as never as Record<string, never>)["temprature"]!)), TypeError);
});
