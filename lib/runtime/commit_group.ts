/**
 * Commits of one subscription in one worker: does what the commit protocol asks, and tells it what became of it. One
 * commit at a time; it runs beside the loop that processes batches.
 *
 * Keeps: I-03 (`apply` when the protocol says so, never before), I-12 and I-14 (the protocol's; a producer is replaced only
 * here), and the fence of each commit is captured at its beginning.
 */
import { invariant } from "../base/assert.ts";
import { backoffMs } from "../base/backoff.ts";
import { AssignmentLostError } from "../base/errors.ts";
import { applied, notApplied, type Outcome } from "../base/outcome.ts";
import type { CommitCommand, CommitMode, CommitReplies, CommitResult, GroupReading } from "../core/commit_commands.ts";
import { commitMode } from "../core/commit_commands.ts";
import { CommitProtocol } from "../core/commit_protocol.ts";
import { errorAction } from "../core/error_policy.ts";
import type { CommittedPosition, Consumer, GroupMetadata, Producer, TransactionalProducer } from "../seams/broker.ts";
import type { Mutex } from "./mutex.ts";
import type { RunnerParts } from "./runner_parts.ts";
import type { SubscriptionSpec } from "./subscription_spec.ts";
import type { SealedCommit } from "./sealed_commit.ts";

/** What the group needs of its runner. */
export interface CommitHooks {
  /** Keeps batches from being processed while state is moved. */
  readonly exclusive: Mutex;
  /** Every task drops its open commits and goes back to what is committed. Runs inside `exclusive`. */
  rewind(): void;
}

/** What the group has done so far. */
export interface CommitCounts {
  /** Commits that happened. */
  readonly committed: number;
  /** Calls of `onCommitted` that failed. */
  readonly failedHooks: number;
}

/** The commit group of one subscription in one worker. */
export class CommitGroup {
  /** Name under which transactions are begun, or `null` without transactions. */
  readonly transactionalId: string | null;
  readonly #spec: SubscriptionSpec;
  readonly #parts: RunnerParts;
  readonly #consumer: Consumer;
  readonly #mode: CommitMode;
  #protocol: CommitProtocol;
  #plain: Producer | undefined;
  #transactional: TransactionalProducer | undefined;
  #running: Promise<void> | undefined;
  #failure: Error | undefined;
  #refused: { readonly fence: GroupMetadata; readonly atMs: number } | undefined;
  #openSinceMs: number | undefined;
  #abortedInRow = 0;
  #abortedSinceMs = 0;
  #notBeforeMs = 0;
  #committed = 0;
  #failedHooks = 0;
  #isAbandoned = false;

  /**
   * @param spec The subscription.
   * @param more What the app lends, and the group member whose offsets are committed.
   */
  constructor(spec: SubscriptionSpec, more: { readonly parts: RunnerParts; readonly consumer: Consumer }) {
    this.#spec = spec;
    this.#parts = more.parts;
    this.#consumer = more.consumer;
    this.#mode = commitMode(spec.settings.processingGuarantee, "checkpoint");
    const instance = more.parts.options.transactionInstance;
    this.transactionalId = this.#mode === "plain" ? null : `${spec.application}.${spec.name}.${instance}.0`;
    this.#protocol = new CommitProtocol(this.#mode);
  }

  /** Whether a commit is under way. */
  get isBusy(): boolean {
    return this.#running !== undefined;
  }

