import fc from "fast-check";
import { assertEquals, assertNotEquals } from "@std/assert";
import type { DecisionEntry } from "./decision_entry.ts";
import { DecisionJournal } from "./decision_journal.ts";

const decision = fc.record({
  gap: fc.bigInt({ min: 0n, max: 4n }),
  kind: fc.constantFrom("jump" as const, "skip-range" as const, "drop" as const),
  value: fc.integer({ min: 1, max: 5 }),
});

/** A journal from a start, as it grows by decisions. */
const journal = fc.record({ from: fc.bigInt({ min: 0n, max: 2n ** 62n }), steps: fc.array(decision, { maxLength: 8 }) })
  .map(({ from, steps }) => {
    let made = new DecisionJournal(from);
    let at = from;
    let timeMs = 0;
    for (const { gap, kind, value } of steps) {
      at += gap;
      const entry: DecisionEntry = { offset: at, kind, value: kind === "jump" ? timeMs += value : value };
      made = made.with(entry);
      if (kind !== "jump") at += BigInt(value);
    }
    return { journal: made, from, to: at };
  });

const offsets = fc.tuple(fc.nat({ max: 60 }), fc.nat({ max: 60 }));

Deno.test("DecisionJournal.digestAt() is the same in every journal of a history, wherever it was trimmed", () => {
  fc.assert(fc.property(journal, offsets, ({ journal, from }, [cut, more]) => {
    const trimmed = journal.trimmed(from + BigInt(cut));
    const position = from + BigInt(cut + more);
    assertEquals(trimmed.digestAt(position), journal.digestAt(position));
    assertEquals(trimmed.digest, journal.digestAt(trimmed.from));
  }));
});

Deno.test("DecisionJournal.digestAt() does not depend on how many ranges hold the rows that were dropped", () => {
  fc.assert(
    fc.property(fc.nat({ max: 9 }), fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (at, counts) => {
      const entries = counts.map((value, index) => {
        const before = counts.slice(0, index).reduce((sum, count) => sum + count, at);
        return { offset: BigInt(before), kind: "drop" as const, value };
      });
      const rows = counts.reduce((sum, count) => sum + count, 0);
      const joined = new DecisionJournal(0n, [{ offset: BigInt(at), kind: "drop", value: rows }]);
      for (let to = 0; to <= at + rows + 1; to++) {
        assertEquals(new DecisionJournal(0n, entries).digestAt(BigInt(to)), joined.digestAt(BigInt(to)));
      }
    }),
  );
});

Deno.test("DecisionJournal.digestAt() tells other decisions apart, and what is to come does not count", () => {
  fc.assert(fc.property(journal, journal, (one, other) => {
    const end = (one.to > other.to ? one.to : other.to) + 1n;
    const [left, right] = [one, other].map(({ journal: { entries } }) => new DecisionJournal(0n, entries));
    const isSame = JSON.stringify(effects(left!)) === JSON.stringify(effects(right!));
    if (isSame) assertEquals(left!.digestAt(end), right!.digestAt(end));
    else assertNotEquals(left!.digestAt(end), right!.digestAt(end));
    assertEquals(left!.with({ offset: end, kind: "drop", value: 1 }).digestAt(end), left!.digestAt(end));
  }));
});

/** Each jump, and each row that was omitted. */
function effects({ entries }: DecisionJournal): string[] {
  return entries.flatMap(({ offset, kind, value }) =>
    kind === "jump"
      ? [`${offset} ${kind} ${value}`]
      : Array.from({ length: value }, (_, row) => `${offset + BigInt(row)} ${kind}`)
  );
}
