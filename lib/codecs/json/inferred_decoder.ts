import { batchOf } from "../../columns/batch_of.ts";
import type { ByteSpans } from "../../columns/records.ts";
import { spanBytes } from "../../columns/spans.ts";
import type { Columns } from "../../columns/schema.ts";
import type { DecodedBatch, Decoder, RejectedRow } from "../codec.ts";
import { columnsOfShape, NO_SHAPE, shapeSignature, widenByRow } from "./inferred_shape.ts";
import { findBadUtf8 } from "./utf8_text.ts";

/**
 * Creates a decoder that infers the columns of each batch from its own rows: the slow way, with an object per row. See
 * `json()` for the rules. A refused row has no part in the columns.
 *
 * @returns The decoder.
 */
export function createInferredDecoder(): Decoder<Columns> {
  return new InferredDecoder();
}

class InferredDecoder implements Decoder<Columns> {
  private readonly text = new TextDecoder("utf-8", { ignoreBOM: true });
  private signature = "";
  private columns: Columns = {};

  decode(values: ByteSpans, from: number, to: number): DecodedBatch {
    const rejected: RejectedRow[] = [];
    const objects: Record<string, unknown>[] = [];
    const rows = new Int32Array(to - from);
    let shape = NO_SHAPE;
    for (let row = from; row < to; row++) {
      const bytes = spanBytes(values, row);
      const parsed = bytes === null ? refused("the value is null") : this.parse(bytes);
      if (parsed.object === null) {
        rejected.push({ row, reason: parsed.reason, position: parsed.position });
        continue;
      }
      const widened = widenByRow(shape, parsed.object);
      if (widened.reason !== null) {
        rejected.push({ row, reason: widened.reason, position: -1 });
        continue;
      }
      shape = widened.shape;
      rows[objects.length] = row;
      objects.push(parsed.object);
    }
    const signature = shapeSignature(shape);
    if (signature !== this.signature) {
      this.signature = signature;
      this.columns = Object.freeze(columnsOfShape(shape));
    }
    // deno-lint-ignore no-explicit-any
    const batch = batchOf<any>(this.columns, objects);
    return { batch, rows: rejected.length === 0 ? null : rows.subarray(0, objects.length), rejected };
  }

  private parse(bytes: Uint8Array): Parsed {
    const badAt = findBadUtf8(bytes, 0, bytes.length);
    if (badAt >= 0) return refused("the value is not valid UTF-8", badAt);
    let value: unknown;
    try {
      value = JSON.parse(this.text.decode(bytes));
    } catch {
      return refused("the value is not valid JSON");
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      return refused("the value is not a JSON object", 0);
    }
    return { object: value as Record<string, unknown>, reason: null, position: -1 };
  }
}

type Parsed =
  | { readonly object: Record<string, unknown>; readonly reason: null; readonly position: -1 }
  | { readonly object: null; readonly reason: string; readonly position: number };

function refused(reason: string, position = -1): Parsed {
  return { object: null, reason, position };
}
