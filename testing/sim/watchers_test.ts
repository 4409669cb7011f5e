import { assertEquals } from "@std/assert";
import type { Checker } from "./contracts.ts";
import { Watchers } from "./watchers.ts";

Deno.test("Watchers lists each checker where it wants to be told, in the given order", () => {
  const first = { invariants: [], step: () => {}, end: () => {} } satisfies Checker;
  class Second implements Checker {
    readonly invariants = [];
    step(): void {}
    afterEvent(): void {}
  }
  const second = new Second();
  const watchers = new Watchers([second, first]);
  assertEquals(watchers.step, [second, first]);
  assertEquals(watchers.afterEvent, [second]);
  assertEquals(watchers.end, [first]);
  assertEquals(watchers.seam, []);
});
