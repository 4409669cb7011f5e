/** Runs in which the simulator once found something wrong: what was drawn, and the fewest faults that showed it. */
import { assertEquals } from "@std/assert";
import type { SimOptions } from "./contracts.ts";
import { checkedFaultPlan } from "./fault_plan.ts";
import { runDrawn } from "./seed_run.ts";

const folder = new URL("./regressions/", import.meta.url);

for (const { name } of [...Deno.readDirSync(folder)].sort((a, b) => (a.name < b.name ? -1 : 1))) {
  const pinned = JSON.parse(Deno.readTextFileSync(new URL(name, folder)));
  Deno.test(`regression ${name}: ${pinned.found}`, async () => {
    const { violation } = await runDrawn(pinned.options as SimOptions, { plan: checkedFaultPlan(pinned.plan) });
    assertEquals(violation, undefined);
  });
}
