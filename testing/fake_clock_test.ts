import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { FakeClock } from "./fake_clock.ts";

Deno.test("FakeClock stands still until it is advanced", async () => {
  const clock = new FakeClock({ wallMs: 1_000, monotonicMs: 5 });
  await new Promise((resolve) => setTimeout(resolve, 2));
  assertEquals([clock.wallMs(), clock.monotonicMs()], [1_000, 5]);
  await clock.advance(250);
  assertEquals([clock.wallMs(), clock.monotonicMs()], [1_250, 255]);
});

Deno.test("FakeClock.advance() wakes sleepers at their own time, in order, ties in the order of falling asleep", async () => {
  const clock = new FakeClock();
  const log: string[] = [];
  const sleep = (name: string, ms: number) => clock.sleep(ms).then(() => log.push(`${name} ${clock.monotonicMs()}`));
  sleep("c", 30);
  sleep("a", 10);
  sleep("b1", 20);
  sleep("b2", 20);
  sleep("late", 31);
  assertEquals(clock.nextWakeMs, 10);
  await clock.advance(30);
  assertEquals(log, ["a 10", "b1 20", "b2 20", "c 30"]);
  assertEquals([clock.sleeperCount, clock.nextWakeMs], [1, 31]);
});

Deno.test("FakeClock.advance() lets what a sleeper causes settle before the next one wakes", async () => {
  const clock = new FakeClock();
  const log: string[] = [];
  clock.sleep(10).then(async () => {
    for (let step = 0; step < 20; step++) await Promise.resolve();
    log.push("consequence");
  });
  clock.sleep(10).then(() => log.push("next"));
  await clock.advance(10);
  assertEquals(log, ["consequence", "next"]);
});

Deno.test("FakeClock.advance() wakes one who sleeps again within the span", async () => {
  const clock = new FakeClock();
  const times: number[] = [];
  (async () => {
    for (;;) {
      await clock.sleep(10);
      times.push(clock.monotonicMs());
    }
  })();
  await clock.advance(35);
  assertEquals(times, [10, 20, 30]);
  assertEquals(clock.monotonicMs(), 35);
});

Deno.test("FakeClock.sleep() of 0 or less waits for the next advance, also by 0", async () => {
  const clock = new FakeClock();
  let woken = 0;
  clock.sleep(0).then(() => woken++);
  clock.sleep(-5).then(() => woken++);
  await new Promise((resolve) => setTimeout(resolve, 1));
  assertEquals(woken, 0);
  await clock.advance(0);
  assertEquals(woken, 2);
});

Deno.test("FakeClock.sleep() ends at once when its signal aborts, and leaves nobody behind", async () => {
  const clock = new FakeClock();
  const abort = new AbortController();
  let isAwake = false;
  clock.sleep(1_000, abort.signal).then(() => isAwake = true);
  assertEquals(clock.sleeperCount, 1);
  abort.abort();
  await Promise.resolve();
  assertEquals([isAwake, clock.sleeperCount], [true, 0]);
  await clock.sleep(1_000, abort.signal);
});

Deno.test("FakeClock.jumpWall() moves the wall clock alone and wakes nobody", async () => {
  const clock = new FakeClock({ wallMs: 100_000 });
  let isAwake = false;
  clock.sleep(10).then(() => isAwake = true);
  clock.jumpWall(-86_400_000);
  await clock.advance(0);
  assertEquals([clock.wallMs(), clock.monotonicMs(), isAwake], [100_000 - 86_400_000, 0, false]);
});

Deno.test("FakeClock.advance() refuses to go back", async () => {
  await assertRejects(() => new FakeClock().advance(-1), RangeError, "current value is -1");
  await assertRejects(() => new FakeClock().advance(NaN), RangeError, "current value is NaN");
});

Deno.test("FakeClock.advance() in parts is advance() in one go", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(50), { maxLength: 8 }),
      fc.array(fc.nat(20), { minLength: 1, maxLength: 6 }),
      async (
        sleeps,
        parts,
      ) => {
        const run = async (steps: readonly number[]) => {
          const clock = new FakeClock();
          const log: string[] = [];
          for (const [name, ms] of sleeps.entries()) clock.sleep(ms).then(() => log.push(`${name}@${clock.wallMs()}`));
          for (const step of steps) await clock.advance(step);
          return log;
        };
        assertEquals(await run(parts), await run([parts.reduce((sum, part) => sum + part, 0)]));
      },
    ),
    { numRuns: 50 },
  );
});
