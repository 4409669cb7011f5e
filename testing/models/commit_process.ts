import { BrokerTimeoutError, BrokerUnavailableError, TransactionAbortedError } from "../../lib/base/errors.ts";
import { applied, notApplied, type Outcome, unknown } from "../../lib/base/outcome.ts";
import { type CommitMode, commitMode, type CommittingTask } from "../../lib/core/commit_commands.ts";
import { encodeCommitMetadata } from "../../lib/core/commit_metadata.ts";
import { CommitProtocol, type CommitVariant } from "../../lib/core/commit_protocol.ts";
import { type CommitWitness, witnessOf } from "../../lib/core/commit_witness.ts";
import { type OpenCommit, OpenCommits } from "../../lib/core/open_commits.ts";
import { decodePosition, encodePosition } from "../../lib/core/position.ts";
import type { RecoveryPlan } from "../../lib/core/recovery_input.ts";
import { recoveryPlan } from "../../lib/core/recovery_plan.ts";
import {
  BATCH,
  CHECKPOINT_EVERY,
  type CommitWorld,
  type Delayed,
  fold,
  IN,
  INPUT,
  type Output,
  RETAINED,
  type Stored,
  storedOffset,
} from "./commit_world.ts";
import type { Choices } from "./explore.ts";

/** One design of the commit path. */
export interface CommitDesign {
  /** The guarantee that is checked. */
  readonly guarantee: "at-least-once" | "exactly-once";
  /** Wrong order, witness or producer. @default {none} */
  readonly variant?: CommitVariant;
  /** Wrong choice of where to go on. @default {"plan"} */
  readonly resume?: "plan" | "committed" | "state" | "state-or-committed";
  /** Batch k+1 is processed while k commits. */
  readonly withOverlap: boolean;
}

/** The process died. */
export class Crash extends Error {}
/** The task closed without commit, and starts again in the same process. */
export class DirtyClose extends Error {}

const FENCE = { groupId: "app.sums", generation: 1, memberId: "m", instanceId: null };

/** One process with one task: a small shell around the real decisions. */
export class CommitProcess {
  readonly #world: CommitWorld;
  readonly #design: CommitDesign;
  readonly #choices: Choices;
  readonly #node: number;
  readonly #mode: CommitMode;
  readonly #protocol: CommitProtocol;
  #plan!: RecoveryPlan;
  #open!: OpenCommits;
  #held!: CommitWitness;
  #epoch: number | undefined;
  #sum = 0;
  /** The state before each open commit, oldest first: what undo puts back and what a flush may show. */
  #images: number[] = [];
  #outputs: Output[][] = [];
  #commits = 0;
  #committing: OpenCommit | undefined;
  /** What the local store may hold when the process dies: as it was found, or any image that could be flushed since. */
  readonly flushable: (Stored | undefined)[] = [];

  constructor(world: CommitWorld, design: CommitDesign, more: { choices: Choices; node: number }) {
    this.#world = world;
    this.#design = design;
    this.#choices = more.choices;
    this.#node = more.node;
    this.#mode = commitMode(design.guarantee, "checkpoint");
    this.#protocol = new CommitProtocol(this.#mode, { attemptsMax: 3, variant: design.variant ?? {} });
  }

