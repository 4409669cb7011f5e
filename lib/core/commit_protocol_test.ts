import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { InvariantError } from "../base/assert.ts";
import {
  AssignmentLostError,
  AuthorizationError,
  BrokerTimeoutError,
  BrokerUnavailableError,
  FencedError,
  RecordTooLargeError,
  TransactionAbortedError,
} from "../base/errors.ts";
import { applied, notApplied, type Outcome, unknown } from "../base/outcome.ts";
import {
  COMMIT_ORDER,
  type CommitMode,
  commitMode,
  type CommitReplies,
  type CommitResult,
  type CommittingTask,
  type GroupReading,
} from "./commit_commands.ts";
import { encodeCommitMetadata } from "./commit_metadata.ts";
import { CommitProtocol } from "./commit_protocol.ts";
import { witnessOf } from "./commit_witness.ts";
import { DecisionJournal } from "./decision_journal.ts";

const FENCE = { groupId: "app.sums", generation: 4, memberId: "m", instanceId: null };
const LATE = unknown(new BrokerTimeoutError("No answer"));
const AWAY = notApplied(new BrokerUnavailableError("Not reachable"));
const FENCED = notApplied(new FencedError("A newer producer"));
const LOST = notApplied(new AssignmentLostError("Stale generation"));

function reading(commitSequence: number, lineage = "L", ownerToken = 1): GroupReading {
  const journal = new DecisionJournal(0n);
  const more = { origin: 0n, ownerToken, taskTimeMs: null, journal, transactionalId: null };
  return { offset: BigInt(commitSequence), metadata: encodeCommitMetadata({ lineage, commitSequence, ...more }) };
}

function taskOf(id: string, sequence = 8): CommittingTask {
  const witnesses = { before: witnessOf(reading(sequence - 1)), after: witnessOf(reading(sequence)) };
  return { id, lineage: "L", sequence, from: 7n, to: 8n, ...witnesses };
}

type Kind = keyof CommitReplies;
/** Outcomes by command, used up in turn; after that, and for other commands, everything succeeds. */
type Script = { readonly [K in Kind]?: readonly Outcome<unknown>[] };

/** Runs one commit; gives the commands that were asked and how it ended. */
function drive(
  protocol: CommitProtocol,
  script: Script = {},
  tasks = [taskOf("a")],
): { asked: Kind[]; result: CommitResult } {
  const asked: Kind[] = [];
  const used = new Map<Kind, number>();
  if (!protocol.isRunning) protocol.start(tasks);
  for (;;) {
    const command = protocol.next();
    if (command.kind === "done") return { asked, result: command.result };
    assertEquals(protocol.next(), command, "the same until it is reported");
    const at = used.get(command.kind) ?? 0;
    used.set(command.kind, at + 1);
    asked.push(command.kind);
    const success = command.kind === "begin"
      ? FENCE
      : command.kind === "read-group-offset"
      ? tasks.map(() => reading(8))
      : undefined;
    protocol.report(command.kind, (script[command.kind]?.[at] ?? applied(success)) as Outcome<never>);
  }
}

const REPLACED = ["close-producer", "initialize-producer"] as const;
const DIED = ["close-producer", "close-dirty"] as const;

Deno.test("commitMode() takes a transaction for exactly-once, and for a changelog", () => {
  assertEquals(commitMode("at-least-once", "checkpoint"), "plain");
  assertEquals(commitMode("at-least-once", "changelog"), "transactional");
  assertEquals(commitMode("exactly-once", "checkpoint"), "transactional");
});

