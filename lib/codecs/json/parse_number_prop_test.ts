import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { exactInteger } from "./exact_integer.ts";
import { NUMBER, parseFloat64, parseInt64 } from "./parse_number.ts";

const encoder = new TextEncoder();
const scratch = new Uint8Array(600);
const view = new DataView(new ArrayBuffer(8));

/** Parses `text` with a digit right behind it, which must not be read. */
function parse(text: string, parser: typeof parseFloat64): number {
  const { written } = encoder.encodeInto(text, scratch);
  scratch[written] = 57;
  return parser(scratch, 0, written) === written ? NUMBER.value : NaN;
}

function assertDouble(text: string): void {
  const expected = Number(text);
  const found = parse(text, parseFloat64);
  if (Number.isFinite(expected) ? !Object.is(found, expected) : !Number.isNaN(found)) {
    throw new Error(`${text} became ${found}`);
  }
}

/** The exact decimal of a double that is a multiple of 2^-1074. */
function decimalOf(numerator: bigint, powerOfTwo: number): string {
  if (powerOfTwo >= 0) return String(numerator << BigInt(powerOfTwo));
  const digits = String(numerator * 5n ** BigInt(-powerOfTwo)).padStart(1 - powerOfTwo, "0");
  return `${digits.slice(0, powerOfTwo)}.${digits.slice(powerOfTwo)}`;
}

Deno.test("parseFloat64() gives the double that Number() gives for the shortest and the 17 digit form of any bits", () => {
  fc.assert(
    fc.property(fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { minLength: 100, maxLength: 100 }), (all) => {
      for (const bits of all) {
        view.setBigUint64(0, bits);
        const value = view.getFloat64(0);
        if (!Number.isFinite(value)) continue;
        assertDouble(String(value));
        assertDouble(value.toPrecision(17));
        assertDouble(value.toExponential());
      }
    }),
    { numRuns: 1000 },
  );
});

Deno.test("parseFloat64() gives the double that Number() gives for decimals of 1 to 25 digits", () => {
  const decimal = fc.tuple(fc.bigInt({ min: 0n, max: 10n ** 25n }), fc.nat(25), fc.nat(45), fc.boolean());
  fc.assert(
    fc.property(fc.array(decimal, { minLength: 100, maxLength: 100 }), (all) => {
      for (const [integer, length, point, isNegative] of all) {
        const digits = String(integer).slice(0, length + 1).padStart(point + 1, "0");
        const text = point === 0 ? digits : `${digits.slice(0, -point)}.${digits.slice(-point)}`;
        assertDouble((isNegative ? "-" : "") + text.replace(/^0+(?=\d)/, ""));
        assertDouble(digits.replace(/^0+(?=\d)/, ""));
      }
    }),
    { numRuns: 1200 },
  );
});

Deno.test("parseFloat64() rounds exact halves between two doubles, and their neighbours, as Number() does", () => {
  let isShort = 0;
  const half = fc.tuple(fc.bigInt({ min: 2n ** 52n, max: 2n ** 53n - 1n }), fc.integer({ min: -60, max: 8 }));
  fc.assert(
    fc.property(fc.array(half, { minLength: 50, maxLength: 50 }), (all) => {
      for (const [mantissa, power] of all) {
        const text = decimalOf(2n * mantissa + 1n, power);
        assertDouble(text);
        if (text.includes(".")) {
          assertDouble(`${text}1`);
          assertDouble(`${text.slice(0, -1)}4`);
          assertDouble(text.slice(0, 19));
        }
        if (text.replace(".", "").length <= 18) isShort++;
      }
    }),
    { numRuns: 500 },
  );
  assert(isShort > 100, `halves of at most 18 digits: ${isShort}`);
});

Deno.test("parseInt64() is exact within int64 and refuses everything else", () => {
  const edge = fc.tuple(
    fc.constantFrom(
      0n,
      2n ** 31n,
      2n ** 32n,
      10n ** 9n,
      10n ** 15n,
      2n ** 53n,
      10n ** 16n,
      10n ** 18n,
      2n ** 63n,
      10n ** 19n,
    ),
    fc.bigInt({ min: -3n, max: 3n }),
    fc.boolean(),
  ).map(([base, more, isNegative]) => (isNegative ? -1n : 1n) * (base + more));
  const any = fc.tuple(fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }), fc.nat(64)).map(([x, shift]) =>
    x >> BigInt(shift)
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(edge, any), { minLength: 100, maxLength: 100 }), (all) => {
      for (const integer of all) {
        const isIn = BigInt.asIntN(64, integer) === integer;
        assertEquals(!Number.isNaN(parse(String(integer), parseInt64)), isIn);
        if (isIn) assertEquals(BigInt(NUMBER.high) << 32n | BigInt(NUMBER.low >>> 0), integer);
      }
    }),
    { numRuns: 200 },
  );
});

Deno.test("exactInteger() finds the integer in any spelling and no other", () => {
  const spelled = fc.tuple(fc.bigInt({ min: -(10n ** 19n), max: 10n ** 19n }), fc.integer({ min: -25, max: 25 }));
  fc.assert(
    fc.property(spelled, ([integer, exponent]) => {
      const scale = 10n ** BigInt(Math.abs(exponent));
      const expected = exponent >= 0 ? integer * scale : integer % scale === 0n ? integer / scale : null;
      const found = exactInteger(`${integer}e${exponent}`);
      if (expected === null || expected < 10n ** 20n && expected > -(10n ** 20n)) assertEquals(found, expected);
      else assert(found !== null && BigInt.asIntN(64, found) !== found);
    }),
    { numRuns: 3000 },
  );
  assertEquals(exactInteger("1.50e1"), 15n);
  assertEquals(exactInteger("-0.0e-99999999999999999999"), 0n);
  assertEquals(exactInteger("1e-99999999999999999999"), null);
});
