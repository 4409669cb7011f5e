import { invariant } from "../base/assert.ts";
import { AssignmentLostError } from "../base/errors.ts";
import type { Outcome } from "../base/outcome.ts";
import type { GroupMetadata } from "../seams/broker.ts";
import {
  COMMIT_ORDER,
  type CommitCommand,
  type CommitEffect,
  type CommitMode,
  type CommitOutcome,
  type CommitReplies,
  type CommitResult,
  type CommittingTask,
  type GroupReading,
} from "./commit_commands.ts";
import { decodeCommitMetadata } from "./commit_metadata.ts";
import { isSameWitness, witnessOf } from "./commit_witness.ts";
import { errorAction, isTakeover } from "./error_policy.ts";

/** How often an effect without a known outcome is tried before the group closes dirty. */
export const COMMIT_ATTEMPTS_MAX = 8;

/** Options of {@linkcode CommitProtocol}. */
export interface CommitProtocolOptions {
  /** How often one effect is tried. @default {COMMIT_ATTEMPTS_MAX} */
  readonly attemptsMax?: number;
  /** For tests only: a design that is known to be wrong, so that the model shows that it would find it. */
  readonly variant?: CommitVariant;
}

/** Wrong designs, for tests only. */
export interface CommitVariant {
  /** Another order of effects. */
  readonly order?: readonly CommitEffect[];
  /** Another way to answer "did it happen?". */
  readonly witness?: "assume-committed" | "assume-aborted" | "offset-reached-to" | "offset-left-from";
  /** Keep the producer after an unknown outcome: abort, then go on with the same id and epoch. */
  readonly reusesProducer?: boolean;
}

/** What is being done about a commit that did not go through. */
type Detour =
  | { readonly kind: "abort" | "undo" }
  /** After an unknown outcome: `close` the producer, `initialize` a new one, then `read` the group (or produce again). */
  | { readonly kind: "close" | "initialize" | "read"; readonly attempt: number }
  | { readonly kind: "die-producer" | "die-tasks" };

/**
 * The order of effects of one commit group (member, producer, guarantee; one or several tasks), as a state machine without
 * I/O: the shell asks `next()`, does it, and tells with `report()` what became of it.
 *
 * ```
 * start -> begin -> produce -> send-offsets -> end-transaction -> apply -> done(committed)         transactional
 * start -> begin -> produce -> commit-offsets ------------------> apply -> done(committed)         plain
 *
 * transactional
 *   produce, send-offsets not applied ---> abort-transaction -> undo -> done(aborted)
 *   produce, send-offsets unknown ---.                 | not applied, unknown
 *   end-transaction not acknowledged-+<----------------'
 *                                    v
 *          close-producer -> initialize-producer -> read-group-offset -+- our sequence -----> apply -> done(committed)
 *                            (bumps the epoch: nothing that is still   +- the one before ---> undo -> done(aborted)
 *                             on its way can take effect any more)     '- anything else ----> die: another owner
 * plain
 *   produce not applied   -> produce again if it may help, else undo -> done(aborted)
 *   produce unknown       -> close-producer -> initialize-producer -> produce again (repeats the rows in flight: legal)
 *   commit-offsets unknown, or not applied and worth it -> commit-offsets again, under the same fence
 *   commit-offsets refused for another reason -> die
 *
 * anywhere
 *   Fenced, AssignmentLost, poison(), attempts used up -> die: close-producer -> close-dirty -> done(closed)
 * ```
 * Invariants
 * - I-03: `apply` only after the commit is known to have happened.
 * - I-12: after a takeover nothing is asked but to close; a fenced producer neither aborts nor commits.
 * - I-14: after an unknown outcome no transaction begins with the same producer.
 * - The fence that `begin` captured goes with the offsets; it is never read again in between. A member that lost its
 *   partitions and joined again in the middle would else commit for what another member owns.
 * - One commit at a time: `start` of the next waits for the outcome of this one, so produce(k+1) follows the outcome of k.
 */
