import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import { batchOf } from "./batch_of.ts";
import { compileCondition, compileExpressions } from "./compile_expressions.ts";
import { columnsAsExpressions, lit, nodeOf } from "./expression.ts";
import { kernelSource } from "./expression_codegen.ts";
import type { Expression } from "./expression_types.ts";
import { rows } from "./rows.ts";
import { bool, type Columns, float64, int32, int64, list, timestampMs, utf8 } from "./schema.ts";

const columns = {
  f: float64(),
  i: int32(),
  n: int64({ nullable: true }),
  t: timestampMs(),
  s: utf8(),
  b: bool(),
  l: list(utf8()),
  "a b": float64(),
};
const c = columnsAsExpressions(columns);
const base = { f: 1.5, i: 2, n: 3n, t: 1000, s: "x", b: true, l: [], "a b": 0 };
const make = (more: Partial<typeof base>[]) => batchOf(columns, more.map((row) => ({ ...base, ...row })));

/** Values by both ways of evaluation, which must agree. */
function values(expression: Expression, given: Partial<typeof base>[]): unknown[] {
  const [compiled, interpreted] = [false, true].map((isInterpreted) => {
    const { evaluateBatch } = compileExpressions(columns, { x: expression }, { isInterpreted });
    return [...rows(evaluateBatch(make(given)))].map((row) => (row as { x: unknown }).x);
  });
  assertEquals(compiled, interpreted);
  return compiled!;
}

Deno.test("expressions print themselves", () => {
  const printed: [Expression, string][] = [
    [c.f.greaterThan(30), "(f > 30)"],
    [c["a b"].plus(c.f).times(2), '(("a b" + f) * 2)'],
    [c.s.equals('say "hi"'), '(s == "say \\"hi\\"")'],
    [c.n.equals(5n).or(c.n.isNull()).not(), "(not ((n == 5n) or (n is null)))"],
    [c.f.between(-0, 1), "((f >= -0) and (f <= 1))"],
    [c.s.isIn(["a", "b"]), '(s in ["a", "b"])'],
    [c.n.ifNull(0n).isNotNull(), "(ifNull(n, 0n) is not null)"],
    [c.f.negate().abs().round(2), "round(abs((-f)), 2)"],
    [c.t.minus(c.t.modulo(60)).toTimestampMs(), "timestampMs((t - (t % 60)))"],
    [lit(1).dividedBy(c.i), "(1 / i)"],
  ];
  for (const [expression, text] of printed) assertEquals(`${expression}`, text);
});

Deno.test("an unknown column is named with those that exist, inherited names included", () => {
  for (const name of ["temprature", "constructor", "__proto__", "then"]) {
    const error = assertThrows(() => (c as unknown as Record<string, unknown>)[name], TypeError);
    assertEquals(error.message, `Cannot find column '${name}': the columns are f, i, n, t, s, b, l, a b`);
  }
});

Deno.test("operands that do not fit each other are refused when the expression is built", () => {
  const any = c as unknown as Record<string, Record<string, (...args: unknown[]) => Expression>>;
  const wrong = [
    () => any.f!.equals!("1"),
    () => any.s!.greaterThan!(1),
    () => any.s!.plus!(1),
    () => any.f!.and!(true),
    () => any.b!.lessThan!(false),
    () => any.l!.equals!("a"),
    () => any.l!.ifNull!("a"),
    () => any.s!.isIn!([1]),
    () => any.i!.ifNull!(1.5),
    () => any.n!.ifNull!(c.f),
    () => any.s!.toInt64!(),
    () => any.f!.not!(),
    () => any.f!.plus!(null),
    () => any.f!.plus!({}),
    () => any.s!.equals!("\ud800"),
  ];
  for (const [i, build] of wrong.entries()) assertThrows(build, TypeError, "Cannot ", `mistake ${i}`);
  assertThrows(() => lit(2n ** 63n), RangeError, "must fit 64 bits: current value is 9223372036854775808");
  assertThrows(() => c.f.round(16), RangeError, "'digits' must be an integer from 0 to 15: current value is 16");
});

Deno.test("an expression is refused on columns of another type or without its column", () => {
  const other: Columns = { f: utf8() };
  assertThrows(
    () => compileCondition(other, c.f.greaterThan(1)),
    TypeError,
    "column 'f' must be float64: current value is utf8",
  );
  assertThrows(() => compileExpressions(other, { x: c.i }), TypeError, "Cannot find column 'i': the columns are f");
});

Deno.test("generated code holds neither names nor constants, and is shared by expressions that differ in nothing else", () => {
  const strange = columnsAsExpressions({ "zzz'];evil();//": float64(), qqq: utf8() });
  const first = strange["zzz'];evil();//"].greaterThan(987654).and(strange.qqq.equals("wwww"));
  const second = c.f.greaterThan(5).and(c.s.equals("v"));
  const [one, two] = [first, second].map((expression) =>
    kernelSource(nodeOf(expression, "test"), "select", { hasNulls: () => true }).source
  );
  for (const text of ["zzz", "evil", "qqq", "987654", "wwww"]) assertFalse(one!.includes(text), text);
  assertEquals(one, two);
});

