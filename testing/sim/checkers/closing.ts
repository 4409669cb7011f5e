/**
 * I-27: `close()` ends within `closeTimeoutMs` under any fault.
 *
 * I-25 (in part): after an orderly close there is no open store, consumer or producer.
 */
import type { LogLevel, StepDetail, StepLabel } from "../../../lib/seams/observer.ts";
import type { Checker, InvariantId, RunView, SimProcess, StateCall } from "../contracts.ts";
import { describeProcess, lifeKey, type SeamHandles } from "./seam_handles.ts";

/** What a close that has run out of time may take for being cut short, twice, in milliseconds of its own clock. */
const DIRTY_MS = 2 * 1_000;
/** Clocks may run slower than the world's by this, and what has come due is done one event later. */
const SLOWEST_CLOCK = 0.6;
const SLACK_MS = 50;

/** A close that is under way. */
interface Closing {
  readonly process: SimProcess;
  readonly sinceMs: number;
  readonly timeoutMs: number;
  /** When the process was paused, if it is. */
  pausedAtMs: number | undefined;
  pausedMs: number;
  isDirty: boolean;
}

/** Watches closes, and what they leave open. */
export class Closings implements Checker {
  readonly invariants: readonly InvariantId[] = ["I-25", "I-27"];
  readonly #view: RunView;
  readonly #handles: SeamHandles;
  readonly #closings = new Map<number, Closing>();
  /** Open stores, by life. */
  readonly #stores = new Map<number, Map<string, number>>();

  /**
   * @param view The run.
   * @param handles Who is who at the broker seam.
   */
  constructor(view: RunView, handles: SeamHandles) {
    this.#view = view;
    this.#handles = handles;
  }

  process(process: SimProcess, what: string): void {
    const closing = this.#closings.get(process.number);
    switch (what) {
      case "starting":
        this.#stores.delete(lifeKey(process, process.incarnation - 1));
        this.#closings.delete(process.number);
        return;
      case "closing":
        this.#closings.set(process.number, {
          process,
          sinceMs: this.#view.nowMs,
          timeoutMs: process.app?.options.closeTimeoutMs ?? 30_000,
          pausedAtMs: undefined,
          pausedMs: 0,
          isDirty: false,
        });
        return;
      case "paused":
        if (closing !== undefined) closing.pausedAtMs = this.#view.nowMs;
        return;
      case "resumed":
        if (closing?.pausedAtMs === undefined) return;
        closing.pausedMs += this.#view.nowMs - closing.pausedAtMs;
        closing.pausedAtMs = undefined;
        return;
      case "closed":
        if (closing !== undefined) this.#closed(closing);
        this.#closings.delete(process.number);
        return;
      default:
        this.#closings.delete(process.number);
    }
  }

  step(process: SimProcess, label: StepLabel, detail: StepDetail): void {
    if (label !== "close:begin" || detail.isDirty !== true) return;
    const closing = this.#closings.get(process.number);
    if (closing !== undefined) closing.isDirty = true;
  }

  log(process: SimProcess, level: LogLevel, message: string): void {
    if (level !== "error") return;
    const closing = this.#closings.get(process.number);
    if (closing === undefined) return;
    this.#view.mark("a close was not clean");
    if (/Cannot close app|Closing without a commit|could not be closed/.test(message)) closing.isDirty = true;
  }

  state({ process, incarnation, key, method, phase, error }: StateCall): void {
    const life = lifeKey(process, incarnation);
    const name = `${key.subscription}/${key.partition}`;
    let stores = this.#stores.get(life);
    if (stores === undefined) this.#stores.set(life, stores = new Map());
    if (method === "open" && phase === "settled" && error === undefined) stores.set(name, (stores.get(name) ?? 0) + 1);
    else if ((method === "close" || method === "destroy") && phase === "called") stores.delete(name);
  }

  afterEvent(): void {
    if (this.#closings.size === 0) return;
    for (const closing of this.#closings.values()) this.#checkTime(closing);
  }

  #checkTime(closing: Closing): void {
    const { process, sinceMs, timeoutMs, pausedAtMs, pausedMs } = closing;
    if (pausedAtMs !== undefined) return;
    const tookMs = this.#view.nowMs - sinceMs - pausedMs;
    const mostMs = (timeoutMs + DIRTY_MS) / SLOWEST_CLOCK + SLACK_MS;
    if (tookMs <= mostMs) return;
    this.#closings.delete(process.number);
    this.#view.violate(
      "I-27",
      `the close of ${
        describeProcess(process)
      } does not end: expected it within ${timeoutMs} ms and ${DIRTY_MS} ms for ` +
        `being cut short, found it under way after ${tookMs.toFixed(0)} ms`,
    );
  }

  #closed({ process, isDirty }: Closing): void {
    // What is cut short may leave calls behind that wait for a broker which does not answer.
    if (isDirty) return;
    const stores = [...this.#stores.get(lifeKey(process))?.keys() ?? []].map((name) => `store ${name}`);
    const handles = [...this.#handles.ofProcess(process)].filter(({ isClosed }) => !isClosed).map(({ kind, handle }) =>
      `${kind} ${handle}`
    );
    if (stores.length + handles.length === 0) return;
    this.#view.violate(
      "I-25",
      `${describeProcess(process)} has closed and left something open: expected nothing, found ` +
        [...stores, ...handles].join(", "),
    );
  }
}
