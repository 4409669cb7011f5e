import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { DecisionJournal } from "./decision_journal.ts";
import { OpenCommits } from "./open_commits.ts";

/** The ledger as plain numbers: sequence and end of each commit, and which of them are sealed. */
interface Model {
  committed: { sequence: number; offset: number };
  open: { sequence: number; to: number; isSealed: boolean }[];
}

type Command = { kind: "extend"; rows: number } | { kind: "seal" | "resolve" | "abort" };

Deno.test("OpenCommits is a queue: any sequence of calls leaves what a plain list would hold", () => {
  const command = fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("extend"), rows: fc.nat({ max: 3 }) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("seal") }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("resolve") }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("abort") }) },
  ) as fc.Arbitrary<Command>;
  fc.assert(fc.property(fc.array(command, { maxLength: 40 }), (commands) => {
    const journal = new DecisionJournal(0n);
    const ledger = new OpenCommits({ offset: 0n, leaderEpoch: -1, sequence: 0, taskTimeMs: null, journal });
    const model: Model = { committed: { sequence: 0, offset: 0 }, open: [] };
    for (const one of commands) step(ledger, model, one);
  }));
});

function step(ledger: OpenCommits, model: Model, command: Command): void {
  const last = model.open.at(-1);
  if (command.kind === "extend") {
    const from = last?.to ?? model.committed.offset;
    const sequence = last === undefined ? model.committed.sequence : last.sequence;
    if (last === undefined || last.isSealed) {
      model.open.push({ sequence: sequence + 1, to: from + command.rows, isSealed: false });
    } else last.to = from + command.rows;
    ledger.extend({ to: BigInt(from + command.rows), rows: command.rows, taskTimeMs: null });
  } else if (command.kind === "seal") {
    if (last !== undefined) last.isSealed = true;
    ledger.seal();
  } else if (command.kind === "abort") {
    model.open = [];
    ledger.abortAll();
  } else if (model.open[0]?.isSealed) {
    const { sequence, to } = model.open.shift()!;
    model.committed = { sequence, offset: to };
    ledger.resolveOldest("applied");
  }
  assertEquals([ledger.committed.sequence, ledger.committed.offset], [
    model.committed.sequence,
    BigInt(model.committed.offset),
  ]);
  assertEquals(
    ledger.commits.map((one) => [one.sequence, one.to, one.state]),
    model.open.map((one) => [one.sequence, BigInt(one.to), one.isSealed ? "sealed" : "open"]),
  );
  let at = ledger.committed.offset;
  for (const one of ledger.commits) {
    assertEquals(one.from, at);
    assertEquals(BigInt(one.rows), one.to - one.from);
    at = one.to;
  }
  assertEquals(ledger.head.offset, at);
}
