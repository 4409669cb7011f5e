import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  compareWords,
  compareWordsToNumber,
  highWord,
  int64FromNumbers,
  lowWord,
  numbersFromInt64,
  wordsOf,
  wordsToNumber,
} from "./int64.ts";

const int64 = fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.bigInt({ min: -5n, max: 5n }));

Deno.test("wordsOf() shows low and high words, and wordsToNumber() the nearest double", () => {
  fc.assert(fc.property(int64, (value) => {
    const words = wordsOf(BigInt64Array.of(0n, value));
    assertEquals([words[2], words[3]], [lowWord(value), highWord(value)]);
    assertEquals(wordsToNumber(words, 1), Number(value));
  }));
});

Deno.test("int64FromNumbers() and numbersFromInt64() are inverse for safe integers", () => {
  fc.assert(fc.property(fc.array(fc.maxSafeInteger()), (numbers) => {
    const values = int64FromNumbers(Float64Array.from(numbers));
    assertEquals([...values], numbers.map(BigInt));
    assertEquals([...numbersFromInt64(values)], numbers.map((value) => value + 0));
  }));
});

Deno.test("compareWords() orders all 64-bit integers", () => {
  fc.assert(fc.property(int64, int64, (a, b) => {
    const sign = Math.sign(compareWords(highWord(a), lowWord(a), highWord(b), lowWord(b)));
    assertEquals(sign, a < b ? -1 : a > b ? 1 : 0);
  }));
});

Deno.test("compareWordsToNumber() is exact where the nearest double is not", () => {
  const near = int64.chain((a) => fc.tuple(fc.constant(a), fc.oneof(fc.double(), fc.constant(Number(a)))));
  fc.assert(fc.property(near, ([a, b]) => {
    const sign = compareWordsToNumber(highWord(a), lowWord(a), b);
    assertEquals([sign < 0, sign === 0, sign > 0], [a < b, !(a < b) && !(a > b) && !Number.isNaN(b), a > b]);
  }));
  assertEquals(compareWordsToNumber(highWord(2n ** 63n - 1n), lowWord(2n ** 63n - 1n), 2 ** 63) < 0, true);
  assertEquals(compareWordsToNumber(highWord(2n ** 53n + 1n), lowWord(2n ** 53n + 1n), 2 ** 53) > 0, true);
});
