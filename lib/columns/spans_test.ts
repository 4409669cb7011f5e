import { assert, assertEquals, assertFalse } from "@std/assert";
import {
  compactSpans,
  compareBytes,
  concatSpans,
  denseSpans,
  equalSpans,
  isNullSpan,
  nullSpans,
  sliceSpans,
  spanBytes,
  spanCount,
  spansByteLength,
  spansOf,
  takeSpans,
} from "./spans.ts";

const encoder = new TextEncoder();

Deno.test("spansOf() keeps text, bytes, empty and null rows apart", () => {
  const spans = spansOf(["é", new Uint8Array([1, 2]), null, ""]);
  assertEquals(spanCount(spans), 4);
  assertEquals([0, 1, 2, 3].map((row) => spanBytes(spans, row)), [
    encoder.encode("é"),
    new Uint8Array([1, 2]),
    null,
    new Uint8Array(0),
  ]);
  assertEquals([0, 1, 2, 3].map((row) => isNullSpan(spans, row)), [false, false, true, false]);
  assertEquals(spansByteLength(spans), 4);
});

Deno.test("spansOf() writes ASCII as it writes any other text", () => {
  const spans = spansOf(["abc", null, "", new Uint8Array([0xff]), "~"]);
  assertEquals([...spans.bytes], [0x61, 0x62, 0x63, 0xff, 0x7e]);
  assertEquals([...spans.starts], [0, -1, 3, 3, 4]);
  assertEquals([...spans.ends], [3, -1, 3, 4, 5]);
});

Deno.test("denseSpans(), sliceSpans() and takeSpans() share the buffer", () => {
  const bytes = encoder.encode("aabbbc");
  const spans = denseSpans(bytes, new Int32Array([0, 2, 5, 6]));
  const chosen = takeSpans(spans, new Int32Array([2, 0, 0]));
  assert(equalSpans(chosen, spansOf(["c", "aa", "aa"])));
  assert(chosen.bytes === bytes);
  const tail = sliceSpans(spans, 1, 3);
  assert(equalSpans(tail, spansOf(["bbb", "c"])));
  assert(tail.bytes === bytes);
});

Deno.test("concatSpans() and compactSpans() copy only what the rows hold", () => {
  const long = "x".repeat(100);
  const wide = spansOf(["unused", long, null, "b"]);
  const compact = compactSpans(takeSpans(wide, new Int32Array([1, 2, 3])));
  assert(equalSpans(compact, spansOf([long, null, "b"])));
  assertEquals(compact.bytes.length, 101);
  const both = concatSpans([compact, nullSpans(1), spansOf(["z"])]);
  assert(equalSpans(both, spansOf([long, null, "b", null, "z"])));
  assertEquals(spanCount(concatSpans([])), 0);
});

Deno.test("equalSpans() tells null from empty, lengths and bytes", () => {
  assertFalse(equalSpans(spansOf([null]), spansOf([""])));
  assertFalse(equalSpans(spansOf([""]), spansOf([null])));
  assertFalse(equalSpans(spansOf(["a"]), spansOf(["a", "a"])));
  assertFalse(equalSpans(spansOf(["ab"]), spansOf(["ac"])));
  assertFalse(equalSpans(spansOf(["ab"]), spansOf(["a"])));
  assert(equalSpans(nullSpans(2), spansOf([null, null])));
});

Deno.test("compareBytes() orders by unsigned bytes, a prefix before what it begins", () => {
  const compare = (a: string, b: string) => {
    const x = encoder.encode(a);
    const y = encoder.encode(b);
    return Math.sign(compareBytes(x, 0, x.length, y, 0, y.length));
  };
  assertEquals(compare("a", "b"), -1);
  assertEquals(compare("b", "a"), 1);
  assertEquals(compare("a", "ab"), -1);
  assertEquals(compare("", ""), 0);
  assertEquals(compare("\u{10000}", "\uffff"), 1, "by code point, unlike UTF-16 order");
});
