import { assertEquals, assertRejects } from "@std/assert";
import { ConcurrencyGate } from "./concurrency_gate.ts";

Deno.test("ConcurrencyGate lets as many in as there is room, in their order, also after failures", async () => {
  const gate = new ConcurrencyGate(2);
  const order: string[] = [];
  let inside = 0;
  const visit = (name: number) =>
    gate.run(async () => {
      order.push(`in ${name}`);
      inside++;
      assertEquals(inside <= 2, true);
      await Promise.resolve();
      inside--;
      if (name === 1) throw new Error("one fails");
    });
  const visits = [0, 1, 2, 3, 4].map(visit);
  await assertRejects(() => visits[1]!, Error, "one fails");
  await Promise.allSettled(visits);
  assertEquals(order, [0, 1, 2, 3, 4].map((name) => `in ${name}`));
  await gate.run(() => Promise.resolve());
});
