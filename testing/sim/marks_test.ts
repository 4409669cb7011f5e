import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { RecordSlab } from "../../lib/columns/records.ts";
import { AssignmentLostError, BrokerUnavailableError, FencedError } from "../../lib/base/errors.ts";
import type { StepLabel } from "../../lib/seams/observer.ts";
import { GROUP, metadata, PlayedRun, TOPIC, TRANSACTIONAL_ID } from "./checkers/fixtures_test.ts";
import { formatMarks, type Mark, MARK_LIST, MARKS, marksChecker, missingMarks } from "./marks.ts";
import { CHECKER_MARKS } from "./marks/mark_names.ts";

type Scene = (run: PlayedRun) => void;

const notApplied = (error: Error) => ({ kind: "not-applied", error });
const unknown = (error: Error) => ({ kind: "unknown", error });
const fenced = () => new FencedError("A newer producer has taken over");

/** A crash of process 0 behind some steps. */
const crashBehind = (...labels: StepLabel[]): Scene => (run) => {
  for (const label of labels) run.step(0, label, { partition: 0, partitions: [0] });
  run.process(0, "crashed");
};

const warn = (message: string): Scene => (run) => run.log(0, "warn", message, { partition: 0 });
const logged = (error: string): Scene => (run) => run.log(0, "error", "It stops", { partition: 0, error });

/** A call of a process that stood still, which fails. */
const zombie = (kind: "transactional" | "consumer", method: string, error: Error): Scene => (run) => {
  run.process(0, "paused");
  run.process(0, "resumed");
  run.settled(0, { kind, method, value: notApplied(error) });
};

const chosen = (run: PlayedRun, detail: Record<string, unknown>): void =>
  run.step(0, "restore:candidate-chosen", { partition: 0, from: 5, live: 9, isLineageNew: false, ...detail });

/** The checkpoints of attempts 7 and 6 may be damaged; that of attempt 5 is loaded. */
const passedOver = (run: PlayedRun, times: number): void => {
  const name = (attempt: number): string => `app/in/0/lineage-a/000000000001/00000000000${attempt}-manifest.json`;
  run.step(0, "task:assigned", { partition: 0 });
  run.log(0, "error", `Cannot use checkpoint manifest '${name(3)}': it is damaged`);
  if (times > 1) run.log(0, "error", `Cannot use checkpoint '${name(6)}' in sim: its file 'x' is missing`);
  run.log(0, "error", `Checkpoint ${name(7)} is passed over: its bytes are wrong`);
  run.step(0, "restore:checkpoint-loaded", { name: name(5), partition: 0 });
};

/** A group is settled with these members. */
const settled = (...memberIds: string[]): Scene => (run) => {
  const timeouts = { sessionTimeoutMs: 1_000, rebalanceTimeoutMs: 1_000, isRejoin: false };
  const { cluster } = run.broker;
  for (const memberId of memberIds) {
    const member = { groupId: GROUP, memberId, instanceId: null, topics: [TOPIC], ...timeouts };
    cluster.join(member, run.broker.times());
    for (const other of memberIds) {
      if (run.broker.members(GROUP).some((each) => each.memberId === other)) {
        cluster.join({ ...member, memberId: other, isRejoin: true }, run.broker.times());
      }
    }
  }
};

/** A transaction of the job is open. */
function openTransaction(run: PlayedRun): void {
  const { cluster } = run.broker;
  const times = run.broker.times();
  const opened = cluster.initializeTransactions({ transactionalId: TRANSACTIONAL_ID, timeoutMs: 60_000 }, times);
  if (opened.kind === "refused") throw new Error(opened.message);
  const identity = { transactionalId: TRANSACTIONAL_ID, ...opened.value };
  const offset = { topic: TOPIC, partition: 0, offset: 1, leaderEpoch: -1, metadata: metadata(1) };
  const fence = { groupId: GROUP, memberId: "", generation: -1, instanceId: null };
  cluster.stageOffsets({ ...identity, fence, offsets: [offset] }, times);
}

