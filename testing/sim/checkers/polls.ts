/**
 * I-10: no poll skips a record or gives one again inside one assignment: each slab begins where the one before ended, or
 * where `seek` said, and its records lie between its bounds in order. The same holds for the batches that a task processes.
 *
 * I-03 (in part): nothing undecided is given out.
 */
import type { RecordSlab } from "../../../lib/columns/records.ts";
import type { Change } from "../../../lib/embedded/change.ts";
import { findLog } from "../../../lib/embedded/cluster_state.ts";
import type { TopicPartition } from "../../../lib/seams/broker.ts";
import type { StepDetail, StepLabel } from "../../../lib/seams/observer.ts";
import type { Checker, InvariantId, RunView, SeamCall, SimProcess } from "../contracts.ts";
import { describeProcess, lifeKey } from "./seam_handles.ts";

/** Where the next slab of a partition has to begin. */
interface Position {
  next: number;
  /** Where it had to begin before `seek` was called during the poll that is under way: its reply may still tell of that. */
  replaced: number | undefined;
}

/** A consumer, as far as it was seen. */
interface Polling {
  isPolling: boolean;
  /** By partition; one that is missing may begin anywhere. */
  readonly positions: Map<string, Position>;
}

/** Watches polls, and the batches that are cut from them. */
export class Polls implements Checker {
  readonly invariants: readonly InvariantId[] = ["I-03", "I-10"];
  readonly #view: RunView;
  readonly #consumers = new Map<string, Polling>();
  /** Next offset that each task is to process. */
  readonly #tasks = new Map<string, number>();
  readonly #truncated = new Set<string>();
  /** A reply that is under way when a topic is deleted still holds its records. */
  readonly #deleted = new Set<string>();

  /** @param view The run. */
  constructor(view: RunView) {
    this.#view = view;
  }

  change(change: Change): void {
    if (change.kind === "log-truncated") this.#truncated.add(`${change.topic}:${change.partition}`);
    else if (change.kind === "topic-deleted") {
      this.#consumers.clear();
      this.#deleted.add(change.topic);
    }
  }

  seam(call: SeamCall): void {
    const { method, phase } = call;
    if (call.kind === "consumer") {
      if (method === "seek") return this.#sought(call);
      if (method !== "poll") return;
      const consumer = this.#consumerOf(call);
      consumer.isPolling = phase === "called";
      if (phase === "settled") this.#polled(call, consumer, call.value as readonly RecordSlab[] | undefined);
    } else if (call.kind === "listener" && phase === "called") {
      // A new assignment begins where the group or a seek says.
      const { positions } = this.#consumerOf(call);
      for (const partition of call.args[0] as readonly TopicPartition[]) positions.delete(keyOf(partition));
    }
  }

  step(process: SimProcess, label: StepLabel, detail: StepDetail): void {
    switch (label) {
      case "restore:live":
        this.#tasks.set(taskKey(process, detail), Number(detail.offset));
        return;
      case "batch:fetched":
        return this.#processed(process, detail);
      case "commit:aborted":
      case "commit:resolved-aborted":
      case "commit:foreign":
        return this.#rewound(process, detail.subscription);
      case "task:closed-clean":
      case "task:closed-dirty":
        this.#tasks.delete(taskKey(process, detail));
        return;
    }
  }

  process(process: SimProcess, what: string): void {
    if (what !== "starting") return;
    for (const key of this.#consumers.keys()) if (key.startsWith(`${process.number}.`)) this.#consumers.delete(key);
    for (const key of this.#tasks.keys()) {
      if (Math.floor(parseInt(key) / 1_048_576) === process.number) this.#tasks.delete(key);
    }
  }

  #consumerOf({ process, incarnation, handle }: SeamCall): Polling {
    const key = `${process.number}.${incarnation}.${handle}`;
    let consumer = this.#consumers.get(key);
    if (consumer === undefined) this.#consumers.set(key, consumer = { isPolling: false, positions: new Map() });
    return consumer;
  }

  #sought(call: SeamCall): void {
    const [partition, offset] = call.args as [TopicPartition, bigint];
    const { isPolling, positions } = this.#consumerOf(call);
    const key = keyOf(partition);
    const before = positions.get(key);
    const replaced = isPolling ? before?.replaced ?? before?.next : undefined;
    positions.set(key, { next: Number(offset), replaced });
  }

  #polled(call: SeamCall, { positions }: Polling, slabs: readonly RecordSlab[] | undefined): void {
    for (const slab of slabs ?? []) {
      const key = keyOf(slab);
      const from = Number(slab.from), to = Number(slab.to);
      const position = positions.get(key);
      if (position === undefined) positions.set(key, { next: to, replaced: undefined });
      else if (position.next === from) position.next = to;
      else if (position.replaced !== from) {
        this.#fail(call, slab, `a slab that begins at ${position.next}, where the one before ended or a seek went`);
      }
      this.#checkRecords(call, slab, from, to);
    }
    for (const position of positions.values()) position.replaced = undefined;
  }

  #checkRecords(call: SeamCall, slab: RecordSlab, from: number, to: number): void {
    const { offsets, topic, partition } = slab;
    const count = offsets.length;
    if (to < from || count !== slab.records.count) {
      this.#fail(call, slab, "as many offsets as records, and no way back");
    }
    let before = from - 1;
    for (let at = 0; at < count; at++) {
      if (offsets[at]! <= before || offsets[at]! >= to) {
        this.#fail(call, slab, `offsets that grow from ${from} and stay below ${to}`);
        break;
      }
      before = offsets[at]!;
    }
    const log = findLog(this.#view.broker.cluster.state, topic, partition);
    const key = keyOf(slab);
    if (log === undefined || to <= log.lastStableOffset) return;
    if (this.#truncated.has(key) || this.#view.excused.has(key)) return;
    if (this.#deleted.has(topic)) return;
    this.#fail(call, slab, `nothing from ${log.lastStableOffset} on, where undecided records begin`, "I-03");
  }

  #fail(
    { process, incarnation }: SeamCall,
    slab: RecordSlab,
    expected: string,
    invariant: InvariantId = "I-10",
  ): void {
    const { topic, partition, from, to, offsets } = slab;
    this.#view.violate(
      invariant,
      `a poll of ${describeProcess(process, incarnation)} gave wrong records of ${topic}:${partition}: expected ` +
        `${expected}, found [${from}, ${to}) with ${offsets.length} records${
          offsets.length === 0 ? "" : ` from ${offsets[0]} to ${offsets.at(-1)}`
        }`,
    );
  }

  #processed(process: SimProcess, detail: StepDetail): void {
    const key = taskKey(process, detail);
    const expected = this.#tasks.get(key);
    const from = Number(detail.from);
    this.#tasks.set(key, Number(detail.to));
    if (expected === undefined || expected === from || Number.isNaN(expected)) return;
    this.#view.violate(
      "I-10",
      `the task of partition ${detail.partition} of '${detail.subscription}' in ${
        describeProcess(process)
      } processed ` +
        `[${from}, ${detail.to}): expected a batch that begins at ${expected}`,
    );
  }

  /** An abort takes all tasks of a commit group back; to where, the commits tell. */
  #rewound(process: SimProcess, subscription: unknown): void {
    const prefix = `${lifeKey(process)} ${subscription} `;
    for (const key of this.#tasks.keys()) if (key.startsWith(prefix)) this.#tasks.set(key, NaN);
  }
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}:${partition}`;
}

function taskKey(process: SimProcess, detail: StepDetail): string {
  return `${lifeKey(process)} ${detail.subscription} ${detail.partition}`;
}
