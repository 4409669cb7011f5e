/**
 * I-25: every queue, retry and buffer stays within its bound: rows in flight between fetch and commit, calls of one handle
 * at a time, attempts at one effect.
 */
import type { PollOptions } from "../../../lib/seams/broker.ts";
import type { StepDetail, StepLabel } from "../../../lib/seams/observer.ts";
import { COMMIT_ATTEMPTS_MAX } from "../../../lib/core/commit_protocol.ts";
import type { Checker, InvariantId, RunView, SeamCall, SimProcess } from "../contracts.ts";
import { describeProcess, lifeKey, type SeamHandles } from "./seam_handles.ts";

/** Batches that may be processed and not committed when another one is begun, and that one. */
const IN_FLIGHT_BATCHES = 16 + 1;
/** A poll asks for so many batches. */
const POLLED_BATCHES = 2;

/** What a task has processed and not committed. */
interface Open {
  readonly batches: { readonly to: number; readonly rows: number }[];
  sealedTo: number;
}

/** One subscription in one life of a process. */
interface Work {
  batchRows: number;
  readonly tasks: Map<number, Open>;
  rows: number;
  attempts: number;
}

/** Watches how much is in flight. */
export class Bounds implements Checker {
  readonly invariants: readonly InvariantId[] = ["I-25"];
  readonly #view: RunView;
  readonly #handles: SeamHandles;
  readonly #works = new Map<string, Work>();
  readonly #polling = new Set<string>();

  /**
   * @param view The run.
   * @param handles Who is who at the broker seam.
   */
  constructor(view: RunView, handles: SeamHandles) {
    this.#view = view;
    this.#handles = handles;
  }

  seam(call: SeamCall): void {
    if (call.kind !== "consumer" || call.method !== "poll") return;
    const { process, incarnation, handle, phase } = call;
    const key = `${lifeKey(process, incarnation)} ${handle}`;
    if (phase === "settled") {
      this.#polling.delete(key);
      return;
    }
    if (this.#polling.has(key)) {
      this.#view.violate(
        "I-25",
        `${
          describeProcess(process, incarnation)
        } polls with consumer ${handle} while it is polling: expected one poll at ` +
          `a time`,
      );
    }
    this.#polling.add(key);
    const groupId = this.#handles.of(call)?.groupId;
    if (groupId === undefined) return;
    const work = this.#workOf(process, groupId);
    if (work.batchRows === 0) work.batchRows = (call.args[0] as PollOptions).maxRecords / POLLED_BATCHES;
  }

  step(process: SimProcess, label: StepLabel, detail: StepDetail): void {
    switch (label) {
      case "batch:processed":
        return this.#processed(process, detail);
      case "commit:sealed": {
        const open = this.#work(process, detail)?.tasks.get(detail.partition as number);
        if (open !== undefined) open.sealedTo = Number(detail.to);
        return;
      }
      case "apply:after":
        return this.#applied(process, detail);
      case "commit:aborted":
      case "commit:foreign":
      case "commit:resolved-aborted":
        return this.#dropped(this.#work(process, detail));
      case "task:closed-clean":
      case "task:closed-dirty":
      case "restore:live":
        return this.#closed(this.#work(process, detail), detail.partition as number);
      case "produce:before":
      case "commit:before":
        return this.#attempted(process, label, detail);
      case "produce:after":
      case "commit:after": {
        const work = this.#work(process, detail);
        if (work !== undefined) work.attempts = 0;
        return;
      }
    }
  }

  process(process: SimProcess, what: string): void {
    if (what !== "starting") return;
    for (const keys of [this.#works, this.#polling] as (Map<string, Work> | Set<string>)[]) {
      for (const key of keys.keys()) if (Math.floor(parseInt(key) / 1_048_576) === process.number) keys.delete(key);
    }
  }

  #workOf(process: SimProcess, groupId: string): Work {
    const key = `${lifeKey(process)} ${groupId}`;
    let work = this.#works.get(key);
    if (work === undefined) this.#works.set(key, work = { batchRows: 0, tasks: new Map(), rows: 0, attempts: 0 });
    return work;
  }

  #work(process: SimProcess, { subscription }: StepDetail): Work | undefined {
    const groupId = this.#handles.groupOf(subscription);
    return groupId === undefined ? undefined : this.#workOf(process, groupId);
  }

  #processed(process: SimProcess, detail: StepDetail): void {
    const work = this.#work(process, detail);
    if (work === undefined) return;
    const partition = detail.partition as number;
    let open = work.tasks.get(partition);
    if (open === undefined) work.tasks.set(partition, open = { batches: [], sealedTo: -1 });
    const rows = detail.rows as number;
    open.batches.push({ to: Number(detail.to), rows });
    work.rows += rows;
    const most = IN_FLIGHT_BATCHES * work.batchRows;
    if (work.batchRows === 0 || work.rows <= most) return;
    this.#view.violate(
      "I-25",
      `${
        describeProcess(process)
      } has ${work.rows} rows of '${detail.subscription}' processed and not committed: expected ` +
        `at most ${most}, ${IN_FLIGHT_BATCHES} batches of ${work.batchRows}`,
    );
  }

  #applied(process: SimProcess, detail: StepDetail): void {
    const work = this.#work(process, detail);
    if (work === undefined) return;
    for (const partition of detail.partitions as readonly number[]) {
      const open = work.tasks.get(partition);
      while (open !== undefined && open.batches.length > 0 && open.batches[0]!.to <= open.sealedTo) {
        work.rows -= open.batches.shift()!.rows;
      }
    }
  }

  #dropped(work: Work | undefined): void {
    if (work === undefined) return;
    work.tasks.clear();
    work.rows = 0;
    work.attempts = 0;
  }

  #closed(work: Work | undefined, partition: number): void {
    const open = work?.tasks.get(partition);
    if (work === undefined || open === undefined) return;
    for (const { rows } of open.batches) work.rows -= rows;
    work.tasks.delete(partition);
  }

  #attempted(process: SimProcess, label: StepLabel, detail: StepDetail): void {
    const work = this.#work(process, detail);
    if (work === undefined || ++work.attempts <= 2 * COMMIT_ATTEMPTS_MAX + 1) return;
    this.#view.violate(
      "I-25",
      `${
        describeProcess(process)
      } makes the step '${label}' of '${detail.subscription}' over and over: expected at most ` +
        `${COMMIT_ATTEMPTS_MAX} attempts at one effect`,
    );
  }
}
