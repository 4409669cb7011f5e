import type { BlobEntry, BlobStore, CreateResult } from "../../../lib/seams/blob_store.ts";
import type { FaultKind, PlannedFault } from "../fault_kinds.ts";
import { ArmedFaults } from "./armed_faults.ts";
import { BadCopies } from "./bad_copies.ts";
import {
  BLOB_FAULT_RULES,
  type BlobCall,
  type BlobErrorKind,
  blobFaultError,
  flipBit,
  hiddenEntries,
} from "./blob_faults.ts";
import { type BlobClient, BlobHandle } from "./blob_handle.ts";
import { type Damage, FaultLedger, type FiredCall } from "./fault_ledger.ts";
import { isSame, SimObjects } from "./sim_objects.ts";

export type { BlobClient } from "./blob_handle.ts";

/** Time, as stores in a simulation see it. */
export interface StoreClock {
  /** Simulated milliseconds since the start. */
  nowMs(): number;
  /** Resolves so many simulated milliseconds later. */
  sleep(ms: number): Promise<void>;
}

/** Options of {@linkcode SimBlobStore}. */
export interface SimBlobStoreOptions {
  /** Name for messages. @default {"sim:"} */
  readonly location?: string;
  /** After so many milliseconds without an answer a client gives up. @default {10_000} */
  readonly timeoutMs?: number;
}

/** What checkers are told of a call, at the moment at which it takes effect. */
export interface BlobEvent {
  /** Full name. */
  readonly name: string;
  /** Bytes that were written, read or deleted. */
  readonly size: number;
  /** Who called. */
  readonly who: string;
  /** Fault that makes what is told or stored untrue, if any. */
  readonly fault: FaultKind | undefined;
}

/** Watches a store. Called synchronously; must not call the store's handles. */
export interface BlobWatcher {
  /** An object has been created; with a fault of kind S10 or S11, not as its writer wanted. */
  onCreate?(event: BlobEvent): void;
  /** A create has met an object that was there. */
  onCreateRefused?(event: BlobEvent): void;
  /** An object has been read; with a fault, what was read is not what was written, or not there any more. */
  onGet?(event: BlobEvent): void;
  /** An object has been deleted. */
  onDelete?(event: BlobEvent): void;
}

/**
 * The object store of a simulated world: one for all processes, each with a handle of its own. It does what planned
 * faults say, remembers what they damaged, and tells for which errors they are to be blamed.
 *
 * Kept, unless a fault says otherwise: read-after-write, put-if-absent, listings that show every acknowledged object.
 * S6 and S10 at rest, S11, S13 and S15 break the promises of the seam on purpose: they are damage.
 */
export class SimBlobStore implements BlobStore {
  /** Where this store is, for messages. */
  readonly location: string;
  /** Bad copies that are read for a while. */
  readonly badCopies: BadCopies;
  readonly #clock: StoreClock;
  readonly #timeoutMs: number;
  readonly #objects = new SimObjects();
  readonly #ledger = new FaultLedger();
  readonly #faults = new ArmedFaults<BlobCall>(BLOB_FAULT_RULES);
  readonly #watchers: BlobWatcher[] = [];
  readonly #own: BlobStore;
  #damages: PlannedFault[] = [];

  /**
   * A store that holds nothing.
   *
   * @param clock Simulated time.
   * @param options Name and bounds.
   */
  constructor(clock: StoreClock, options: SimBlobStoreOptions = {}) {
    this.location = options.location ?? "sim:";
    this.#timeoutMs = options.timeoutMs ?? 10_000;
    this.#clock = clock;
    this.badCopies = new BadCopies(clock);
    this.#own = this.handle();
  }

  /** Objects that are not what was written, or that are gone, by name. */
  get damaged(): ReadonlyMap<string, Damage> {
    return this.#objects.damaged;
  }

  /** Every call that a fault has struck, oldest first. */
  get ledger(): readonly FiredCall[] {
    return this.#ledger.entries;
  }