Deno.test("division follows IEEE 754 and never fails", () => {
  assertEquals(values(c.f.dividedBy(0), [{ f: 1 }, { f: -1 }, { f: 0 }]), [Infinity, -Infinity, NaN]);
  assertEquals(values(c.i.modulo(0), [{ i: 5 }]), [NaN]);
  assertEquals(values(c.i.modulo(3), [{ i: -5 }, { i: 5 }]), [-2, 2]);
});

Deno.test("64-bit integers compare exactly beyond 2^53, also with doubles", () => {
  const big = 2n ** 53n;
  assertEquals(values(c.n.equals(big + 1n), [{ n: big }, { n: big + 1n }]), [false, true]);
  assertEquals(values(c.n.greaterThan(2 ** 53), [{ n: big }, { n: big + 1n }]), [false, true]);
  assertEquals(values(c.n.lessThan(c.f), [{ n: big + 1n, f: 2 ** 53 }, { n: -(2n ** 63n), f: -(2 ** 63) }]), [
    false,
    false,
  ]);
  assertEquals(values(c.n.isIn([2 ** 53, 1n]), [{ n: big }, { n: big + 1n }, { n: 1n }]), [true, false, true]);
});

Deno.test("integer arithmetic is exact or fails with the row, never silently wrong", () => {
  assertEquals(values(c.n.plus(1), [{ n: 2n ** 53n - 2n }]), [2 ** 53 - 1]);
  const fails: [Expression, Partial<typeof base>[], string][] = [
    [c.n.plus(1), [{}, { n: 2n ** 53n }], "Cannot compute n in row 1 as integers must stay within"],
    [c.n.times(2), [{ n: 2n ** 52n }], "Cannot compute (n * 2) in row 0 as integers must stay within"],
    [c.n.times(1.5), [{ n: -(2n ** 63n) }], "current value is -9223372036854775808"],
    [c.i.times(c.i).times(c.i), [{ i: 2 ** 31 - 1 }], "Cannot compute (i * i) in row 0"],
    [c.f.toInt32(), [{ f: 1 }, { f: 0.5 }], "int32(f) in row 1"],
    [c.f.toInt64(), [{ f: 2 ** 63 }], "an integer of 64 bits: current value is 9223372036854776000"],
    [c.n.toInt32(), [{ n: 2n ** 31n }], "an integer of 32 bits: current value is 2147483648"],
    [c.n.toTimestampMs(), [{ n: 2n ** 60n }], "current value is 1152921504606846976"],
  ];
  for (const [expression, given, message] of fails) {
    assertThrows(() => values(expression, given), RangeError, message);
    const way = compileExpressions(columns, { x: expression }, { isInterpreted: true });
    assertThrows(() => way.evaluate(make(given)), RangeError, message);
  }
});

Deno.test("a row fails only where its value counts: not under null, not where the left side decides", () => {
  const big = [{ n: 2n ** 60n }, { n: 1n }];
  assertEquals(values(c.n.lessThan(10).and(c.n.plus(1).greaterThan(0)), big), [false, true]);
  assertEquals(values(c.n.greaterThan(10).or(c.n.plus(1).greaterThan(0)), big), [true, true]);
  assertEquals(values(c.n.ifNull(7n).toInt32(), [{ n: null as never }, { n: 1n }]), [7, 1]);
  assertThrows(() => values(c.n.plus(1).greaterThan(0).and(c.n.lessThan(10)), big), RangeError);
  // the same node, first behind a guard and then on its own
  const sum = c.n.plus(1);
  const both = c.n.lessThan(10).and(sum.greaterThan(0)).equals(sum.greaterThan(0));
  assertThrows(() => values(both, big), RangeError, "row 0");
});

Deno.test("round() takes halves away from zero and leaves what has no fraction", () => {
  const given = [0.5, -0.5, 2.5, 0.49999999999999994, 1e300, Infinity, NaN].map((f) => ({ f }));
  assertEquals(values(c.f.round(), given), [1, -1, 3, 0, 1e300, Infinity, NaN]);
  assertEquals(values(c.f.round(2), [{ f: 1.235 }, { f: -21.537 }]), [1.24, -21.54]);
});

Deno.test("texts are ordered by code point, unlike JavaScript strings", () => {
  assertEquals(values(c.s.greaterThan("\uffff"), [{ s: "\u{10000}" }]), [true]);
  assert("\u{10000}" < "\uffff");
});

Deno.test("results have the nullability that their types say", () => {
  const compiled = compileExpressions(columns, {
    sum: c.n.plus(1),
    filled: c.n.ifNull(0n),
    known: c.n.isNull(),
    both: c.n.equals(1).and(c.b),
    plain: c.l,
  });
  assertEquals(Object.entries(compiled.columns).map(([name, type]) => [name, type.kind, type.nullable]), [
    ["sum", "float64", true],
    ["filled", "int64", false],
    ["known", "bool", false],
    ["both", "bool", true],
    ["plain", "list", false],
  ]);
});
