import type { RecordSlab } from "../../../lib/columns/records.ts";
import type { Change } from "../../../lib/embedded/change.ts";
import type { StepDetail, StepLabel } from "../../../lib/seams/observer.ts";
import type { CallEvent, Checker, RunView, SeamCall, SimProcess } from "../contracts.ts";
import { FOREIGN } from "../faults/strike.ts";
import type { Mark, TellMark } from "./mark_names.ts";

/** What a process is doing with its group. */
interface Member {
  /** Whether it stood still and went on in this incarnation. */
  isZombie: boolean;
  isCommitting: boolean;
  isRevoking: boolean;
  /** Partitions whose state is being flushed. */
  readonly flushing: Set<unknown>;
  /** Transactions begun so far. */
  transactions: number;
  /** Initializations without success in a row. */
  failedInitializations: number;
}

/** Recognises what happens between the job and the broker. */
export class CallMarks implements Checker {
  readonly invariants = [] as const;
  readonly #view: RunView;
  readonly #tell: TellMark;
  readonly #members = new Map<number, Member>();
  /** Requests that may land late, and what there was when they were sent. */
  readonly #late = new Map<
    number,
    { readonly transactions: number; readonly generations: number; isGivenUp: boolean }
  >();
  readonly #producerIds = new Map<string, number>();

  /** @param view The run. @param tell Tells a mark. */
  constructor(view: RunView, tell: TellMark) {
    this.#view = view;
    this.#tell = tell;
  }

  /** A labelled step. */
  step(process: SimProcess, label: StepLabel, detail: StepDetail): void {
    const simple = STEP_MARKS[label];
    if (simple !== undefined) this.#tell(simple);
    const member = this.#memberOf(process);
    switch (label) {
      case "commit:foreign":
        if (String(detail.reason).includes("neither it nor the one before")) {
          this.#tell("another owner's commit was found");
        }
        member.isCommitting = false;
        return;
      case "commit:before":
        member.isCommitting = true;
        if ((detail.partitions as unknown[]).length > 1) this.#tell("several tasks were in one commit");
        return;
      case "commit:sealed":
        if (detail.from === detail.to) this.#tell("a commit moved no offset");
        return;
      case "transaction:begin":
        return this.#began(member);
      case "group:revoked":
        member.isRevoking = true;
        if (member.isCommitting) this.#tell("partitions were revoked while a commit was under way");
        return;
      case "group:lost":
        if (member.isCommitting) this.#tell("partitions were lost while a commit was under way");
        if (member.isZombie) this.#tell("zombie learned that its partitions were lost");
        return;
      case "group:assigned":
        member.isRevoking = false;
        return;
      case "task:closed-clean":
        if (member.isRevoking) this.#tell("a task was handed over clean");
        return;
      case "flush:before":
        member.flushing.add(detail.partition);
        return;
      case "flush:after":
      case "task:closed-dirty":
        member.flushing.delete(detail.partition);
        return;
      case "apply:after":
        if ((detail.partitions as unknown[]).some((partition) => member.flushing.has(partition))) {
          this.#tell("a commit was applied while state was flushed");
        }
        return;
      case "commit:after":
      case "commit:aborted":
      case "commit:unknown":
      case "commit:resolved-committed":
      case "commit:resolved-aborted":
        member.isCommitting = false;
        return;
    }
  }

  /** Something became of a process. */
  process(process: SimProcess, what: string): void {
    if (what === "resumed") this.#memberOf(process).isZombie = true;
    if (what === "starting" || what === "crashed") this.#members.delete(process.number);
  }

  /** A request moved on. */
  call({ id, call, phase, process }: CallEvent): void {
    if (call !== "endTransaction" && call !== "commit" && call !== "sendOffsets") return;
    const { transactions } = this.#memberOf(process);
    if (phase === "sent") {
      this.#late.set(id, { transactions, generations: this.#generations(), isGivenUp: false });
      return;
    }
    const request = this.#late.get(id);
    if (request === undefined) return;
    if (phase === "failed") request.isGivenUp = true;
    else if (phase === "answered") this.#late.delete(id);
    else if (request.isGivenUp && call === "endTransaction") {
      if (transactions === request.transactions) return;
      this.#tell("a delayed end of a transaction landed after a later one had begun");
    } else if (request.isGivenUp && this.#generations() > request.generations) {
      this.#tell("a delayed commit landed in a later generation");
    }
  }

  /** A handle of the broker was called, or answered. */
  seam(call: SeamCall): void {
    if (call.phase === "called") return this.#called(call);
    const { method, value, kind } = call;
    if (method === "poll" && Array.isArray(value)) this.#polled(value as readonly RecordSlab[]);
    if (method === "initialize" && kind === "transactional") this.#initialized(call);
    const error = failureOf(call);
    if (error === undefined) return;
    if (method === "produce" && error.message.includes("to all partitions of")) {
      this.#tell("a produce request was taken in part");
    }
    const code = error.context?.code;
    if (code === "unknown-member") this.#tell("a commit of a member that was dropped was refused");
    if (error.code === "Fenced" || error.code === "AssignmentLost") this.#fenced(call);
  }

