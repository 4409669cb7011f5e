import { assertEquals } from "@std/assert";
import { burstRows, sustainedFlow } from "./flow.ts";

Deno.test("sustainedFlow() is what was drawn, unless small batches over a slow link cannot keep up with it", () => {
  assertEquals(sustainedFlow({ rowsPerSecond: 50, batchRows: 100, latencyMs: 40 }), 50);
  assertEquals(sustainedFlow({ rowsPerSecond: 50, batchRows: 1, latencyMs: 1 }), 50);
  assertEquals(sustainedFlow({ rowsPerSecond: 52, batchRows: 1, latencyMs: 30 }), 5);
  assertEquals(sustainedFlow({ rowsPerSecond: 52, batchRows: 4, latencyMs: 30 }), 20);
});

Deno.test("burstRows() are so many batches, and none when these would be too many rows", () => {
  assertEquals(burstRows({ burstBatches: 20, batchRows: 8 }), 160);
  assertEquals(burstRows({ burstBatches: 20, batchRows: 4_000 }), 0);
  assertEquals(burstRows({ burstBatches: 0, batchRows: 8 }), 0);
});
