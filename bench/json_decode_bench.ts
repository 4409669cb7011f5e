/**
 * Decoding of JSON slabs of 8192 messages into a batch; time per iteration / 8192 is the time per message.
 * Run: `deno bench bench/json_decode_bench.ts`
 */
import { createJsonDecoder } from "../lib/codecs/json/json_decoder.ts";
import type { ByteSpans } from "../lib/columns/records.ts";
import { spansOf } from "../lib/columns/spans.ts";
import { type Columns, float64, list, struct, timestampMs, utf8 } from "../lib/columns/schema.ts";

const ROWS = 8192;
/** Batches before the clock starts: layouts are learned and code is optimised in the first few dozen. */
const WARM_BATCHES = 100;

const readings = {
  device_id: utf8(),
  ts: timestampMs(),
  temperature: float64(),
  humidity: float64({ nullable: true }),
};

let state = 1;
/** A small deterministic generator: an integer below `max`. */
function next(max: number): number {
  state = Math.imul(state, 1_664_525) + 1_013_904_223 | 0;
  return (state >>> 8) % max;
}

function reading(): [name: string, text: string][] {
  return [
    ["device_id", `"d-${String(next(10_000)).padStart(6, "0")}"`],
    ["ts", String(1_700_000_000_000 + next(1_000_000))],
    ["temperature", String(next(10_000) / 100)],
    ["humidity", String(next(1000) / 10)],
  ];
}

const join = (members: [string, string][], space = "") =>
  `{${members.map(([name, text]) => `"${name}":${space}${text}`).join(`,${space}`)}}`;
const shuffled = <T>(all: T[]) =>
  all.map((x) => ({ x, key: next(1 << 20) })).sort((a, b) => a.key - b.key).map(({ x }) => x);
const slab = (row: (i: number) => string): ByteSpans => spansOf(Array.from({ length: ROWS }, (_, i) => row(i)));

const nested = { ...readings, place: struct({ lat: float64(), lon: float64() }), tags: list(utf8()) };
const unknown = (): [string, string][] =>
  ["alpha", "beta", "gamma", "delta", "epsilon"].map((
    name,
    i,
  ) => [name, ['"some text"', "12.5", "true", "null", "[1,2]"][i]!]);
const seventeen = () => String((next(1 << 20) + 1) / 3 + next(1 << 20) / 7);

const cases: [name: string, schema: Columns, row: (i: number) => string][] = [
  ["steady layout, 79 bytes", readings, () => join(reading())],
  ["spaces", readings, () => join(reading(), " ")],
  [
    "1 % of the ids escaped",
    readings,
    (i) => i % 100 === 0 ? join(reading()).replace("d-", "d\\u002d") : join(reading()),
  ],
  ["10 % nulls", readings, (i) => join(i % 10 ? reading() : [...reading().slice(0, 3), ["humidity", "null"]])],
  ["half of the rows lack a member", readings, (i) => join(reading().slice(0, i % 2 ? 3 : 4))],
  [
    "four layouts in turn",
    readings,
    (i) => join(i % 4 ? [...reading().slice(i % 4), ...reading().slice(0, i % 4)] : reading()),
  ],
  ["members in random order", readings, () => join(shuffled(reading()))],
  ["two doubles of 17 digits", readings, () => {
    const [id, ts] = reading();
    return join([id!, ts!, ["temperature", seventeen()], ["humidity", seventeen()]]);
  }],
  ["five unknown members", readings, () => join([...reading().slice(0, 2), ...unknown(), ...reading().slice(2)])],
  [
    "struct and list of text",
    nested,
    () =>
      join([...reading(), ["place", `{"lat":${next(9000) / 100},"lon":${next(9000) / 100}}`], [
        "tags",
        '["a","bc","def"]',
      ]]),
  ],
];

for (const [name, schema, row] of cases) {
  const values = slab(row);
  const decoder = createJsonDecoder(schema);
  for (let i = 0; i < WARM_BATCHES; i++) decoder.decode(values, 0, ROWS);
  Deno.bench(`${name} (8192 rows)`, { group: "scanned" }, () => {
    decoder.decode(values, 0, ROWS);
  });
}

for (const isEvalAllowed of [true, false]) {
  const values = slab(() => join(reading()));
  const decoder = createJsonDecoder(readings, { isEvalAllowed });
  for (let i = 0; i < WARM_BATCHES; i++) decoder.decode(values, 0, ROWS);
  Deno.bench(
    `steady layout, ${isEvalAllowed ? "with" : "without"} generated code (8192 rows)`,
    { group: "eval" },
    () => {
      decoder.decode(values, 0, ROWS);
    },
  );
}

const text = new TextDecoder();
const parsed = slab(() => join(reading()));
Deno.bench("JSON.parse of each message, no columns (8192 rows)", { group: "eval" }, () => {
  for (let row = 0; row < ROWS; row++) {
    JSON.parse(text.decode(parsed.bytes.subarray(parsed.starts[row]!, parsed.ends[row]!)));
  }
});