const SCENES: Readonly<Partial<Record<Mark, Scene>>> = {
  "unknown commit resolved as committed": (run) => run.step(0, "commit:resolved-committed"),
  "unknown commit resolved as aborted": (run) => run.step(0, "commit:resolved-aborted"),
  "a commit was aborted and processed again": (run) => run.step(0, "commit:aborted"),
  "another owner's commit was found": (run) =>
    run.step(0, "commit:foreign", {
      reason: "Cannot resolve a commit as the group holds neither it nor the one before",
    }),
  "several tasks were in one commit": (run) => run.step(0, "commit:before", { partitions: [0, 1] }),
  "a commit moved no offset": (run) => run.step(0, "commit:sealed", { partition: 0, from: 7n, to: 7n }),
  "a produce request was taken in part": (run) =>
    run.settled(0, {
      kind: "producer",
      method: "produce",
      value: unknown(new BrokerUnavailableError("Cannot produce to all partitions of 'out'")),
    }),
  "an initialization of a producer was tried again": (run) => {
    const call = { kind: "transactional" as const, method: "initialize" };
    run.settled(0, { ...call, value: unknown(new Error("no answer")) });
    run.settled(0, { ...call, value: { kind: "applied" } });
  },
  "a producer got a new id as its epochs were used up": (run) => {
    run.transact({ offset: 1 });
    run.broker.exhaustEpochs(TRANSACTIONAL_ID);
    run.transact({ offset: 2 });
  },
  "the coordinator ended a transaction against its producer's will": (run) => {
    openTransaction(run);
    openTransaction(run);
  },
  "a delayed end of a transaction landed after a later one had begun": (run) => {
    const call = { call: "endTransaction" as const, id: 77 };
    run.step(0, "transaction:begin");
    run.call(0, { ...call, phase: "sent" });
    run.call(0, { ...call, phase: "failed" });
    run.step(0, "transaction:begin");
    run.call(0, { ...call, phase: "landed" });
  },
  "a transaction began while the one before was still ending": (run) => {
    run.broker.holdMarkers(true);
    run.transact({ offset: 1 });
    run.step(0, "transaction:begin");
  },
  "committed offsets were asked for while they were unstable": (run) => {
    openTransaction(run);
    run.seam(0, { kind: "consumer", method: "committed" });
  },
  "crash between produce and commit": crashBehind("produce:after"),
  "crash between commit and apply": crashBehind("produce:after", "commit:after"),
  "crash in the middle of a transaction": crashBehind("transaction:begin", "offsets:after"),
  "zombie fenced at produce": zombie("transactional", "produce", fenced()),
  "zombie fenced at sendOffsets": zombie("transactional", "sendOffsets", new AssignmentLostError("They are gone")),
  "zombie fenced at the end of a transaction": zombie("transactional", "commit", fenced()),
  "zombie refused at an offset commit": zombie("consumer", "commit", new AssignmentLostError("They are gone")),
  "zombie learned that its partitions were lost": (run) => {
    run.process(0, "resumed");
    run.step(0, "group:lost", { partitions: [0] });
  },
  "static member returned within its grace without a rebalance": (run) =>
    run.change({ kind: "static-member-replaced", groupId: GROUP, instanceId: "one", memberId: "newer" }),
  "a member was fenced by another one of its instance id": (run) =>
    run.process(0, "failed", new FencedError("Fenced; another process runs with 'instanceId' 'one'")),
  "a delayed commit landed in a later generation": (run) => {
    settled("a")(run);
    run.call(0, { call: "commit", id: 78, phase: "sent" });
    run.call(0, { call: "commit", id: 78, phase: "failed" });
    settled("a", "b")(run);
    run.call(0, { call: "commit", id: 78, phase: "landed" });
  },
  "a commit of a member that was dropped was refused": (run) =>
    run.settled(0, {
      kind: "transactional",
      method: "sendOffsets",
      value: notApplied(new AssignmentLostError("Gone", { context: { code: "unknown-member" } })),
    }),
  "partitions were revoked while a commit was under way": (run) => {
    run.step(0, "commit:before", { partitions: [0] });
    run.step(0, "group:revoked", { partitions: [0] });
  },
  "partitions were lost while a commit was under way": (run) => {
    run.step(0, "commit:before", { partitions: [0] });
    run.step(0, "group:lost", { partitions: [0] });
  },
  "a partition moved to another process": (run) => {
    run.step(0, "restore:live", { partition: 0 });
    run.step(1, "restore:live", { partition: 0 });
  },
  "a member was left without partitions": settled("a", "b", "c"),
  "a stranger held partitions of the job": settled("foreign-a"),
  "task restored from local store": (run) => chosen(run, { candidate: "local" }),
  "task restored from a checkpoint": (run) => chosen(run, { candidate: "checkpoint" }),
  "task restored from a checkpoint on another node": (run) => {
    run.step(1, "restore:live", { partition: 0 });
    chosen(run, { candidate: "checkpoint" });
  },
  "task rebuilt from the origin of its lineage": (run) => chosen(run, { candidate: "empty" }),
  "fallback to an older checkpoint": (run) => passedOver(run, 1),
  "fallback to the third checkpoint": (run) => passedOver(run, 2),
  "a damaged local store was not used": warn("The local store of in/0 is damaged and is not used"),
  "a local store ahead of the committed offset was not used": warn(
    "The local store of in/0 is ahead of the committed offset 5 and is not used",
  ),
  "state ahead of the committed offset was gone on with": warn(
    "The state of in/0 at 7 is ahead of the committed offset 5, as after a late offset commit: going on at 7",
  ),
  "a local store came back older than its last flush": (run) => {
    run.step(0, "restore:live", { partition: 0 });
    run.step(0, "flush:after", { partition: 0, offset: 8n });
    chosen(run, { candidate: "local" });
  },
  "silent replay of more than one batch": (run) =>
    run.step(0, "restore:silent-replay-done", { partition: 0, rows: BigInt(run.options.batchRows + 1) }),
  "a jump of idle time was repeated in a replay": (run) => {
    run.step(1, "time:jumped", { partition: 0, offset: 6n });
    chosen(run, { candidate: "checkpoint" });
  },
  "a replay was cut at a decision": (run) => {
    run.step(1, "time:jumped", { partition: 0, offset: 6n });
    chosen(run, { candidate: "local" });
  },
  "a lineage began after an operator's reset": warn(
    "The committed offset 3 of in/0 was set by somebody else: starting there",
  ),
  "state was gone on with though offsets had expired": warn("The group has no committed offset for in/0 (expired)"),
  "a recovery was impossible and said so": logged("RecoveryImpossibleError"),
  "the log no longer held a position": logged("OffsetOutOfRangeError"),
  "crash while state was restored": crashBehind("restore:begin"),
  "crash in a silent replay": crashBehind("restore:begin", "restore:silent-replay-begin"),
  "crash between the upload of a file and its manifest": crashBehind("checkpoint:begin", "checkpoint:segment-uploaded"),
  "crash before a checkpoint had a file": crashBehind("checkpoint:begin", "checkpoint:snapshot"),
  "crash in a flush": crashBehind("flush:before"),
  "crash in a retention round": crashBehind("retention:begin", "retention:manifest-deleted"),
  "a commit was applied while state was flushed": (run) => {
    run.step(0, "flush:before", { partition: 0 });
    run.step(0, "apply:after", { partitions: [1, 0] });
  },
  "a checkpoint failed and earlier ones stay in use": warn("Checkpoint failed, earlier ones stay in use: no answer"),
  "journal full forced a checkpoint": warn("A checkpoint is forced: the decision journal is full: time stands still"),
  "commits were held until a checkpoint succeeded": warn("Commits are held until a checkpoint succeeds, as a recovery"),
  "retention was held back by a newer owner": warn("Checkpoint retention deletes nothing as owner 3 has taken over"),
  "a call of the object store was tried again": (run) => run.log(0, "debug", "Blob store: get is tried again after x"),
  "state could not be made safe and was tried again": warn("State could not be made safe and will be tried again: x"),
  "a rejected row was skipped": warn("Rows were refused and skipped"),
  "a rejected row went to the dead-letter topic": warn("Rows were refused and sent to topic 'in.dead-letter'"),
  "a handler failed": logged("ProcessingError"),
  "late rows were not counted": warn("Late rows were not counted"),
  "task time jumped on an idle input": (run) => run.step(0, "time:jumped", { partition: 0, offset: 1n }),
  "a poll passed control records only": (run) => {
    const slab = { records: { count: 0 }, from: 3n, to: 5n } as unknown as RecordSlab;
    run.settled(0, { kind: "consumer", method: "poll", value: [slab] });
  },
  "crash while closing": (run) => {
    run.process(0, "closing");
    run.process(0, "crashed");
  },
  "a task was handed over clean": (run) => {
    run.step(0, "group:revoked", { partitions: [0] });
    run.step(0, "task:closed-clean", { partition: 0 });
  },
};

