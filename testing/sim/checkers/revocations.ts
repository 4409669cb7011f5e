/** I-13: after `revoked` returns, nothing of that task is in flight; after `lost`, nothing is committed. */
import type { GroupMetadata, TopicPartition } from "../../../lib/seams/broker.ts";
import type { LogLevel, StepDetail, StepLabel } from "../../../lib/seams/observer.ts";
import type { Checker, InvariantId, RunView, SeamCall, SimProcess } from "../contracts.ts";
import { describeProcess, lifeKey, type SeamHandles } from "./seam_handles.ts";
import { fenceOf } from "./takeovers.ts";

/** Calls that have an effect which others see. */
const EFFECTS: ReadonlySet<string> = new Set(["produce", "sendOffsets", "commit", "abort"]);
/** Steps of a task that a partition's owner alone may make. */
const WORK: ReadonlySet<StepLabel> = new Set<StepLabel>([
  "batch:fetched",
  "batch:processed",
  "commit:sealed",
  "time:jumped",
]);
/** Steps that end before `revoked` returns, if the task was closed clean. */
const KEEPING: ReadonlySet<StepLabel> = new Set<StepLabel>(["flush:before", "checkpoint:begin"]);

/** A member of a group, as far as it was seen. */
interface Member {
  readonly groupId: string;
  /** Calls that have been made and have not settled, by handle and method. */
  readonly inFlight: Map<string, number>;
  /** Partitions that were given up, and how. */
  readonly given: Map<number, "revoked" | "closed clean" | "lost">;
  isLost: boolean;
}

/** Watches what members do once they have given partitions up. */
export class Revocations implements Checker {
  readonly invariants: readonly InvariantId[] = ["I-13"];
  readonly #view: RunView;
  readonly #handles: SeamHandles;
  readonly #members = new Map<string, Member>();
  /** Lives that close without waiting for anybody. */
  readonly #dirty = new Set<number>();

  /**
   * @param view The run.
   * @param handles Who is who at the broker seam.
   */
  constructor(view: RunView, handles: SeamHandles) {
    this.#view = view;
    this.#handles = handles;
  }

  seam(call: SeamCall): void {
    if (call.kind !== "listener" && !EFFECTS.has(call.method)) return;
    const groupId = this.#handles.of(call)?.groupId;
    if (groupId === undefined) return;
    if (call.kind === "listener") return this.#listened(call, this.#memberOf(call, groupId));
    const member = this.#memberOf(call, groupId);
    const key = `${call.kind} ${call.handle} ${call.method}`;
    const count = member.inFlight.get(key) ?? 0;
    if (call.phase === "settled") {
      if (count <= 1) member.inFlight.delete(key);
      else member.inFlight.set(key, count - 1);
      return;
    }
    member.inFlight.set(key, count + 1);
    if (member.isLost) this.#checkLost(call, member);
  }

  step(process: SimProcess, label: StepLabel, detail: StepDetail): void {
    if (label === "close:begin" && detail.isDirty === true) this.#dirty.add(lifeKey(process));
    const isWork = WORK.has(label);
    if (!isWork && !KEEPING.has(label) && label !== "task:closed-clean") return;
    const groupId = this.#handles.groupOf(detail.subscription ?? "");
    const member = groupId === undefined ? undefined : this.#members.get(`${lifeKey(process)} ${groupId}`);
    if (member === undefined) return;
    const partition = detail.partition as number;
    const given = member.given.get(partition);
    if (label === "task:closed-clean") {
      member.given.set(partition, "closed clean");
      return;
    }
    if (given === undefined || this.#dirty.has(lifeKey(process))) return;
    if (!isWork && given !== "closed clean") return;
    this.#view.violate(
      "I-13",
      `${
        describeProcess(process)
      } made the step '${label}' for partition ${partition} of group '${groupId}', which was ` +
        `${given}: expected nothing of that task before it is assigned again`,
    );
  }

  log(process: SimProcess, level: LogLevel, message: string): void {
    if (level === "error" && /Cannot close app|Closing without a commit/.test(message)) {
      this.#dirty.add(lifeKey(process));
    }
  }

  process(process: SimProcess, what: string): void {
    if (what !== "starting") return;
    for (const key of this.#members.keys()) {
      if (Math.floor(parseInt(key) / 1_048_576) === process.number) this.#members.delete(key);
    }
  }

  #memberOf({ process, incarnation }: SeamCall, groupId: string): Member {
    const key = `${lifeKey(process, incarnation)} ${groupId}`;
    let member = this.#members.get(key);
    if (member === undefined) {
      member = { groupId, inFlight: new Map(), given: new Map(), isLost: false };
      this.#members.set(key, member);
    }
    return member;
  }

  #listened(call: SeamCall, member: Member): void {
    const { method, phase } = call;
    const partitions = call.args[0] as readonly TopicPartition[];
    if (method === "assigned") {
      if (phase !== "called") return;
      member.isLost = false;
      for (const { partition } of partitions) member.given.delete(partition);
      return;
    }
    if (method === "lost" && phase === "called") member.isLost = true;
    if (phase !== "settled") return;
    for (const { partition } of partitions) {
      if (member.given.get(partition) !== "closed clean") member.given.set(partition, method as "revoked" | "lost");
    }
    const isDirty = this.#dirty.has(lifeKey(call.process, call.incarnation));
    if (method !== "revoked" || member.inFlight.size === 0 || isDirty) return;
    this.#view.violate(
      "I-13",
      `${describeProcess(call.process, call.incarnation)} gave up ${
        partitions.map(({ topic, partition }) => `${topic}:${partition}`).join(", ")
      } of group '${member.groupId}' while calls were in flight: expected none when 'revoked' returns, found ` +
        [...member.inFlight.keys()].join(", "),
    );
  }

  /** A producer may be closed, and an open transaction aborted by others; nothing is committed. */
  #checkLost(call: SeamCall, member: Member): void {
    const { method, kind, args } = call;
    if (method === "abort") return;
    if (method !== "commit" && method !== "sendOffsets") return;
    const fence = kind === "consumer" || method === "sendOffsets" ? fenceOf(args[1] as GroupMetadata) : undefined;
    this.#view.violate(
      "I-13",
      `${describeProcess(call.process, call.incarnation)} called '${method}' of ${kind} ${call.handle} for group ` +
        `'${member.groupId}'${
          fence === undefined ? "" : ` under the fence '${fence}'`
        } after its partitions were lost: ` +
        `expected nothing to be committed before a new assignment`,
    );
  }
}
