/**
 * I-25 (in part): rows that were fetched and not processed are bounded: a task in which some batches wait is not fetched
 * again before most of them are processed.
 *
 * I-26 (in part): then it is fetched again, at the next poll.
 */
import type { RecordSlab } from "../../../lib/columns/records.ts";
import type { PollOptions, TopicPartition } from "../../../lib/seams/broker.ts";
import type { StepDetail, StepLabel } from "../../../lib/seams/observer.ts";
import type { Checker, InvariantId, RunView, SeamCall, SimProcess } from "../contracts.ts";
import { describeProcess, lifeKey, type SeamHandles } from "./seam_handles.ts";

/** A partition in which so many batches wait is paused. */
const WAITING_BATCHES = 4;
/** A poll asks for so many batches. */
const POLLED_BATCHES = 2;

/** Calls that change what waits, or ask for more. */
const METHODS: ReadonlySet<string> = new Set(["poll", "seek", "pause", "resume"]);

/** Offsets that a poll gave, the first of them still waiting. */
interface Fetched {
  readonly offsets: Float64Array;
  next: number;
}

/** What waits in one task. */
interface Waiting {
  readonly slabs: Fetched[];
  rows: number;
  isLive: boolean;
  /** Whether its partition is paused as too much waits. */
  isPaused: boolean;
}

/** Watches how much is fetched and not processed. */
export class WaitingRows implements Checker {
  readonly invariants: readonly InvariantId[] = ["I-25", "I-26"];
  readonly #view: RunView;
  readonly #handles: SeamHandles;
  readonly #tasks = new Map<string, Waiting>();
  /** Rows of a batch, by member. */
  readonly #batchRows = new Map<string, number>();

  /**
   * @param view The run.
   * @param handles Who is who at the broker seam.
   */
  constructor(view: RunView, handles: SeamHandles) {
    this.#view = view;
    this.#handles = handles;
  }

  seam(call: SeamCall): void {
    if (call.kind !== "consumer") return;
    const { method, phase } = call;
    if (!METHODS.has(method)) return;
    const member = this.#memberOf(call);
    if (member === undefined) return;
    if (method === "poll" && phase === "called") {
      this.#batchRows.set(member, (call.args[0] as PollOptions).maxRecords / POLLED_BATCHES);
      this.#checkPaused(call, member);
    } else if (method === "poll") {
      for (const slab of (call.value as readonly RecordSlab[] | undefined) ?? []) this.#fetched(call, member, slab);
    } else if (method === "seek" && phase === "called") {
      const [{ partition }, offset] = call.args as [TopicPartition, bigint];
      dropFrom(this.#taskOf(member, partition), Number(offset));
    } else if (method === "resume" && phase === "called") {
      for (const { partition } of call.args[0] as readonly TopicPartition[]) {
        this.#taskOf(member, partition).isPaused = false;
      }
    } else if (method === "pause" && phase === "called") {
      for (const { partition } of call.args[0] as readonly TopicPartition[]) this.#paused(member, partition);
    }
  }

  step(process: SimProcess, label: StepLabel, detail: StepDetail): void {
    switch (label) {
      case "batch:fetched":
        return dropBelow(this.#task(process, detail), Number(detail.to));
      case "restore:live": {
        const task = this.#task(process, detail);
        dropBelow(task, Number(detail.offset));
        if (task !== undefined) task.isLive = true;
        return;
      }
      case "task:assigned":
      case "task:closed-clean":
      case "task:closed-dirty": {
        const task = this.#task(process, detail);
        dropFrom(task, -Infinity);
        if (task !== undefined) task.isLive = task.isPaused = false;
        return;
      }
    }
  }

  process(process: SimProcess, what: string): void {
    if (what !== "starting") return;
    for (const keys of [this.#tasks, this.#batchRows] as Map<string, unknown>[]) {
      for (const key of keys.keys()) if (Math.floor(parseInt(key) / 1_048_576) === process.number) keys.delete(key);
    }
  }

  #memberOf(call: SeamCall): string | undefined {
    const groupId = this.#handles.of(call)?.groupId;
    return groupId === undefined ? undefined : `${lifeKey(call.process, call.incarnation)} ${groupId}`;
  }

  #taskOf(member: string, partition: number): Waiting {
    const key = `${member} ${partition}`;
    let task = this.#tasks.get(key);
    if (task === undefined) this.#tasks.set(key, task = { slabs: [], rows: 0, isLive: false, isPaused: false });
    return task;
  }

  #task(process: SimProcess, { subscription, partition }: StepDetail): Waiting | undefined {
    const groupId = this.#handles.groupOf(subscription);
    return groupId === undefined ? undefined : this.#taskOf(`${lifeKey(process)} ${groupId}`, partition as number);
  }

  #fetched({ process, incarnation }: SeamCall, member: string, { topic, partition, offsets }: RecordSlab): void {
    const task = this.#taskOf(member, partition);
    if (offsets.length > 0) task.slabs.push({ offsets, next: 0 });
    task.rows += offsets.length;
    const batchRows = this.#batchRows.get(member) ?? Infinity;
    if (!task.isLive || task.rows < (WAITING_BATCHES + POLLED_BATCHES) * batchRows) return;
    this.#view.violate(
      "I-25",
      `${describeProcess(process, incarnation)} has fetched ${task.rows} rows of ${topic}:${partition} that wait: ` +
        `expected it to fetch no more once ${WAITING_BATCHES} batches of ${batchRows} wait`,
    );
  }

  #paused(member: string, partition: number): void {
    const task = this.#taskOf(member, partition);
    const isFull = task.rows >= WAITING_BATCHES * (this.#batchRows.get(member) ?? Infinity);
    if (!task.isLive || !isFull) return;
    task.isPaused = true;
    this.#view.mark("a partition was paused as too much waited");
  }

  #checkPaused({ process, incarnation }: SeamCall, member: string): void {
    const batchRows = this.#batchRows.get(member)!;
    for (const [key, { isPaused, rows }] of this.#tasks) {
      if (!isPaused || rows >= batchRows || !key.startsWith(`${member} `)) continue;
      const partition = key.slice(member.length + 1);
      this.#view.violate(
        "I-26",
        `${
          describeProcess(process, incarnation)
        } polls while partition ${partition} is paused, of which ${rows} rows ` +
          `wait: expected it to be resumed once less than a batch of ${batchRows} waits`,
      );
    }
  }
}

/** What is processed waits no longer. */
function dropBelow(task: Waiting | undefined, offset: number): void {
  for (let slab = task?.slabs[0]; slab !== undefined; slab = task!.slabs[0]) {
    const { offsets } = slab;
    const before = slab.next;
    while (slab.next < offsets.length && offsets[slab.next]! < offset) slab.next++;
    task!.rows -= slab.next - before;
    if (slab.next < offsets.length) return;
    task!.slabs.shift();
  }
}

/** What is fetched again does not wait: the task has no use for it. */
function dropFrom(task: Waiting | undefined, offset: number): void {
  for (let slab = task?.slabs.at(-1); slab !== undefined; slab = task!.slabs.at(-1)) {
    const { offsets, next } = slab;
    let end = offsets.length;
    while (end > next && offsets[end - 1]! >= offset) end--;
    task!.rows -= offsets.length - end;
    task!.slabs.pop();
    if (end === next) continue;
    task!.slabs.push({ offsets: offsets.subarray(0, end), next });
    return;
  }
}
