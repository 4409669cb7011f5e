import { assert, assertEquals, assertThrows } from "@std/assert";
import { InvariantError } from "../base/assert.ts";
import { StateCorruptError } from "../base/errors.ts";
import { sha256Hex } from "../base/sha256.ts";
import { DecisionJournal } from "./decision_journal.ts";
import { comparePositions, decodePosition, encodePosition, offsetOf, type TaskPosition } from "./position.ts";

function positionAt(offset: bigint, commitSequence: number, more: Partial<TaskPosition> = {}): TaskPosition {
  return {
    offsets: [{ topic: "in", partition: 3, offset, leaderEpoch: 7 }],
    taskTimeMs: 1_700_000_000_000,
    commitSequence,
    lineage: "L",
    origin: 0n,
    ownerToken: 2,
    journal: new DecisionJournal(0n),
    ...more,
  };
}

Deno.test("comparePositions() goes by offset, then by commit sequence, since time may move alone", () => {
  assert(comparePositions(positionAt(5n, 9), positionAt(6n, 8)) < 0);
  assert(comparePositions(positionAt(6n, 8), positionAt(5n, 9)) > 0);
  assert(comparePositions(positionAt(5n, 8), positionAt(5n, 9)) < 0);
  assertEquals(comparePositions(positionAt(5n, 8), positionAt(5n, 8)), 0);
});

Deno.test("comparePositions() gives positions of two lineages, or of several inputs, no order", () => {
  assertThrows(() => comparePositions(positionAt(1n, 1), positionAt(1n, 1, { lineage: "M" })), InvariantError);
  assertThrows(() => comparePositions(positionAt(1n, 1), positionAt(1n, 1, { offsets: [] })), InvariantError);
});

Deno.test("offsetOf() is undefined for an input that the position does not name", () => {
  assertEquals(offsetOf(positionAt(5n, 1), { topic: "in", partition: 3 }), 5n);
  assertEquals(offsetOf(positionAt(5n, 1), { topic: "in", partition: 2 }), undefined);
  assertEquals(offsetOf(positionAt(5n, 1), { topic: "out", partition: 3 }), undefined);
});

Deno.test("decodePosition() names what it found", () => {
  const damaged = (text: string) => () => decodePosition(new TextEncoder().encode(text));
  assertThrows(damaged(""), StateCorruptError, "begins with ''");
  assertThrows(damaged("turbine-position 2 0\n{}"), StateCorruptError, "instead of 'turbine-position 1'");
  assertThrows(damaged("turbine-position 1 0\n{}"), StateCorruptError, "checksum");
});

Deno.test("decodePosition() refuses a journal that is none of ours, whatever its checksum", () => {
  const text = new TextDecoder().decode(encodePosition(positionAt(5n, 1)));
  const body = text.slice(text.indexOf("\n") + 1).replace('["0",""]', '["0","Q"]');
  const check = sha256Hex(new TextEncoder().encode(body)).slice(0, 16);
  const bytes = new TextEncoder().encode(`turbine-position 1 ${check}\n${body}`);
  assertThrows(() => decodePosition(bytes), StateCorruptError, "decision journal is 'Q'");
});
