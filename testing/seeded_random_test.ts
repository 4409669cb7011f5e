import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { SeededRandom } from "./seeded_random.ts";

const draw = (random: SeededRandom, count: number) => Array.from({ length: count }, () => random.uint32());

Deno.test("SeededRandom keeps the stream of a seed for ever: failure reports name seeds", () => {
  assertEquals(draw(new SeededRandom(0), 4), PINNED_0);
  assertEquals(draw(new SeededRandom(42), 4), PINNED_42);
  assertEquals(draw(new SeededRandom(0xdead_beef_0000_0001n), 4), PINNED_BIG);
});

const PINNED_0 = [2899526011, 769844623, 220372281, 4270301181];
const PINNED_42 = [1959603763, 2423114712, 2466933512, 4144396390];
const PINNED_BIG = [1069055703, 877764570, 3543280500, 3689909515];

Deno.test("SeededRandom gives other streams for neighbouring seeds, for the high 32 bits and for negative seeds", () => {
  const streams = [0, 1, 2, -1, 1n << 32n, 1n << 40n].map((seed) => draw(new SeededRandom(seed), 8).join());
  assertEquals(new Set(streams).size, streams.length);
  assertEquals(draw(new SeededRandom(7), 5), draw(new SeededRandom(7n), 5));
});

Deno.test("SeededRandom refuses a seed that is no integer", () => {
  assertThrows(() => new SeededRandom(1.5), RangeError, "current value is 1.5");
  assertThrows(() => new SeededRandom(NaN), RangeError, "current value is NaN");
});

Deno.test("SeededRandom spreads evenly: bits, floats and integers", () => {
  const random = new SeededRandom(1);
  const rounds = 20_000;
  const ones = new Array<number>(32).fill(0);
  const dice = new Array<number>(6).fill(0);
  let sum = 0;
  for (let round = 0; round < rounds; round++) {
    const bits = random.uint32();
    for (let bit = 0; bit < 32; bit++) ones[bit]! += (bits >>> bit) & 1;
    dice[random.integer(1, 6) - 1]!++;
    const float = random.float();
    assert(float >= 0 && float < 1);
    sum += float;
  }
  // Five standard deviations.
  for (const count of ones) assert(Math.abs(count - rounds / 2) < 5 * Math.sqrt(rounds / 4), `${ones}`);
  for (const count of dice) assert(Math.abs(count - rounds / 6) < 5 * Math.sqrt(rounds * 5 / 36), `${dice}`);
  assert(Math.abs(sum / rounds - 0.5) < 5 * Math.sqrt(1 / 12 / rounds));
});

Deno.test("SeededRandom.integer() reaches both ends, takes great spans and refuses empty ones", () => {
  const random = new SeededRandom(3);
  const seen = new Set(Array.from({ length: 200 }, () => random.integer(-1, 1)));
  assertEquals([...seen].sort(), [-1, 0, 1]);
  assertEquals(random.integer(5, 5), 5);
  const great = random.integer(0, Number.MAX_SAFE_INTEGER - 1);
  assert(Number.isSafeInteger(great) && great >= 0);
  assertThrows(() => random.integer(2, 1), RangeError, "[2, 1]");
  assertThrows(() => random.pick([]), RangeError);
});

Deno.test("SeededRandom.shuffle() keeps the items, leaves its argument and reaches every order", () => {
  const random = new SeededRandom(4);
  const items = [1, 2, 3];
  const orders = new Set(Array.from({ length: 200 }, () => random.shuffle(items).join()));
  assertEquals(orders.size, 6);
  assertEquals(items, [1, 2, 3]);
});

Deno.test("SeededRandom.fork() gives a stream of its own that does not move this one on", () => {
  const one = new SeededRandom(5);
  const two = new SeededRandom(5);
  const fork = one.fork();
  two.fork();
  draw(fork, 100);
  assertEquals(draw(one, 5), draw(two, 5));
  assertNotEquals(draw(new SeededRandom(5).fork(), 5), draw(new SeededRandom(5), 5));
});

Deno.test("SeededRandom.isHit(), logUniform() and bytes() stay in their bounds", () => {
  const random = new SeededRandom(6);
  for (let round = 0; round < 100; round++) {
    assertEquals([random.isHit(0), random.isHit(1)], [false, true]);
    const rate = random.logUniform(0.001, 10);
    assert(rate >= 0.001 && rate <= 10.000_001);
  }
  assertEquals(random.bytes(0).length, 0);
  assertEquals(new Set(random.bytes(5_000)).size, 256);
});
