import fc from "fast-check";
import { MemoryStateProvider } from "../../adapters/memory/memory_state_provider.ts";
import { StateLaw, stateSteps } from "../../../testing/state/task_state_law.ts";

Deno.test("TaskState reads as a map through commits, aborts, flushes that fail and reopening", async () => {
  await fc.assert(
    fc.asyncProperty(stateSteps, fc.constantFrom(1, 3, 1_000_000), async (steps, keysMax) => {
      await new StateLaw(new MemoryStateProvider({ isKept: true }), keysMax).run(steps);
    }),
    { numRuns: 500 },
  );
});
