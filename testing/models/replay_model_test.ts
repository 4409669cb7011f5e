import { assert, assertEquals } from "@std/assert";
import { encodeCommitMetadata } from "../../lib/core/commit_metadata.ts";
import { DecisionJournal } from "../../lib/core/decision_journal.ts";
import { OpenCommits } from "../../lib/core/open_commits.ts";
import { decodePosition, encodePosition, type TaskPosition } from "../../lib/core/position.ts";
import type { RecoveryInput } from "../../lib/core/recovery_input.ts";
import { recoveryPlan } from "../../lib/core/recovery_plan.ts";
import { replayableInputs } from "../../lib/core/replayable_inputs.ts";
import { runningMaximum, TaskTime } from "../../lib/core/task_time.ts";
import { type Choices, explore, summary } from "./explore.ts";
import { Sessions } from "./sessions.ts";

function run(name: string, model: (choices: Choices) => readonly string[]) {
  const result = explore(model, { faultsMax: 3 });
  console.log(summary(name, result));
  return result;
}

const IN = { topic: "in", partition: 0 } as const;

function positionAt(offset: bigint, more: Partial<TaskPosition> = {}): TaskPosition {
  return {
    offsets: [{ ...IN, offset, leaderEpoch: -1 }],
    taskTimeMs: null,
    commitSequence: Number(offset),
    lineage: "L",
    origin: 0n,
    ownerToken: 1,
    journal: new DecisionJournal(0n),
    ...more,
  };
}

function committedAt(offset: bigint, journal: DecisionJournal, taskTimeMs: number | null) {
  const more = { lineage: "L", origin: 0n, ownerToken: 1, commitSequence: Number(offset), transactionalId: null };
  return { offset, metadata: encodeCommitMetadata({ ...more, taskTimeMs, journal }) };
}

function inputOf(more: Partial<RecoveryInput>): RecoveryInput {
  return {
    task: "t",
    guarantee: "exactly-once",
    committed: undefined,
    log: { ...IN, logStart: 0n, logEnd: 1_000n },
    local: "absent",
    checkpoints: [],
    damagedCheckpoints: 0,
    hasState: true,
    onCrashRecovery: "fail",
    topicId: "id-1",
    startOffset: 0n,
    newLineage: "N",
    ownerToken: 2,
    ...more,
  };
}

const TIMES = [100, 110, 150, 400];
/** Sessions close after so much silence. */
const GAP_MS = 50;

/**
 * A task closes sessions while its input is idle, dies, and replays from its store. `rule` says what replay knows of the
 * jump: the journal, or only the watermark of the commit.
 */
function idleSessions(rule: "journal" | "final watermark", choices: Choices): string[] {
  const crashAt = choices.pick(TIMES.length + 1, "crash before record");
  const idleAt = choices.pick(TIMES.length, "idle before record");
  const flushedAt = choices.pick(3, "records in the store");
  let time = new TaskTime({ idleTimeoutMs: 20 });
  let sessions = new Sessions(GAP_MS);
  let journal = new DecisionJournal(0n);
  let monotonicMs = 0;
  let stored = { sessions: sessions.copy(), position: positionAt(0n) };
  for (let at = 0; at <= TIMES.length; at++) {
    if (crashAt > 0 && at === crashAt) {
      const committed = committedAt(BigInt(at), journal, time.taskTimeMs);
      const local = decodePosition(encodePosition(stored.position));
      const plan = recoveryPlan(inputOf({ committed, local }));
      const { emitted } = sessions;
      sessions = stored.sessions.copy(emitted);
      time = new TaskTime({ idleTimeoutMs: 20 });
      time.restore(plan.taskTimeMs);
      const jumpAt = (offset: bigint) => {
        for (const { value } of plan.journal.entriesAt(offset)) if (time.jump(value)) sessions.close(value, false);
      };
      for (let offset = plan.replayFrom; offset < plan.liveFrom; offset++) {
        if (rule === "journal") jumpAt(offset);
        time.observe(Float64Array.of(TIMES[Number(offset)]!), monotonicMs);
        sessions.add(TIMES[Number(offset)]!, { watermarkMs: time.watermarkMs!, isLive: false });
      }
      if (rule === "journal") jumpAt(plan.liveFrom);
      else if (plan.taskTimeAtLiveMs != null && time.jump(plan.taskTimeAtLiveMs)) {
        sessions.close(time.watermarkMs!, false);
      }
      if (time.taskTimeMs !== plan.taskTimeAtLiveMs) return ["TASK TIME of the replay differs"];
      ({ journal } = plan);
      time.wake(monotonicMs);
    }
    if (at === TIMES.length) break;
    if (idleAt > 0 && at === idleAt) {
      const target = time.idleTarget(monotonicMs += 60);
      if (target !== undefined) {
        const entry = { offset: BigInt(at), kind: "jump", value: target } as const;
        assert(journal.canHold(entry));
        journal = journal.with(entry);
        time.jump(target);
        sessions.close(target, true);
      }
    }
    time.observe(Float64Array.of(TIMES[at]!), monotonicMs);
    sessions.add(TIMES[at]!, { watermarkMs: time.watermarkMs!, isLive: true });
    if (at + 1 === flushedAt) {
      stored = {
        sessions: sessions.copy(),
        position: positionAt(BigInt(at + 1), { journal, taskTimeMs: time.taskTimeMs }),
      };
    }
  }
  sessions.close(1e9, true);
  return sessions.rows === TIMES.length ? [] : ["ROWS COUNTED TWICE OR LOST"];
}

