import { assertEquals } from "@std/assert";
import { murmur2, partitionOf } from "./murmur2.ts";

const encoder = new TextEncoder();

Deno.test("murmur2() gives what Kafka's UtilsTest expects", () => {
  const expected: [string, number][] = [
    ["21", -973932308],
    ["foobar", -790332482],
    ["a-little-bit-long-string", -985981536],
    ["a-little-bit-longer-string", -1486304829],
    ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
    ["abc", 479470107],
  ];
  for (const [text, hash] of expected) assertEquals(murmur2(encoder.encode(text)), hash, text);
});

Deno.test("murmur2() of a range equals murmur2 of the bytes alone, whatever stands around it", () => {
  for (const text of ["", "1", "21", "abc", "abcd", "abcde", "foobar", "foobar1"]) {
    const inner = encoder.encode(text);
    const outer = new Uint8Array(inner.length + 7).fill(255);
    outer.set(inner, 3);
    assertEquals(murmur2(outer, 3, 3 + inner.length), murmur2(inner), text);
  }
});

Deno.test("partitionOf() is never negative and clears the sign bit instead of taking the absolute value", () => {
  assertEquals(partitionOf(-973932308, 7), (-973932308 & 0x7fffffff) % 7);
  assertEquals(partitionOf(-2147483648, 5), 0);
  assertEquals(partitionOf(-1, 10), 2147483647 % 10);
});

Deno.test("partitionOf() chooses among 7 and 12 partitions as the Java client does", () => {
  // Key, Utils.murmur2, partition of 12 by Utils.toPositive, partition of 7 by BuiltInPartitioner.partitionForKey.
  const expected: [string, number, number, number][] = [
    ["", 275646681, 9, 2],
    ["a", -1563381124, 4, 5],
    ["ab", 316155434, 2, 0],
    ["abcd", -1323649548, 8, 5],
    ["Tokyo", -1199898689, 3, 6],
    ["über", -1718265917, 3, 5],
    ["key-123456", 1803999010, 10, 2],
    ["00000000-0000-0000-0000-000000000000", 713427837, 9, 3],
  ];
  for (const [key, hash, of12, of7] of expected) {
    const found = murmur2(encoder.encode(key));
    assertEquals([found, partitionOf(found, 12), partitionOf(found, 7)], [hash, of12, of7], key);
  }
});
