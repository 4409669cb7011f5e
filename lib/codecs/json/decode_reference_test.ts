import { assertEquals } from "@std/assert";
import type { ByteSpans } from "../../columns/records.ts";
import { type Columns, type ColumnType, float64, int64, list, struct, utf8 } from "../../columns/schema.ts";
import type { DecodedBatch } from "../codec.ts";
import type { ArrowData } from "./json_column.ts";

/** What the decoder must do, as simply as it can be said; tests compare it with all ways through the decoder. */

/** A value that no column can hold. */
export class RefusedValue extends Error {}

class Numeral {
  constructor(readonly text: string) {}
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The row in some bytes, as values by column name; throws when the bytes are to be refused. */
export function referenceRow(schema: Columns, bytes: Uint8Array): Map<string, unknown> {
  const text = decoder.decode(bytes);
  const reviver = (_: string, value: unknown, context: { source: string }) =>
    typeof value === "number" ? new Numeral(context.source) : value;
  const value = JSON.parse(text, reviver as (key: string) => unknown);
  if (levelsOf(text) > 512) throw new RefusedValue("deep");
  return referenceStruct(schema, value);
}

function levelsOf(text: string): number {
  let depth = 0, deepest = 0;
  for (const token of text.matchAll(/"(?:[^"\\]|\\.)*"|[[{]|[\]}]/gs)) {
    if (token[0] === "{" || token[0] === "[") deepest = Math.max(deepest, ++depth);
    else if (token[0] === "}" || token[0] === "]") depth--;
  }
  return deepest;
}

function referenceStruct(schema: Columns, value: unknown): Map<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Numeral) {
    throw new RefusedValue("no object");
  }
  const members = new Map(Object.entries(value));
  return new Map(Object.entries(schema).map(([name, type]) => [name, referenceValue(type, members.get(name))]));
}

function referenceValue(type: ColumnType, value: unknown): unknown {
  if (value === null || value === undefined) {
    if (!type.nullable) throw new RefusedValue("null");
    return null;
  }
  switch (type.kind) {
    case "list":
      if (!Array.isArray(value)) throw new RefusedValue("no array");
      return value.map((element) => referenceValue(type.element!, element));
    case "struct":
      return referenceStruct(type.columns!, value);
    case "bool":
      if (typeof value !== "boolean") throw new RefusedValue("no boolean");
      return value;
    case "utf8":
      if (typeof value !== "string" || !value.isWellFormed()) throw new RefusedValue("no text");
      return value;
    case "binary":
      if (typeof value !== "string" || btoaOf(value) !== value) throw new RefusedValue("no base64");
      return value;
    default:
      if (!(value instanceof Numeral)) throw new RefusedValue("no number");
      return type.kind === "float64" ? referenceDouble(value.text) : referenceInteger(type.kind, value.text);
  }
}

/** The canonical base64 of what some base64 says, or nothing. */
function btoaOf(text: string): string | null {
  try {
    return btoa(atob(text));
  } catch {
    return null;
  }
}

function referenceDouble(text: string): number {
  const value = JSON.parse(text) as number;
  if (!Number.isFinite(value)) throw new RefusedValue("infinite");
  return value;
}

function referenceInteger(kind: string, text: string): unknown {
  const [, sign, whole, fraction = "", exponent = "0"] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text)!;
  const digits = BigInt(whole! + fraction);
  const power = Number(exponent) - fraction.length;
  if (digits !== 0n && Math.abs(power) > 5000) throw new RefusedValue("far away");
  const scale = 10n ** BigInt(digits === 0n ? 0 : Math.abs(power));
  if (power < 0 && digits % scale !== 0n) throw new RefusedValue("fraction");
  const value = (power < 0 ? digits / scale : digits * scale) * (sign === "-" ? -1n : 1n);
  const max = kind === "int32" ? 2n ** 31n - 1n : kind === "int64" ? 2n ** 63n - 1n : 2n ** 53n - 1n;
  if (value > max || value < -max - (kind === "timestampMs" ? 0n : 1n)) throw new RefusedValue("range");
  return kind === "int64" ? value : Number(value);
}

/** One value of a column, read from the buffers. */
export function readValue(type: ColumnType, data: ArrowData, row: number): unknown {
  if (data.nullCount > 0 && (data.nullBitmap[row >> 3]! >> (row & 7) & 1) === 0) return null;
  const { values, valueOffsets, children } = data;
  switch (type.kind) {
    case "utf8":
      return decoder.decode(values.slice(valueOffsets[row], valueOffsets[row + 1]));
    case "binary":
      return btoa(String.fromCharCode(...values.subarray(valueOffsets[row]!, valueOffsets[row + 1]!)));
    case "bool":
      return (values[row >> 3]! >> (row & 7) & 1) === 1;
    case "timestampMs":
      return Number(values[row]);
    case "list": {
      const elements: unknown[] = [];
      for (let i = valueOffsets[row]!; i < valueOffsets[row + 1]!; i++) {
        elements.push(readValue(type.element!, children[0]!, i));
      }
      return elements;
    }
    case "struct":
      return new Map(Object.entries(type.columns!).map(([name, c], i) => [name, readValue(c, children[i]!, row)]));
    default:
      return values[row];
  }
}

/** One row of a batch, as {@linkcode referenceRow} gives it. */
export function readRow(schema: Columns, decoded: DecodedBatch, row: number): Map<string, unknown> {
  const children = decoded.batch.data.children;
  return new Map(Object.entries(schema).map(([name, type], i) => [name, readValue(type, children[i]!, row)]));
}

/** Whether two values are the same, zeros by their sign. */
export function isSameValue(a: unknown, b: unknown): boolean {
  if (a instanceof Map && b instanceof Map) {
    return a.size === b.size && [...a].every(([name, value]) => isSameValue(value, b.get(name)));
  }
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((x, i) => isSameValue(x, b[i]));
  return Object.is(a, b);
}

/** Spans over values with `gap` bytes of noise around each and `slack` bytes behind the last one. */
export function spread(values: readonly (Uint8Array | null)[], gap: number, slack: number): ByteSpans {
  const total = values.reduce((sum, value) => sum + gap + (value?.length ?? 0), gap + slack);
  const bytes = new Uint8Array(total).fill(0x31);
  const starts = new Int32Array(values.length).fill(-1);
  const ends = new Int32Array(values.length).fill(-1);
  let at = gap;
  values.forEach((value, row) => {
    if (value === null) return;
    bytes.set(value, at);
    starts[row] = at;
    ends[row] = at + value.length;
    at += value.length + gap;
  });
  return { bytes, starts, ends };
}

Deno.test("the reference decoder knows integers beyond 2^53, doubled names and nested values", () => {
  const schema = { a: int64(), b: list(float64()), c: struct({ ["__proto__"]: utf8({ nullable: true }) }) };
  const row = referenceRow(
    schema,
    new TextEncoder().encode(`{"a":1,"b":[-0,1e1],"a":9223372036854775807,"c":{"__proto__":"x"}}`),
  );
  assertEquals(row.get("a"), 9223372036854775807n);
  assertEquals(isSameValue(row.get("b"), [-0, 10]), true);
  assertEquals((row.get("c") as Map<string, unknown>).get("__proto__"), "x");
});
