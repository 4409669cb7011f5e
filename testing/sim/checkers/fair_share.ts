/** I-26: every paused partition is resumed, and no partition starves while others of its process are served. */
import type { TopicPartition } from "../../../lib/seams/broker.ts";
import { findLog } from "../../../lib/embedded/cluster_state.ts";
import type { StepDetail, StepLabel } from "../../../lib/seams/observer.ts";
import type { Checker, InvariantId, RunView, SeamCall, SimProcess } from "../contracts.ts";
import { describeProcess, lifeKey, type SeamHandles } from "./seam_handles.ts";

/** Batches of others for each task that may go by before a partition is served: ten times its fair share. */
const SHARES = 10;

interface Served {
  /** Next offset to process. */
  position: number;
  /** Batches of other tasks since its last one, or since it was looked at. */
  passed: number;
  /** Whether it had records when it was looked at. */
  isWaiting: boolean;
}

/** Watches pauses, and whose turn it is. */
export class FairShare implements Checker {
  readonly invariants: readonly InvariantId[] = ["I-26"];
  readonly #view: RunView;
  readonly #handles: SeamHandles;
  readonly #paused = new Map<string, Set<string>>();
  readonly #tasks = new Map<string, Map<number, Served>>();

  /**
   * @param view The run.
   * @param handles Who is who at the broker seam.
   */
  constructor(view: RunView, handles: SeamHandles) {
    this.#view = view;
    this.#handles = handles;
  }

  seam(call: SeamCall): void {
    const { kind, method, phase } = call;
    if (phase !== "called" || (kind !== "consumer" && kind !== "listener")) return;
    if (method !== "pause" && method !== "resume" && method !== "revoked" && method !== "lost") return;
    const key = `${lifeKey(call.process, call.incarnation)} ${call.handle}`;
    let paused = this.#paused.get(key);
    if (paused === undefined) this.#paused.set(key, paused = new Set());
    for (const { topic, partition } of call.args[0] as readonly TopicPartition[]) {
      if (method === "pause") paused.add(`${topic}:${partition}`);
      else paused.delete(`${topic}:${partition}`);
    }
  }

  step(process: SimProcess, label: StepLabel, detail: StepDetail): void {
    const { subscription, partition } = detail;
    if (typeof partition !== "number") return;
    const key = `${lifeKey(process)} ${subscription}`;
    if (label === "restore:live") {
      let tasks = this.#tasks.get(key);
      if (tasks === undefined) this.#tasks.set(key, tasks = new Map());
      tasks.set(partition, { position: Number(detail.offset), passed: 0, isWaiting: false });
    } else if (label === "task:closed-clean" || label === "task:closed-dirty") {
      this.#tasks.get(key)?.delete(partition);
    } else if (label === "batch:fetched") this.#served(process, this.#tasks.get(key), detail);
  }

  process(process: SimProcess, what: string): void {
    if (what !== "starting") return;
    for (const map of [this.#paused, this.#tasks] as Map<string, unknown>[]) {
      for (const key of map.keys()) if (Math.floor(parseInt(key) / 1_048_576) === process.number) map.delete(key);
    }
  }

  quiet(): void {
    for (const process of this.#view.processes) {
      if (process.status !== "running") continue;
      for (const { handle, isClosed, kind } of this.#handles.ofProcess(process)) {
        const paused = this.#paused.get(`${lifeKey(process)} ${handle}`);
        if (kind !== "consumer" || isClosed || paused === undefined || paused.size === 0) continue;
        const left = [...paused].filter((place) => this.#isOpen(process, place) && !this.#view.excused.has(place));
        if (left.length === 0) continue;
        this.#view.violate(
          "I-26",
          `${describeProcess(process)} still pauses ${
            left.join(", ")
          } though everything has been processed: expected ` +
            `every pause to be followed by a resume`,
        );
      }
    }
  }

  /** Whether a partition's task runs: one that is being opened, or has failed, is paused for good reason. */
  #isOpen(process: SimProcess, place: string): boolean {
    const at = place.lastIndexOf(":");
    const [topic, partition] = [place.slice(0, at), Number(place.slice(at + 1))];
    for (const [key, tasks] of this.#tasks) {
      const groupId = key.startsWith(`${lifeKey(process)} `) ? this.#handles.groupOf(key.split(" ")[1]) : undefined;
      if (groupId !== undefined && this.#handles.topicOf(groupId) === topic && tasks.has(partition)) return true;
    }
    return false;
  }

  #served(process: SimProcess, tasks: Map<number, Served> | undefined, detail: StepDetail): void {
    const served = tasks?.get(detail.partition as number);
    if (tasks === undefined || served === undefined) return;
    served.position = Number(detail.to);
    served.passed = 0;
    served.isWaiting = false;
    const bound = SHARES * tasks.size;
    for (const [partition, other] of tasks) {
      if (other === served || ++other.passed <= bound) continue;
      other.passed = 0;
      const hasWaited = other.isWaiting;
      other.isWaiting = this.#isWaiting({ ...detail, partition }, other);
      // What stands in a quiet time only is nobody else's fault.
      const isQuiet = this.#view.phase === "liveness" || this.#view.phase === "warm-up";
      if (hasWaited && other.isWaiting && isQuiet) this.#fail(process, { ...detail, partition }, other);
    }
  }

  /** Whether there are records for a task. */
  #isWaiting(detail: StepDetail, { position }: Served): boolean {
    const place = this.#handles.placeOf(detail);
    if (place === undefined || this.#view.excused.has(`${place.topic}:${place.partition}`)) return false;
    return (findLog(this.#view.broker.cluster.state, place.topic, place.partition)?.lastStableOffset ?? 0) > position;
  }

  #fail(process: SimProcess, { subscription, partition }: StepDetail, { position }: Served): void {
    this.#view.violate(
      "I-26",
      `partition ${partition} of '${subscription}' starves in ${
        describeProcess(process)
      }: it has records from ${position} ` +
        `on, expected it to be served within ${SHARES} times its fair share of batches`,
    );
  }
}