for (const mode of ["plain", "transactional"] as const) {
  Deno.test(`CommitProtocol, ${mode}: the good order, with apply last`, () => {
    const { asked, result } = drive(new CommitProtocol(mode));
    assertEquals(asked, [...COMMIT_ORDER[mode]]);
    assertEquals(asked.at(-1), "apply");
    assertEquals(result, { kind: "committed", isWitnessed: false });
  });

  for (const effect of COMMIT_ORDER[mode].filter((one) => one !== "apply")) {
    for (const [name, outcome] of [["Fenced", FENCED], ["AssignmentLost", LOST]] as const) {
      Deno.test(`CommitProtocol, ${mode}: after ${name} of ${effect} nothing is asked but to close (I-12)`, () => {
        const protocol = new CommitProtocol(mode);
        const { asked, result } = drive(protocol, { [effect]: [outcome] });
        assertEquals(asked.slice(asked.indexOf(effect) + 1), [...DIED]);
        assert(result.kind === "closed" && outcome.kind === "not-applied" && result.error === outcome.error);
        assert(protocol.isClosed);
        assertThrows(() => protocol.start([taskOf("a")]), InvariantError, "I-12");
      });
    }
  }

  Deno.test(`CommitProtocol, ${mode}: a failure to begin is undone`, () => {
    const { asked, result } = drive(new CommitProtocol(mode), { begin: [AWAY] });
    assertEquals(asked, ["begin", "undo"]);
    assertEquals(result.kind, "aborted");
  });

  Deno.test(`CommitProtocol, ${mode}: the next commit begins only when the outcome of this one is known`, () => {
    const protocol = new CommitProtocol(mode);
    assertThrows(() => protocol.next(), InvariantError, "before it was started");
    protocol.start([taskOf("a")]);
    assertThrows(() => protocol.start([taskOf("a")]), InvariantError, "outcome of the one before");
    assertThrows(() => protocol.report("produce", applied()), InvariantError, "'produce' was reported while");
    drive(protocol);
    assertEquals(drive(protocol).result.kind, "committed");
    assertThrows(() => protocol.start([]), InvariantError, "at least one task");
  });
}

for (const effect of ["produce", "send-offsets"] as const) {
  Deno.test(`CommitProtocol, transactional: a known failure of ${effect} aborts on the same producer`, () => {
    const protocol = new CommitProtocol("transactional");
    const { asked, result } = drive(protocol, { [effect]: [AWAY] });
    assertEquals(asked.slice(asked.indexOf(effect) + 1), ["abort-transaction", "undo"]);
    assertEquals(result.kind === "aborted" && !result.isWitnessed, true);
    assertEquals(drive(protocol).result.kind, "committed", "and the producer goes on");
  });
}

for (const abort of [LATE, AWAY]) {
  Deno.test(`CommitProtocol, transactional: an abort that is ${abort.kind} replaces the producer`, () => {
    const { asked, result } = drive(new CommitProtocol("transactional"), {
      "produce": [AWAY],
      "abort-transaction": [abort],
      "read-group-offset": [applied([reading(7)])],
    });
    assertEquals(asked.slice(2), ["abort-transaction", ...REPLACED, "read-group-offset", "undo"]);
    assertEquals(result.kind === "aborted" && result.isWitnessed, true);
  });
}

Deno.test("CommitProtocol, transactional: a fenced abort dies", () => {
  const { asked } = drive(new CommitProtocol("transactional"), { "produce": [AWAY], "abort-transaction": [FENCED] });
  assertEquals(asked.slice(2), ["abort-transaction", ...DIED]);
});

const DOUBTS: readonly [Kind, Outcome<never>][] = [
  ["produce", LATE],
  ["send-offsets", LATE],
  ["end-transaction", LATE],
  ["end-transaction", AWAY],
  ["end-transaction", notApplied(new TransactionAbortedError("Timed out"))],
];
for (const [effect, outcome] of DOUBTS) {
  Deno.test(`CommitProtocol, transactional: after ${effect} ${outcome.kind}, a new producer and the witness decide (I-14)`, () => {
    const ends = (found: GroupReading) => {
      const { asked, result } = drive(new CommitProtocol("transactional"), {
        [effect]: [outcome],
        "read-group-offset": [applied([found])],
      });
      return { then: asked.slice(asked.indexOf(effect) + 1), result };
    };
    const ours = ends(reading(8));
    assertEquals(ours.then, [...REPLACED, "read-group-offset", "apply"]);
    assertEquals(ours.result, { kind: "committed", isWitnessed: true });
    const before = ends(reading(7));
    assertEquals(before.then, [...REPLACED, "read-group-offset", "undo"]);
    assertEquals(before.result.kind === "aborted" && before.result.isWitnessed, true);
    // The last one is a successor's, which went on from the same commit as this one.
    const others = [
      reading(9),
      reading(6),
      reading(8, "M"),
      undefined,
      { offset: 8n, metadata: "x" },
      reading(8, "L", 2),
    ];
    for (const found of others) {
      const other = ends(found);
      assertEquals(other.then, [...REPLACED, "read-group-offset", ...DIED]);
      assert(other.result.kind === "closed");
      assertInstanceOf(other.result.error, AssignmentLostError);
    }
  });
}

