import type { Field, Schema } from "apache-arrow";
import type { Batch, Columns } from "../../columns/schema.ts";
import type { EncodedRows, Encoder } from "../codec.ts";
import { closeRows } from "./json_encoder_closures.ts";
import { compileRows } from "./json_encoder_jit.ts";
import { bindNodes } from "./json_encoder_nodes.ts";
import { JsonOutput } from "./json_encoder_output.ts";
import { planRows, type RowPlan, schemaSignature } from "./json_encoder_plan.ts";
import type { EncodeRows } from "./json_encoder_rows.ts";

/** Options of {@linkcode createJsonEncoder}. */
export interface JsonEncoderOptions {
  /** Whether code may be generated; where the platform forbids it, closures are used all the same. @default {true} */
  isEvalAllowed?: boolean;
}

/** A plan made ready for one Arrow schema. */
interface Prepared {
  readonly plan: RowPlan;
  readonly encodeRows: EncodeRows;
  readonly hints: Int32Array;
}

/** Different Arrow schemas that one encoder keeps ready; a job rarely has more than one. */
const PREPARED_MAX = 16;

/**
 * Creates an encoder of columns to JSON: one object for each row, without an object or a string per row. Text is passed
 * through as UTF-8 with exactly the escapes that JSON demands, doubles take their shortest form (and -0 stays `-0`),
 * int64 keeps all digits, timestamps are integers of epoch milliseconds, binary is base64. A row with NaN, an infinity,
 * malformed UTF-8 or a null in a column that is not nullable is refused and leaves no trace in its neighbours.
 *
 * @param columns Columns to write, in order, found by name in the batch; `recordKey()` columns are left out. Without
 * them every column of the batch is written, by the batch's own Arrow schema, and all may be null.
 * @param options Whether code may be generated.
 * @returns The encoder. It throws `TypeError` when a batch lacks a column, has it in another type, or in a type that
 * has no form in JSON.
 */
export function createJsonEncoder<S extends Columns>(
  columns: S | undefined,
  options: JsonEncoderOptions = {},
): Encoder<S> {
  return new JsonEncoder(columns, options.isEvalAllowed ?? true);
}

class JsonEncoder<S extends Columns> implements Encoder<S> {
  private readonly prepared = new Map<string, Prepared>();
  private lastFields: readonly Field[] = [];
  private last: Prepared | undefined;
  /** Bytes per row of the last batch: sizes the next buffer. */
  private rowBytes = 64;

  constructor(private readonly columns: S | undefined, private readonly isEvalAllowed: boolean) {}

  encode(batch: Batch<S>): EncodedRows {
    const { plan, encodeRows, hints } = this.prepare(batch.schema);
    const count = batch.numRows;
    const out = new JsonOutput(count, Math.ceil(count * this.rowBytes * 1.125) + plan.fixedBytes + 64);
    encodeRows(bindNodes(plan, batch.data), count, out, hints);
    const encoded = out.finish();
    if (encoded.count > 0) this.rowBytes = encoded.values.bytes.length / encoded.count;
    return encoded;
  }

  /** Arrow makes a new schema object for each batch, mostly of the same types: those need no signature. */
  private prepare(schema: Schema): Prepared {
    if (this.last !== undefined && isSame(this.lastFields, schema.fields)) return this.last;
    const signature = schemaSignature(schema);
    let prepared = this.prepared.get(signature);
    if (prepared === undefined) {
      const plan = planRows(schema, this.columns);
      prepared = { plan, encodeRows: this.compile(plan), hints: new Int32Array(plan.nodeCount).fill(2) };
      if (this.prepared.size >= PREPARED_MAX) this.prepared.clear();
      this.prepared.set(signature, prepared);
    }
    this.last = prepared;
    this.lastFields = schema.fields;
    return prepared;
  }

  private compile(plan: RowPlan): EncodeRows {
    if (!this.isEvalAllowed) return closeRows(plan);
    try {
      return compileRows(plan);
    } catch (error) {
      if (error instanceof EvalError) return closeRows(plan);
      throw error;
    }
  }
}

function isSame(a: readonly Field[], b: readonly Field[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i]!.name !== b[i]!.name || a[i]!.type !== b[i]!.type) return false;
  return true;
}