  /** Faults that have not struck yet, or not for the last time. */
  get pending(): readonly PlannedFault[] {
    return [...this.#faults.pending, ...this.#damages];
  }

  /**
   * A fault waits for the first fitting call at or after its time.
   *
   * @param fault Of kind S1 to S16.
   * @throws {RangeError} when it is of another kind.
   */
  arm(fault: PlannedFault): void {
    if (fault.kind === "S13" || fault.kind === "S15") this.#damages.push(fault);
    else this.#faults.arm(fault);
  }

  /**
   * Damages one object at once, whoever calls.
   *
   * @param fault Of kind S6, which flips a bit at rest, or S13, which loses the object.
   * @param name Full name of an object that is there.
   * @param bit Which bit.
   */
  damageNow(fault: PlannedFault, name: string, bit: number): void {
    const isFlipped = fault.kind === "S6";
    this.#note(fault, "none", { name, what: isFlipped ? `bit ${bit} of ${name} is flipped` : `${name} is gone` });
    this.#damage(fault, name, isFlipped ? flipBit(this.#objects.get(name)!, bit) : undefined);
  }

  /** Ends all faults, also those that last. What is damaged stays damaged. */
  heal(): void {
    this.#faults.clear();
    this.badCopies.clear();
    this.#damages = [];
  }

  /** Is told of each fault once, when it first strikes. */
  onFired(listener: (fired: FiredCall) => void): void {
    this.#ledger.onFired(listener);
  }

  /** Is told of each call from now on, when it takes effect. */
  watch(watcher: BlobWatcher): void {
    this.#watchers.push(watcher);
  }

  /** Whether a fault is to be blamed for an error: see {@linkcode FaultLedger.blames}. */
  blames(error: unknown): boolean {
    return this.#ledger.blames(error);
  }

  /** Whether a fault has ever told or stored something untrue about an object. */
  hasLied(name: string): boolean {
    return this.#ledger.hasLied(name);
  }

  /** Whether an object is there and is what was written. */
  intact(name: string): boolean {
    return this.#objects.get(name) !== undefined && !this.#objects.damaged.has(name);
  }

  /** Names of the objects that are there, sorted. No call of a process, no fault. */
  names(prefix = ""): readonly string[] {
    return this.#objects.names(prefix);
  }

  /** What is there. Not a copy; no call of a process, no fault. */
  peek(name: string): Uint8Array | undefined {
    return this.#objects.get(name);
  }

  /** What was written under a name that nobody has deleted since, whatever became of it. Not a copy. */
  written(name: string): Uint8Array | undefined {
    return this.#objects.written(name);
  }

  /**
   * A handle of one process. Closing it closes no other one.
   *
   * @param client Who it is, and how far away.
   */
  handle(client: BlobClient = {}): BlobStore {
    return new BlobHandle(client, {
      location: this.location,
      get: (name, who) => this.#call("get", name, (fault) => this.#get(name, who, fault)),
      create: (name, bytes, who) => this.#call("create", name, (fault) => this.#create(name, bytes, { who, fault })),
      list: (prefix) => this.#call("list", prefix, (fault) => this.#list(prefix, fault)),
      delete: (name, who) => this.#call("delete", name, () => this.#delete(name, who)),
    });
  }

  /** Reads an object. @param name Full name. */
  get(name: string): Promise<Uint8Array | undefined> {
    return this.#own.get(name);
  }

  /** Writes an object only if its name is free. @param name Full name. @param bytes Content; copied. */
  create(name: string, bytes: Uint8Array): Promise<CreateResult> {
    return this.#own.create(name, bytes);
  }

  /** Lists objects, sorted by name. @param prefix Start of the names. */
  list(prefix: string): Promise<readonly BlobEntry[]> {
    return this.#own.list(prefix);
  }

  /** Deletes an object. @param name Full name. */
  delete(name: string): Promise<void> {
    return this.#own.delete(name);
  }

  /** Later calls of the store itself fail; handles go on. */
  close(): Promise<void> {
    return this.#own.close();
  }

  async #call<T>(verb: BlobCall["verb"], name: string, effect: (fault?: PlannedFault) => T): Promise<T> {
    const nowMs = this.#clock.nowMs();
    this.#damageWhatIsThere(verb, nowMs);
    const call: BlobCall = {
      verb,
      name,
      size: this.#objects.get(name)?.length,
      listed: verb === "list" ? this.#objects.names(name).length : 0,
    };
    const fault = this.#faults.strike(call, nowMs);
    if (fault === undefined) return effect();
    const { kind, draw } = fault;
    switch (kind) {
      case "S1":
        if (draw & 1 && verb !== "get" && verb !== "list") effect();
        throw this.#failure(fault, call, draw & 1 ? "fails inside, afterwards" : "fails inside");
      case "S2":
        throw this.#failure(fault, call, "asks to slow down");
      case "S3":
        effect();
        return await this.#timeOut(fault, call, "takes effect and gives no answer");
      case "S4":
        return await this.#timeOut(fault, call, "gives no answer and has no effect");
      case "S9":
        throw this.#failure(fault, call, "reports a conflict");
      case "S10":
        effect(fault);
        throw this.#errorOf(fault, call);
      case "S12":
        throw this.#failure(fault, call, "refuses the credentials");
      case "S14":
        return await this.#slow(fault, call, effect);
      case "S16":
        throw this.#failure(fault, call, "is out");
      default:
        return effect(fault);
    }
  }

