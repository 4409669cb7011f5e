import { putFloat64, putInt, putInt64, putUint64 } from "./format_number.ts";
import type { BoundNode } from "./json_encoder_nodes.ts";
import type { JsonOutput } from "./json_encoder_output.ts";
import type { FieldPlan, RowPlan, ValuePlan } from "./json_encoder_plan.ts";
import type { EncodeRows } from "./json_encoder_rows.ts";
import { base64Length, putBase64, putText, textRoom } from "./put_text.ts";

/** Writes the value of one row at `at`; returns the position after it, or -1 with `batch.reason` set. */
type Writer = (row: number, at: number) => number;

/** What the writers of one batch share. */
interface EncodedBatch {
  readonly plan: RowPlan;
  readonly nodes: readonly BoundNode[];
  readonly out: JsonOutput;
  readonly hints: Int32Array;
  reason: string;
}

/**
 * Builds the encoder of a plan from closures: the same bytes as the compiled one, several times slower, for places
 * where code generation is forbidden. The rule about room is that of json_encoder_jit.ts.
 *
 * @param plan The plan.
 * @returns The function.
 */
export function closeRows(plan: RowPlan): EncodeRows {
  return (nodes, count, out, hints) => {
    const batch: EncodedBatch = { plan, nodes, out, hints, reason: "" };
    const write = objectWriter(batch, plan.fields);
    let at = 0;
    for (let row = 0; row < count; row++) {
      reserve(batch, at, 0);
      const end = write(row, at);
      if (end < 0) {
        out.reject(row, batch.reason);
      } else {
        out.accept(row, at, end);
        at = end;
      }
    }
  };
}

function reserve({ plan, out }: EncodedBatch, at: number, room: number): void {
  if (at + room > out.bytes.length - plan.fixedBytes) out.grow(at, room + plan.fixedBytes);
}

function refuse(batch: EncodedBatch, reason: string): number {
  batch.reason = reason;
  return -1;
}

function putLiteral(bytes: Uint8Array, at: number, literal: Uint8Array): number {
  for (let i = 0; i < literal.length; i++) bytes[at + i] = literal[i]!;
  return at + literal.length;
}

const UTF8 = new TextEncoder();
const NULL = UTF8.encode("null");
const TRUE = UTF8.encode("true");
const FALSE = UTF8.encode("false");

function objectWriter(batch: EncodedBatch, fields: readonly FieldPlan[]): Writer {
  const { out } = batch;
  const keys = fields.map(({ name }, i) => UTF8.encode(`${i === 0 ? "{" : ","}${JSON.stringify(name)}:`));
  const writers = fields.map(({ value }) => valueWriter(batch, value));
  const end = UTF8.encode(fields.length === 0 ? "{}" : "}");
  return (row, at) => {
    for (let i = 0; i < keys.length; i++) {
      at = writers[i]!(row, putLiteral(out.bytes, at, keys[i]!));
      if (at < 0) return at;
    }
    return putLiteral(out.bytes, at, end);
  };
}

function isValid(bits: Uint8Array | null, bit: number): boolean {
  return bits === null || (bits[bit >> 3]! & (1 << (bit & 7))) !== 0;
}

function valueWriter(batch: EncodedBatch, value: ValuePlan): Writer {
  const { plan, out, nodes } = batch;
  const { validity, bitOffset } = nodes[value.id]!;
  const writeNull: Writer = value.isNullable
    ? (_row, at) => putLiteral(out.bytes, at, NULL)
    : () => refuse(batch, plan.nullReasons[value.id]!);
  if (value.kind === "null") return writeNull;
  const write = value.kind === "dictionary" ? dictionaryWriter(batch, value, writeNull) : presentWriter(batch, value);
  if (validity === null) return write;
  return (row, at) => isValid(validity, row + bitOffset) ? write(row, at) : writeNull(row, at);
}

function presentWriter(batch: EncodedBatch, value: ValuePlan): Writer {
  const { out, hints, plan, nodes } = batch;
  const { id } = value;
  const { values, offsets, bitOffset } = nodes[id]!;
  switch (value.kind) {
    case "bool":
      return (row, at) => putLiteral(out.bytes, at, isValid(values, row + bitOffset) ? TRUE : FALSE);
    case "int":
    case "uint32":
      return (row, at) => putInt(out.bytes, at, values[row]);
    case "int64":
    case "timestampMs":
      return (row, at) => putInt64(out.bytes, at, values[2 * row], values[2 * row + 1]);
    case "uint64":
      return (row, at) => putUint64(out.bytes, at, values[2 * row], values[2 * row + 1]);
    case "float64":
      return (row, at) =>
        Number.isFinite(values[row])
          ? putFloat64(out.bytes, at, values[row], hints, id)
          : refuse(batch, plan.valueReasons[id]!);
    case "utf8":
      return textWriter(batch, value, values);
    case "binary":
      return (row, at) => {
        const start = offsets[row]!;
        const end = offsets[row + 1]!;
        reserve(batch, at, base64Length(end - start));
        out.bytes[at] = 34;
        const after = putBase64(out.bytes, at + 1, values, start, end);
        out.bytes[after] = 34;
        return after + 1;
      };
    case "list":
      return listWriter(batch, value);
    default:
      return objectWriter(batch, value.inner);
  }
}

function textWriter(batch: EncodedBatch, { id }: ValuePlan, source: Uint8Array): Writer {
  const { out, plan, nodes } = batch;
  const { offsets } = nodes[id]!;
  return (entry, at) => {
    const start = offsets[entry]!;
    const end = offsets[entry + 1]!;
    reserve(batch, at, textRoom(source, start, end));
    out.bytes[at] = 34;
    const after = putText(out.bytes, at + 1, source, start, end);
    if (after < 0) return refuse(batch, plan.valueReasons[id]!);
    out.bytes[after] = 34;
    return after + 1;
  };
}

function dictionaryWriter(batch: EncodedBatch, value: ValuePlan, writeNull: Writer): Writer {
  const { values, texts, entryValidity, entryBitOffset } = batch.nodes[value.id]!;
  const write = textWriter(batch, value, texts);
  return (row, at) => {
    const entry = values[row];
    return isValid(entryValidity, entry + entryBitOffset) ? write(entry, at) : writeNull(row, at);
  };
}

function listWriter(batch: EncodedBatch, value: ValuePlan): Writer {
  const { out, nodes } = batch;
  const { offsets } = nodes[value.id]!;
  const write = valueWriter(batch, value.inner[0]!.value);
  return (row, at) => {
    const first = offsets[row]!;
    const last = offsets[row + 1]!;
    out.bytes[at++] = 91;
    for (let element = first; element < last; element++) {
      reserve(batch, at, 0);
      if (element !== first) out.bytes[at++] = 44;
      at = write(element, at);
      if (at < 0) return at;
    }
    out.bytes[at++] = 93;
    return at;
  };
}
