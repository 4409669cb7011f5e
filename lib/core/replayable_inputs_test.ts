import { assert, assertEquals } from "@std/assert";
import { replayableInputs } from "./replayable_inputs.ts";

const orders = { topic: "orders", isCompacted: false, isTable: false };
const prices = { topic: "prices", isCompacted: true, isTable: true };

Deno.test("replayableInputs() allows one plain input, and several that are merged by their records alone", () => {
  assertEquals(replayableInputs([orders], { durability: "checkpoint", merge: "arrival" }), { kind: "allowed" });
  assertEquals(replayableInputs([orders, prices], { durability: "checkpoint", merge: "record-timestamp" }), {
    kind: "allowed",
  });
});

Deno.test("replayableInputs() refuses inputs merged in the order of arrival, and names the way out", () => {
  const verdict = replayableInputs([orders, prices], { durability: "checkpoint", merge: "arrival" });
  assert(verdict.kind === "refused");
  assert(verdict.reason.includes(`'durability' to "changelog"`) && verdict.reason.endsWith("orders, prices"));
});

Deno.test("replayableInputs() refuses a compacted input that is no table: a replay would read fewer records", () => {
  const stream = { ...prices, isTable: false };
  const verdict = replayableInputs([orders, stream], { durability: "checkpoint", merge: "record-timestamp" });
  assert(verdict.kind === "refused" && verdict.reason.endsWith("current input is prices"));
});

Deno.test("replayableInputs() allows anything with a changelog", () => {
  const stream = { ...prices, isTable: false };
  assertEquals(replayableInputs([orders, stream], { durability: "changelog", merge: "arrival" }), { kind: "allowed" });
});
