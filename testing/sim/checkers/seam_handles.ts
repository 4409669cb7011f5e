/** Who is who at the broker seam: which handle belongs to which group, subscription and topic. */
import type { GroupMetadata, TransactionalProducerOptions } from "../../../lib/seams/broker.ts";
import type { StepDetail, StepLabel } from "../../../lib/seams/observer.ts";
import type { Checker, InvariantId, SeamCall, SimProcess } from "../contracts.ts";

/** A handle of the broker seam. */
export interface SeamHandle {
  /** Whose it is. */
  readonly process: SimProcess;
  /** Incarnation of that process. */
  readonly incarnation: number;
  /** Its number. */
  readonly handle: number;
  /** What it is. */
  readonly kind: "consumer" | "producer" | "transactional" | "admin";
  /** Consumer group that it serves, once known. */
  groupId: string | undefined;
  /** Topics that a consumer reads. */
  topics: readonly string[];
  /** `transactional.id` of a transactional producer. */
  readonly transactionalId: string | undefined;
  /** Whether it was closed. */
  isClosed: boolean;
}

/** Text for messages: a process. */
export function describeProcess(process: SimProcess, incarnation: number = process.incarnation): string {
  return `process ${process.number}.${incarnation}`;
}

/** A number for a process and its incarnation, to be used as a key. */
export function lifeKey(process: SimProcess, incarnation: number = process.incarnation): number {
  return process.number * 1_048_576 + incarnation;
}

/**
 * Knows the handles of all processes, by what was opened with them. Among the first of the checkers, so that the others
 * find it up to date.
 */
export class SeamHandles implements Checker {
  readonly invariants: readonly InvariantId[] = [];
  readonly #lives = new Map<number, Map<number, SeamHandle>>();
  /** Plain producers that no subscription has named yet, in the order in which they were opened. */
  readonly #unnamed = new Map<number, SeamHandle[]>();
  readonly #groups = new Map<string, string>();
  readonly #topics = new Map<string, readonly string[]>();

  /** The handle of a call; listeners have that of their consumer. */
  of({ process, incarnation, handle }: Pick<SeamCall, "process" | "incarnation" | "handle">): SeamHandle | undefined {
    return this.#lives.get(lifeKey(process, incarnation))?.get(handle);
  }

  /** All handles of a process as it lives now. */
  ofProcess(process: SimProcess): Iterable<SeamHandle> {
    return this.#lives.get(lifeKey(process))?.values() ?? [];
  }

  /** The consumer group of a subscription, by the subscription's name. */
  groupOf(subscription: unknown): string | undefined {
    const name = String(subscription);
    const known = this.#groups.get(name);
    if (known !== undefined) return known;
    let found: string | undefined;
    for (const groupId of this.#topics.keys()) {
      if (groupId.endsWith(`.${name}`) && groupId.length > (found?.length ?? 0)) found = groupId;
    }
    if (found !== undefined) this.#groups.set(name, found);
    return found;
  }

  /** Groups that consumers have joined, with the topics they read. */
  groups(): Iterable<readonly [groupId: string, topics: readonly string[]]> {
    return this.#topics;
  }

  /** The topic that a group reads. */
  topicOf(groupId: string): string | undefined {
    return this.#topics.get(groupId)?.[0];
  }

  /** The partition that a step is about. */
  placeOf(detail: StepDetail): { groupId: string; topic: string; partition: number } | undefined {
    const { subscription, partition } = detail;
    if (typeof partition !== "number") return undefined;
    const groupId = this.groupOf(subscription);
    const topic = groupId === undefined ? undefined : this.topicOf(groupId);
    return groupId === undefined || topic === undefined ? undefined : { groupId, topic, partition };
  }

  seam(call: SeamCall): void {
    const { method, phase } = call;
    if (method === "open") return this.#open(call);
    if (method === "subscribe" && phase === "called") {
      const handle = this.of(call);
      const topics = call.args[0] as readonly string[];
      if (handle === undefined) return;
      handle.topics = topics;
      if (handle.groupId !== undefined) this.#topics.set(handle.groupId, topics);
    } else if (method === "close" && phase === "called") {
      const handle = this.of(call);
      if (handle !== undefined) handle.isClosed = true;
    }
  }

  step(process: SimProcess, label: StepLabel, detail: StepDetail): void {
    if (label !== "producer:initialized") return;
    // A plain producer has no name; the subscription that opened it says so right afterwards.
    const handle = this.#unnamed.get(lifeKey(process))?.shift();
    if (handle !== undefined) handle.groupId = this.groupOf(detail.subscription);
  }

  process(process: SimProcess, what: string): void {
    if (what !== "starting") return;
    // What a dead process held is of no use to anybody.
    for (const key of this.#lives.keys()) {
      if (Math.floor(key / 1_048_576) === process.number) this.#lives.delete(key);
    }
  }

  #open(call: SeamCall): void {
    const { process, incarnation, handle, kind, args } = call;
    if (kind === "listener") return;
    const life = lifeKey(process, incarnation);
    let handles = this.#lives.get(life);
    if (handles === undefined) this.#lives.set(life, handles = new Map());
    const transactionalId = kind === "transactional"
      ? (args[0] as TransactionalProducerOptions).transactionalId
      : undefined;
    const groupId = kind === "consumer"
      ? (args[0] as Pick<GroupMetadata, "groupId">).groupId
      : transactionalId === undefined
      ? undefined
      : this.#groupOfTransactions(transactionalId);
    const opened = { process, incarnation, handle, kind, groupId, topics: [], transactionalId, isClosed: false };
    handles.set(handle, opened);
    if (kind !== "producer") return;
    const unnamed = this.#unnamed.get(life);
    if (unnamed === undefined) this.#unnamed.set(life, [opened]);
    else unnamed.push(opened);
  }

  /** `<group>.<instance>.<worker>`. */
  #groupOfTransactions(transactionalId: string): string | undefined {
    let found: string | undefined;
    for (const groupId of this.#topics.keys()) {
      if (transactionalId.startsWith(`${groupId}.`) && groupId.length > (found?.length ?? 0)) found = groupId;
    }
    return found;
  }
}
