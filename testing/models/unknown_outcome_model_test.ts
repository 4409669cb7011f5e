import { assert, assertEquals } from "@std/assert";
import { AssignmentLostError, BrokerTimeoutError } from "../../lib/base/errors.ts";
import { applied, notApplied, type Outcome, unknown } from "../../lib/base/outcome.ts";
import { COMMIT_ORDER, type CommitMode, commitMode, type CommittingTask } from "../../lib/core/commit_commands.ts";
import { encodeCommitMetadata } from "../../lib/core/commit_metadata.ts";
import { CommitProtocol, type CommitVariant } from "../../lib/core/commit_protocol.ts";
import { witnessOf } from "../../lib/core/commit_witness.ts";
import { DecisionJournal } from "../../lib/core/decision_journal.ts";
import { driveCommit, FENCE, type Shell } from "./drive_commit.ts";
import { type Choices, explore, summary } from "./explore.ts";

function run(name: string, model: (choices: Choices) => readonly string[]) {
  const result = explore(model, { faultsMax: 3 });
  console.log(summary(name, result));
  return result;
}

function metadataOf(sequence: number, offset: bigint): string {
  const journal = new DecisionJournal(offset);
  const more = { origin: 0n, ownerToken: 1, taskTimeMs: 100, journal, transactionalId: null };
  return encodeCommitMetadata({ lineage: "L", commitSequence: sequence, ...more });
}

/** An idle window closes: a commit that ends where it began, whose reply may be lost. */
function idleClose(variant: CommitVariant, choices: Choices): string[] {
  let committed = { offset: 5n, metadata: metadataOf(7, 5n) };
  let windows = 0, isOpen = true;
  const protocol = new CommitProtocol("transactional", { variant });
  for (let tries = 0; isOpen; tries++) {
    if (tries === 6) return ["NO PROGRESS"];
    const sequence = 8;
    const done = { offset: 5n, metadata: metadataOf(sequence, 5n) };
    const witnesses = { before: witnessOf(committed), after: witnessOf(done) };
    const task: CommittingTask = { id: "t", lineage: "L", sequence, from: 5n, to: 5n, ...witnesses };
    const shell: Shell = {
      "end-transaction": (): Outcome<void> => {
        const what = choices.fault(["ok", "reply lost", "request lost"], "end-transaction");
        if (what !== "request lost") {
          windows++;
          committed = done;
        }
        return what === "ok" ? applied() : unknown(new BrokerTimeoutError(`The model says: ${what}`));
      },
      "read-group-offset": () => applied([committed]),
    };
    const result = driveCommit(protocol, { task, shell });
    if (result.kind === "committed") isOpen = false;
  }
  return windows === 1 ? [] : [windows === 0 ? "LOSS of window output" : "DUPLICATE window output"];
}

Deno.test("H1 the witness of a commit in which only time moved is all that it puts there: holds", () => {
  assertEquals([...run("H1 commit sequence", (choices) => idleClose({}, choices)).violations], []);
});

Deno.test("H1 the offset as witness, 'is it the new one': is found to lose the window", () => {
  const result = run("H1 offset reached", (choices) => idleClose({ witness: "offset-reached-to" }, choices));
  assert(result.violations.has("LOSS of window output"));
});

Deno.test("H1 the offset as witness, 'has it left the old one': is found to repeat the window", () => {
  const result = run("H1 offset left", (choices) => idleClose({ witness: "offset-left-from" }, choices));
  assert(result.violations.has("DUPLICATE window output"));
});

