import type { ByteSpans } from "../../columns/records.ts";
import type { Columns } from "../../columns/schema.ts";
import type { DecodedBatch, Decoder } from "../codec.ts";

/** Options of {@linkcode createJsonDecoder}. */
export interface JsonDecoderOptions {
  /**
   * Whether scanners may be compiled with `new Function`. Where that is forbidden the general parser takes every row.
   *
   * @default {true}
   */
  isEvalAllowed?: boolean;
}

/**
 * Creates a decoder of JSON objects, one in each record value.
 *
 * @param schema The columns.
 * @param options Whether code may be generated.
 * @returns The decoder, for one task.
 */
export function createJsonDecoder<S extends Columns>(schema: S, options: JsonDecoderOptions = {}): Decoder<S> {
  return {
    decode(values: ByteSpans, from: number, to: number): DecodedBatch<S> {
      throw new TypeError(`Cannot decode rows: ${schema} ${options} ${values} ${from} ${to}`);
    },
  };
}
