import { putFloat64, putInt, putInt64, putUint64 } from "./format_number.ts";
import type { EncodeRows } from "./json_encoder_rows.ts";
import type { FieldPlan, RowPlan, ValuePlan } from "./json_encoder_plan.ts";
import { base64Length, putBase64, putText, textRoom } from "./put_text.ts";

/** What generated code may call. */
const HELPERS = { putFloat64, putInt, putInt64, putUint64, putText, textRoom, putBase64, base64Length, viewOf };

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Compiles a plan to one function over the arrays of a batch. Names of columns reach the source only as the numbers of
 * their bytes, so no name can become code.
 *
 * Room: before each row, each list element and each text the buffer has room for it and for `plan.fixedBytes` more,
 * which is at least all that is written until the next such place, because each node is written at most once in between.
 *
 * @param plan The plan.
 * @returns The function.
 * @throws {EvalError} where code generation is forbidden.
 */
export function compileRows(plan: RowPlan): EncodeRows {
  const generator = new Generator(plan);
  const body = generator.object(plan.fields, "r");
  const source = `"use strict";
return function encodeRows(nodes, count, out, hints) {
  const nullReasons = plan.nullReasons, valueReasons = plan.valueReasons;
  ${generator.prelude}
  let b = out.bytes, view = viewOf(b), p = 0, limit = b.length - ${plan.fixedBytes};
  rows: for (let r = 0; r < count; r++) {
    const start = p;
    if (p > limit) { b = out.grow(p, ${plan.fixedBytes}); view = viewOf(b); limit = b.length - ${plan.fixedBytes}; }
    ${body}
    out.accept(r, start, p);
  }
};`;
  const names = Object.keys(HELPERS);
  return new Function(...names, "plan", source)(...Object.values(HELPERS), plan) as EncodeRows;
}

class Generator {
  prelude = "";

  constructor(private readonly plan: RowPlan) {}

  /** Code that writes an object of the fields at row `row`. */
  object(fields: readonly FieldPlan[], row: string): string {
    if (fields.length === 0) return literal("{}");
    const parts = fields.map(({ name, value }, i) =>
      literal(`${i === 0 ? "{" : ","}${JSON.stringify(name)}:`) + this.value(value, row)
    );
    return `${parts.join("\n")}\n${literal("}")}`;
  }

  /** Code that writes the value of a node at row `row`, or leaves the row. */
  private value(plan: ValuePlan, row: string): string {
    const { id, kind } = plan;
    const onNull = plan.isNullable ? literal("null") : leaveRow(`nullReasons[${id}]`);
    if (kind === "null") return onNull;
    this.prelude +=
      `const V${id} = nodes[${id}].values, O${id} = nodes[${id}].offsets, N${id} = nodes[${id}].validity,` +
      ` F${id} = nodes[${id}].bitOffset;\n`;
    const isNull = `N${id} !== null && (N${id}[${row} + F${id} >> 3] & 1 << (${row} + F${id} & 7)) === 0`;
    if (kind === "dictionary") return this.dictionary(plan, row, { isNull, onNull });
    return `if (${isNull}) { ${onNull} } else { ${this.present(plan, row)} }`;
  }

  /** Code that writes a value that is not null. */
  private present(plan: ValuePlan, row: string): string {
    const { id, kind } = plan;
    switch (kind) {
      case "bool":
        return `if (V${id}[${row} + F${id} >> 3] & 1 << (${row} + F${id} & 7)) { ${literal("true")} }` +
          ` else { ${literal("false")} }`;
      case "int":
      case "uint32":
        return `p = putInt(b, p, V${id}[${row}]);`;
      case "int64":
      case "timestampMs":
        return `p = putInt64(b, p, V${id}[2 * (${row})], V${id}[2 * (${row}) + 1]);`;
      case "uint64":
        return `p = putUint64(b, p, V${id}[2 * (${row})], V${id}[2 * (${row}) + 1]);`;
      case "float64":
        return `const x = V${id}[${row}]; if (x - x !== 0) { ${leaveRow(`valueReasons[${id}]`)} }` +
          ` p = putFloat64(b, p, x, hints, ${id});`;
      case "utf8":
        return this.text(plan, { bytes: `V${id}`, entry: row });
      case "binary":
        return `const s = O${id}[${row}], e = O${id}[${row} + 1]; ${this.reserve("base64Length(e - s)")}` +
          ` b[p++] = 34; p = putBase64(b, p, V${id}, s, e); b[p++] = 34;`;
      case "list":
        return this.list(plan, row);
      default:
        return this.object(plan.inner, row);
    }
  }

  private list(plan: ValuePlan, row: string): string {
    const { id } = plan;
    const element = `i${id}`;
    return `b[p++] = 91;
      for (let ${element} = O${id}[${row}]; ${element} < O${id}[${row} + 1]; ${element}++) {
        ${this.reserve("0")}
        if (${element} !== O${id}[${row}]) b[p++] = 44;
        ${this.value(plan.inner[0]!.value, element)}
      }
      b[p++] = 93;`;
  }

  private dictionary(plan: ValuePlan, row: string, nulls: { isNull: string; onNull: string }): string {
    const { id } = plan;
    this.prelude += `const T${id} = nodes[${id}].texts, E${id} = nodes[${id}].entryValidity,` +
      ` G${id} = nodes[${id}].entryBitOffset;\n`;
    const isEntryNull = `E${id} !== null && (E${id}[k + G${id} >> 3] & 1 << (k + G${id} & 7)) === 0`;
    return `{ const k = V${id}[${row}]; if (${nulls.isNull} || ${isEntryNull}) { ${nulls.onNull} }` +
      ` else { ${this.text(plan, { bytes: `T${id}`, entry: "k" })} } }`;
  }

  /** Plain ASCII is copied in place; from the first other byte on `putText` takes over. */
  private text(plan: ValuePlan, at: { bytes: string; entry: string }): string {
    const { id } = plan;
    const { bytes, entry } = at;
    return `let s = O${id}[${entry}]; const e = O${id}[${entry} + 1]; ${this.reserve(`textRoom(${bytes}, s, e)`)}
      b[p++] = 34;
      while (s < e) { const c = ${bytes}[s]; if (c < 32 || c === 34 || c === 92 || c > 127) break; b[p++] = c; s++; }
      if (s < e) { p = putText(b, p, ${bytes}, s, e); if (p < 0) { ${leaveRow(`valueReasons[${id}]`)} } }
      b[p++] = 34;`;
  }

  private reserve(room: string): string {
    const { fixedBytes } = this.plan;
    return `{ const n = ${room}; if (p + n > limit)` +
      ` { b = out.grow(p, n + ${fixedBytes}); view = viewOf(b); limit = b.length - ${fixedBytes}; } }`;
  }
}

/** Code that refuses the row and takes back what was written of it. */
function leaveRow(reason: string): string {
  return `out.reject(r, ${reason}); p = start; continue rows;`;
}

/** Code that writes fixed text. */
function literal(text: string): string {
  const bytes = new TextEncoder().encode(text);
  const view = new DataView(bytes.buffer);
  let code = "";
  let at = 0;
  for (; at + 4 <= bytes.length; at += 4) code += `view.setInt32(p + ${at}, ${view.getInt32(at, true)}, true); `;
  for (; at < bytes.length; at++) code += `b[p + ${at}] = ${bytes[at]}; `;
  return `${code}p += ${bytes.length};`;
}