Deno.test("H2 a journaled idle jump is repeated at its offset: holds", () => {
  assertEquals([...run("H2 journal", (choices) => idleSessions("journal", choices)).violations], []);
});

Deno.test("H2 replay that knows the final watermark only: is found to count rows wrongly", () => {
  const result = run("H2 final watermark", (choices) => idleSessions("final watermark", choices));
  assert(result.violations.has("ROWS COUNTED TWICE OR LOST"));
});

/**
 * At-least-once, an old offset commit arrives late and puts the group, with its older journal, below the store. The task
 * goes on from its store; later another node replays everything from a checkpoint at the origin.
 */
function lateCommit(rule: "store's journal" | "group's journal", choices: Choices): string[] {
  const jumped = new DecisionJournal(0n).with({ offset: 1n, kind: "jump", value: 165 });
  const isLate = choices.fault(["ok", "offset commit arrives late"], "after the second commit") !== "ok";
  const committed = isLate ? committedAt(1n, new DecisionJournal(0n), 100) : committedAt(2n, jumped, 165);
  const local = positionAt(2n, { journal: jumped, taskTimeMs: 165 });
  const plan = recoveryPlan(inputOf({ guarantee: "at-least-once", committed, local }));
  if (plan.liveFrom !== 2n || plan.isCommitNeeded !== isLate) return ["WRONG PLACE to go live"];
  const group = isLate && rule === "group's journal" ? new DecisionJournal(0n) : plan.journal;
  const again = committedAt(2n, group, plan.taskTimeAtLiveMs!);
  const cold = recoveryPlan(inputOf({ guarantee: "at-least-once", committed: again, checkpoints: [] }));
  const time = new TaskTime();
  for (let offset = cold.replayFrom; offset <= cold.liveFrom; offset++) {
    for (const { value } of cold.journal.entriesAt(offset)) time.jump(value);
  }
  return time.taskTimeMs === 165 ? [] : ["DECISION LOST"];
}

Deno.test("A late offset commit: the decisions above it are taken from the store: holds", () => {
  assertEquals(
    [...run("late commit, store's journal", (choices) => lateCommit("store's journal", choices)).violations],
    [],
  );
});

Deno.test("A late offset commit: with the group's older journal a decision is found to be lost", () => {
  const result = run("late commit, group's journal", (choices) => lateCommit("group's journal", choices));
  assert(result.violations.has("DECISION LOST"));
});

/** Revenue of orders at the last price: two inputs, merged in some order, live and in replay. */
function revenue(merge: "arrival" | "record-timestamp", choices: Choices): string[] {
  const prices = [{ atMs: 1, value: 10 }, { atMs: 3, value: 20 }];
  const orders = [{ atMs: 2, value: 1 }, { atMs: 4, value: 1 }];
  const once = (label: string): number => {
    let price = 0, sum = 0, p = 0, o = 0;
    while (p < prices.length || o < orders.length) {
      const isFree = p < prices.length && o < orders.length;
      const takesPrice = !isFree
        ? p < prices.length
        : merge === "arrival"
        ? choices.pick(2, `${label}: an order comes first`) === 0
        : prices[p]!.atMs <= orders[o]!.atMs;
      if (takesPrice) price = prices[p++]!.value;
      else sum += price * orders[o++]!.value;
    }
    return sum;
  };
  return once("live") === once("replay") ? [] : ["STATE of the replay differs"];
}

for (const merge of ["arrival", "record-timestamp"] as const) {
  const inputs = ["orders", "prices"].map((topic) => ({ topic, isCompacted: false, isTable: false }));
  const { kind } = replayableInputs(inputs, { durability: "checkpoint", merge });
  Deno.test(`H5 two inputs merged by ${merge}: ${kind}, as a replay is found to ${kind === "refused" ? "differ" : "repeat it"}`, () => {
    const { violations } = run(`H5 merge by ${merge}`, (choices) => revenue(merge, choices));
    assertEquals(violations.size > 0, kind === "refused");
    assertEquals(replayableInputs(inputs, { durability: "changelog", merge }).kind, "allowed");
  });
}

