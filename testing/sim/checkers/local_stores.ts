/**
 * I-02: state and position are one atomic write: a reopened store stands at a position that was written to it as a whole,
 * and at the last one unless a crash or a damaged disk may have taken that back.
 *
 * I-21 (in part): a restore ignores local stores of other lineages.
 *
 * I-28: a full disk: that task stops with DiskFullError, its store reopens intact, others go on; free space resumes it.
 */
import { decodePosition } from "../../../lib/core/position.ts";
import type { LogLevel, StepDetail, StepLabel } from "../../../lib/seams/observer.ts";
import type { Checker, FiredFault, InvariantId, RunView, SimProcess, StateCall } from "../contracts.ts";
import { describeProcess } from "./seam_handles.ts";

/** One store on one machine. */
interface LocalStore {
  /** Positions that were written, and may be found. */
  readonly written: Set<string>;
  /** The last one whose write has succeeded. */
  last: string | undefined;
  /** Writes that were begun after it, and may have taken effect. */
  readonly begun: Set<string>;
  /** Whether a crash may have taken writes back. */
  hasCrashed: boolean;
  /** Whether the task stopped for want of space and its store has not been opened since. */
  isFull: boolean;
  /** Whether it may be gone. */
  isDoomed: boolean;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const textOf = (bytes: Uint8Array): string => decoder.decode(bytes);

/** Watches what is written to local stores, and what is found in them later. */
export class LocalStores implements Checker {
  readonly invariants: readonly InvariantId[] = ["I-02", "I-21", "I-28"];
  readonly #view: RunView;
  readonly #stores = new Map<string, LocalStore>();
  /** Machines whose disk was struck by a fault that may damage or lose what is durable. */
  readonly #damaged = new Set<number>();
  /** What was read last of a task's store as its position, by process and task. */
  readonly #read = new Map<string, string | undefined>();

  /** @param view The run. */
  constructor(view: RunView) {
    this.#view = view;
  }

  fault({ fault }: FiredFault): void {
    if (fault.kind.startsWith("D") && fault.kind !== "D1") {
      this.#damaged.add(fault.process % this.#view.processes.length);
    }
  }

  step(process: SimProcess, label: StepLabel, { candidate, lineage, subscription, partition }: StepDetail): void {
    if (label !== "restore:candidate-chosen" || candidate !== "local") return;
    const text = this.#read.get(`${process.number} ${subscription}/${partition}`);
    if (text === undefined) return;
    const found = decodePosition(encoder.encode(text)).lineage;
    if (found === lineage) return;
    this.#view.violate(
      "I-21",
      `${describeProcess(process)} goes on with the local store of ${subscription}/${partition}, which is of lineage ` +
        `${found}: expected nothing but lineage ${lineage} to be restored`,
    );
  }

  process(process: SimProcess, what: string): void {
    if (what !== "crashed" && what !== "failed") return;
    for (const [key, store] of this.#stores) if (key.startsWith(`${process.number}.`)) store.hasCrashed = true;
  }

  log(process: SimProcess, level: LogLevel, _message: string, detail: StepDetail): void {
    if (level !== "error" || detail.error !== "DiskFullError" || typeof detail.partition !== "number") return;
    this.#view.mark("a full disk has stopped a task");
    const suffix = `/${detail.subscription}/${detail.partition}`;
    for (const [key, store] of this.#stores) {
      if (key.startsWith(`${process.number}.${process.node} `) && key.endsWith(suffix)) store.isFull = true;
    }
  }

  state(call: StateCall): void {
    const { method, phase } = call;
    if (method === "apply") this.#applied(call);
    else if (method === "readPosition" && phase === "settled" && call.error === undefined) this.#found(call);
    else if (method === "destroy") this.#destroyed(call);
  }

  /** A store that is being deleted may be there or not until that is done; a disk in trouble may not do it. */
  #destroyed(call: StateCall): void {
    if (call.phase === "called") this.#storeOf(call).isDoomed = true;
    else if (call.error === undefined) this.#stores.delete(keyOf(call));
  }

  #storeOf(call: StateCall): LocalStore {
    const key = keyOf(call);
    let store = this.#stores.get(key);
    if (store === undefined) {
      store = {
        written: new Set(),
        last: undefined,
        begun: new Set(),
        hasCrashed: false,
        isFull: false,
        isDoomed: false,
      };
      this.#stores.set(key, store);
    }
    return store;
  }

  #applied(call: StateCall): void {
    if (call.position === undefined) return;
    const store = this.#storeOf(call);
    const text = textOf(call.position);
    store.written.add(text);
    if (call.phase === "called") store.begun.add(text);
    else if (call.error === undefined && call.process.status !== "dead") {
      store.last = text;
      store.begun.clear();
      store.hasCrashed = false;
    }
  }

  #found(call: StateCall): void {
    const store = this.#storeOf(call);
    const found = call.position === undefined ? undefined : textOf(call.position);
    this.#read.set(`${call.process.number} ${call.key.subscription}/${call.key.partition}`, found);
    const isDamaged = this.#damaged.has(call.process.number);
    const mayBeOlder = isDamaged || store.isDoomed || (store.hasCrashed && !this.#view.options.isStateSynced);
    const isLast = found === store.last || (found !== undefined && store.begun.has(found));
    const isAny = found === undefined || store.written.has(found);
    if (!(mayBeOlder ? isAny : isLast)) {
      const invariant = store.isFull ? "I-28" : "I-02";
      this.#view.violate(
        invariant,
        `the store of ${nameOf(call)} in ${
          describeProcess(call.process, call.incarnation)
        } was reopened with another ` +
          `position than was written${store.isFull ? " before the disk was full" : ""}: expected ${
            mayBeOlder ? "one of those written" : describe(store.last)
          }, found ${describe(found)}`,
      );
    }
    // From here on what was found is what is there.
    store.last = found;
    // What was written before may still be found: what is not synced goes back at a crash, and bits rot.
    if (found !== undefined) store.written.add(found);
    store.begun.clear();
    store.hasCrashed = false;
    store.isFull = false;
  }
}

function nameOf({ key }: StateCall): string {
  return `${key.application}/${key.subscription}/${key.partition}`;
}

function keyOf(call: StateCall): string {
  return `${call.process.number}.${call.process.node} ${nameOf(call)}`;
}

function describe(text: string | undefined): string {
  if (text === undefined) return "none";
  const { offsets, commitSequence, lineage } = decodePosition(encoder.encode(text));
  const places = offsets.map(({ topic, partition, offset }) => `${topic}:${partition}@${offset}`).join(", ");
  return `${places} of sequence ${commitSequence}, lineage ${lineage}`;
}
