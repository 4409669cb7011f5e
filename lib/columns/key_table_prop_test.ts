import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { batchFromColumns } from "./batch.ts";
import { columnData } from "./column_data.ts";
import { highWord, lowWord, wordsOf } from "./int64.ts";
import { KeyTable } from "./key_table.ts";
import { PairTable } from "./pair_table.ts";
import { binary } from "./schema.ts";
import { fullBitmap } from "./bitmap.ts";
import { spanBytes, spansOf } from "./spans.ts";

const text = (bytes: Uint8Array) => bytes.join();
/** Few distinct bytes, so that keys repeat and share prefixes; some longer than the four bytes compared at once. */
const key = fc.array(fc.constantFrom(0, 1, 255), { maxLength: 9 }).map((bytes) => Uint8Array.from(bytes));
const column = fc.array(fc.option(key, { nil: null }), { maxLength: 60 });

/** What a table must do, as plainly as can be. */
class Model {
  readonly codes = new Map<string, number>();
  intern(bytes: Uint8Array): number {
    const code = this.codes.get(text(bytes)) ?? this.codes.size;
    this.codes.set(text(bytes), code);
    return code;
  }
}

Deno.test("KeyTable gives the codes a Map gives, by column, span and single key, through growth and clear", () => {
  const step = fc.oneof(
    fc.record({ way: fc.constantFrom("spans", "column"), keys: column }),
    fc.record({ way: fc.constant("single"), keys: column }),
    fc.record({ way: fc.constant("clear"), keys: column }),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
    const table = new KeyTable({ capacity: 1, arenaBytes: 1 });
    let model = new Model();
    for (const { way, keys } of steps) {
      if (way === "clear") {
        table.clear();
        model = new Model();
      }
      const expected = keys.map((bytes) => bytes === null ? -1 : model.intern(bytes));
      const codes = way === "single"
        ? keys.map((bytes) => bytes === null ? -1 : table.intern(bytes))
        : way === "column"
        ? [...table.internColumn(binaryColumn(keys))]
        : [...table.internSpans(spansOf(keys))];
      assertEquals(codes, expected);
      assertEquals(table.size, model.codes.size);
      for (const [bytes, code] of model.codes) assertEquals(text(table.keyBytes(code)), bytes);
    }
  }));
});

function binaryColumn(keys: (Uint8Array | null)[]) {
  // two rows before and a sliced bitmap: offsets and bits of a slice begin elsewhere
  const spans = spansOf(["..", "", ...keys.map((bytes) => bytes ?? "garbage under a null")]);
  const offsets = Int32Array.from([0, ...spans.ends]);
  const validity = fullBitmap(keys.length + 2);
  for (const [i, bytes] of keys.entries()) {
    if (bytes === null) validity[(i + 2) >> 3] = validity[(i + 2) >> 3]! & ~(1 << ((i + 2) & 7));
  }
  const schema = { key: binary({ nullable: true }) };
  const batch = batchFromColumns(schema, { key: { values: spans.bytes, offsets, validity } }, keys.length + 2);
  return columnData(batch, "key").slice(2, keys.length);
}

Deno.test("KeyTable.find() finds what was interned and nothing else", () => {
  fc.assert(fc.property(fc.array(key), key, (keys, other) => {
    const table = new KeyTable();
    for (const bytes of keys) table.intern(bytes);
    const known = keys.map(text);
    for (const bytes of keys) assertEquals(table.find(bytes), [...new Set(known)].indexOf(text(bytes)));
    if (!known.includes(text(other))) assertEquals(table.find(other), -1);
    assertEquals(table.size, new Set(known).size);
  }));
});

Deno.test("KeyTable.intern() of a range ignores the bytes around it", () => {
  const table = new KeyTable();
  const bytes = new TextEncoder().encode("xxdevice-1yydevice-1");
  assertEquals([table.intern(bytes, 2, 10), table.intern(bytes, 12, 20), table.intern(bytes, 0, 2)], [0, 0, 1]);
});

Deno.test("KeyTable keeps views that were handed out right after clear()", () => {
  const table = new KeyTable();
  table.intern(new Uint8Array([1, 2, 3]));
  const [view, spans] = [table.keyBytes(0), table.keySpans()];
  table.clear();
  table.intern(new Uint8Array([7, 8, 9]));
  assertEquals([...view], [1, 2, 3]);
  assertEquals([...spanBytes(spans, 0)!], [1, 2, 3]);
  assertEquals([...table.keyBytes(0)], [7, 8, 9]);
});

Deno.test("PairTable gives the codes a Map gives", () => {
  const int = fc.oneof(fc.integer({ min: -2, max: 2 }), fc.integer());
  fc.assert(fc.property(fc.array(fc.tuple(int, int), { maxLength: 200 }), (pairs) => {
    const table = new PairTable(1);
    const model = new Map<string, number>();
    for (const [a, b] of pairs) {
      const code = model.get(`${a},${b}`);
      assertEquals(table.find(a, b), code ?? -1);
      model.set(`${a},${b}`, code ?? model.size);
      assertEquals(table.intern(a, b), model.get(`${a},${b}`));
    }
    for (const [pair, code] of model) assertEquals(`${table.first(code)},${table.second(code)}`, pair);
    assertEquals(table.size, model.size);
    assertEquals(table.pairs().length, 2 * model.size);
    table.clear();
    assertEquals([table.size, table.find(1, 1), table.intern(5, 5)], [0, -1, 0]);
  }));
});

Deno.test("PairTable.internWords() tells all 64-bit integers apart", () => {
  const values = BigInt64Array.of(1n, 2n ** 32n, 1n, -1n, -(2n ** 63n), 2n ** 32n + 1n, -1n);
  const table = new PairTable();
  assertEquals([...table.internWords(wordsOf(values))], [0, 1, 0, 2, 3, 4, 2]);
  assertEquals([...new BigInt64Array(table.pairs().buffer)], [1n, 2n ** 32n, -1n, -(2n ** 63n), 2n ** 32n + 1n]);
  assertEquals(table.find(lowWord(-1n), highWord(-1n)), 2);
});

Deno.test("KeyTable.findSpans() finds what is there, adds nothing, and copyKey() gives the bytes back", () => {
  const table = new KeyTable();
  const codes = table.internSpans(spansOf(["a", "bb", "", "ccccc"]));
  const found = table.findSpans(spansOf(["ccccc", "x", null, "", "a", "bb"]));
  assertEquals([...found], [codes[3], -1, -1, codes[2], codes[0], codes[1]]);
  assertEquals(table.size, 4);
  const target = new Uint8Array(8).fill(46);
  assertEquals(table.copyKey(codes[3]!, target, 1), 1 + table.keyLength(codes[3]!));
  assertEquals(new TextDecoder().decode(target), ".ccccc..");
});
