/**
 * Columns to JSON, 8,192 rows for each iteration: the compiled encoder, its closures, and a plain program.
 * `deno bench --allow-env bench/json_encode_bench.ts`
 */
import { batchOf } from "../lib/columns/batch_of.ts";
import { float64, timestampMs, utf8 } from "../lib/columns/schema.ts";
import { createJsonEncoder } from "../lib/codecs/json/json_encoder.ts";

const ROWS = 8_192;
const columns = { device_id: utf8(), ts: timestampMs(), temperature: float64(), humidity: float64() };

/** Readings with values of `decimals` decimals, or of all digits. */
function readings(decimals: number | null) {
  const rounded = (value: number) => decimals === null ? value : Number(value.toFixed(decimals));
  return batchOf(
    columns,
    Array.from({ length: ROWS }, (_, i) => ({
      device_id: `d-${String(i * 7919 % 10_000).padStart(6, "0")}`,
      ts: 1_700_000_000_000 + i,
      temperature: rounded(20 + 15 * Math.sin(i)),
      humidity: rounded(50 + 40 * Math.cos(i)),
    })),
  );
}

const utf8Encoder = new TextEncoder();
for (const [group, decimals] of [["2 decimals", 2], ["noisy doubles", null]] as const) {
  const batch = readings(decimals);
  const compiled = createJsonEncoder(columns);
  const closures = createJsonEncoder(columns, { isEvalAllowed: false });
  Deno.bench(`compiled, ${group}`, { group, baseline: true }, () => {
    compiled.encode(batch);
  });
  Deno.bench(`closures, ${group}`, { group }, () => {
    closures.encode(batch);
  });
  Deno.bench(`JSON.stringify of each row, ${group}`, { group }, () => {
    for (const row of batch) utf8Encoder.encode(JSON.stringify(row));
  });
}