/** Late rows of tumbling windows of 100 ms, for two cuts of one input. */
function lateness(per: "row" | "batch", choices: Choices): string[] {
  const times = Float64Array.of(10, 120, 20, 130);
  const lateRows = (label: string): number => {
    let before = -Infinity, late = 0;
    for (let at = 0; at < times.length;) {
      const batch = times.subarray(at, at + 1 + choices.pick(times.length - at, label));
      const maxima = new Float64Array(batch.length);
      const after = runningMaximum(batch, before, maxima);
      for (let row = 0; row < batch.length; row++) {
        const watermarkMs = per === "batch" || row === 0 ? before : maxima[row - 1]!;
        if (Math.floor(batch[row]! / 100) * 100 + 100 <= watermarkMs) late++;
      }
      before = after;
      at += batch.length;
    }
    return late;
  };
  return lateRows("live") === lateRows("replay") ? [] : ["LATE ROWS depend on the cut"];
}

Deno.test("H7 task time advances per row: lateness does not depend on the cut of batches", () => {
  assertEquals([...run("H7 per row", (choices) => lateness("row", choices)).violations], []);
});

Deno.test("H7 task time that advances per batch: lateness is found to depend on the cut", () => {
  assertEquals([...run("H7 per batch", (choices) => lateness("batch", choices)).violations.keys()], [
    "LATE ROWS depend on the cut",
  ]);
});

/** An old owner comes back with an old local store, while newer checkpoints exist. */
function candidates(rule: "plan" | "local first", choices: Choices): string[] {
  const logStart = choices.pick(2, "retention") === 1 ? 50n : 0n;
  const local = positionAt(10n);
  const plan = recoveryPlan(inputOf({
    committed: committedAt(100n, new DecisionJournal(0n), null),
    local,
    checkpoints: [70n, 90n].map((at) => ({ id: String(at), position: positionAt(at) })),
    log: { ...IN, logStart, logEnd: 100n },
  }));
  const from = rule === "plan" ? plan.replayFrom : local.offsets[0]!.offset;
  if (from < logStart) return ["OUT OF THE LOG although a checkpoint would do"];
  return plan.liveFrom - from > 30n ? ["LONG REPLAY although a newer checkpoint exists"] : [];
}

Deno.test("H8 the greatest position in [log start, committed] is taken: holds", () => {
  assertEquals([...run("H8 greatest position", (choices) => candidates("plan", choices)).violations], []);
});

Deno.test("H8 the local store first: is found to leave the log, or to replay too much", () => {
  assertEquals(run("H8 local first", (choices) => candidates("local first", choices)).violations.size, 2);
});

/** State is updated in place; batch k+1 is processed while k commits; k may abort, a flush may be due, the process may die. */
function inPlace(rule: "before-images" | "no undo", choices: Choices): string[] {
  const values = [3, 1];
  const journal = new DecisionJournal(0n);
  const open = new OpenCommits({ offset: 0n, leaderEpoch: -1, sequence: 0, taskTimeMs: null, journal });
  let state = 0;
  const images: number[] = [];
  for (const [at, value] of values.entries()) {
    images.push(state);
    state += value;
    open.extend({ to: BigInt(at + 1), rows: 1, taskTimeMs: null });
    open.seal();
  }
  const isAborted = choices.fault(["committed", "aborted"], "commit of the first batch") === "aborted";
  if (!isAborted) {
    open.resolveOldest("applied");
    images.shift();
  }
  let store = { state: 0, position: 0n };
  if (choices.pick(2, "flush due") === 1) {
    const image = rule === "before-images" ? images[0]! : state;
    store = { state: image, position: open.committed.offset };
  }
  const { rewindTo, dropped } = open.abortAll();
  if (rule === "before-images") state = images.at(-dropped.length)!;
  let from = rewindTo.offset;
  if (choices.fault(["runs", "crash"], "then") === "crash") ({ state, position: from } = store);
  for (let at = Number(from); at < values.length; at++) state += values[at]!;
  return state === 4 ? [] : ["STATE != fold"];
}

Deno.test("H9 before-images of each open commit, flush of the committed image: holds", () => {
  assertEquals([...run("H9 before-images", (choices) => inPlace("before-images", choices)).violations], []);
});

Deno.test("H9 state updated in place without undo: is found to count rows twice", () => {
  assert(run("H9 no undo", (choices) => inPlace("no undo", choices)).violations.has("STATE != fold"));
});
