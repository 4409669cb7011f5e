import { assert, assertThrows } from "@std/assert";
import { asOperator, chain, float64, int32, json, map, project, topic, Turbine, utf8, where } from "../../mod.ts";
import type { Operator } from "../operator/operator.ts";

const input = topic("in", { value: json({ id: int32(), note: utf8({ nullable: true }), more: float64() }) });
// deno-lint-ignore no-explicit-any
type Any = any;

function subscribe(step: Any, publishTo?: Any): Turbine {
  return new Turbine("checks").subscribe(input, publishTo === undefined ? {} : { publishTo }, step);
}

const kept = where((c: Any) => c.id.greaterThan(0)) as Operator;

Deno.test("subscribe() checks an operator's columns against 'publishTo', before anything runs", () => {
  const cases: [Any, Any, string][] = [
    [
      kept,
      undefined,
      "its operators return batches: set 'publishTo' to the topic they go to: current value is undefined",
    ],
    [
      project("id") as Any,
      topic("out", { value: json({ id: int32(), gone: utf8() }) }),
      "topic 'out' has a column 'gone' that its operators do not return: current value is id",
    ],
    [
      kept,
      topic("out", { value: json({ id: utf8() }) }),
      "column 'id' of topic 'out' is Utf8, not the type returned: current value is Int32",
    ],
    [
      kept,
      topic("out", { value: json({ note: utf8() }) }),
      "column 'note' of topic 'out' takes no nulls but may be null: use ifNull() or where(), or declare it nullable: current value is nullable",
    ],
  ];
  for (const [step, publishTo, expected] of cases) {
    assertThrows(() => subscribe(step, publishTo), TypeError, `Cannot create subscription 'in' as ${expected}`);
  }
});

Deno.test("subscribe() lets pass what fits, what is wider, and what is known only when it runs", () => {
  const other = topic("out", { value: json({ other: utf8() }) });
  const passing: [Any, Any][] = [
    [kept, topic("out", { value: json({ id: int32() }) })],
    [kept, topic("out", { value: json({ note: utf8({ nullable: true }) }) })],
    [kept, "bare"],
    [asOperator((batch: Any) => batch), other],
    [chain(kept as Any, map((batch: Any) => batch)), other],
    [chain(kept as Any, map((batch: Any) => batch)), undefined],
    [() => undefined, undefined],
  ];
  for (const [step, publishTo] of passing) assert(subscribe(step, publishTo).subscriptions.length === 1);
});
