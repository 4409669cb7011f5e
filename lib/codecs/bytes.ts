import { type Binary, binary } from "../columns/schema.ts";
import type { Codec } from "./codec.ts";
import { singleColumnCodec } from "./single_column.ts";

const SCHEMA = Object.freeze({ value: binary() });

/**
 * Raw bytes: the record value as one binary column `value`, for formats that a handler reads itself. Only a null value is
 * refused.
 *
 * @returns The codec.
 *
 * @example Values of any format
 * ```ts
 * import { bytes, topic } from "@turbine/turbine";
 * import { assertEquals } from "@std/assert";
 *
 * const frames = topic("frames", { value: bytes() });
 * assertEquals(Object.keys(frames.schema), ["value"]);
 * ```
 */
export function bytes(): Codec<{ readonly value: Binary }> {
  return singleColumnCodec({ format: "bytes", schema: SCHEMA, problem: "", findBadByte: () => -1 });
}
