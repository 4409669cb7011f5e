/**
 * I-06: at-least-once, duplicates <= sum over failures of the rows in flight at that failure (produced, not yet committed;
 * the zombie's included), where a failure includes each unknown or late-landing offset commit; a clean handover repeats 0.
 *
 * This is the bound; what is repeated is counted by who knows the job.
 */
import type { StepDetail, StepLabel } from "../../../lib/seams/observer.ts";
import type { Checker, InvariantId, RunView, SimProcess } from "../contracts.ts";
import { type CommitHistory, type Committed, describePlace } from "./commit_history.ts";
import { describeProcess, lifeKey, type SeamHandles } from "./seam_handles.ts";

/** What a task has handed over to its commit. */
interface Sealed {
  readonly from: number;
  readonly to: number;
  attempts: number;
}

/** Rows of one input partition of a group. */
interface Place {
  readonly groupId: string;
  readonly topic: string;
  readonly partition: number;
  /** Offset up to which the owner may have produced outputs. */
  producedTo: number;
  /** Greatest offset that was ever committed. */
  committedMax: number;
  /** Life that went live last. */
  owner: number;
  /** Whether its task is still there: one that is opened after it may be closed before it goes live. */
  isLive: boolean;
  /** Whether that one has closed its task in good order. */
  isClean: boolean;
  /** Rows that failures so far may have repeated. */
  repeats: number;
}

const LEDGERS = new WeakMap<RunView, InflightLedger>();

/** Knows how many rows may be there twice. */
export class InflightLedger implements Checker {
  readonly invariants: readonly InvariantId[] = ["I-06"];
  readonly #view: RunView;
  readonly #history: CommitHistory;
  readonly #handles: SeamHandles;
  readonly #places = new Map<string, Place>();
  /** Newest sealed commit of each task, by life, subscription and partition. */
  readonly #sealed = new Map<string, Map<number, Sealed>>();
  readonly #transactional = new Set<string>();

  /**
   * @param view The run; its ledger is found by it from now on.
   * @param parts What was committed, who is who.
   */
  constructor(view: RunView, parts: { readonly history: CommitHistory; readonly handles: SeamHandles }) {
    this.#view = view;
    this.#history = parts.history;
    this.#handles = parts.handles;
    this.#history.onCommit((commit) => this.#committed(commit));
    LEDGERS.set(view, this);
  }

  /**
   * Rows of an input partition that failures so far may have repeated; 0 under exactly-once.
   *
   * @param partition Number of the partition.
   * @param topic Its topic. @default any
   */
  duplicatesMax(partition: number, topic?: string): number {
    let sum = 0;
    for (const place of this.#places.values()) {
      if (place.partition === partition && (topic === undefined || place.topic === topic)) sum += place.repeats;
    }
    return sum;
  }

