import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { NUMBER_BYTES_MAX, putFloat64, putInt, putInt64, putUint64 } from "./format_number.ts";

const bytes = new Uint8Array(64);
const words = new Int32Array(2);
const integer = new BigInt64Array(words.buffer);
const double = new Float64Array(words.buffer);
const AT = 3;

/** The text that `put` writes; what stands before and after it must stay. */
function textOf(put: (at: number) => number): string {
  bytes.fill(0xaa);
  const end = put(AT);
  assert(end - AT <= NUMBER_BYTES_MAX, `${end - AT} bytes`);
  assertEquals(bytes.subarray(0, AT).every((byte) => byte === 0xaa), true);
  let text = "";
  for (let i = AT; i < end; i++) text += String.fromCharCode(bytes[i]!);
  return text;
}

function float64Text(value: number, hints: Int32Array): string {
  return textOf((at) => putFloat64(bytes, at, value, hints, 0));
}

function checkDouble(value: number, hints: Int32Array): void {
  const text = float64Text(value, hints);
  const expected = Object.is(value, -0) ? "-0" : JSON.stringify(value);
  if (text !== expected) throw new Error(`${text} instead of ${expected}`);
}

Deno.test("putFloat64() writes what JSON.stringify writes, for doubles of any bits and any hint", () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer(), fc.integer({ min: 0, max: 9 }), (low, high, hint) => {
      words[0] = low;
      words[1] = high;
      const value = double[0]!;
      if (Number.isFinite(value)) checkDouble(value, Int32Array.of(hint));
    }),
    { numRuns: 20_000 },
  );
});

Deno.test("putFloat64() writes what JSON.stringify writes, for decimals, their neighbours and what was before them", () => {
  const decimal = fc.tuple(fc.maxSafeInteger(), fc.integer({ min: 0, max: 18 }), fc.integer({ min: -2, max: 2 }))
    .map(([digits, decimals, ulps]) => {
      double[0] = digits / 10 ** decimals;
      integer[0]! += BigInt(ulps);
      return double[0]!;
    }).filter(Number.isFinite);
  fc.assert(
    fc.property(fc.array(decimal, { minLength: 1, maxLength: 8 }), (values) => {
      const hints = Int32Array.of(2);
      for (const value of values) checkDouble(value, hints);
    }),
    { numRuns: 10_000 },
  );
});

Deno.test("putFloat64() writes what JSON.stringify writes where its ways of writing meet", () => {
  const edges = [
    0,
    -0,
    1e-7,
    9.999999e-7,
    1e-6,
    0.000001234567,
    1e15,
    1e21,
    1e22,
    2 ** 31,
    2 ** 53,
    1e9,
    999999.999999999,
  ];
  const hints = Int32Array.of(2);
  for (
    const edge of [
      ...edges,
      1e6,
      1e6 - 1e-9,
      123456.789012345,
      2147483647.5,
      2147483647.99999,
      Number.MAX_VALUE,
      5e-324,
    ]
  ) {
    for (const value of [edge, -edge]) {
      for (let ulps = -4n; ulps <= 4n; ulps++) {
        double[0] = value;
        integer[0]! += ulps;
        if (Number.isFinite(double[0]!)) checkDouble(double[0]!, hints);
      }
    }
  }
  for (let decimals = 0; decimals <= 9; decimals++) {
    for (let i = 0; i < 2000; i++) checkDouble(i * 7919 / 10 ** decimals, Int32Array.of(9 - decimals));
  }
});

Deno.test("putInt64() and putUint64() write all digits of any 64 bits", () => {
  const arb = fc.oneof(
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.tuple(fc.integer({ min: 0, max: 63 }), fc.integer({ min: -2, max: 2 })).map(([power, more]) =>
      BigInt.asIntN(64, 2n ** BigInt(power) + BigInt(more))
    ),
    fc.tuple(fc.integer({ min: 0, max: 18 }), fc.integer({ min: -2, max: 2 })).map(([power, more]) =>
      10n ** BigInt(power) + BigInt(more)
    ),
  );
  fc.assert(
    fc.property(arb, fc.boolean(), (magnitude, isNegative) => {
      const value = BigInt.asIntN(64, isNegative ? -magnitude : magnitude);
      integer[0] = value;
      assertEquals(textOf((at) => putInt64(bytes, at, words[0]!, words[1]!)), String(value));
      assertEquals(textOf((at) => putUint64(bytes, at, words[0]!, words[1]!)), String(BigInt.asUintN(64, value)));
      assertEquals(
        textOf((at) => putUint64(bytes, at, words[0]! >>> 0, words[1]! >>> 0)),
        String(BigInt.asUintN(64, value)),
      );
    }),
    { numRuns: 10_000 },
  );
});

Deno.test("putInt() writes any integer of 32 bits, signed or not", () => {
  fc.assert(
    fc.property(fc.oneof(fc.integer(), fc.nat(2 ** 32 - 1), fc.integer({ min: -1100, max: 1100 })), (value) => {
      assertEquals(textOf((at) => putInt(bytes, at, value)), String(value));
    }),
    { numRuns: 5_000 },
  );
  for (const value of [-(2 ** 31), 2 ** 31, 2 ** 32 - 1, 0]) {
    assertEquals(textOf((at) => putInt(bytes, at, value)), String(value));
  }
});
