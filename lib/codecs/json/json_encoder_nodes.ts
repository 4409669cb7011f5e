import type { Data, Vector } from "apache-arrow";
import type { FieldPlan, RowPlan } from "./json_encoder_plan.ts";

// deno-lint-ignore no-explicit-any
export type ArrowData = Data<any>;

/** The arrays of one node of a plan, bound to a batch: what the loops read. */
export interface BoundNode {
  /** Value array: numbers, bytes of text, bits of booleans, dictionary indices, or int32 halves of 64-bit integers. */
  // deno-lint-ignore no-explicit-any
  readonly values: any;
  /** Where each text, byte string or list begins; of the dictionary for dictionary columns. */
  readonly offsets: Int32Array;
  /** Bytes of the dictionary's texts. */
  readonly texts: Uint8Array;
  /** Validity bits, or `null` when no row is null. */
  readonly validity: Uint8Array | null;
  /** Bit of row 0 in `validity`, and in `values` of booleans. */
  readonly bitOffset: number;
  /** Validity bits of dictionary entries, or `null` when none is null. */
  readonly entryValidity: Uint8Array | null;
  /** Bit of entry 0 in `entryValidity`. */
  readonly entryBitOffset: number;
}

const NO_OFFSETS = new Int32Array(1);
const NO_BYTES = new Uint8Array(0);

/**
 * Binds a plan to the arrays of a batch.
 *
 * @param plan The plan.
 * @param data The batch's struct data.
 * @returns One node for each value plan, by its id.
 */
export function bindNodes(plan: RowPlan, data: ArrowData): BoundNode[] {
  const nodes: BoundNode[] = new Array(plan.nodeCount);
  bindFields(plan.fields, data, nodes);
  return nodes;
}

function bindFields(fields: readonly FieldPlan[], parent: ArrowData, nodes: BoundNode[]): void {
  for (const { source, value } of fields) {
    const data = parent.children[source] as ArrowData;
    nodes[value.id] = value.kind === "dictionary" ? bindDictionary(data) : {
      values: value.kind === "int64" || value.kind === "uint64" || value.kind === "timestampMs"
        ? halves(data.values)
        : data.values ?? NO_BYTES,
      offsets: data.valueOffsets ?? NO_OFFSETS,
      texts: NO_BYTES,
      ...validityOf(data),
      entryValidity: null,
      entryBitOffset: 0,
    };
    bindFields(value.inner, data, nodes);
  }
}

function validityOf(data: ArrowData): { validity: Uint8Array | null; bitOffset: number } {
  const hasNulls = data.nullCount > 0 && data.nullBitmap !== undefined && data.nullBitmap.length > 0;
  return { validity: hasNulls ? data.nullBitmap : null, bitOffset: data.offset };
}

/** Low and high halves of 64-bit integers, so that no BigInt is made for a row. */
function halves(values: BigInt64Array | BigUint64Array): Int32Array {
  return new Int32Array(values.buffer, values.byteOffset, values.length * 2);
}

function bindDictionary(data: ArrowData): BoundNode {
  const entries = oneChunk(data.dictionary!);
  const { validity: entryValidity, bitOffset: entryBitOffset } = validityOf(entries);
  return {
    values: data.values,
    offsets: entries.valueOffsets ?? NO_OFFSETS,
    texts: entries.values ?? NO_BYTES,
    ...validityOf(data),
    entryValidity,
    entryBitOffset,
  };
}

/** A dictionary as one chunk: dictionaries that grew by deltas come in several. */
function oneChunk(dictionary: Vector): ArrowData {
  const chunks = dictionary.data as readonly ArrowData[];
  if (chunks.length === 1) return chunks[0]!;
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const bytes = chunks.reduce((sum, chunk) => sum + textEnd(chunk) - textStart(chunk), 0);
  const values = new Uint8Array(bytes);
  const valueOffsets = new Int32Array(length + 1);
  const nullBitmap = new Uint8Array((length + 7) >> 3);
  let entry = 0;
  let at = 0;
  let nullCount = 0;
  for (const chunk of chunks) {
    const start = textStart(chunk);
    values.set(chunk.values.subarray(start, textEnd(chunk)), at);
    for (let i = 0; i < chunk.length; i++, entry++) {
      valueOffsets[entry + 1] = at + chunk.valueOffsets[i + 1]! - start;
      if (chunk.getValid(i)) nullBitmap[entry >> 3]! |= 1 << (entry & 7);
      else nullCount++;
    }
    at = valueOffsets[entry]!;
  }
  return { values, valueOffsets, nullBitmap, nullCount, offset: 0, length } as ArrowData;
}

function textStart(chunk: ArrowData): number {
  return chunk.length === 0 ? 0 : chunk.valueOffsets[0]!;
}

function textEnd(chunk: ArrowData): number {
  return chunk.length === 0 ? 0 : chunk.valueOffsets[chunk.length]!;
}