  step(process: SimProcess, label: StepLabel, detail: StepDetail): void {
    switch (label) {
      case "transaction:begin":
        this.#transactional.add(String(detail.subscription));
        return;
      case "commit:sealed":
        this.#sealedOf(process, detail).set(detail.partition as number, {
          from: Number(detail.from),
          to: Number(detail.to),
          attempts: 0,
        });
        return;
      case "produce:before":
        return this.#produced(process, detail);
      case "commit:aborted":
      case "commit:resolved-aborted":
        return this.#aborted(process, detail);
      case "restore:live":
        return this.#live(process, detail);
      case "task:closed-clean": {
        const place = this.#placeOf(detail);
        if (place === undefined || place.owner !== lifeKey(process) || !place.isLive) return;
        place.isClean = true;
        place.isLive = false;
        return;
      }
      case "task:closed-dirty": {
        const place = this.#placeOf(detail);
        if (place !== undefined && place.owner === lifeKey(process)) place.isLive = false;
        return;
      }
    }
  }

  process(process: SimProcess, what: string): void {
    if (what !== "starting") return;
    for (const key of this.#sealed.keys()) {
      if (Math.floor(parseInt(key) / 1_048_576) === process.number) this.#sealed.delete(key);
    }
  }

  #committed({ groupId, topic, partition, offset }: Committed): void {
    const place = this.#places.get(`${groupId}\n${topic}:${partition}`);
    if (place !== undefined) place.committedMax = Math.max(place.committedMax, offset);
  }

  #placeOf(detail: StepDetail): Place | undefined {
    if (this.#transactional.has(String(detail.subscription))) return undefined;
    const found = this.#handles.placeOf(detail);
    if (found === undefined) return undefined;
    const { groupId, topic, partition } = found;
    const key = `${groupId}\n${topic}:${partition}`;
    let place = this.#places.get(key);
    if (place === undefined) {
      const committedMax = this.#history.of(groupId, topic, partition)?.offset ?? 0;
      place = { ...found, producedTo: 0, committedMax, owner: -1, isLive: false, isClean: false, repeats: 0 };
      this.#places.set(key, place);
    }
    return place;
  }

  #sealedOf(process: SimProcess, { subscription }: StepDetail): Map<number, Sealed> {
    const key = `${lifeKey(process)} ${subscription}`;
    let sealed = this.#sealed.get(key);
    if (sealed === undefined) this.#sealed.set(key, sealed = new Map());
    return sealed;
  }

  #committedOf({ groupId, topic, partition }: Place): number {
    return this.#history.of(groupId, topic, partition)?.offset ?? 0;
  }

  #produced(process: SimProcess, detail: StepDetail): void {
    const all = this.#sealedOf(process, detail);
    for (const partition of detail.partitions as readonly number[]) {
      const sealed = all.get(partition);
      const place = this.#placeOf({ ...detail, partition });
      if (sealed === undefined || place === undefined) continue;
      sealed.attempts++;
      const isZombie = place.owner !== lifeKey(process);
      if (isZombie) this.#view.mark("a zombie has produced");
      else place.producedTo = Math.max(place.producedTo, sealed.to);
      // Once more in full: nobody knows which part of the attempt before has been taken.
      if (isZombie || sealed.attempts > 1) place.repeats += sealed.to - sealed.from;
    }
  }

  /** Everything that is not committed is processed again by the same task. */
  #aborted(process: SimProcess, detail: StepDetail): void {
    for (const partition of this.#sealedOf(process, detail).keys()) {
      const place = this.#placeOf({ ...detail, partition });
      if (place === undefined || place.owner !== lifeKey(process)) continue;
      const committed = this.#committedOf(place);
      place.repeats += Math.max(0, place.producedTo - committed);
      // They are counted; until they are produced again, nothing is in flight.
      place.producedTo = Math.min(place.producedTo, committed);
    }
  }

  #live(process: SimProcess, detail: StepDetail): void {
    const place = this.#placeOf(detail);
    if (place === undefined) return;
    // Below what is committed nothing may be repeated, wherever the task begins.
    const from = Math.max(this.#committedOf(place), Number(detail.offset));
    const inFlight = Math.max(0, place.producedTo - from);
    const isExcused = this.#view.excused.has(`${place.topic}:${place.partition}`);
    if (place.isClean && place.committedMax < place.producedTo && inFlight > 0 && !isExcused) {
      this.#view.violate(
        "I-06",
        `a clean handover of ${describePlace(place)} to ${
          describeProcess(process)
        } repeats ${inFlight} rows: expected ` +
          `everything that was produced to be committed, up to ${place.producedTo}, found ${this.#committedOf(place)}`,
      );
    }
    place.repeats += inFlight;
    place.producedTo = from;
    place.owner = lifeKey(process);
    place.isLive = true;
    place.isClean = false;
  }
}

/**
 * The ledger of a run that {@linkcode InflightLedger} was made for.
 *
 * @param view The run.
 * @returns It, or `undefined` when nobody keeps one.
 */
export function inflightLedgerOf(view: RunView): InflightLedger | undefined {
  return LEDGERS.get(view);
}
