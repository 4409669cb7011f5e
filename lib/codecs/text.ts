import { type Utf8, utf8 } from "../columns/schema.ts";
import type { Codec } from "./codec.ts";
import { findBadUtf8 } from "./json/utf8_text.ts";
import { singleColumnCodec } from "./single_column.ts";

const SCHEMA = Object.freeze({ value: utf8() });

/**
 * Text: the record value as one utf8 column `value`. A value that is null or not valid UTF-8 is refused.
 *
 * @returns The codec.
 *
 * @example Lines of text
 * ```ts
 * import { text, topic } from "@turbine/turbine";
 * import { assertEquals } from "@std/assert";
 *
 * const lines = topic("lines", { value: text() });
 * assertEquals(Object.keys(lines.schema), ["value"]);
 * ```
 */
export function text(): Codec<{ readonly value: Utf8 }> {
  return singleColumnCodec({
    format: "text",
    schema: SCHEMA,
    problem: "the value is not valid UTF-8",
    findBadByte: findBadUtf8,
  });
}