  #note(fault: PlannedFault, call: string, more: { name: string; what: string }): void {
    this.#ledger.note({ fault, call, atMs: this.#clock.nowMs(), ...more });
  }

  #failure(fault: PlannedFault, call: BlobCall, what: string): Error {
    const { verb, name } = call;
    this.#note(fault, verb, { name, what: `the store ${what}` });
    return this.#errorOf(fault, call);
  }

  #errorOf(fault: PlannedFault, call: BlobCall): Error {
    return this.#ledger.own(blobFaultError(fault.kind as BlobErrorKind, { ...call, location: this.location }));
  }

  async #timeOut(fault: PlannedFault, call: BlobCall, what: string): Promise<never> {
    const error = this.#failure(fault, call, what);
    await this.#clock.sleep(this.#timeoutMs);
    throw error;
  }

  async #slow<T>(fault: PlannedFault, { verb, name }: BlobCall, effect: () => T): Promise<T> {
    const isLate = (fault.draw & 1) === 1;
    const what = `the call takes ${fault.durationMs} ms more, ${isLate ? "before" : "after"} its effect`;
    this.#note(fault, verb, { name, what });
    if (isLate) {
      await this.#clock.sleep(fault.durationMs);
      return effect();
    }
    const result = effect();
    await this.#clock.sleep(fault.durationMs);
    return result;
  }

  #tell(what: keyof BlobWatcher, event: BlobEvent): void {
    for (const watcher of this.#watchers) watcher[what]?.(event);
  }

  #get(name: string, who: string, struck: PlannedFault | undefined): Uint8Array | undefined {
    const fault = struck ?? this.badCopies.of(name);
    const there = this.#objects.get(name);
    const damage = this.#objects.damaged.get(name)?.kind;
    if (there === undefined) {
      if (damage !== undefined) this.#tell("onGet", { name, size: 0, who, fault: damage });
      return undefined;
    }
    const bytes = fault === undefined ? there.slice() : this.#misread(name, there, fault);
    this.#tell("onGet", { name, size: bytes.length, who, fault: fault?.kind ?? damage });
    return bytes;
  }

  #misread(name: string, bytes: Uint8Array, fault: PlannedFault): Uint8Array {
    this.#ledger.lied(name);
    if (fault.kind === "S5") {
      const length = fault.draw % bytes.length;
      this.#note(fault, "get", { name, what: `${length} of ${bytes.length} bytes are read` });
      return bytes.slice(0, length);
    }
    const isAtRest = fault.kind === "S6" && (fault.draw & 1) === 1;
    const flipped = flipBit(bytes, fault.draw >>> 1);
    this.#note(fault, "get", { name, what: `a bit is flipped ${isAtRest ? "in the store" : "on the way"}` });
    if (isAtRest) this.#damage(fault, name, flipped);
    return flipped.slice();
  }

  #create(name: string, bytes: Uint8Array, more: { who: string; fault: PlannedFault | undefined }): CreateResult {
    const { who, fault } = more;
    const existing = this.#objects.get(name);
    if (existing !== undefined) {
      const damage = this.#objects.damaged.get(name)?.kind;
      this.#tell("onCreateRefused", { name, size: existing.length, who, fault: damage });
      return { isCreated: false, existing: existing.slice() };
    }
    this.#objects.checkNoFolder(name, this.location);
    if (fault?.kind === "S10" && ((fault.draw & 1) === 0 || bytes.length === 0)) {
      this.#note(fault, "create", { name, what: "nothing of the upload is visible" });
      return { isCreated: false, existing: new Uint8Array(0) };
    }
    this.#objects.put(name, bytes.slice());
    if (fault?.kind === "S10") {
      const length = (fault.draw >>> 1) % bytes.length;
      this.#note(fault, "create", { name, what: `${length} of ${bytes.length} bytes are visible` });
      this.#damage(fault, name, bytes.slice(0, length));
    } else if (fault?.kind === "S11") {
      this.#note(fault, "create", { name, what: "the object is reported written and is not there" });
      this.#damage(fault, name, undefined);
    }
    const size = this.#objects.get(name)?.length ?? 0;
    this.#tell("onCreate", { name, size, who, fault: this.#objects.damaged.get(name)?.kind });
    if (fault?.kind !== "S8") return { isCreated: true };
    this.#note(fault, "create", { name, what: "the first of two attempts has created it, the second is answered" });
    return { isCreated: false, existing: bytes.slice() };
  }

  #list(prefix: string, fault: PlannedFault | undefined): readonly BlobEntry[] {
    const entries = this.#objects.entries(prefix);
    if (fault === undefined) return entries;
    const hidden = hiddenEntries(entries.length, fault.draw);
    const missing = entries.filter((_, at) => hidden[at]);
    for (const { name } of missing) this.#ledger.lied(name);
    this.#note(fault, "list", { name: prefix, what: `${missing.length} of ${entries.length} objects are not listed` });
    return entries.filter((_, at) => !hidden[at]);
  }

  #delete(name: string, who: string): void {
    const size = this.#objects.get(name)?.length;
    const fault = this.#objects.damaged.get(name)?.kind;
    this.#objects.remove(name);
    if (size !== undefined) this.#tell("onDelete", { name, size, who, fault });
  }

  #damage(fault: PlannedFault, name: string, bytes: Uint8Array | undefined): void {
    this.#ledger.lied(name);
    this.#objects.damage(name, bytes, { kind: fault.kind, sinceMs: this.#clock.nowMs() });
  }

  #damageWhatIsThere(call: string, nowMs: number): void {
    if (this.#damages.length === 0) return;
    this.#damages = this.#damages.filter((fault) => fault.atMs > nowMs || !this.#strikeObject(fault, call));
  }

  /** S13 and S15. @returns Whether there was something to strike. */
  #strikeObject(fault: PlannedFault, call: string): boolean {
    const names = this.#objects.names();
    if (names.length === 0) return false;
    const name = names[fault.draw % names.length]!;
    if (fault.kind === "S13") {
      this.#note(fault, call, { name, what: "the object is gone" });
      this.#damage(fault, name, undefined);
      return true;
    }
    const bytes = this.#objects.get(name)!;
    const others = names.filter((other) => !isSame(this.#objects.get(other)!, bytes));
    if (others.length === 0) return false;
    const other = others[(fault.draw >>> 8) % others.length]!;
    const otherBytes = this.#objects.get(other)!;
    this.#note(fault, call, { name, what: `the object has changed places with '${other}'` });
    this.#damage(fault, name, otherBytes);
    this.#damage(fault, other, bytes);
    return true;
  }
}