function marksOf(scene: Scene): string[] {
  const run = new PlayedRun();
  run.watch(marksChecker(run));
  scene(run);
  return run.marks;
}

for (const mark of MARK_LIST.filter((each) => !CHECKER_MARKS.includes(each))) {
  Deno.test(`marksChecker() recognises: ${mark}`, () => {
    const scene = SCENES[mark];
    assert(scene !== undefined, "each mark has a scene");
    assert(marksOf(scene).includes(mark), `seen: ${marksOf(scene).join(", ") || "nothing"}`);
  });
}

Deno.test("marksChecker() tells no mark of what happens all the time", () => {
  const seen = marksOf((run) => {
    for (
      const label of ["transaction:begin", "produce:after", "offsets:after", "commit:after", "apply:before"] as const
    ) {
      run.step(0, label, { partition: 0, partitions: [0] });
    }
    run.step(0, "commit:sealed", { partition: 0, from: 3n, to: 7n });
    run.step(0, "flush:before", { partition: 0 });
    run.step(0, "apply:after", { partitions: [1] });
    run.step(0, "flush:after", { partition: 0, offset: 3n });
    run.step(0, "apply:after", { partitions: [0] });
    run.settled(0, { kind: "transactional", method: "produce", value: { kind: "applied" } });
    run.settled(0, { kind: "transactional", method: "produce", value: notApplied(fenced()) });
    run.log(0, "info", "App 'app' has started");
    run.transact({ offset: 1 });
    run.process(0, "crashed");
  });
  assertEquals(seen, []);
});

