/**
 * Checkpoints of a task whose group is put back to older exports, again and again, exactly-once: the same code that decides
 * at run time plans recoveries and retention over a plain model of what was processed and decided.
 */
import fc from "fast-check";
import { assert, assertEquals } from "@std/assert";
import { LINEAGE, manifestOf, NAMES } from "./checkpoint_fixtures_test.ts";
import type { CheckpointManifest } from "./checkpoint_manifest.ts";
import { encodeCommitMetadata } from "./commit_metadata.ts";
import { DecisionJournal } from "./decision_journal.ts";
import { decodePosition, encodePosition, type TaskPosition } from "./position.ts";
import { recoveryPlan } from "./recovery_plan.ts";
import { type ManifestReading, planRetention, type RetentionPlan } from "./retention_plan.ts";
import { hasGoneThrough } from "./task_history.ts";

const IN = { topic: "orders", partition: 3 };

/** What state depends on: the time that was jumped to at each offset. The records are always the same. */
type State = Readonly<Record<string, number>>;
/** State and where it stands. */
type Stand = { readonly position: TaskPosition; readonly state: State };

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("process" as const), rows: fc.integer({ min: 0, max: 3 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("checkpoint" as const), cut: fc.integer({ min: 0, max: 12 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("flush" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("export" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("put back" as const), which: fc.nat(), node: fc.nat({ max: 1 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("crash" as const), node: fc.nat({ max: 2 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("zombie" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("damage" as const), which: fc.nat() }) },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

class World {
  readonly retained: number;
  readonly intact = new Map<string, Stand & { readonly manifest: CheckpointManifest }>();
  readonly damaged = new Set<string>();
  readonly locals: (Stand | undefined)[] = [];
  readonly exports: Stand[] = [];
  /** What the group holds. */
  committed: Stand;
  /** The owner: as the group once it has committed, but for a journal that may be trimmed. */
  journal: DecisionJournal;
  ownerToken = 1;
  tokens = 1;
  sequence = 0;
  node = 0;
  liveSequence = 0;
  clock = 0;
  asleep: { readonly stand: Stand; readonly ownerToken: number } | undefined;
  orphans: ReadonlySet<string> = new Set();

  constructor(retained: number) {
    this.retained = retained;
    this.journal = new DecisionJournal(0n);
    this.committed = { position: this.positionAt(0n, 1), state: {} };
    this.exports.push(this.committed);
  }

  positionAt(offset: bigint, commitSequence: number): TaskPosition {
    const { ownerToken, journal } = this;
    const offsets = [{ ...IN, offset, leaderEpoch: -1 }];
    return { offsets, taskTimeMs: null, commitSequence, lineage: LINEAGE, origin: 0n, ownerToken, journal };
  }

  /** Rows are processed, or time jumps, and that is committed. */
  process(rows: number): void {
    const { position, state } = this.committed;
    const offset = offsetOf(position) + BigInt(rows);
    const jump = { offset: offsetOf(position), kind: "jump" as const, value: ++this.clock };
    if (rows !== 1) this.journal = this.journal.with(jump);
    this.committed = {
      position: this.positionAt(offset, position.commitSequence + 1),
      state: rows === 1 ? state : { ...state, [`${jump.offset}`]: jump.value },
    };
  }

  checkpoint(cut: number): void {
    const position = { ...this.committed.position, journal: this.journal };
    const kept = this.publish({ position, state: this.committed.state }, {
      ownerToken: this.ownerToken,
      hasCommitted: position.commitSequence > this.liveSequence,
      cut,
    });
    const oldest = kept.at(-1) ?? { position };
    this.journal = this.journal.trimmed(oldest.position.offsets[0]!.offset);
  }

  /** Uploads a checkpoint and runs a round of retention, which a crash may cut short. @returns What it kept. */
  publish(stand: Stand, by: { ownerToken: number; hasCommitted: boolean; cut: number }): RetentionPlan["kept"] {
    const { position } = stand;
    const key = { lineage: LINEAGE, ownerToken: by.ownerToken, sequence: ++this.sequence };
    const storePosition = encodePosition(position);
    const base = manifestOf(key, position.commitSequence);
    const manifest = { ...base, storePosition, position: { ...base.position, offsets: position.offsets } };
    this.intact.set(NAMES.manifest(key), { ...stand, manifest });
    const point = { offset: offsetOf(position), journal: position.journal };
    const manifests = new Map<string, ManifestReading>();
    for (const [name, { manifest }] of this.intact) manifests.set(name, { kind: "intact", manifest });
    for (const name of this.damaged) manifests.set(name, { kind: "damaged" });
    const objects = [...manifests].flatMap(([name, reading]) => [
      { name, size: 1 },
      ...(reading.kind === "intact"
        ? reading.manifest.segments.map((one) => ({ name: one.name, size: one.bytes }))
        : []),
    ]);
    const { deletions, kept } = planRetention({
      names: NAMES,
      objects: [...objects, { name: NAMES.owner(this.tokens), size: 1 }],
      manifests,
      lineage: LINEAGE,
      ownerToken: by.ownerToken,
      lastSequence: this.sequence,
      retained: this.retained,
      orphans: new Set(),
      hasCommitted: by.hasCommitted,
      isUsable: ({ storePosition }) => {
        const { offsets, journal } = decodePosition(storePosition!);
        return hasGoneThrough(point, { offset: offsets[0]!.offset, journal });
      },
    });
    for (const { name } of deletions.slice(0, by.cut)) {
      this.intact.delete(name);
      this.damaged.delete(name);
    }
    const isWhole = by.cut >= deletions.length && by.hasCommitted && kept.length === this.retained;
    // I-19..I-21: what was abandoned, or is older, is collected in one round.
    if (isWhole && by.ownerToken === this.tokens) assertEquals(this.intact.size, this.retained);
    return kept;
  }

  /** An owner comes up on a node. */
  recover(node: number): void {
    const { offset, plan, state } = this.planned(this.locals[node]);
    assertEquals(state, this.committed.state, `the state at ${offset} is that of the history that was committed`);
    this.ownerToken = ++this.tokens;
    this.node = node;
    this.journal = plan.journal;
    this.liveSequence = plan.commitSequence;
  }

  planned(local: Stand | undefined) {
    const { position } = this.committed;
    const { lineage, origin, ownerToken, commitSequence, taskTimeMs, journal } = position;
    const metadata = { lineage, origin, ownerToken, commitSequence, taskTimeMs, journal, transactionalId: null };
    const offset = offsetOf(position);
    const plan = recoveryPlan({
      task: "orders/3",
      guarantee: "exactly-once",
      committed: { offset, metadata: encodeCommitMetadata(metadata) },
      log: { ...IN, logStart: 0n, logEnd: 1_000_000n },
      topicId: "topic-1",
      local: local?.position ?? "absent",
      checkpoints: [...this.intact].map(([id, { position }]) => ({ id, position })),
      damagedCheckpoints: this.damaged.size,
      hasState: true,
      onCrashRecovery: "fail",
      startOffset: 0n,
      newLineage: "none",
      ownerToken: this.tokens + 1,
    });
    const from = plan.candidate.kind === "local"
      ? local!.state
      : plan.candidate.kind === "checkpoint"
      ? this.intact.get(plan.candidate.id)!.state
      : {};
    const replayed = plan.journal.entriesFrom(plan.replayFrom).map((entry) => [`${entry.offset}`, entry.value]);
    return { offset, plan, state: { ...from, ...Object.fromEntries(replayed) } };
  }

  damage(which: number): void {
    // I-18: of n that are retained at most n - 1 may be damaged; as long as there are fewer, not the last of them.
    const name = [...this.intact.keys()][which % Math.max(1, this.intact.size)];
    if (name === undefined || this.damaged.size >= this.retained - 1) return;
    const { position } = this.committed;
    if (this.passed(position) + this.damaged.size < this.retained || this.passed(position) < 2) return;
    this.intact.delete(name);
    this.damaged.add(name);
  }

  /** Whether what the group would be put back to can still be reached. */
  canReach(stand: Stand): boolean {
    return stand.position.journal.from === 0n || this.passed(stand.position) > 0;
  }

  /** How many intact checkpoints stand on the way to a position. */
  passed(position: TaskPosition): number {
    const at = { offset: offsetOf(position), journal: position.journal };
    return [...this.intact.values()].filter(({ position }) =>
      hasGoneThrough(at, { offset: offsetOf(position), journal: position.journal })
    ).length;
  }

  do(step: Step): void {
    switch (step.kind) {
      case "process":
        return this.process(step.rows);
      case "checkpoint":
        return this.checkpoint(step.cut);
      case "flush":
        this.locals[this.node] = { ...this.committed, position: { ...this.committed.position, journal: this.journal } };
        return;
      case "export":
        this.exports.push(this.committed);
        return;
      case "crash":
        return this.recover(step.node);
      case "damage":
        return this.damage(step.which);
      case "zombie":
        return this.wake();
      case "put back": {
        const stand = this.exports[step.which % this.exports.length]!;
        if (!this.canReach(stand)) return;
        this.committed = stand;
        return this.recover(step.node);
      }
    }
  }

  /** One that read what was committed long ago claims the task late, takes its checkpoint and looks what it may delete. */
  wake(): void {
    const stand = this.asleep?.stand;
    this.asleep = { stand: { ...this.committed, position: { ...this.committed.position } }, ownerToken: 0 };
    if (stand === undefined) return;
    const before = this.ownerToken;
    this.publish(stand, { ownerToken: ++this.tokens, hasCommitted: false, cut: 99 });
    // The owner sees that its commits still succeed, and claims again.
    this.ownerToken = Math.max(before, ++this.tokens);
  }
}

const offsetOf = (position: TaskPosition): bigint => position.offsets[0]!.offset;

Deno.test("checkpoints of a group that is put back: each recovery has the state of the history that was committed, and finds one", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3 }), fc.array(step, { maxLength: 40, size: "max" }), (retained, steps) => {
      const world = new World(retained);
      for (const step of steps) {
        world.do(step);
        const { state } = world.planned(undefined);
        assertEquals(state, world.committed.state, `after ${JSON.stringify(step)}`);
      }
      assert(true);
    }),
    { numRuns: 600 },
  );
});