  /** Why the group closed dirty, if it did. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Whether the group has refused the fence that the member still has: nothing can be committed before it joins again. */
  get isFenceRefused(): boolean {
    if (this.#refused === undefined) return false;
    const { fence } = this.#refused;
    const { memberId, generation } = this.#consumer.groupMetadata();
    return memberId === fence.memberId && generation === fence.generation;
  }

  /** For how long the member has had that fence since, in milliseconds. */
  get fenceRefusedMs(): number {
    return this.isFenceRefused ? this.#parts.environment.clock.monotonicMs() - this.#refused!.atMs : 0;
  }

  /** What has been done so far. */
  get counts(): CommitCounts {
    return { committed: this.#committed, failedHooks: this.#failedHooks };
  }

  /**
   * Gets a producer and, after a dirty close, a new protocol; nothing when there is one. With transactions this fences the
   * predecessor and ends its open transaction, so it is called only by a member that has been given partitions.
   *
   * @throws {BrokerError} when the broker gives none now; to be tried again unless its policy is to stop.
   */
  async open(): Promise<void> {
    await this.settled();
    if (this.#failure === undefined && (this.#plain ?? this.#transactional) !== undefined) return;
    await this.#closeProducer();
    const outcome = await this.#initialize();
    if (outcome.kind !== "applied") throw outcome.error;
    this.#failure = undefined;
    this.#protocol = new CommitProtocol(this.#mode);
  }

  /**
   * Milliseconds until a commit is due; infinite when there is nothing to commit or one is under way.
   *
   * @param hasOpenWork Whether there is something to commit.
   * @param isUrgent Whether it must not wait for the commit interval.
   */
  dueInMs(hasOpenWork: boolean, isUrgent: boolean): number {
    const nowMs = this.#parts.environment.clock.monotonicMs();
    if (!hasOpenWork) {
      this.#openSinceMs = undefined;
      return Infinity;
    }
    this.#openSinceMs ??= nowMs;
    if (this.isBusy) return Infinity;
    const waitMs = isUrgent ? 0 : this.#spec.settings.commitIntervalMs;
    return Math.max(this.#openSinceMs + waitMs, this.#notBeforeMs) - nowMs;
  }

  /** Starts a commit; its end is awaited with {@linkcode CommitGroup.settled}. */
  start(sealed: readonly SealedCommit[], hooks: CommitHooks): void {
    const { clock } = this.#parts.environment;
    invariant(this.#failure === undefined, "I-12: nothing is committed after a takeover or a dirty close");
    invariant(this.#running === undefined, "one commit of a group at a time");
    this.#openSinceMs = clock.monotonicMs();
    this.#protocol.start(sealed.map(({ task, commit, before, after, lineage }) => ({
      id: `${this.#spec.name}/${task.partition}`,
      lineage,
      sequence: commit.sequence,
      from: commit.from,
      to: commit.to,
      before,
      after,
    })));
    this.#run(sealed, hooks);
  }

  /** Resolves when no commit is under way. Never rejects: see {@linkcode CommitGroup.failure}. */
  async settled(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  /** The partitions are lost: nothing more is committed. */
  async poison(error: Error, hooks: CommitHooks): Promise<void> {
    if (this.#failure === undefined) {
      this.#protocol.poison(error);
      if (this.#running === undefined) this.#run([], hooks);
    }
    await this.settled();
  }

  /** Closes the producer; a transaction that is still open is ended by the next owner or by its time-out. */
  async close(): Promise<void> {
    await this.settled();
    await this.#closeProducer();
  }

  /** Closes without waiting for a commit that hangs: nothing more is asked of the broker. */
  abandon(error: Error): void {
    this.#isAbandoned = true;
    this.#failure ??= error;
    void this.#closeProducer();
  }

  #run(sealed: readonly SealedCommit[], hooks: CommitHooks): void {
    this.#running = this.#drive(sealed, hooks).catch((error) => {
      this.#failure ??= error as Error;
    }).finally(() => {
      this.#running = undefined;
      // Poisoned when the commit was over, while that was being told.
      if (this.#protocol.isRunning && this.#failure === undefined && !this.#isAbandoned) return this.#run([], hooks);
      this.#consumer.wake();
    });
  }

  async #drive(sealed: readonly SealedCommit[], hooks: CommitHooks): Promise<void> {
    for (;;) {
      if (this.#isAbandoned) return;
      const command = this.#protocol.next();
      if (command.kind === "done") return await this.#ended(command.result, sealed);
      if ("attempt" in command && command.attempt > 1) {
        await this.#pause(command.attempt - 1);
        // Meanwhile the partitions may have been lost: then nothing is asked but to close.
        if (this.#isAbandoned || this.#protocol.next().kind !== command.kind) continue;
      }
      const outcome = await this.#perform(command, sealed, hooks);
      if ("fence" in command && outcome.kind !== "applied" && outcome.error instanceof AssignmentLostError) {
        this.#refused = { fence: command.fence, atMs: this.#parts.environment.clock.monotonicMs() };
      }
      this.#protocol.report(command.kind, outcome as Outcome<never>);
    }
  }

  async #ended(result: CommitResult, sealed: readonly SealedCommit[]): Promise<void> {
    const { observer, clock, random } = this.#parts.environment;
    if (result.kind === "committed") {
      this.#abortedInRow = 0;
      if (result.isWitnessed) observer.step("commit:resolved-committed", { subscription: this.#spec.name });
      this.#committed += 1;
      return await this.#tellCommitted(sealed);
    }
    if (result.kind === "closed") {
      observer.step("commit:foreign", { subscription: this.#spec.name, reason: result.error.message });
      throw result.error;
    }
    observer.step(result.isWitnessed ? "commit:resolved-aborted" : "commit:aborted", { subscription: this.#spec.name });
    observer.log("warn", `A commit did not happen and is processed again: ${result.error.message}`, {
      subscription: this.#spec.name,
    });
    const action = errorAction(result.error);
    if (action === "stop-task" || action === "record-policy" || action === "stop-process") throw result.error;
    const nowMs = clock.monotonicMs();
    if (this.#abortedInRow === 0) this.#abortedSinceMs = nowMs;
    else if (nowMs - this.#abortedSinceMs >= this.#parts.options.taskTimeoutMs) throw result.error;
    this.#notBeforeMs = nowMs + backoffMs(this.#abortedInRow++, random.uint32());
  }

  /** A hook that fails does not undo the commit: that has happened. */
  async #tellCommitted(sealed: readonly SealedCommit[]): Promise<void> {
    const { onCommitted } = this.#spec.settings;
    if (onCommitted === undefined || sealed.length === 0) return;
    try {
      await onCommitted(sealed.flatMap((each) => each.outputs.batches));
    } catch (error) {
      this.#failedHooks += 1;
      this.#parts.environment.observer.log(
        "error",
        `'onCommitted' of subscription '${this.#spec.name}' failed after a commit that has happened: ${
          error instanceof Error ? error.message : String(error)
        }`,
        { subscription: this.#spec.name, failedHooks: this.#failedHooks },
      );
    }
  }

  /** Does one command. Whatever a seam throws counts as its outcome. */
  async #perform(
    command: Exclude<CommitCommand, { kind: "done" }>,
    sealed: readonly SealedCommit[],
    hooks: CommitHooks,
  ): Promise<Outcome<unknown>> {
    switch (command.kind) {
      case "begin":
        return this.#begin();
      case "produce":
        return await this.#stepped("produce", sealed, () => this.#produce(sealed));
      case "send-offsets":
        return await this.#stepped(
          "offsets",
          sealed,
          () => this.#transactional!.sendOffsets(sealed.map((each) => each.position), command.fence),
        );
      case "end-transaction":
        return await this.#stepped("commit", sealed, () => this.#transactional!.commit());
      case "commit-offsets":
        return await this.#stepped(
          "commit",
          sealed,
          () => this.#consumer.commit(sealed.map((each) => each.position), command.fence),
        );
      case "abort-transaction":
        return await this.#outcomeOf(() => this.#transactional!.abort());
      case "close-producer":
        await this.#closeProducer();
        return applied();
      case "initialize-producer":
        return await this.#initialize();
      case "read-group-offset":
        return await this.#readGroup(sealed);
      case "apply":
        return await this.#apply(sealed, hooks);
      case "undo":
      case "close-dirty":
        await hooks.exclusive.run(() => hooks.rewind());
        return applied();
    }
  }

  #begin(): Outcome<CommitReplies["begin"]> {
    const isTransactional = this.#mode === "transactional";
    invariant(
      isTransactional === (this.#transactional !== undefined),
      "I-14: a commit begins with a producer of its own",
    );
    const fence = this.#consumer.groupMetadata();
    if (this.#transactional !== undefined) {
      this.#parts.environment.observer.step("transaction:begin", { subscription: this.#spec.name });
      this.#transactional.begin();
    }
    return applied(fence);
  }

  async #stepped(
    name: "produce" | "offsets" | "commit",
    sealed: readonly SealedCommit[],
    effect: () => Promise<Outcome<unknown>>,
  ): Promise<Outcome<unknown>> {
    const { observer } = this.#parts.environment;
    const detail = { subscription: this.#spec.name, partitions: sealed.map((each) => each.task.partition) };
    observer.step(`${name}:before`, detail);
    const outcome = await this.#outcomeOf(effect);
    if (outcome.kind === "applied") observer.step(`${name}:after`, detail);
    else if (outcome.kind === "unknown") {
      observer.step(name === "produce" ? "produce:unknown" : "commit:unknown", detail);
    }
    return outcome;
  }

  /** Produces everything at once; the worst outcome counts. */
  async #produce(sealed: readonly SealedCommit[]): Promise<Outcome<unknown>> {
    const producer = this.#transactional ?? this.#plain!;
    const requests = sealed.flatMap((each) => each.outputs.requests);
    const outcomes = await Promise.all(requests.map((request) => this.#outcomeOf(() => producer.produce(request))));
    return outcomes.find((each) => each.kind === "unknown") ?? outcomes.find((each) => each.kind === "not-applied") ??
      applied();
  }

  async #readGroup(sealed: readonly SealedCommit[]): Promise<Outcome<readonly GroupReading[]>> {
    return await this.#outcomeOf(async () => {
      const sources = sealed.map((each) => each.task.source);
      const found = await this.#consumer.committed(sources, { isStable: true });
      const of = (source: { partition: number }): CommittedPosition | undefined =>
        found.find((each) => each.partition === source.partition);
      return applied(sources.map(of));
    });
  }

  async #apply(sealed: readonly SealedCommit[], hooks: CommitHooks): Promise<Outcome<void>> {
    const { observer } = this.#parts.environment;
    const detail = { subscription: this.#spec.name, partitions: sealed.map((each) => each.task.partition) };
    observer.step("apply:before", detail);
    await hooks.exclusive.run(() => {
      for (const each of sealed) each.task.apply(each);
    });
    observer.step("apply:after", detail);
    return applied();
  }

  async #outcomeOf<T>(effect: () => Promise<Outcome<T>>): Promise<Outcome<T>> {
    try {
      return await effect();
    } catch (error) {
      const { outcome } = error as { outcome?: string };
      return outcome === "unknown" ? { kind: "unknown", error: error as Error } : notApplied(error as Error);
    }
  }

  async #initialize(): Promise<Outcome<void>> {
    const { broker, options } = this.#parts;
    const outcome = await this.#outcomeOf(async () => {
      if (this.transactionalId === null) {
        this.#plain = await broker.producer();
        return applied();
      }
      const transactionTimeoutMs = Math.max(60_000, this.#spec.settings.commitIntervalMs * 2, options.failoverGraceMs);
      this.#transactional = await broker.transactionalProducer({
        transactionalId: this.transactionalId,
        transactionTimeoutMs,
      });
      return await this.#transactional.initialize();
    });
    if (outcome.kind === "applied") {
      this.#parts.environment.observer.step("producer:initialized", { subscription: this.#spec.name });
    } else await this.#closeProducer();
    return outcome;
  }

  async #closeProducer(): Promise<void> {
    const producer = this.#transactional ?? this.#plain;
    this.#transactional = undefined;
    this.#plain = undefined;
    if (producer === undefined) return;
    // A connection that cannot be closed in order is dropped: what it has on its way is fenced by its successor.
    await producer.close().catch(() => undefined);
    this.#parts.environment.observer.step("producer:closed", { subscription: this.#spec.name });
  }

  async #pause(attempt: number): Promise<void> {
    const { clock, random } = this.#parts.environment;
    await clock.sleep(backoffMs(attempt, random.uint32()));
  }
}
