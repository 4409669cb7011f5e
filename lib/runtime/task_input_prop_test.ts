import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { RecordSlab } from "../columns/records.ts";
import { spanBytes, spansOf } from "../columns/spans.ts";
import { type InputBatch, TaskInput } from "./task_input.ts";

/** Slabs over a log whose offsets may have gaps (control records, compaction), fetched in arbitrary cuts. */
const slabs = fc.array(fc.record({ gaps: fc.array(fc.nat(2), { maxLength: 6 }), tail: fc.nat(3) }), { maxLength: 6 });

function build(plan: readonly { gaps: number[]; tail: number }[]): { slabs: RecordSlab[]; offsets: number[] } {
  const out: RecordSlab[] = [];
  const all: number[] = [];
  let position = 0;
  for (const { gaps, tail } of plan) {
    const from = position;
    const offsets = gaps.map((gap) => {
      position += gap;
      return position++;
    });
    position += tail;
    all.push(...offsets);
    const values = spansOf(offsets.map((offset) => `v${offset}`));
    const keys = offsets.length % 2 === 0 ? null : spansOf(offsets.map((offset) => `k${offset}`));
    const timestamps = Float64Array.from(offsets, (offset) => offset * 10);
    const records = { count: offsets.length, keys, values, timestamps, headers: null };
    out.push({
      topic: "t",
      partition: 0,
      records,
      offsets: Float64Array.from(offsets),
      from: BigInt(from),
      to: BigInt(position),
      highWatermark: 0n,
      logStart: 0n,
      leaderEpoch: 0,
    });
  }
  return { slabs: out, offsets: all };
}

function offsetsOf(batch: InputBatch): number[] {
  return [...batch.offsets.subarray(batch.fromRow, batch.toRow)];
}

const text = new TextDecoder();

Deno.test("TaskInput.next() gives every record once, in order, in adjoining batches, however it was fetched", () => {
  fc.assert(
    fc.property(slabs, fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 40 }), (plan, rowsMax, bytesMax) => {
      const { slabs, offsets } = build(plan);
      const input = new TaskInput(0n);
      for (const slab of slabs) input.push(slab, 0);
      const seen: number[] = [];
      let position = 0n;
      for (
        let batch = input.next({ rowsMax, bytesMax });
        batch !== undefined;
        batch = input.next({ rowsMax, bytesMax })
      ) {
        assertEquals(batch.from, position);
        position = batch.to;
        assertEquals(batch.toRow - batch.fromRow <= rowsMax, true);
        for (let row = batch.fromRow; row < batch.toRow; row++) {
          const offset = batch.offsets[row]!;
          assertEquals(text.decode(spanBytes(batch.records.values, row)!), `v${offset}`);
          assertEquals(batch.records.timestamps![row], offset * 10);
          const key = batch.records.keys === null ? null : spanBytes(batch.records.keys, row);
          if (key !== null) assertEquals(text.decode(key), `k${offset}`);
        }
        seen.push(...offsetsOf(batch));
      }
      assertEquals(seen, offsets);
      assertEquals(position, slabs.at(-1)?.to ?? 0n);
      assertEquals(input.isEmpty, true);
      assertEquals(input.rows, 0);
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("TaskInput.next() never crosses `stopAt`, and reaches it over a gap", () => {
  fc.assert(
    fc.property(slabs, fc.integer({ min: 1, max: 7 }), fc.nat(20), (plan, rowsMax, stop) => {
      const { slabs, offsets } = build(plan);
      const input = new TaskInput(0n);
      for (const slab of slabs) input.push(slab, 0);
      const stopAt = BigInt(stop);
      const before: number[] = [];
      let position = 0n;
      for (let left = 100; left > 0 && position < stopAt; left--) {
        const batch = input.next({ rowsMax, bytesMax: 1_000, stopAt });
        if (batch === undefined) break;
        before.push(...offsetsOf(batch));
        position = batch.to;
      }
      assertEquals(before, offsets.filter((offset) => offset < stop));
      const end = slabs.at(-1)?.to ?? 0n;
      if (end >= stopAt) assertEquals(position, stopAt);
      const after: number[] = [];
      for (let batch = input.next({ rowsMax, bytesMax: 1_000 }); batch !== undefined;) {
        after.push(...offsetsOf(batch));
        batch = input.next({ rowsMax, bytesMax: 1_000 });
      }
      assertEquals(after, offsets.filter((offset) => offset >= stop));
    }),
    { numRuns: 2_000 },
  );
});
