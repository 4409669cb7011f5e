import { assertEquals, assertRejects, fail } from "@std/assert";
import { SeededRandom } from "../seeded_random.ts";
import { Scheduler, settleTurn } from "./scheduler.ts";

async function chain(length: number, end: () => void): Promise<void> {
  for (let link = 0; link < length; link++) await undefined;
  end();
}

Deno.test("Scheduler.settle() lets all microtasks of an event run before the next event, however they are chained", async () => {
  const scheduler = new Scheduler(new SeededRandom(1));
  const seen: string[] = [];
  for (let event = 0; event < 100; event++) {
    scheduler.after(event, "event", () => {
      seen.push(`event ${event}`);
      void chain(500, () => queueMicrotask(() => void chain(50, () => seen.push(`end ${event}`))));
    });
  }
  while (scheduler.next(Infinity) !== undefined) await scheduler.settle();
  assertEquals(seen, Array.from({ length: 100 }, (_, event) => [`event ${event}`, `end ${event}`]).flat());
});

Deno.test("Scheduler.run() does the same for one event after the other, up to a time or until it is told to end", async () => {
  const scheduler = new Scheduler(new SeededRandom(1));
  const seen: string[] = [];
  for (let event = 0; event < 100; event++) {
    scheduler.after(event, "event", () => {
      seen.push(`event ${event}`);
      void chain(200, () => queueMicrotask(() => void chain(50, () => seen.push(`end ${event}`))));
    });
  }
  const goesOn = () => seen.push("asked") < 3 * 70;
  assertEquals(await scheduler.run(49.5, goesOn), true);
  assertEquals(scheduler.nowMs, 49.5);
  assertEquals(await scheduler.run(Infinity, goesOn), false);
  const rounds = Array.from({ length: 70 }, (_, event) => [`event ${event}`, `end ${event}`, "asked"]);
  assertEquals(seen, rounds.flat());
});

Deno.test("Scheduler.run() fails as an event or who is asked fails", async () => {
  const failing = new Scheduler(new SeededRandom(1));
  for (const ms of [1, 2]) failing.after(ms, "event", () => void (ms === 2 && fail("event")));
  await assertRejects(() => failing.run(Infinity, () => true), Error, "event");
  failing.after(1, "event", () => {});
  await assertRejects(() => failing.run(Infinity, () => fail("asked")), Error, "asked");
});

Deno.test("Scheduler.settle() tells of a rejection that nobody handles within 32 events, and settleTurn() at once", async () => {
  const told: unknown[] = [];
  const listener = (event: PromiseRejectionEvent): void => {
    event.preventDefault();
    told.push(event.reason);
  };
  globalThis.addEventListener("unhandledrejection", listener);
  try {
    const scheduler = new Scheduler(new SeededRandom(1));
    for (let event = 0; event < 40; event++) {
      scheduler.after(event, "event", () => void (event === 3 && Promise.reject("nobody")));
    }
    for (let event = 0; event < 36; event++) {
      scheduler.next(Infinity);
      await scheduler.settle();
    }
    assertEquals(told, ["nobody"]);
    void Promise.reject("at once");
    await settleTurn();
    assertEquals(told, ["nobody", "at once"]);
  } finally {
    globalThis.removeEventListener("unhandledrejection", listener);
  }
});