  /** A change of the broker. */
  change(change: Change): void {
    if (change.kind === "transaction-initialized" || change.kind === "transaction-prepared") {
      const { transactionalId, producerId } = change;
      if (!this.#isJobs(transactionalId)) return;
      const before = this.#producerIds.get(transactionalId);
      if (before !== undefined && before !== producerId) {
        this.#tell("a producer got a new id as its epochs were used up");
      }
      this.#producerIds.set(transactionalId, producerId);
      if (change.kind === "transaction-prepared" && change.isFenced) {
        this.#tell("the coordinator ended a transaction against its producer's will");
      }
    } else if (change.kind === "static-member-replaced") {
      if (change.memberId.startsWith(FOREIGN)) return;
      this.#tell("static member returned within its grace without a rebalance");
    } else if (change.kind === "group-settled") this.#settled(change.groupId);
  }

  /** Grows whenever a group divides anew. */
  #generations(): number {
    let sum = 0;
    for (const { generation } of this.#view.broker.cluster.state.groups.values()) sum += generation;
    return sum;
  }

  #began(member: Member): void {
    member.transactions++;
    for (const { transactionalId, status } of this.#view.broker.cluster.state.transactions.values()) {
      if (!status.startsWith("Prepare") || !this.#isJobs(transactionalId)) continue;
      return this.#tell("a transaction began while the one before was still ending");
    }
  }

  #called({ kind, method }: SeamCall): void {
    if (kind !== "consumer" || method !== "committed") return;
    for (const { pending } of this.#view.broker.cluster.state.groups.values()) {
      if (pending.size > 0) return this.#tell("committed offsets were asked for while they were unstable");
    }
  }

  #polled(slabs: readonly RecordSlab[]): void {
    if (slabs.some(({ records, from, to }) => records.count === 0 && to > from)) {
      this.#tell("a poll passed control records only");
    }
  }

  #initialized(call: SeamCall): void {
    const member = this.#memberOf(call.process);
    if (member.failedInitializations > 0) this.#tell("an initialization of a producer was tried again");
    if (failureOf(call) === undefined) member.failedInitializations = 0;
    else member.failedInitializations++;
  }

  #fenced({ process, method, kind }: SeamCall): void {
    if (!this.#memberOf(process).isZombie) return;
    const mark = kind === "consumer" && method === "commit"
      ? "zombie refused at an offset commit"
      : ZOMBIE_MARKS[method];
    if (mark !== undefined) this.#tell(mark);
  }

  #settled(groupId: string): void {
    for (const { memberId, assignment } of this.#view.broker.members(groupId)) {
      if (assignment.length === 0) this.#tell("a member was left without partitions");
      else if (memberId.startsWith(FOREIGN)) this.#tell("a stranger held partitions of the job");
    }
  }

  /** Transactional ids of others begin with their own names. */
  #isJobs(transactionalId: string): boolean {
    return !transactionalId.startsWith(FOREIGN) && transactionalId !== "feeder";
  }

  #memberOf({ number }: SimProcess): Member {
    let member = this.#members.get(number);
    if (member === undefined) {
      member = {
        isZombie: false,
        isCommitting: false,
        isRevoking: false,
        flushing: new Set(),
        transactions: 0,
        failedInitializations: 0,
      };
      this.#members.set(number, member);
    }
    return member;
  }
}

const STEP_MARKS: Readonly<Partial<Record<StepLabel, Mark>>> = {
  "commit:resolved-committed": "unknown commit resolved as committed",
  "commit:resolved-aborted": "unknown commit resolved as aborted",
  "commit:aborted": "a commit was aborted and processed again",
};

const ZOMBIE_MARKS: Readonly<Partial<Record<string, Mark>>> = {
  produce: "zombie fenced at produce",
  sendOffsets: "zombie fenced at sendOffsets",
  commit: "zombie fenced at the end of a transaction",
  abort: "zombie fenced at the end of a transaction",
};

interface Failure extends Error {
  readonly code?: string;
  readonly context?: { readonly code?: unknown };
}

/** Why a call that has settled did not take effect, as far as is known. */
function failureOf({ error, value }: SeamCall): Failure | undefined {
  if (error !== undefined) return error as Failure;
  const outcome = value as { readonly kind?: string; readonly error?: Failure } | null | undefined;
  return outcome?.kind === "unknown" || outcome?.kind === "not-applied" ? outcome.error : undefined;
}
