import { assertEquals } from "@std/assert";
import { leaderEpochRun } from "./leader_epoch_run.ts";
import { HEADER_SIZE, PREFIX_SIZE } from "./record_batch.ts";

function batches(...epochs: readonly number[]): Uint8Array {
  const size = HEADER_SIZE + 7;
  const bytes = new Uint8Array(size * epochs.length);
  const view = new DataView(bytes.buffer);
  for (const [i, epoch] of epochs.entries()) {
    view.setInt32(i * size + 8, size - PREFIX_SIZE);
    view.setInt32(i * size + 12, epoch);
  }
  return bytes;
}

Deno.test("leaderEpochRun() ends where the leader epoch changes", () => {
  const one = batches(3).length;
  const lengthOf = (...epochs: readonly number[]) => leaderEpochRun(batches(...epochs)).length / one;
  assertEquals([lengthOf(), lengthOf(3), lengthOf(3, 3, 3)], [0, 1, 3]);
  assertEquals([lengthOf(3, 4), lengthOf(3, 3, 7, 7), lengthOf(5, 6, 5)], [1, 2, 1]);
});

Deno.test("leaderEpochRun() leaves a batch that is cut off, or damaged, to whoever reads it", () => {
  const bytes = batches(3, 3);
  assertEquals(leaderEpochRun(bytes.subarray(0, bytes.length - 30)).length, bytes.length - 30);
  const damaged = batches(3, 3);
  new DataView(damaged.buffer).setInt32(8, -70);
  assertEquals(leaderEpochRun(damaged).length, damaged.length);
});