Deno.test("CommitProtocol, transactional: the first commit of a group is witnessed against an offset that is not there", () => {
  const task = { ...taskOf("a", 1), before: witnessOf(undefined) };
  const { result } = drive(new CommitProtocol("transactional"), {
    "end-transaction": [LATE],
    "read-group-offset": [applied([undefined])],
  }, [task]);
  assertEquals(result.kind, "aborted");
});

Deno.test("CommitProtocol, transactional: tasks of one transaction must agree, else there is another owner", () => {
  const resolve = (...found: GroupReading[]) =>
    drive(new CommitProtocol("transactional"), {
      "end-transaction": [LATE],
      "read-group-offset": [applied(found)],
    }, [taskOf("a"), taskOf("b")]).result;
  assertEquals(resolve(reading(8), reading(8)).kind, "committed");
  assertEquals(resolve(reading(7), reading(7)).kind, "aborted");
  const mixed = resolve(reading(8), reading(7));
  assert(mixed.kind === "closed");
  assertEquals(
    mixed.error.message,
    "Cannot resolve a commit as the group holds neither it nor the one before for a (expected 8, found commit 8 of lineage " +
      "L by owner 1), b (expected 8, found commit 7 of lineage L by owner 1): another owner has taken over, the tasks are closed and join again",
  );
  const foreign = resolve(undefined, { offset: 3n, metadata: "" });
  assert(foreign.kind === "closed");
  assert(foreign.error.message.includes("found no offset), b (expected 8, found foreign metadata at offset 3)"));
  assertThrows(() => resolve(reading(8)), InvariantError, "1 offsets were read for 2 tasks");
});

Deno.test("CommitProtocol, transactional: initialize and read are tried again, within the bound", () => {
  const { asked, result } = drive(new CommitProtocol("transactional", { attemptsMax: 3 }), {
    "end-transaction": [LATE],
    "initialize-producer": [LATE, AWAY],
    "read-group-offset": [AWAY, LATE],
  });
  assertEquals(asked.filter((one) => one === "initialize-producer").length, 3);
  assertEquals(asked.filter((one) => one === "read-group-offset").length, 3);
  assertEquals(result.kind, "committed");
  for (const kind of ["initialize-producer", "read-group-offset"] as const) {
    const given = { "end-transaction": [LATE], [kind]: [LATE, LATE, LATE] };
    const up = drive(new CommitProtocol("transactional", { attemptsMax: 3 }), given);
    assertEquals(up.asked.slice(-2), [...DIED]);
    const fenced = drive(new CommitProtocol("transactional"), { "end-transaction": [LATE], [kind]: [FENCED] });
    assertEquals(fenced.asked.slice(-3), [kind, ...DIED]);
  }
});

Deno.test("CommitProtocol: a producer that cannot be closed is replaced all the same", () => {
  const { asked } = drive(new CommitProtocol("transactional"), { "end-transaction": [LATE], "close-producer": [LATE] });
  assertEquals(asked.slice(4), [...REPLACED, "read-group-offset", "apply"]);
});

Deno.test("CommitProtocol, plain: an unknown produce is repeated with a new producer", () => {
  const { asked, result } = drive(new CommitProtocol("plain"), { produce: [LATE] });
  assertEquals(asked, ["begin", "produce", ...REPLACED, "produce", "commit-offsets", "apply"]);
  assertEquals(result, { kind: "committed", isWitnessed: false });
});

Deno.test("CommitProtocol, plain: a produce that was refused is tried again, or undone when that cannot help", () => {
  assertEquals(drive(new CommitProtocol("plain"), { produce: [AWAY, AWAY] }).asked.slice(0, 4), [
    "begin",
    "produce",
    "produce",
    "produce",
  ]);
  const { asked, result } = drive(new CommitProtocol("plain"), {
    produce: [notApplied(new RecordTooLargeError("2 MiB"))],
  });
  assertEquals(asked, ["begin", "produce", "undo"]);
  assert(result.kind === "aborted");
  assertInstanceOf(result.error, RecordTooLargeError);
});

Deno.test("CommitProtocol, plain: an unknown offset commit is sent again under the same fence", () => {
  const protocol = new CommitProtocol("plain");
  protocol.start([taskOf("a")]);
  protocol.next();
  protocol.report("begin", applied(FENCE));
  protocol.next();
  protocol.report("produce", applied());
  for (let attempt = 1; attempt <= 3; attempt++) {
    assertEquals(protocol.next(), { kind: "commit-offsets", fence: FENCE, attempt });
    protocol.report("commit-offsets", attempt === 1 ? LATE : attempt === 2 ? AWAY : applied());
  }
  assertEquals(protocol.next().kind, "apply");
});