export class CommitProtocol {
  readonly #mode: CommitMode;
  readonly #order: readonly CommitEffect[];
  readonly #attemptsMax: number;
  readonly #variant: CommitVariant;
  #tasks: readonly CommittingTask[] = [];
  #step = 0;
  #attempt = 1;
  #detour: Detour | undefined;
  #error: Error | undefined;
  #fence: GroupMetadata | undefined;
  #isWitnessed = false;
  #hasHappened = false;
  #isProducerInDoubt = false;
  #result: CommitResult | undefined = undefined;
  #isRunning = false;
  #asked: CommitCommand["kind"] | undefined;
  #overtaken: CommitCommand["kind"] | undefined;

  /**
   * @param mode How offsets reach the group.
   * @param options Bound of attempts; a wrong variant for tests.
   */
  constructor(mode: CommitMode, options: CommitProtocolOptions = {}) {
    const { attemptsMax = COMMIT_ATTEMPTS_MAX, variant = {} } = options;
    if (!Number.isInteger(attemptsMax) || attemptsMax < 1) {
      throw new RangeError(
        `Cannot create a commit protocol as 'attemptsMax' must be an integer >= 1: current value is ${attemptsMax}`,
      );
    }
    this.#mode = mode;
    this.#order = variant.order ?? COMMIT_ORDER[mode];
    this.#attemptsMax = attemptsMax;
    this.#variant = variant;
  }

  /** Whether a commit is under way. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Whether the group closed dirty: this protocol takes no more commits. */
  get isClosed(): boolean {
    return this.#result?.kind === "closed";
  }

