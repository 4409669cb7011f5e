import { assert, assertFalse } from "@std/assert";
import { encodeCommitMetadata } from "./commit_metadata.ts";
import { isSameWitness, witnessOf } from "./commit_witness.ts";
import { DecisionJournal } from "./decision_journal.ts";

interface Written {
  readonly offset?: bigint;
  readonly lineage?: string;
  readonly ownerToken?: number;
  readonly commitSequence?: number;
  readonly transactionalId?: string | null;
}

function ours({ offset = 5n, lineage = "L", ownerToken = 1, commitSequence = 7, transactionalId = null }: Written) {
  const more = { origin: 0n, taskTimeMs: null, journal: new DecisionJournal(0n) };
  const metadata = encodeCommitMetadata({ lineage, ownerToken, commitSequence, transactionalId, ...more });
  return { offset, metadata };
}

Deno.test("isSameWitness() tells every two commits apart, also those of two owners that went on from the same one", () => {
  const all = [
    witnessOf(ours({})),
    witnessOf(ours({ commitSequence: 8 })),
    witnessOf(ours({ lineage: "M" })),
    witnessOf(ours({ ownerToken: 2 })),
    witnessOf(ours({ transactionalId: "another" })),
    witnessOf(ours({ offset: 6n })),
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
