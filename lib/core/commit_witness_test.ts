import { assert, assertEquals, assertFalse } from "@std/assert";
import { encodeCommitMetadata } from "./commit_metadata.ts";
import { isSameWitness, witnessOf } from "./commit_witness.ts";
import { DecisionJournal } from "./decision_journal.ts";

function ours(lineage: string, commitSequence: number) {
  const journal = new DecisionJournal(0n);
  const more = { origin: 0n, ownerToken: 1, taskTimeMs: null, journal, transactionalId: null };
  return { offset: 5n, metadata: encodeCommitMetadata({ lineage, commitSequence, ...more }) };
}

Deno.test("witnessOf() is lineage and sequence of one of our commits, else what is there", () => {
  assertEquals(witnessOf(ours("L", 7)), { kind: "ours", lineage: "L", commitSequence: 7 });
  assertEquals(witnessOf({ offset: 5n, metadata: "x" }), { kind: "other", offset: 5n, text: "x" });
  assertEquals(witnessOf({ offset: 5n, metadata: "" }), { kind: "other", offset: 5n, text: "" });
  assertEquals(witnessOf(undefined), { kind: "other", offset: null, text: "" });
});

Deno.test("isSameWitness() tells every two commits apart", () => {
  const all = [
    witnessOf(ours("L", 7)),
    witnessOf(ours("L", 8)),
    witnessOf(ours("M", 7)),
    witnessOf(undefined),
    witnessOf({ offset: 5n, metadata: "" }),
    witnessOf({ offset: 6n, metadata: "" }),
    witnessOf({ offset: 5n, metadata: "x" }),
  ];
  for (const [i, a] of all.entries()) {
    for (const [j, b] of all.entries()) {
      if (i === j) assert(isSameWitness(a, { ...b }));
      else assertFalse(isSameWitness(a, b), `${i} and ${j}`);
    }
  }
});
