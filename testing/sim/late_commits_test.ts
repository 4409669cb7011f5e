/** Offset commits that land late after the input has ended: no record comes any more whose commit would put that right. */
import { assertEquals } from "@std/assert";
import type { PlannedFault } from "./fault_kinds.ts";
import { runDrawn } from "./seed_run.ts";
import { swarmOptions } from "./swarm.ts";

/** Seeds whose group stays behind for good when nobody looks at an idle input (I-24), or whose task time goes back (I-30). */
const SEEDS = [1, 8, 17, 22, 24];

for (const seed of SEEDS) {
  Deno.test(`I-24: offset commits that land after the end of the input are put right (seed ${seed})`, async () => {
    const options = { ...swarmOptions(seed, "small"), guarantee: "at-least-once" as const };
    const endMs = options.warmUpMs + options.safetyMs;
    const plan = Array.from({ length: 6 }, (_, i): PlannedFault => ({
      kind: "N3",
      atMs: Math.floor(endMs - 4_000 + i * 600),
      process: i % options.processes,
      durationMs: 9_000,
      draw: (seed * 7_919 + i * 104_729) >>> 0,
    }));
    const { violation } = await runDrawn(options, { plan });
    assertEquals(violation, undefined);
  });
}
