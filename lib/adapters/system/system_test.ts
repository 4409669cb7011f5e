import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import process from "node:process";
import { BrokerTimeoutError } from "../../base/errors.ts";
import type { LogLevel } from "../../seams/observer.ts";
import { FakeClock } from "../../../testing/fake_clock.ts";
import { ConsoleObserver, type ConsoleObserverOptions } from "./console_observer.ts";
import { environmentVariable } from "./environment_variable.ts";
import { holdProcess } from "./hold_process.ts";
import { onSignals } from "./on_signals.ts";
import { SystemClock } from "./system_clock.ts";
import { SystemRandom } from "./system_random.ts";

/** Sleeps of the system clock do not hold the process, so a test that waits for one must. */
async function held(run: () => Promise<void>): Promise<void> {
  const release = holdProcess();
  try {
    await run();
  } finally {
    release();
    release();
  }
}

Deno.test("SystemClock.sleep() never ends before its time", () =>
  held(async () => {
    const clock = new SystemClock();
    for (const ms of [0, 0.3, 1, 3.7]) {
      const startMs = clock.monotonicMs();
      await clock.sleep(ms);
      assert(clock.monotonicMs() - startMs >= ms, `${ms}`);
    }
  }));

Deno.test("SystemClock.sleep() ends when its signal aborts, also when it has before, and takes its listener away", () =>
  held(async () => {
    const clock = new SystemClock();
    const abort = new AbortController();
    let listeners = 0;
    const { addEventListener, removeEventListener } = abort.signal;
    abort.signal.addEventListener = (...all: unknown[]) => {
      listeners++;
      return Reflect.apply(addEventListener, abort.signal, all);
    };
    abort.signal.removeEventListener = (...all: unknown[]) => {
      listeners--;
      return Reflect.apply(removeEventListener, abort.signal, all);
    };
    await clock.sleep(1, abort.signal);
    assertEquals(listeners, 0);
    const sleeping = clock.sleep(86_400_000, abort.signal);
    abort.abort();
    await sleeping;
    await clock.sleep(Infinity, abort.signal);
  }));

Deno.test("SystemClock.sleep() takes more than a timer can", () =>
  held(async () => {
    const abort = new AbortController();
    let isAwake = false;
    const sleeping = new SystemClock().sleep(2 ** 40, abort.signal).then(() => isAwake = true);
    await new SystemClock().sleep(5);
    assertEquals(isAwake, false);
    abort.abort();
    await sleeping;
  }));

Deno.test("SystemClock reads wall time and a monotonic time that does not go back", () => {
  const clock = new SystemClock();
  assert(Math.abs(clock.wallMs() - Date.now()) < 60_000);
  let last = clock.monotonicMs();
  for (let round = 0; round < 1_000; round++) {
    const now = clock.monotonicMs();
    assert(now >= last);
    last = now;
  }
});

Deno.test("SystemRandom gives integers of 32 bits that do not repeat over its blocks", () => {
  const random = new SystemRandom();
  const drawn = Array.from({ length: 1_000 }, () => random.uint32());
  assert(drawn.every((value) => Number.isInteger(value) && value >= 0 && value < 2 ** 32));
  assert(new Set(drawn).size > 990);
});

Deno.test("environmentVariable() reads a variable, and an unset one is undefined", () => {
  process.env.TURBINE_TEST_VARIABLE = "x";
  assertEquals(environmentVariable("TURBINE_TEST_VARIABLE"), "x");
  delete process.env.TURBINE_TEST_VARIABLE;
  assertEquals(environmentVariable("TURBINE_TEST_VARIABLE"), undefined);
});

Deno.test({
  name: "environmentVariable() treats a missing permission as unset",
  permissions: { env: ["SOMETHING_ELSE"] },
  fn: () => assertEquals(environmentVariable("PATH"), undefined),
});

Deno.test("onSignals() counts signals and is silent once removed", () => {
  const seen: string[] = [];
  const before = process.listenerCount("SIGTERM");
  const remove = onSignals((signal, count) => seen.push(`${signal} ${count}`));
  process.emit("SIGTERM", "SIGTERM");
  process.emit("SIGINT", "SIGINT");
  assertEquals(process.listenerCount("SIGTERM"), before + 1);
  remove();
  remove();
  assertEquals(process.listenerCount("SIGTERM"), before);
  assertEquals(seen, ["SIGTERM 1", "SIGINT 2"]);
});

function recorded(options: ConsoleObserverOptions): { observer: ConsoleObserver; lines: string[] } {
  const lines: string[] = [];
  const clock = new FakeClock({ wallMs: Date.UTC(2026, 0, 2, 3, 4, 5, 6) });
  return { observer: new ConsoleObserver({ clock, write: (line) => lines.push(line), ...options }), lines };
}

Deno.test("ConsoleObserver writes one JSON object on one line, with anything in its detail", () => {
  const { observer, lines } = recorded({ format: "json" });
  observer.log("warn", "two\nlines", {
    offset: 2n ** 60n,
    bytes: new Uint8Array(3),
    ratio: NaN,
    at: new Date(0),
    level: "not the level",
    map: new Map([["a", 1]]),
    error: new BrokerTimeoutError("late", { context: { topic: "t" }, cause: new Error("socket") }),
  });
  assertEquals(lines.length, 1);
  assertEquals(lines[0]!.includes("\n"), false);
  assertEquals(JSON.parse(lines[0]!), {
    time: "2026-01-02T03:04:05.006Z",
    level: "warn",
    message: "two\nlines",
    offset: "1152921504606846976",
    bytes: "Uint8Array(3 bytes)",
    ratio: "NaN",
    at: "1970-01-01T00:00:00.000Z",
    "detail.level": "not the level",
    map: { a: 1 },
    error: {
      name: "BrokerTimeoutError",
      message: "late",
      code: "BrokerTimeout",
      outcome: "unknown",
      context: { topic: "t" },
      cause: { name: "Error", message: "socket" },
    },
  });
});

Deno.test("ConsoleObserver writes text for people on one line", () => {
  const { observer, lines } = recorded({});
  observer.log("info", "Recovered\u001b[31m\nforged line", { location: "file:/x", why: "two words", n: 3 });
  assertEquals(lines, [
    '2026-01-02T03:04:05.006Z INFO  Recovered\\u001b[31m\\nforged line location=file:/x why="two words" n=3',
  ]);
});

Deno.test("ConsoleObserver writes only what is severe enough; steps are debug", () => {
  const levels: LogLevel[] = ["debug", "info", "warn", "error"];
  for (const [level, expected] of [["debug", 5], ["info", 3], ["error", 1], ["silent", 0]] as const) {
    const { observer, lines } = recorded({ level });
    for (const each of levels) observer.log(each, each);
    observer.step("commit:before", { offset: 1n });
    assertEquals(lines.length, expected, level);
  }
});

Deno.test("ConsoleObserver never throws: not for a cycle, not when writing fails", () => {
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  const { observer, lines } = recorded({ format: "json" });
  observer.log("info", "cycle", cycle);
  assertStringIncludes(lines[0]!, "...");
  const broken = new ConsoleObserver({
    write: () => {
      throw new Error("closed");
    },
  });
  broken.log("error", "lost");
});

Deno.test("ConsoleObserver refuses an unknown level or format", () => {
  assertThrows(() => new ConsoleObserver({ level: "loud" as "info" }), TypeError, "current value is loud");
  assertThrows(() => new ConsoleObserver({ format: "xml" as "json" }), TypeError, "current value is xml");
});