  /**
   * Begins a commit.
   *
   * @param tasks The oldest sealed commit of each task that has one; at least one.
   */
  start(tasks: readonly CommittingTask[]): void {
    invariant(!this.#isRunning, "a commit begins only when the outcome of the one before is known");
    invariant(!this.isClosed, "I-12: nothing is committed after a dirty close");
    invariant(!this.#isProducerInDoubt, "I-14: no transaction begins with a producer whose last outcome is unknown");
    invariant(tasks.length > 0, "a commit is of at least one task");
    this.#tasks = tasks;
    this.#step = 0;
    this.#attempt = 1;
    this.#detour = undefined;
    this.#error = undefined;
    this.#fence = undefined;
    this.#isWitnessed = false;
    this.#hasHappened = false;
    this.#result = undefined;
    this.#isRunning = true;
  }

  /** What is to be done next; the same until it is reported. */
  next(): CommitCommand {
    if (!this.#isRunning) {
      invariant(this.#result !== undefined, "a commit protocol was asked before it was started");
      return { kind: "done", result: this.#result };
    }
    const command = this.#command();
    this.#asked = command.kind;
    return command;
  }

  #command(): CommitCommand {
    if (this.#detour !== undefined) return this.#detourCommand(this.#detour);
    const kind = this.#order[this.#step]!;
    if (kind === "produce") return { kind, attempt: this.#attempt };
    if (kind === "apply") {
      const isWrongByDesign = this.#variant.order !== undefined;
      invariant(this.#hasHappened || isWrongByDesign, "I-03: only a commit that is known to have happened is applied");
    }
    if (kind === "send-offsets") return { kind, fence: this.#capturedFence() };
    if (kind === "commit-offsets") return { kind, fence: this.#capturedFence(), attempt: this.#attempt };
    return { kind };
  }

  /**
   * Tells what became of the command that `next()` gave.
   *
   * @param kind Kind of that command.
   * @param outcome What became of it.
   */
  report<K extends keyof CommitReplies>(kind: K, outcome: CommitOutcome<K>): void {
    if (kind === this.#overtaken) {
      this.#overtaken = undefined;
      return;
    }
    invariant(kind === this.#asked, `'${kind}' was reported while '${this.#asked}' was asked`);
    this.#asked = undefined;
    if (this.#detour !== undefined) return this.#detourReported(this.#detour, outcome);
    if (outcome.kind !== "applied") return this.#effectFailed(kind as CommitEffect, outcome);
    if (kind === "begin") this.#fence = outcome.value as GroupMetadata;
    if (kind === "commit-offsets" || kind === "end-transaction") this.#hasHappened = true;
    this.#advance();
  }

  /**
   * The partitions are lost, or the group must close for another reason. From now on nothing is asked but to close; a
   * command that is being done may still be reported, and its outcome no longer matters.
   *
   * @param error Why.
   */
  poison(error: Error): void {
    if (this.isClosed || this.#detour?.kind === "die-producer" || this.#detour?.kind === "die-tasks") return;
    this.#isRunning = true;
    this.#overtaken = this.#asked;
    this.#asked = undefined;
    this.#die(error);
  }

  #capturedFence(): GroupMetadata {
    invariant(this.#fence !== undefined, "offsets are committed under the fence that begin() captured");
    return this.#fence;
  }

  #detourCommand(detour: Detour): CommitCommand {
    const error = this.#error!;
    switch (detour.kind) {
      case "abort":
        return { kind: "abort-transaction" };
      case "close":
      case "die-producer":
        return { kind: "close-producer" };
      case "initialize":
        return { kind: "initialize-producer", attempt: detour.attempt };
      case "read":
        return { kind: "read-group-offset", attempt: detour.attempt };
      case "undo":
        return { kind: "undo", error };
      case "die-tasks":
        return { kind: "close-dirty", error };
    }
  }

  #advance(): void {
    this.#step++;
    this.#attempt = 1;
    if (this.#step === this.#order.length) this.#finish({ kind: "committed", isWitnessed: this.#isWitnessed });
  }

  #finish(result: CommitResult): void {
    this.#detour = undefined;
    this.#isRunning = false;
    this.#result = result;
  }

  #effectFailed(effect: CommitEffect, outcome: Exclude<Outcome<unknown>, { kind: "applied" }>): void {
    const { error } = outcome;
    this.#error = error;
    invariant(effect !== "apply", `a commit that happened must be applied: ${error.message}`);
    if (isTakeover(error)) return this.#die(error);
    if (effect === "begin") {
      this.#detour = { kind: "undo" };
    } else if (this.#mode === "plain") {
      this.#plainFailed(effect, outcome);
    } else if (outcome.kind === "not-applied" && effect !== "end-transaction") {
      this.#detour = { kind: "abort" };
    } else {
      this.#replaceProducer();
    }
  }

  #plainFailed(effect: CommitEffect, outcome: Exclude<Outcome<unknown>, { kind: "applied" }>): void {
    const { error } = outcome;
    const isWorthRetry = outcome.kind === "unknown" || errorAction(error) === "retry";
    if (!isWorthRetry && effect === "produce") {
      this.#detour = { kind: "undo" };
    } else if (!isWorthRetry || this.#attempt >= this.#attemptsMax) {
      this.#die(error);
    } else {
      this.#attempt++;
      if (outcome.kind === "unknown" && effect === "produce") this.#replaceProducer();
    }
  }

  /** Nothing that the old producer has on its way may take effect later in a transaction of ours (I-14). */
  #replaceProducer(): void {
    this.#isProducerInDoubt = this.#variant.reusesProducer !== true;
    this.#detour = this.#variant.reusesProducer === true ? { kind: "abort" } : { kind: "close", attempt: 1 };
  }

  #die(error: Error): void {
    this.#error = error;
    this.#detour = { kind: "die-producer" };
  }

  #detourReported(detour: Detour, outcome: Outcome<unknown>): void {
    switch (detour.kind) {
      case "die-producer":
        this.#detour = { kind: "die-tasks" };
        return;
      case "die-tasks":
        return this.#finish({ kind: "closed", error: this.#error! });
      case "undo":
        return this.#finish({ kind: "aborted", isWitnessed: this.#isWitnessed, error: this.#error! });
      case "close":
        this.#detour = { kind: "initialize", attempt: 1 };
        return;
      case "abort":
        return this.#abortReported(outcome);
      case "initialize":
        return this.#initializeReported(detour, outcome);
      case "read":
        return this.#readReported(detour, outcome);
    }
  }

  #abortReported(outcome: Outcome<unknown>): void {
    if (this.#variant.reusesProducer === true) {
      this.#detour = { kind: "read", attempt: 1 };
    } else if (outcome.kind === "applied") {
      this.#detour = { kind: "undo" };
    } else if (isTakeover(outcome.error)) {
      this.#die(outcome.error);
    } else {
      this.#replaceProducer();
    }
  }

  #initializeReported(detour: { attempt: number }, outcome: Outcome<unknown>): void {
    if (outcome.kind !== "applied") return this.#again("initialize", detour.attempt, outcome.error);
    this.#isProducerInDoubt = false;
    if (this.#mode === "plain") {
      this.#detour = undefined;
    } else if (this.#variant.witness === "assume-committed" || this.#variant.witness === "assume-aborted") {
      this.#resolve(this.#variant.witness === "assume-committed");
    } else {
      this.#detour = { kind: "read", attempt: 1 };
    }
  }

  #readReported(detour: { attempt: number }, outcome: Outcome<unknown>): void {
    if (outcome.kind !== "applied") return this.#again("read", detour.attempt, outcome.error);
    const readings = outcome.value as readonly GroupReading[];
    invariant(
      readings.length === this.#tasks.length,
      `${readings.length} offsets were read for ${this.#tasks.length} tasks`,
    );
    const verdicts = new Set(this.#tasks.map((task, at) => this.#verdict(task, readings[at])));
    if (verdicts.size === 1 && !verdicts.has("other")) return this.#resolve(verdicts.has("happened"));
    this.#die(
      new AssignmentLostError(
        `Cannot resolve a commit as the group holds neither it nor the one before for ${
          this.#tasks.map((task, at) => `${task.id} (expected ${task.sequence}, found ${describe(readings[at])})`).join(
            ", ",
          )
        }: another owner has taken over, the tasks are closed and join again`,
      ),
    );
  }

  #verdict(task: CommittingTask, reading: GroupReading): "happened" | "not" | "other" {
    if (this.#variant.witness === "offset-reached-to") return reading?.offset === task.to ? "happened" : "not";
    if (this.#variant.witness === "offset-left-from") return reading?.offset === task.from ? "not" : "happened";
    const found = witnessOf(reading);
    if (isSameWitness(found, task.after)) return "happened";
    return isSameWitness(found, task.before) ? "not" : "other";
  }

  #resolve(hasHappened: boolean): void {
    this.#isWitnessed = true;
    this.#detour = { kind: "undo" };
    if (!hasHappened) return;
    this.#hasHappened = true;
    this.#detour = undefined;
    const apply = this.#order.indexOf("apply");
    this.#step = apply > this.#step ? apply : this.#order.length - 1;
    if (apply < this.#step) this.#advance();
  }

  #again(kind: "initialize" | "read", attempt: number, error: Error): void {
    if (isTakeover(error) || attempt >= this.#attemptsMax) return this.#die(error);
    this.#detour = { kind, attempt: attempt + 1 };
  }
}

function describe(reading: GroupReading): string {
  if (reading === undefined) return "no offset";
  const metadata = decodeCommitMetadata(reading.metadata);
  return metadata.kind === "ours"
    ? `commit ${metadata.commitSequence} of lineage ${metadata.lineage} by owner ${metadata.ownerToken}`
    : `foreign metadata at offset ${reading.offset}`;
}
