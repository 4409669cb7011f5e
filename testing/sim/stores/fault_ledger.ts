import { StreamError } from "../../../lib/base/stream_error.ts";
import type { FaultKind, PlannedFault } from "../fault_kinds.ts";

/** A fault that has struck a call, or what is stored. */
export interface FiredCall {
  /** As planned. */
  readonly fault: PlannedFault;
  /** Which fault. */
  readonly kind: FaultKind;
  /** Call that was struck: `get`, `create`, `append`, `crash` ... */
  readonly call: string;
  /** Object, file or prefix that the call was about; for damage, what was damaged. */
  readonly name: string;
  /** When, in simulated milliseconds. */
  readonly atMs: number;
  /** What exactly it did, for people. */
  readonly what: string;
}

/** Something stored that is not what was written any more. */
export interface Damage {
  /** Which fault did it. */
  readonly kind: FaultKind;
  /** When, in simulated milliseconds. */
  readonly sinceMs: number;
}

/** Errors by which the library says that what it reads is not what was written. */
const DETECTIONS: ReadonlySet<string> = new Set([
  "CheckpointCorrupt",
  "CheckpointTorn",
  "CheckpointConflict",
  "StateCorrupt",
  "JournalCorrupt",
]);

/** Where such an error says what it is about. */
const PLACES = ["name", "manifest", "path", "directory"] as const;

/**
 * What injected faults have done, so that an error can be blamed on a fault and on nothing else: the errors that were
 * thrown by identity, and the names about which a store has lied.
 */
export class FaultLedger {
  readonly #entries: FiredCall[] = [];
  readonly #errors = new WeakSet<object>();
  readonly #lies = new Set<string>();
  readonly #fired = new Set<PlannedFault>();
  readonly #listeners: ((fired: FiredCall) => void)[] = [];

  /** Every call that was struck, oldest first. A fault that lasts has one entry for each call. */
  get entries(): readonly FiredCall[] {
    return this.#entries;
  }

  /** Is told of each fault once, when it first strikes. */
  onFired(listener: (fired: FiredCall) => void): void {
    this.#listeners.push(listener);
  }

  /** A fault strikes. */
  note(entry: Omit<FiredCall, "kind">): void {
    const fired = { ...entry, kind: entry.fault.kind };
    this.#entries.push(fired);
    if (this.#fired.has(entry.fault)) return;
    this.#fired.add(entry.fault);
    for (const listener of this.#listeners) listener(fired);
  }

  /** An error is ours. @returns The same error. */
  own<E extends Error>(error: E): E {
    this.#errors.add(error);
    return error;
  }

  /** What is told or stored about a name is not true; an error that says so is to be blamed on us. */
  lied(name: string): void {
    this.#lies.add(name);
  }

  /** Whether something untrue was ever told or stored about a name. */
  hasLied(name: string): boolean {
    return this.#lies.has(name);
  }

  /**
   * Whether an error comes from an injected fault: it, or a cause of it, is one that was thrown here, or it says of a name
   * about which a fault has lied that something is wrong there.
   *
   * @param error What was caught.
   */
  blames(error: unknown): boolean {
    const seen = new Set<unknown>();
    const open: unknown[] = [error];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (!(next instanceof Error) || seen.has(next)) continue;
      seen.add(next);
      if (this.#errors.has(next) || this.#isDetection(next)) return true;
      open.push(next.cause);
      if (next instanceof AggregateError) open.push(...next.errors);
    }
    return false;
  }

  #isDetection(error: Error): boolean {
    if (!(error instanceof StreamError) || !DETECTIONS.has(error.code)) return false;
    return PLACES.some((place) => {
      const value = error.context[place];
      return typeof value === "string" && this.#lies.has(value);
    });
  }
}