Deno.test("CommitProtocol, plain: an offset commit that stays unknown, or is refused for good, closes dirty", () => {
  const late = drive(new CommitProtocol("plain", { attemptsMax: 2 }), { "commit-offsets": [LATE, LATE] });
  assertEquals(late.asked.slice(2), ["commit-offsets", "commit-offsets", ...DIED]);
  const denied = drive(new CommitProtocol("plain"), { "commit-offsets": [notApplied(new AuthorizationError("No"))] });
  assertEquals(denied.asked.slice(2), ["commit-offsets", ...DIED]);
  const away = drive(new CommitProtocol("plain", { attemptsMax: 2 }), { "produce": [AWAY, LATE] });
  assertEquals(away.asked.slice(1), ["produce", "produce", ...DIED]);
});

Deno.test("CommitProtocol, transactional: offsets are sent under the fence that begin captured", () => {
  const protocol = new CommitProtocol("transactional");
  protocol.start([taskOf("a")]);
  protocol.next();
  protocol.report("begin", applied(FENCE));
  protocol.next();
  protocol.report("produce", applied());
  assertEquals(protocol.next(), { kind: "send-offsets", fence: FENCE });
});

Deno.test("CommitProtocol.report() stops when a commit that happened is not applied", () => {
  assertThrows(() => drive(new CommitProtocol("plain"), { apply: [AWAY] }), InvariantError, "must be applied");
});

for (const mode of ["plain", "transactional"] as CommitMode[]) {
  Deno.test(`CommitProtocol.poison(), ${mode}: from any command on nothing is asked but to close`, () => {
    const error = new AssignmentLostError("Lost");
    const commands = COMMIT_ORDER[mode].length;
    for (let at = 0; at < commands; at++) {
      for (const isAsked of [false, true]) {
        const protocol = new CommitProtocol(mode);
        protocol.start([taskOf("a")]);
        for (let done = 0; done < at; done++) {
          const { kind } = protocol.next();
          protocol.report(kind as Kind, applied(kind === "begin" ? FENCE : undefined) as Outcome<never>);
        }
        if (isAsked) {
          const { kind } = protocol.next();
          protocol.poison(error);
          // The effect that was under way ends somehow; that no longer matters.
          protocol.report(kind as Kind, LATE);
        } else protocol.poison(error);
        const { asked, result } = drive(protocol);
        assertEquals(asked, [...DIED]);
        assertEquals(result, { kind: "closed", error });
      }
    }
  });
}

Deno.test("CommitProtocol.poison() closes an idle group, once", () => {
  const protocol = new CommitProtocol("transactional");
  protocol.poison(new AssignmentLostError("First"));
  assertEquals(protocol.next().kind, "close-producer");
  protocol.poison(new AssignmentLostError("Second"));
  protocol.report("close-producer", applied());
  assertEquals(protocol.next().kind, "close-dirty");
  protocol.poison(new AssignmentLostError("Third"));
  protocol.report("close-dirty", applied());
  protocol.poison(new AssignmentLostError("Fourth"));
  const done = protocol.next();
  assert(done.kind === "done" && done.result.kind === "closed");
  assertEquals(done.result.error.message, "First");
});

Deno.test("CommitProtocol names the option that is wrong", () => {
  assertThrows(
    () => new CommitProtocol("plain", { attemptsMax: 0 }),
    RangeError,
    "'attemptsMax' must be an integer >= 1: current value is 0",
  );
});

Deno.test("CommitProtocol with a wrong witness for tests answers by the offset, and is wrong when that did not move", () => {
  const ask = (witness: "offset-reached-to" | "offset-left-from", offset: bigint, to = 8n) =>
    drive(new CommitProtocol("transactional", { variant: { witness } }), {
      "end-transaction": [LATE],
      "read-group-offset": [applied([{ offset, metadata: "" }])],
    }, [{ ...taskOf("a"), to }]).result.kind;
  for (const witness of ["offset-reached-to", "offset-left-from"] as const) {
    assertEquals([ask(witness, 7n), ask(witness, 8n)], ["aborted", "committed"]);
  }
  assertEquals([ask("offset-reached-to", 7n, 7n), ask("offset-left-from", 7n, 7n)], ["committed", "aborted"]);
});
