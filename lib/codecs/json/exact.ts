import { type JsonColumn, JsonNumber, type Refusal, type ValuePath } from "./json_column.ts";
import { checkJson, FAULT, LEVELS_MAX, skipSpace, skipText, skipValue } from "./skip_value.ts";

/** Why a value was refused. */
export interface ExactFault {
  /** One sentence without the value's content. */
  readonly reason: string;
  /** Byte in the value where it was noticed. */
  readonly position: number;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Numbers keep their text: a double cannot hold every 64-bit integer. */
function keepNumbers(_name: string, value: unknown, context: { source: string }): unknown {
  return typeof value === "number" ? new JsonNumber(context.source) : value;
}

/**
 * The last word on a value: `JSON.parse` and then the schema. Whatever the faster parsers leave alone comes here, and
 * every refusal is worded here, so that it does not matter who looked first.
 *
 * @param column The column to write: the row itself, or a record key's column.
 * @param bytes The buffer.
 * @param start First byte of the value.
 * @param options One past its last byte, and the row to write.
 * @returns `null` when the row is written, else the fault.
 */
export function decodeExactly(
  column: JsonColumn,
  bytes: Uint8Array,
  start: number,
  options: { end: number; row: number },
): ExactFault | null {
  const checked = checkJson(bytes, start, options.end);
  if (checked < 0) return { reason: `the value is not valid JSON: ${FAULT.reason}`, position: ~checked - start };
  const value = JSON.parse(decoder.decode(bytes.slice(start, options.end)), keepNumbers as (name: string) => unknown);
  const refusal = column.setNullable(options.row, value);
  if (refusal === null) return null;
  return { reason: reasonOf(refusal), position: locate(bytes, start, options.end, refusal) - start };
}

function reasonOf(refusal: Refusal): string {
  return refusal.path.length === 0
    ? `the value ${refusal.reason}`
    : `column '${nameOf(refusal.path)}' ${refusal.reason}`;
}

/** A path as it is written in messages: `orders[2].price`. */
export function nameOf(path: ValuePath): string {
  return path.map((step, i) => typeof step === "number" ? `[${step}]` : i === 0 ? step : `.${step}`).join("");
}

/** First byte of the value that was refused, or of the object that lacks it. The bytes are valid JSON. */
function locate(bytes: Uint8Array, start: number, end: number, refusal: Refusal): number {
  const steps = refusal.isMissing ? refusal.path.slice(0, -1) : refusal.path;
  let p = skipSpace(bytes, start, end);
  for (const step of steps) {
    p = typeof step === "number" ? elementAt(bytes, p, end, step) : memberAt(bytes, p, end, step);
  }
  return p;
}

function elementAt(bytes: Uint8Array, p: number, end: number, index: number): number {
  p = skipSpace(bytes, p + 1, end);
  for (let i = 0; i < index; i++) {
    p = skipSpace(bytes, skipValue(bytes, p, end, LEVELS_MAX), end);
    p = skipSpace(bytes, p + 1, end);
  }
  return p;
}

/** The last member of this name, since that is the one that counts. */
function memberAt(bytes: Uint8Array, p: number, end: number, name: string): number {
  let found = p;
  do {
    const quote = skipSpace(bytes, p + 1, end);
    const nameEnd = skipText(bytes, quote + 1, end);
    p = skipSpace(bytes, skipSpace(bytes, nameEnd, end) + 1, end);
    if (JSON.parse(decoder.decode(bytes.slice(quote, nameEnd))) === name) found = p;
    p = skipSpace(bytes, skipValue(bytes, p, end, LEVELS_MAX), end);
  } while (bytes[p] === 44);
  return found;
}
