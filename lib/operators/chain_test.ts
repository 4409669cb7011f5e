import { assert, assertEquals, assertFalse, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { batchOf } from "../columns/batch_of.ts";
import { rows } from "../columns/rows.ts";
import { rowOrigins, withRowOrigins } from "../columns/row_origins.ts";
import { type Batch, type Columns, float64, int32, utf8 } from "../columns/schema.ts";
import type { Context, Operator, Result, Running, Topic } from "../operator/operator.ts";
import { asOperator } from "./as_operator.ts";
import { chain } from "./chain.ts";
import { from } from "./from.ts";
import { map } from "./map.ts";
import { project } from "./project.ts";
import { where } from "./where.ts";
import { withColumns } from "./with_columns.ts";

const schema = { id: utf8(), celsius: float64({ nullable: true }) };
type S = typeof schema;
const context = {} as Context;
const reading = (id: string, celsius: number | null) => ({ id, celsius });
const warm = [reading("a", 10), reading("b", null), reading("c", 40), reading("d", 30)];

/** The rows that a synchronous run gives, batch by batch. */
function run<Out extends Columns>(operator: Operator<S, Out>, ...batches: Batch<S>[]): unknown[][] {
  const running = operator.open(schema);
  return batches.flatMap((batch) => plain(running.process(batch, context)));
}

function plain(result: Result<Columns> | Promise<Result<Columns>>): unknown[][] {
  assertFalse(result instanceof Promise, "a chain of synchronous steps is synchronous");
  if (result === undefined) return [];
  return (Array.isArray(result) ? result as Batch[] : [result as Batch]).map((batch) => [...rows(batch)]);
}

/** An operator whose every call is written down, and which gives batches when time advances. */
function probe(
  name: string,
  log: string[],
  options: { isStateful?: boolean; outputMode?: "append" | "update"; atAdvance?: Batch<S>; isAsync?: boolean } = {},
): Operator<S, S> {
  const { isStateful = false, outputMode = "append", atAdvance, isAsync = false } = options;
  const late = <T>(value: T): T | Promise<T> => isAsync ? Promise.resolve(value) : value;
  const running: Running<S, S> = {
    process(batch) {
      log.push(`${name}: ${[...rows(batch)].map((row) => row.id).join("")}`);
      return late(batch);
    },
    advance(watermarkMs) {
      log.push(`${name} at ${watermarkMs}`);
      return late(atAdvance);
    },
    reset: () => void log.push(`${name} reset`),
  };
  const stateNames = isStateful ? [name] : [];
  return { name, isStateful, stateNames, outputMode, schema: (input) => input, open: () => running };
}

Deno.test("where() keeps rows where the condition is true and drops false and null", () => {
  const batch = batchOf(schema, warm);
  assertEquals(run(where<S>((c) => c.celsius.greaterThan(20)), batch), [[reading("c", 40), reading("d", 30)]]);
  assertEquals(run(where<S>((c) => c.celsius.greaterThan(20).not()), batch), [[reading("a", 10)]]);
});

Deno.test("where() passes a batch on as it is when every row stays, and gives no rows when none does", () => {
  const batch = batchOf(schema, warm);
  const all = where<S>((c) => c.id.notEquals("x")).open(schema).process(batch, context);
  assertStrictEquals(all, batch);
  assertEquals(run(where<S>((c) => c.id.equals("x")), batch), [[]]);
});

Deno.test("where(), project() and withColumns() hand row origins on", () => {
  const batch = withRowOrigins(batchOf(schema, warm), Int32Array.of(3, 5, 7, 9));
  const steps = from(
    topicOf(schema),
    where((c) => c.celsius.greaterThan(20)),
    withColumns((c) => ({ f: c.celsius.times(2) })),
    project("f"),
  );
  const result = steps.open(schema).process(batch, context) as Batch;
  assertEquals([...rowOrigins(result)!], [7, 9]);
});

Deno.test("project() keeps the named columns in the named order", () => {
  const operator = project<S, "celsius" | "id">("celsius", "id");
  assertEquals(Object.keys(operator.schema(schema)), ["celsius", "id"]);
  assertEquals(run(operator, batchOf(schema, warm.slice(0, 1))), [[{ celsius: 10, id: "a" }]]);
});

Deno.test("withColumns() appends new columns and replaces existing ones in place, all from the input's values", () => {
  const operator = withColumns((c: Parameters<Parameters<typeof withColumns<S, never>>[0]>[0]) => ({
    celsius: c.celsius.plus(1),
    fahrenheit: c.celsius.times(1.8).plus(32).round(1),
  }));
  const output = operator.schema(schema);
  assertEquals(Object.entries(output).map(([name, type]) => [name, type.kind, type.nullable]), [
    ["id", "utf8", false],
    ["celsius", "float64", true],
    ["fahrenheit", "float64", true],
  ]);
  assertEquals(run(operator, batchOf(schema, warm.slice(0, 2))), [[
    { id: "a", celsius: 11, fahrenheit: 50 },
    { id: "b", celsius: null, fahrenheit: null },
  ]]);
});

Deno.test("schema() of an operator names a column that does not exist and those that do", () => {
  const wrong = where((c) => (c as never as Record<string, S["celsius"] & { isNull(): never }>)["celsuis"]!.isNull());
  for (
    const operator of [
      wrong,
      project("celsuis"),
      withColumns((c) => ({ x: (c as never as { celsuis: never }).celsuis })),
    ]
  ) {
    const error = assertThrows(() => operator.schema(schema), TypeError, "'celsuis'");
    assert(error.message.includes("id, celsius"), error.message);
  }
  assertThrows(() => where<S>((c) => c.celsius as never).schema(schema), TypeError, "as condition of where()");
  assertThrows(() => where<S>(() => true as never).schema(schema), TypeError, "Cannot use where()");
  assertThrows(
    () => withColumns<S, never>(() => ({ x: 1 }) as never).schema(schema),
    TypeError,
    "Cannot use withColumns()",
  );
});

Deno.test("chain() gives each step what the step before it gives", () => {
  const operator = chain(
    where<S>((c) => c.celsius.isNotNull()),
    withColumns((c) => ({ fahrenheit: c.celsius.times(1.8).plus(32) })),
    where((c) => c.fahrenheit.greaterThan(80)),
    project("id"),
  );
  assertEquals(Object.keys(operator.schema(schema)), ["id"]);
  assertEquals(run(operator, batchOf(schema, warm)), [[{ id: "c" }, { id: "d" }]]);
  assertEquals([operator.name, operator.isStateful, operator.outputMode], ["", false, "append"]);
});

Deno.test("chain() of one operator is that operator", () => {
  const only = where<S>((c) => c.id.equals("a"));
  assertStrictEquals(chain(only), only);
});

Deno.test("chain() sends several batches on one by one, in order, and leaves empty ones out", () => {
  const log: string[] = [];
  const split = map<S, S>((batch) => [batch.slice(0, 1), batch.slice(1, 1), batch.slice(1)]);
  const operator = chain(split, probe("x", log), probe("y", log));
  assertEquals(run(operator, batchOf(schema, warm)), [[warm[0]], warm.slice(1)]);
  assertEquals(log, ["x: a", "y: a", "x: bcd", "y: bcd"]);
});

Deno.test("chain() stops where a step gives nothing", () => {
  const log: string[] = [];
  const operator = chain(map<S, S>(() => undefined), probe("x", log));
  assertEquals(run(operator, batchOf(schema, warm)), []);
  assertEquals(log, []);
});

Deno.test("chain() passes what a step gives at a watermark through the later steps before their own advance", () => {
  const log: string[] = [];
  const batch = (id: string) => batchOf(schema, [reading(id, 1)]);
  const operator = chain(
    probe("x", log, { atAdvance: batch("1") }),
    where((c) => c.id.notEquals("2")),
    probe("y", log, { atAdvance: batch("2") }),
    probe("z", log, { atAdvance: batch("3") }),
  );
  const running = operator.open(schema);
  assertEquals(plain(running.advance!(7, context)), [[reading("1", 1)], [reading("2", 1)], [reading("3", 1)]]);
  assertEquals(log, ["x at 7", "y: 1", "z: 1", "y at 7", "z: 2", "z at 7"]);
  running.reset!();
  assertEquals(log.slice(-3), ["x reset", "y reset", "z reset"]);
});

Deno.test("a chain with an asynchronous step keeps the same order, and fails with that step's error", async () => {
  const log: string[] = [];
  const batch = (id: string) => batchOf(schema, [reading(id, 1)]);
  const split = map<S, S>((input) => Promise.resolve([input.slice(0, 1), input.slice(1)]));
  const operator = chain(
    split,
    probe("x", log, { isAsync: true, atAdvance: batch("1") }),
    probe("y", log, { atAdvance: batch("2") }),
  );
  const running = operator.open(schema);
  const result = running.process(batchOf(schema, warm), context);
  assert(result instanceof Promise);
  assertEquals(plain(await result), [[warm[0]], warm.slice(1)]);
  assertEquals(plain(await running.advance!(9, context)), [[reading("1", 1)], [reading("2", 1)]]);
  assertEquals(log, ["x: a", "y: a", "x: bcd", "y: bcd", "x at 9", "y: 1", "y at 9"]);

  const failing = chain(where<S>((c) => c.id.isNotNull()), map(() => Promise.reject(new Error("out of stock"))));
  await assertRejects(
    async () => await failing.open(schema).process(batchOf(schema, warm), context),
    Error,
    "out of stock",
  );
});

Deno.test("chain() collects the names of state and refuses one name twice, also in nested chains", () => {
  const log: string[] = [];
  const a = probe("a", log, { isStateful: true });
  const b = probe("b", log, { isStateful: true, outputMode: "update" });
  const inner = chain(where<S>((c) => c.id.isNotNull()), a);
  const outer = chain(inner, b);
  assertEquals([outer.stateNames, outer.isStateful, outer.outputMode], [["a", "b"], true, "update"]);
  assertEquals([inner.stateNames, inner.outputMode], [["a"], "append"]);
  assert(outer.name !== "");
  assertThrows(() => chain(outer, a), TypeError, "'a'");
});

Deno.test("chain() opens stateless steps after a handler for the columns that it really gives", () => {
  const doubled = map<S, { twice: ReturnType<typeof int32> }>((batch) =>
    batchOf({ twice: int32() }, [...rows(batch)].map((row) => ({ twice: (row.celsius ?? 0) * 2 })))
  );
  const operator = chain(doubled, where((c) => c.twice.greaterThan(50)));
  assert(operator.isOutputUnknown);
  assertEquals(run(operator, batchOf(schema, warm)), [[{ twice: 80 }, { twice: 60 }]]);
  const log: string[] = [];
  const stateful = probe("totals", log, { isStateful: true });
  assertThrows(() => chain(map<S, S>((batch) => batch), stateful), TypeError, "'totals'");
  const declared = chain(map<S, S>((batch) => batch, { output: schema }), stateful);
  assertFalse(declared.isOutputUnknown);
});

Deno.test("map() with declared columns cuts wider batches and refuses batches that do not fit", () => {
  const output = { id: utf8() };
  const operator = map<S, typeof output>((batch) => batch as never, { output });
  assertEquals(operator.schema(schema), output);
  assertEquals(run(operator, batchOf(schema, warm.slice(0, 1))), [[{ id: "a" }]]);
  const wrong = map<S, { celsius: S["id"] }>((batch) => batch as never, { output: { celsius: utf8() } });
  assertThrows(() => run(wrong, batchOf(schema, warm)), TypeError, "column 'celsius' must be utf8");
});

Deno.test("asOperator() gives operators back and refuses what is no step", () => {
  const operator = where<S>((c) => c.id.isNull());
  assertStrictEquals(asOperator(operator), operator);
  assertEquals(asOperator<S, S>((batch) => batch).stateNames, []);
  assertThrows(() => asOperator(3 as never), TypeError, "current value is 3");
  assertThrows(() => map("x" as never), TypeError, "current value is x");
  assertThrows(() => (chain as () => unknown)(), TypeError, "at least one operator");
});

Deno.test("from() checks its steps against the topic at once", () => {
  assertThrows(() => from(topicOf(schema), project("nothing" as "id")), TypeError, "'nothing'");
  const operator = from(topicOf(schema), where((c) => c.celsius.isNull()), project("id"));
  assertEquals(run(operator, batchOf(schema, warm)), [[{ id: "b" }]]);
});

function topicOf<T extends Columns>(columns: T): Topic<T> {
  const codec = { format: "json", schema: columns, isInferred: false } as Topic<T>["codec"];
  return {
    name: "readings",
    schema: columns,
    codec,
    key: null,
    eventTime: null,
    outOfOrdernessMs: 0,
    partitions: 1,
    createTopics: false,
  };
}

Deno.test("map() refuses an option that does not exist", () => {
  const mistyped = { outputs: {} } as object;
  assertThrows(() => map((batch) => batch, mistyped), TypeError, "only output: current value is 'outputs'");
});
