/** Columns on one core: filter, take, expressions, interning and rows of batches of 8,192 rows. */
import { batchFromColumns } from "../lib/columns/batch.ts";
import { columnData } from "../lib/columns/column_data.ts";
import { compileCondition, compileExpressions } from "../lib/columns/compile_expressions.ts";
import { columnsAsExpressions } from "../lib/columns/expression.ts";
import { filter } from "../lib/columns/filter.ts";
import { KeyTable } from "../lib/columns/key_table.ts";
import { rows } from "../lib/columns/rows.ts";
import { type Batch, float64, timestampMs, utf8 } from "../lib/columns/schema.ts";
import { take } from "../lib/columns/take.ts";

const ROWS = 8192;
const schema = {
  device_id: utf8(),
  ts: timestampMs(),
  temperature: float64(),
  humidity: float64({ nullable: true }),
};

/** A batch of readings of `devices` devices; every tenth humidity is null. */
function readings(devices: number): Batch<typeof schema> {
  let seed = 42;
  const next = () => (seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff) / 0x7fffffff;
  const ids = Array.from({ length: ROWS }, () => `d-${String(Math.floor(next() * devices)).padStart(7, "0")}`);
  const values = new TextEncoder().encode(ids.join(""));
  const validity = new Uint8Array(ROWS / 8).fill(255);
  for (let row = 0; row < ROWS; row += 10) validity[row >> 3] = validity[row >> 3]! & ~(1 << (row & 7));
  return batchFromColumns(schema, {
    device_id: { values, offsets: Int32Array.from({ length: ROWS + 1 }, (_, row) => row * 9) },
    ts: BigInt64Array.from({ length: ROWS }, (_, row) => 1_700_000_000_000n + BigInt(row)),
    temperature: Float64Array.from({ length: ROWS }, () => Math.round(1000 + next() * 3000) / 100),
    humidity: { values: Float64Array.from({ length: ROWS }, () => next() * 100), validity },
  }, ROWS);
}

const batch = readings(10_000);
const c = columnsAsExpressions(schema);
const third = Int32Array.from({ length: ROWS / 3 }, (_, i) => i * 3);
const selected = new Int32Array(ROWS);
const hot = c.temperature.greaterThan(30);
const hotAndDry = hot.and(c.humidity.lessThan(50)).and(c.device_id.notEquals("d-0000000"));
const fahrenheit = c.temperature.times(1.8).plus(32);

Deno.bench("filter by (temperature > 30), one third stays", { group: "filter", baseline: true }, () => {
  filter(batch, (c) => c.temperature.greaterThan(30));
});
Deno.bench("take of every third row", { group: "filter" }, () => {
  take(batch, third);
});

for (const isInterpreted of [false, true]) {
  const way = isInterpreted ? "interpreted" : "compiled";
  const one = compileCondition(schema, hot, { isInterpreted });
  const three = compileCondition(schema, hotAndDry, { isInterpreted });
  const column = compileExpressions(schema, { fahrenheit }, { isInterpreted });
  const nulls = compileExpressions(schema, { x: c.humidity.ifNull(0).plus(c.temperature) }, { isInterpreted });
  Deno.bench(`select (temperature > 30), ${way}`, { group: "condition", baseline: !isInterpreted }, () => {
    one.select(batch, selected);
  });
  Deno.bench(`select by three conditions, one with nulls, one on text, ${way}`, { group: "three conditions" }, () => {
    three.select(batch, selected);
  });
  Deno.bench(`temperature * 1.8 + 32, ${way}`, { group: "arithmetic", baseline: !isInterpreted }, () => {
    column.evaluate(batch);
  });
  Deno.bench(`ifNull(humidity, 0) + temperature, ${way}`, { group: "nulls", baseline: !isInterpreted }, () => {
    nulls.evaluate(batch);
  });
}

for (const devices of [10_000, 1_000_000]) {
  const batches = Array.from({ length: 16 }, () => readings(devices));
  const table = new KeyTable({ capacity: devices });
  const codes = new Int32Array(ROWS);
  for (const each of batches) table.internColumn(columnData(each, "device_id"), codes);
  let next = 0;
  Deno.bench(`intern a text column, ${devices} keys`, { group: "intern" }, () => {
    table.internColumn(columnData(batches[next++ % batches.length]!, "device_id"), codes);
  });
}

Deno.bench("rows() of four columns", { group: "rows", baseline: true }, () => {
  let sum = 0;
  for (const row of rows(batch)) sum += row.temperature;
  if (sum === 0) throw new Error("no rows");
});
Deno.bench("Arrow's own row iterator of four columns", { group: "rows" }, () => {
  let sum = 0;
  for (const row of batch) sum += row.temperature;
  if (sum === 0) throw new Error("no rows");
});