/** State lives in a changelog that compaction reduces to the last value; the process may die between two effects. */
function changelog(mode: CommitMode, choices: Choices): string[] {
  const input = [3, 1, 4];
  let log: { position: number; sum: number }[] = [];
  let committed = 0;
  for (let starts = 0; starts < 6; starts++) {
    if (log.length > 0 && choices.pick(2, "compaction runs") === 1) log = log.slice(-1);
    const state = log.findLast((entry) => entry.position <= committed);
    if (state === undefined && committed > 0) return ["NO STATE at or below the committed offset"];
    if (state === undefined && log.length > 0) return ["NO STATE for the origin: its first value was compacted away"];
    let sum = state?.sum ?? 0;
    let hasDied = false;
    const protocol = new CommitProtocol(mode);
    for (let at = committed; at < input.length && !hasDied; at++) {
      sum += input[at]!;
      const entry = { position: at + 1, sum };
      const commit = () => {
        hasDied = choices.fault(["ok", "crash"], "before the commit") !== "ok";
        if (hasDied) return notApplied(new AssignmentLostError("The model crashed"));
        // A plain commit comes after the changelog's record; in a transaction they are one.
        if (mode === "transactional") log.push(entry);
        committed = at + 1;
        return applied();
      };
      const task = {
        id: "t",
        lineage: "L",
        sequence: at + 1,
        from: BigInt(at),
        to: BigInt(at + 1),
        before: witnessOf(undefined),
        after: witnessOf({ offset: BigInt(at + 1), metadata: metadataOf(at + 1, BigInt(at)) }),
      };
      driveCommit(protocol, {
        task,
        shell: {
          "produce": () => {
            if (mode === "plain") log.push(entry);
          },
          "commit-offsets": commit,
          "end-transaction": commit,
        },
      });
    }
    if (!hasDied) return sum === 8 ? [] : [`STATE ${sum}`];
  }
  return [];
}

Deno.test("H4 a changelog and the offsets are one transaction, also at-least-once: holds", () => {
  const mode = commitMode("at-least-once", "changelog");
  assert(COMMIT_ORDER[mode].includes("end-transaction"));
  assertEquals([...run("H4 in the transaction", (choices) => changelog(mode, choices)).violations], []);
});

Deno.test("H4 a changelog written before a plain commit: is found to lose the state", () => {
  const result = run("H4 before a plain commit", (choices) => changelog("plain", choices));
  assert(result.violations.has("NO STATE at or below the committed offset"));
});

const NONE = witnessOf(undefined);

/** A worker commits two tasks in one transaction; its session expires, another one gets B, and the worker joins again. */
function rejoin(usesCapturedFence: boolean, choices: Choices): string[] {
  let generation = 1;
  let joined = 1;
  const visible: string[] = [];
  const committed = { A: 0, B: 0 };
  const protocol = new CommitProtocol("transactional");
  const task = { id: "A", lineage: "L", sequence: 1, from: 0n, to: 1n, before: NONE, after: NONE };
  const shell: Shell = {
    "begin": () => applied({ ...FENCE, generation: joined }),
    "produce": () => {
      if (choices.fault(["ok", "session expires"], "in the transaction") === "ok") return;
      generation = 2;
      if (choices.pick(2, "the other worker finishes B") === 1) {
        visible.push("B");
        committed.B = 1;
      }
      if (choices.pick(2, "the worker joins again") === 1) joined = generation;
    },
    "send-offsets": ({ fence }) => {
      const claimed = usesCapturedFence ? fence.generation : joined;
      return claimed === generation ? applied() : notApplied(new AssignmentLostError("The generation is stale"));
    },
    "end-transaction": () => {
      visible.push("A", "B");
      committed.A = committed.B = 1;
    },
  };
  driveCommit(protocol, { task, shell });
  if (committed.A === 0) visible.push("A");
  if (committed.B === 0) visible.push("B");
  return new Set(visible).size === visible.length ? [] : ["DUPLICATE"];
}

Deno.test("H6 offsets go under the fence captured at begin: holds over a rejoin in mid-transaction", () => {
  assertEquals([...run("H6 captured at begin", (choices) => rejoin(true, choices)).violations], []);
});

Deno.test("H6 offsets under the present group metadata: is found to commit for another member", () => {
  assert(run("H6 read again", (choices) => rejoin(false, choices)).violations.has("DUPLICATE"));
});
