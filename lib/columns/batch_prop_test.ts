import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { RecordBatchStreamWriter, tableFromIPC } from "apache-arrow";
import fc from "fast-check";
import { asBatch } from "./as_batch.ts";
import { batchFromColumns, emptyBatch } from "./batch.ts";
import { batchOf } from "./batch_of.ts";
import { anyBatch, type BatchCase, plainRow, type Row } from "./column_arbitraries_test.ts";
import { columnsOf } from "./columns_of.ts";
import { concatBatches } from "./concat.ts";
import { filter } from "./filter.ts";
import { rows } from "./rows.ts";
import type { Batch, Columns } from "./schema.ts";
import { selectColumns } from "./select_columns.ts";
import { take } from "./take.ts";

const given = ({ columns, rows }: BatchCase): Row[] => rows.map((row) => plainRow(columns, row));
const read = (columns: Columns, batch: Batch): Row[] => [...rows(batch)].map((row) => plainRow(columns, row as Row));

Deno.test("rows() gives back what batchOf() was given, for every type and for slices", () => {
  fc.assert(fc.property(anyBatch, (one) => assertEquals(read(one.columns, one.batch), given(one))));
});

Deno.test("Column.get() of Arrow agrees with rows() for every scalar type", () => {
  fc.assert(fc.property(anyBatch, ({ columns, rows: expected, batch }) => {
    for (const [name, type] of Object.entries(columns)) {
      if (type.kind === "list" || type.kind === "struct") continue;
      const values = Array.from({ length: batch.numRows }, (_, i) => batch.getChild(name).get(i));
      // Arrow drops a leading U+FEFF of a text
      const wanted = expected.map((row) => row[name] ?? null).map((v) =>
        typeof v === "string" ? v.replace(/^\ufeff/, "") : v
      );
      assertEquals(
        values.map((v) => v instanceof Uint8Array ? [...v] : v),
        wanted.map((v) => v instanceof Uint8Array ? [...v] : v),
      );
    }
  }));
});

Deno.test("take() gives the chosen rows, for every type, slices and repeated rows", () => {
  fc.assert(fc.property(anyBatch, fc.array(fc.nat(1000), { maxLength: 30 }), (one, picks) => {
    const indices = one.rows.length === 0 ? [] : picks.map((pick) => pick % one.rows.length);
    assertEquals(read(one.columns, take(one.batch, indices)), indices.map((index) => given(one)[index]!));
    assertEquals(take(one.batch, Int32Array.from(indices)).numRows, indices.length);
  }));
});

Deno.test("filter() by mask gives the rows whose byte is not zero", () => {
  fc.assert(fc.property(anyBatch, fc.infiniteStream(fc.boolean()), (one, flags) => {
    const mask = Uint8Array.from(one.rows, () => flags.next().value ? 1 : 0);
    assertEquals(read(one.columns, filter(one.batch, mask)), given(one).filter((_, i) => mask[i] === 1));
  }));
});

Deno.test("concatBatches() gives all rows in order, for every type and for slices", () => {
  const cut = anyBatch.chain((one) => fc.tuple(fc.constant(one), fc.array(fc.nat(20), { maxLength: 3 })));
  fc.assert(fc.property(cut, ([one, cuts]) => {
    const ends = [...cuts.map((end) => Math.min(end, one.rows.length)).sort((a, b) => a - b), one.rows.length];
    const parts = ends.map((end, i) => one.batch.slice(ends[i - 1] ?? 0, end));
    const joined = concatBatches(one.columns, parts);
    assertEquals(read(one.columns, joined), given(one));
    assertEquals(read(one.columns, concatBatches(one.columns, [emptyBatch(one.columns), joined])), given(one));
    assertEquals(concatBatches(one.columns, []).numRows, 0);
  }));
});

Deno.test("selectColumns() gives any columns in any order, without a copy", () => {
  fc.assert(
    fc.property(
      anyBatch.chain((one) => fc.tuple(fc.constant(one), fc.shuffledSubarray(Object.keys(one.columns)))),
      ([one, names]) => {
        const selected = selectColumns(one.batch, ...names);
        const columns = columnsOf(selected);
        assertEquals(Object.keys(columns).toSorted(), names.toSorted());
        assertEquals(read(columns, selected), given(one).map((row) => plainRow(columns, row)));
        for (const name of names) {
          const at = (batch: Batch) =>
            batch.data.children[batch.schema.fields.findIndex((field) => field.name === name)];
          assertStrictEquals(at(selected), at(one.batch));
        }
      },
    ),
  );
});

Deno.test("columnsOf() reads the columns back from Arrow's schema", () => {
  fc.assert(fc.property(anyBatch, ({ columns, batch }) => {
    assertEquals(describe(columnsOf(batch)), describe(columns));
    assertStrictEquals(columnsOf(batch), columnsOf(batch.slice(0, 0)));
  }));
});

function describe(columns: Columns): unknown {
  return Object.entries(columns).map(([name, type]) => [
    name,
    type.kind,
    type.nullable,
    type.element === undefined ? null : describe({ element: type.element }),
    type.columns === undefined ? null : describe(type.columns),
  ]);
}

Deno.test("batchFromColumns() takes each column of a batch as data or vector, without a copy", () => {
  fc.assert(fc.property(anyBatch, (one) => {
    const names = Object.keys(one.columns);
    const data = Object.fromEntries(names.map((name, i) => [name, one.batch.data.children[i]!]));
    const vectors = Object.fromEntries(names.map((name) => [name, one.batch.getChild(name)]));
    for (const input of [data, vectors]) {
      const built = batchFromColumns(one.columns, input as never, one.rows.length) as Batch;
      assertEquals(read(one.columns, built), given(one));
      for (const [i] of names.entries()) assert(built.data.children[i] === one.batch.data.children[i]);
    }
  }));
});

Deno.test("asBatch() takes a batch of its own columns as it is", () => {
  fc.assert(fc.property(anyBatch, ({ columns, batch }) => assertStrictEquals(asBatch(columns, batch), batch)));
});

Deno.test("asBatch() adopts what Arrow's own writer and reader give", () => {
  fc.assert(
    fc.property(anyBatch, (one) => {
      const bytes = RecordBatchStreamWriter.writeAll([one.batch]).toUint8Array(true);
      const table = tableFromIPC(bytes);
      const batches = table.batches.map((batch) => asBatch(one.columns, batch));
      assertEquals(read(one.columns, concatBatches(one.columns, batches)), given(one));
    }),
    { numRuns: 60 },
  );
});

Deno.test("batchOf() of no rows is emptyBatch()", () => {
  fc.assert(fc.property(anyBatch, ({ columns }) => {
    assertEquals([...rows(batchOf(columns, []))], []);
    assertEquals(emptyBatch(columns).numRows, 0);
    assertEquals(describe(columnsOf(emptyBatch(columns))), describe(columns));
  }));
});
