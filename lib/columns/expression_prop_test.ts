import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type BatchCase, batchOfColumns, type Row } from "./column_arbitraries_test.ts";
import { compileCondition, compileExpressions } from "./compile_expressions.ts";
import { columnsAsExpressions } from "./expression.ts";
import { booleans, type Case, numbers, type Sources, texts } from "./expression_reference_test.ts";
import { filter } from "./filter.ts";
import { rows } from "./rows.ts";
import { bool, type Columns, float64, int32, int64, struct, timestampMs, utf8 } from "./schema.ts";

const nullable = { nullable: true } as const;
/** Names include what would break out of generated code if names ever reached it. */
const columns: Columns = {
  f: float64(),
  '"]; throw 1; //': float64(nullable),
  i: int32(),
  "`${i}`": int32(nullable),
  n: int64(),
  __proto__x: int64(nullable),
  t: timestampMs(),
  "\u2028\n": timestampMs(nullable),
  s: utf8(),
  "constructor": utf8(nullable),
  b: bool(),
  "7": bool(nullable),
  o: struct({ x: int32() }, nullable),
};
const from: Sources = {
  float64: ["f", '"]; throw 1; //'],
  int32: ["i", "`${i}`"],
  int64: ["n", "__proto__x"],
  timestampMs: ["t", "\u2028\n"],
  utf8: ["s", "constructor"],
  bool: ["b", "7"],
};
const batches = fc.boolean().chain((isTame) => batchOfColumns(columns, isTame, 12));

/** Values of all rows by the naive evaluation; undefined when one must fail. */
function expected(expression: Case, rows: Row[]): unknown[] | undefined {
  try {
    return rows.map((row) => expression.of(row));
  } catch (error) {
    assert(error instanceof RangeError, String(error));
    return undefined;
  }
}

function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    assert(error instanceof RangeError, String(error));
    assert(/^Cannot compute .* in row \d+ as .*: current value is /s.test(error.message), error.message);
    return undefined;
  }
}

let compared = 0;
function check(expression: Case, { batch, rows: given }: BatchCase): void {
  const made = expression.make(columnsAsExpressions(columns));
  const wanted = expected(expression, given);
  if (wanted !== undefined && given.length > 0) compared++;
  for (const isInterpreted of [false, true]) {
    const compiled = compileExpressions(columns, { out: made }, { isInterpreted });
    const found = attempt(() => [...rows(compiled.evaluateBatch(batch))].map((row) => (row as Row).out));
    assertEquals(found?.length, wanted?.length, String(made));
    for (const [i, value] of (wanted ?? []).entries()) {
      const ours = typeof value === "bigint" || typeof found![i] !== "bigint" ? found![i] : Number(found![i]);
      assert(Object.is(ours, value), `${made} row ${i}: ${String(found![i])} instead of ${String(value)}`);
      if (value === null) assert(compiled.columns["out"]!.nullable, `${made} is null though it is not nullable`);
    }
  }
}

Deno.test("compiled and interpreted numbers agree with the naive evaluation of each row", () => {
  compared = 0;
  fc.assert(fc.property(numbers(from, 2), batches, check), { numRuns: 1500 });
  assert(compared > 400, `only ${compared} runs compared values`);
});

Deno.test("compiled and interpreted booleans agree with the naive evaluation of each row", () => {
  compared = 0;
  fc.assert(fc.property(booleans(from, 2), batches, check), { numRuns: 1500 });
  assert(compared > 400, `only ${compared} runs compared values`);
});

Deno.test("compiled and interpreted texts agree with the naive evaluation of each row", () => {
  fc.assert(fc.property(texts(from), batches, check), { numRuns: 300 });
});

Deno.test("a condition selects exactly the rows where it is true: not false, not null", () => {
  fc.assert(
    fc.property(booleans(from, 2), batches, (expression, { batch, rows: given }) => {
      const made = expression.make(columnsAsExpressions(columns));
      const wanted = expected(expression, given)?.flatMap((value, i) => value === true ? [i] : []);
      for (const isInterpreted of [false, true]) {
        const condition = compileCondition(columns, made, { isInterpreted });
        const selected = new Int32Array(batch.numRows);
        const found = attempt(() => [...selected.subarray(0, condition.select(batch, selected))]);
        assertEquals(found, wanted, String(made));
      }
      const kept = attempt(() => [...rows(filter(batch, (c) => expression.make(c)))]);
      assertEquals(kept?.length, wanted?.length);
    }),
    { numRuns: 500 },
  );
});

Deno.test("a plain column is passed on without a copy, whatever its type", () => {
  fc.assert(
    fc.property(batches, ({ batch }) => {
      for (const name of Object.keys(columns)) {
        const compiled = compileExpressions(columns, { out: columnsAsExpressions(columns)[name]! });
        assert(compiled.evaluate(batch)[0] === batch.data.children[Object.keys(columns).indexOf(name)]);
      }
    }),
    { numRuns: 20 },
  );
});