Deno.test("marksChecker() takes a fallback to the second checkpoint for none to the third", () => {
  assertEquals(marksOf((run) => passedOver(run, 1)), ["fallback to an older checkpoint"]);
});

Deno.test("marks have different names, and marks of checkers are in the table", () => {
  assertEquals(new Set(MARK_LIST).size, MARK_LIST.length);
  for (const mark of CHECKER_MARKS) assert(mark in MARKS, mark);
  for (const [mark, how] of Object.entries(MARKS)) assert(how.length > 5, mark);
});

Deno.test("formatMarks() lists the marks that were not seen", () => {
  const counts = Object.fromEntries(MARK_LIST.slice(2).map((mark, at) => [mark, at + 1]));
  const text = formatMarks(counts);
  assertStringIncludes(text, `${MARK_LIST.length - 2} of ${MARK_LIST.length} marks seen`);
  assertStringIncludes(text, "missing: unknown commit resolved as committed, unknown commit resolved as aborted.");
  assertStringIncludes(formatMarks(counts, { format: "markdown" }), `| ${MARK_LIST[2]} | 1 |`);
});

Deno.test("missingMarks() names each mark that was seen no time", () => {
  const seen = Object.fromEntries(MARK_LIST.slice(1).map((mark) => [mark, 1]));
  assertEquals(missingMarks(seen), [MARK_LIST[0]!]);
  assertEquals(missingMarks({ ...seen, [MARK_LIST[0]!]: 0, [MARK_LIST[1]!]: 2 }), [MARK_LIST[0]!]);
  assertEquals(missingMarks({}).length, MARK_LIST.length);
});
