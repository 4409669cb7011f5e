import { assert, assertEquals, assertThrows } from "@std/assert";
import { InvariantError } from "../base/assert.ts";
import { TASK_TRANSITIONS, TaskLifecycle, type TaskState } from "./task_lifecycle.ts";

const STATES = Object.keys(TASK_TRANSITIONS) as TaskState[];

/** The shortest way from `created` to each state. */
function ways(): Map<TaskState, TaskState[]> {
  const found = new Map<TaskState, TaskState[]>([["created", []]]);
  for (const [state, way] of found) {
    for (const next of TASK_TRANSITIONS[state]) if (!found.has(next)) found.set(next, [...way, next]);
  }
  return found;
}

Deno.test("TaskLifecycle reaches every state, and from each of them can be closed at once", () => {
  assertEquals([...ways().keys()].sort(), [...STATES].sort());
  for (const state of STATES) if (state !== "closed") assert(TASK_TRANSITIONS[state].includes("closed"), state);
});

Deno.test("TaskLifecycle.to() takes legal steps only", () => {
  for (const [state, way] of ways()) {
    for (const next of STATES) {
      const life = new TaskLifecycle();
      for (const step of way) life.to(step);
      assertEquals(life.state, state);
      if (TASK_TRANSITIONS[state].includes(next)) {
        life.to(next);
        assertEquals(life.state, next);
      } else assertThrows(() => life.to(next), InvariantError, `from '${state}' to '${next}'`);
    }
  }
});

Deno.test("TaskLifecycle.isProcessing is true in silent replay and live only", () => {
  for (const [state, way] of ways()) {
    const life = new TaskLifecycle();
    for (const step of way) life.to(step);
    assertEquals(life.isProcessing, state === "replaying" || state === "running");
  }
});