  /** Recovers, then processes the whole input. */
  run(): void {
    this.#recover();
    const { withOverlap } = this.#design;
    for (;;) {
      if (this.#open.oldest === undefined && !this.#processBatch()) return;
      this.#commit(withOverlap);
    }
  }

  /** State at the end, when nothing is open any more. */
  get sum(): number {
    return this.#sum;
  }

  #key(withOverlap: boolean): string {
    const { committed, head, commits } = this.#open;
    const own = [
      this.#node,
      withOverlap,
      this.#sum,
      this.#images,
      `${committed.offset}#${committed.sequence}`,
      `${head.offset}`,
      commits.length,
      this.flushable.length,
      this.#commits % CHECKPOINT_EVERY,
      (this.#epoch ?? 0) - this.#world.epoch,
    ];
    return `${own.join(",")}|${this.#world.key()}`;
  }

  #recover(): void {
    const world = this.#world;
    if (this.#mode === "transactional") this.#epoch = world.initialize();
    world.owners++;
    this.#plan = this.#chooseState();
    const plan = this.#plan;
    if (plan.isLineageNew) world.lineages++;
    const { candidate } = plan;
    const stored = candidate.kind === "local"
      ? world.locals[this.#node]
      : candidate.kind === "checkpoint"
      ? world.checkpoints[Number(candidate.id)]
      : undefined;
    this.#sum = stored?.sum ?? 0;
    if (candidate.kind !== "local") world.locals[this.#node] = undefined;
    this.flushable.push(world.locals[this.#node]);
    for (let at = plan.replayFrom; at < plan.liveFrom; at++) this.#sum += INPUT[Number(at)]!;
    this.#open = new OpenCommits({
      offset: plan.liveFrom,
      leaderEpoch: plan.leaderEpoch,
      sequence: plan.commitSequence,
      taskTimeMs: plan.taskTimeMs,
      journal: plan.journal,
    });
    this.#held = plan.witness;
    if (plan.isCommitNeeded) {
      this.#images.push(this.#sum);
      this.#outputs.push([]);
      this.#open.extend({ to: plan.liveFrom, rows: 0, taskTimeMs: plan.taskTimeMs });
    }
  }

  #chooseState(): RecoveryPlan {
    const world = this.#world;
    const { resume = "plan" } = this.#design;
    const local = world.locals[this.#node];
    const plan = recoveryPlan({
      task: "sums-0",
      // A wrong design may find a state that the right one never has: at-least-once takes any.
      guarantee: resume === "plan" ? this.#design.guarantee : "at-least-once",
      committed: world.committed,
      log: { ...IN, logStart: 0n, logEnd: BigInt(INPUT.length) },
      local: local === undefined ? "absent" : decodePosition(encodePosition(local.position)),
      checkpoints: world.checkpoints.map(({ position }, at) => ({ id: String(at), position })),
      damagedCheckpoints: 0,
      hasState: true,
      onCrashRecovery: "fail",
      topicId: "id-1",
      startOffset: 0n,
      newLineage: `L${world.lineages}`,
      ownerToken: world.owners,
    });
    if (resume === "plan" || world.committed === undefined) return plan;
    if (resume === "state-or-committed") return plan;
    // Live without silent replay: at the state's own position, or at the committed offset with a state that is not its.
    const at = resume === "state" ? plan.replayFrom : world.committed.offset;
    return { ...plan, replayFrom: at, liveFrom: at, isCommitNeeded: false };
  }

  /** Processes one batch into an open commit; `false` at the end of the input. */
  #processBatch(): boolean {
    const from = Number(this.#open.head.offset);
    const to = Math.min(from + BATCH, INPUT.length);
    if (from === to) return false;
    this.#images.push(this.#sum);
    const outputs: Output[] = [];
    for (let at = from; at < to; at++) outputs.push({ value: this.#sum += INPUT[at]!, at });
    this.#outputs.push(outputs);
    this.#open.extend({ to: BigInt(to), rows: to - from, taskTimeMs: this.#open.head.taskTimeMs });
    return true;
  }

  #commit(withOverlap: boolean): void {
    if (this.#open.oldest!.state === "open") this.#open.seal();
    this.#committing = this.#open.oldest!;
    const { sequence, from, to } = this.#committing;
    const task: CommittingTask = {
      id: "sums-0",
      lineage: this.#plan.lineage,
      sequence,
      from,
      to,
      before: this.#held,
      after: witnessOf(this.#position()),
    };
    this.#protocol.start([task]);
    let before = "";
    for (;;) {
      const command = this.#protocol.next();
      const asked = "attempt" in command ? `${command.kind}${command.attempt}` : command.kind;
      this.#choices.reached(`${before}>${asked}|${this.#key(withOverlap)}`, this.#world.debt);
      before = asked;
      this.#deliverDelayed();
      switch (command.kind) {
        case "done":
          if (command.result.kind === "committed") {
            this.#outputs.shift();
            this.#checkpoint();
          }
          return;
        case "begin":
          this.#protocol.report("begin", applied(FENCE));
          // Batch k+1 is processed while k commits, and undone with it.
          if (withOverlap && this.#open.commits.length === 1) this.#processBatch();
          break;
        case "apply":
          this.#crashPoint("apply");
          this.#apply();
          this.#protocol.report("apply", applied());
          break;
        case "undo":
          this.#undo(sequence);
          this.#protocol.report("undo", applied());
          break;
        case "close-dirty":
          throw new DirtyClose(command.error.message);
        case "read-group-offset":
          this.#protocol.report("read-group-offset", this.#readGroup());
          break;
        default:
          this.#protocol.report(command.kind, this.#effect(command.kind));
      }
    }
  }

  /** Effects on the broker, each of which may end in any way. */
  #effect(
    kind:
      | "produce"
      | "send-offsets"
      | "end-transaction"
      | "commit-offsets"
      | "abort-transaction"
      | "close-producer"
      | "initialize-producer",
  ): Outcome<void> {
    const world = this.#world;
    const epoch = this.#epoch;
    switch (kind) {
      case "close-producer":
        return applied();
      case "initialize-producer":
        if (epoch === undefined) return applied();
        return this.#try(kind, () => this.#epoch = world.initialize());
      case "abort-transaction":
        return this.#try(kind, () => world.abortTransaction(epoch!));
      case "send-offsets":
        return this.#try(kind, () => world.sendOffsets(this.#position(), epoch!), {
          refusal: new BrokerUnavailableError("Refused by the model"),
        });
      case "end-transaction":
        return this.#try(kind, () => world.endTransaction(epoch!), {
          delayed: { kind, epoch: epoch! },
          refusal: new TransactionAbortedError("Aborted by the model"),
          refused: () => world.abortTransaction(epoch!),
        });
      case "commit-offsets":
        return this.#try(kind, () => world.commitOffsets(this.#position()), {
          delayed: { kind, committed: this.#position() },
          refusal: new BrokerUnavailableError("Refused by the model"),
        });
      case "produce": {
        const outputs = this.#outputs[0]!;
        if (outputs.length === 0) return applied();
        const outcome = this.#try(kind, () => world.produce(outputs, epoch), {
          // Outside of a transaction a late arrival shows the same records as a lost reply.
          ...(epoch === undefined ? {} : { delayed: { kind, epoch, outputs } }),
          refusal: new BrokerUnavailableError("Refused by the model"),
        });
        if (outcome.kind === "unknown") world.repeatsMax += BATCH;
        return outcome;
      }
    }
  }

  #try(
    label: string,
    effect: () => void,
    more: { readonly delayed?: Delayed; readonly refusal?: Error; readonly refused?: () => void } = {},
  ): Outcome<void> {
    const kinds = ["ok", "crash", "reply lost", "request lost"];
    if (more.refusal !== undefined) kinds.push("refused");
    if (more.delayed !== undefined) kinds.push("delayed");
    const what = this.#choices.fault(kinds, label);
    if (what === "crash") throw new Crash(label);
    if (what === "refused") {
      more.refused?.();
      return notApplied(more.refusal!);
    }
    if (what === "ok" || what === "reply lost") effect();
    if (what === "delayed") this.#world.delayed.push(more.delayed!);
    return what === "ok" ? applied() : unknown(new BrokerTimeoutError(`The model says: ${what}`));
  }

  #readGroup() {
    const isLost = this.#choices.fault(["ok", "reply lost"], "read-group-offset") !== "ok";
    return isLost ? unknown(new BrokerTimeoutError("No answer")) : applied([this.#world.committed]);
  }

  #deliverDelayed(): void {
    for (const delayed of [...this.#world.delayed]) {
      if (this.#choices.pick(2, `delayed ${delayed.kind} arrives`) === 1) this.#world.deliver(delayed);
    }
  }

  #crashPoint(label: string): void {
    if (this.#choices.fault(["ok", "crash"], label) === "crash") throw new Crash(label);
  }

  /** What the commit puts into the group. */
  #position() {
    const { to, sequence, after } = this.#committing!;
    return {
      offset: to,
      metadata: encodeCommitMetadata({
        lineage: this.#plan.lineage,
        origin: this.#plan.origin,
        ownerToken: this.#plan.ownerToken,
        commitSequence: sequence,
        taskTimeMs: after.taskTimeMs,
        journal: after.journal,
        transactionalId: null,
      }),
    };
  }

  #apply(): void {
    this.#open.resolveOldest("applied");
    this.#held = witnessOf(this.#position());
    this.#images.shift();
    this.#commits++;
    this.#flush();
  }

  /** The image at the last committed position, never a later one. */
  #image(): Stored {
    const { offset, leaderEpoch, sequence, taskTimeMs, journal } = this.#open.committed;
    const { lineage, origin, ownerToken } = this.#plan;
    const position = {
      offsets: [{ ...IN, offset, leaderEpoch }],
      taskTimeMs,
      commitSequence: sequence,
      lineage,
      origin,
      ownerToken,
      journal,
    };
    return { sum: this.#images[0] ?? this.#sum, position };
  }

  /** The overlay may be flushed now, later or never: what the store holds is chosen when the process dies. */
  #flush(): void {
    const image = this.#image();
    this.flushable.push(image);
    const committed = this.#world.committed?.offset ?? 0n;
    if (this.#design.guarantee === "exactly-once" && storedOffset(image) > committed) {
      this.#world.violations.add("STORE LEADS THE COMMITTED OFFSET (I-03)");
    }
    if (image.sum !== fold(Number(storedOffset(image)))) this.#world.violations.add("STORE != fold (I-01)");
  }

  #undo(sequence: number): void {
    const { rewindTo, dropped } = this.#open.abortAll();
    // Applied before it was committed: memory cannot go back, the task must be restored.
    if (rewindTo.sequence >= sequence) throw new DirtyClose("applied already");
    this.#sum = this.#images[0]!;
    this.#images.length -= dropped.length;
    this.#outputs.length = 0;
    if (this.#plan.isCommitNeeded && rewindTo.sequence === this.#plan.commitSequence) {
      this.#images.push(this.#sum);
      this.#outputs.push([]);
      this.#open.extend({ to: rewindTo.offset, rows: 0, taskTimeMs: rewindTo.taskTimeMs });
    }
  }

  #checkpoint(): void {
    if (this.#commits % CHECKPOINT_EVERY !== 0) return;
    this.#crashPoint("checkpoint");
    this.#world.checkpoints.push(this.#image());
    if (this.#world.checkpoints.length > RETAINED) this.#world.checkpoints.shift();
    const oldest = this.#world.checkpoints.find((one) => one.position.lineage === this.#plan.lineage)!;
    this.#open.trimJournal(storedOffset(oldest));
  }
}
