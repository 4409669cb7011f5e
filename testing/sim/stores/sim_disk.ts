import { StateLockedError } from "../../../lib/base/errors.ts";
import { type DiskOperation, MemoryDisk, type StoredFile } from "../../../lib/adapters/memory/memory_disk.ts";
import type { DiskFile, DiskLock, LocalDisk } from "../../../lib/seams/local_disk.ts";
import { SeededRandom } from "../../seeded_random.ts";
import type { PlannedFault } from "../fault_kinds.ts";
import { ArmedFaults } from "./armed_faults.ts";
import { flipBit } from "./blob_faults.ts";
import { DISK_FAULT_RULES, type DiskCall, diskFaultError, missingDirectory, tornTail } from "./disk_faults.ts";
import { type Damage, FaultLedger, type FiredCall } from "./fault_ledger.ts";
import type { StoreClock } from "./sim_blob_store.ts";

/** Options of {@linkcode SimDisk}. */
export interface SimDiskOptions {
  /** Name for messages. @default {"sim:"} */
  readonly root?: string;
  /** Space for the content of all files, in bytes. @default {Infinity} */
  readonly capacityBytes?: number;
}

/** Options of {@linkcode SimDisk.crash}. */
export interface DiskCrashOptions {
  /**
   * What ends. A process leaves every byte that it handed to the system, though not all of them durable; a machine loses
   * what was not synced, or a part of it.
   *
   * @default {"machine"}
   */
  readonly of?: "process" | "machine";
}

interface StaleLock {
  readonly holder: string;
  readonly untilMs: number;
  readonly fault: PlannedFault;
}

/** What stays of a disk when the process that uses it ends. */
interface Machine {
  readonly ledger: FaultLedger;
  readonly faults: ArmedFaults<DiskCall>;
  readonly damaged: Map<string, Damage>;
  readonly stale: Map<string, StaleLock>;
}

/**
 * The disk of a simulated machine: files in memory, of which only synced bytes survive a crash for certain, with the
 * faults that were planned for it. It remembers what they damaged, and tells for which errors they are to be blamed.
 */
export class SimDisk implements LocalDisk {
  /** Name for messages. */
  readonly root: string;
  readonly #clock: Pick<StoreClock, "nowMs">;
  readonly #locks = new Map<string, string>();
  readonly #lastAppendAt = new Map<string, number>();
  #memory: MemoryDisk;
  #machine: Machine;

  /**
   * A disk that holds nothing.
   *
   * @param clock Simulated time.
   * @param options Name and capacity.
   */
  constructor(clock: Pick<StoreClock, "nowMs">, options: SimDiskOptions = {}) {
    this.root = options.root ?? "sim:";
    this.#clock = clock;
    this.#memory = new MemoryDisk({ root: this.root, capacityBytes: options.capacityBytes ?? Infinity });
    this.#memory.inject = (operation) => this.#inject(operation);
    this.#machine = {
      ledger: new FaultLedger(),
      faults: new ArmedFaults(DISK_FAULT_RULES),
      damaged: new Map(),
      stale: new Map(),
    };
  }

  /** Space for the content of all files, in bytes; may be changed at any time. */
  get capacityBytes(): number {
    return this.#memory.capacityBytes;
  }

  set capacityBytes(bytes: number) {
    this.#memory.capacityBytes = bytes;
  }

  /** Bytes in use. */
  get usedBytes(): number {
    return this.#memory.usedBytes;
  }

  /** Whether the process that used it has ended: calls never settle. */
  get isDead(): boolean {
    return this.#memory.isDead;
  }

  /** Files in which bits have rotted, or that are gone, by path; until they are written anew or removed. */
  get damaged(): ReadonlyMap<string, Damage> {
    return this.#machine.damaged;
  }

  /** Every operation that a fault has struck, oldest first; also those before a crash. */
  get ledger(): readonly FiredCall[] {
    return this.#machine.ledger.entries;
  }

  /** Faults that have not struck yet, or not for the last time. */
  get pending(): readonly PlannedFault[] {
    return this.#machine.faults.pending;
  }

  /**
   * A fault waits for the first fitting operation, or for a crash, at or after its time.
   *
   * @param fault Of kind D1 to D9.
   * @throws {RangeError} when it is of another kind.
   */
  arm(fault: PlannedFault): void {
    this.#machine.faults.arm(fault);
  }

  /** Ends all faults, also those that last, and frees locks that were left behind. What is damaged stays damaged. */
  heal(): void {
    this.#machine.faults.clear();
    this.#machine.stale.clear();
  }

  /** Is told of each fault once, when it first strikes. */
  onFired(listener: (fired: FiredCall) => void): void {
    this.#machine.ledger.onFired(listener);
  }

  /** Whether a fault is to be blamed for an error: see {@linkcode FaultLedger.blames}. */
  blames(error: unknown): boolean {
    return this.#machine.ledger.blames(error);
  }

  /** What is on the disk, sorted by path. No operation of a process, no fault. */
  files(): readonly StoredFile[] {
    return this.#memory.files();
  }

  /**
   * Ends the process that uses this disk: its calls never settle. The faults that are armed, and what is remembered, go
   * on with the disk that is returned.
   *
   * @param draw What becomes of each file's unsynced bytes: kept, lost or torn, unless D3 or D4 is armed.
   * @param options What ends.
   * @returns What the next process finds.
   */
  crash(draw: number | SeededRandom, options: DiskCrashOptions = {}): SimDisk {
    const isMachine = (options.of ?? "machine") === "machine";
    const random = typeof draw === "number" ? new SeededRandom(draw) : draw;
    const next = new SimDisk(this.#clock, { root: this.root });
    next.#machine = this.#machine;
    const fate = this.#strikeCrash(random, isMachine);
    next.#memory = isMachine
      ? this.#memory.crash((path, bytes) => this.#fateOf({ path, bytes }, { fate, random }))
      : this.#memory.restart();
    next.#memory.inject = (operation) => next.#inject(operation);
    return next;
  }

  /**
   * Takes the lock of a directory.
   *
   * @param directory Which one.
   * @param holder Who takes it.
   * @throws {StateLockedError} when it is held, or a crash has left it behind.
   */
  async lock(directory: string, holder: string): Promise<DiskLock> {
    const lock = await this.#memory.lock(directory, holder);
    const stale = this.#machine.stale.get(directory);
    if (stale !== undefined && this.#clock.nowMs() < stale.untilMs) {
      await lock.release();
      throw this.#staleError(directory, stale);
    }
    this.#machine.stale.delete(directory);
    this.#locks.set(directory, holder);
    let isReleased = false;
    return {
      release: async () => {
        if (!isReleased) this.#locks.delete(directory);
        isReleased = true;
        await lock.release();
      },
    };
  }

  /** Names directly below a directory, sorted. @param directory Which one. */
  list(directory: string): Promise<readonly string[]> {
    return this.#memory.list(directory);
  }

  /** Opens a file, creating it when missing. @param path Which one. */
  open(path: string): Promise<DiskFile> {
    return this.#memory.open(path);
  }

  /** Whole content of a file. @param path Which one. */
  read(path: string): Promise<Uint8Array | undefined> {
    return this.#memory.read(path);
  }

  /** Replaces a file atomically and durably. @param path Which one. @param bytes New content. */
  async writeAtomic(path: string, bytes: Uint8Array): Promise<void> {
    await this.#memory.writeAtomic(path, bytes);
    this.#machine.damaged.delete(path);
  }

  /** Creates a file atomically and durably only if the name is free. @param path Which one. @param bytes Content. */
  async createExclusive(path: string, bytes: Uint8Array): Promise<boolean> {
    const isCreated = await this.#memory.createExclusive(path, bytes);
    if (isCreated) this.#machine.damaged.delete(path);
    return isCreated;
  }

  /** Deletes a file, or a directory with all below it. @param path Which one. */
  async remove(path: string): Promise<void> {
    await this.#memory.remove(path);
    for (const name of [...this.#machine.damaged.keys()]) {
      if (name === path || name.startsWith(`${path}/`)) this.#machine.damaged.delete(name);
    }
  }

  #callOf(kind: DiskCall["kind"], path: string): DiskCall {
    return {
      kind,
      path,
      hasSynced: () => this.files().some(({ syncedSize }) => syncedSize > 0),
      hasUnsynced: () => this.files().some(({ size, syncedSize }) => size > syncedSize),
      hasLocks: () => this.#locks.size > 0,
    };
  }

  #note(fault: PlannedFault, call: string, more: { name: string; what: string }): void {
    this.#machine.ledger.note({ fault, call, atMs: this.#clock.nowMs(), ...more });
  }

  #inject({ kind, path }: DiskOperation): Error | undefined {
    const call = this.#callOf(kind, path);
    for (;;) {
      const fault = this.#machine.faults.strike(call, this.#clock.nowMs());
      if (fault === undefined) break;
      if (fault.kind === "D5") this.#rot(fault, kind);
      else if (fault.kind === "D6" && missingDirectory(fault) === "deleted") this.#deleteDirectory(fault, kind);
      else {
        const error = diskFaultError(fault, { kind, path, root: this.root });
        this.#note(fault, kind, { name: path, what: error.message });
        return this.#machine.ledger.own(error);
      }
    }
    if (kind === "append") this.#lastAppendAt.set(path, this.#memory.file(path)?.size ?? 0);
    return undefined;
  }

  #rot(fault: PlannedFault, call: string): void {
    const { draw } = fault;
    const files = this.files().filter(({ syncedSize }) => syncedSize > 0);
    const { path, syncedSize } = files[draw % files.length]!;
    this.#memory.damage(path, (bytes) => {
      bytes.set(flipBit(bytes.subarray(0, syncedSize), draw >>> 4));
      return bytes;
    });
    this.#damaged(fault, call, { name: path, what: "a bit of what is durable has flipped" });
  }

  #deleteDirectory(fault: PlannedFault, call: string): void {
    const files = this.files().filter(({ syncedSize }) => syncedSize > 0);
    const { path } = files[(fault.draw >>> 2) % files.length]!;
    const directory = path.slice(0, path.lastIndexOf("/") + 1);
    const below = this.files().filter((file) =>
      directory === "" ? file.path === path : file.path.startsWith(directory)
    );
    for (const file of below) {
      this.#memory.damage(file.path, () => undefined);
      this.#damaged(fault, call, { name: file.path, what: "the file is gone" });
    }
  }

  #damaged(fault: PlannedFault, call: string, more: { name: string; what: string }): void {
    this.#note(fault, call, more);
    this.#machine.ledger.lied(more.name);
    this.#machine.damaged.set(more.name, { kind: fault.kind, sinceMs: this.#clock.nowMs() });
  }

  /** @returns What the planned faults say becomes of unsynced bytes, if they say anything. */
  #strikeCrash(random: SeededRandom, isMachine: boolean): "torn" | "lost" | undefined {
    let fate: "torn" | "lost" | undefined;
    const call = this.#callOf("crash", "");
    const crash = isMachine ? call : { ...call, hasUnsynced: () => false };
    for (;;) {
      const fault = this.#machine.faults.strike(crash, this.#clock.nowMs());
      if (fault === undefined) return fate;
      if (fault.kind === "D7") this.#leaveLock(fault, random);
      else {
        fate ??= fault.kind === "D3" ? "torn" : "lost";
        this.#note(fault, "crash", { name: "", what: `what was not synced is ${fate}` });
      }
    }
  }

  #leaveLock(fault: PlannedFault, random: SeededRandom): void {
    const [directory, holder] = random.pick([...this.#locks]);
    const untilMs = fault.durationMs === 0 ? Infinity : this.#clock.nowMs() + fault.durationMs;
    this.#machine.stale.set(directory, { holder, untilMs, fault });
    this.#note(fault, "crash", { name: directory, what: `the lock of '${holder}' stays` });
  }

  #staleError(directory: string, { holder, fault }: StaleLock): Error {
    this.#note(fault, "lock", { name: directory, what: `the lock of '${holder}' is still there` });
    return this.#machine.ledger.own(
      new StateLockedError(
        `Cannot lock ${this.root}/${directory}: '${holder}' has left its lock behind; make sure that it does not run, ` +
          "then remove the lock",
        { context: { directory, holder } },
      ),
    );
  }

  #fateOf(
    { path, bytes }: { path: string; bytes: Uint8Array },
    more: { fate: "torn" | "lost" | undefined; random: SeededRandom },
  ): number | Uint8Array {
    const { random } = more;
    const fate = more.fate ?? random.pick(["kept", "torn", "lost"]);
    if (fate !== "torn") return fate === "kept" ? bytes.length : 0;
    const at = this.#memory.file(path)!.syncedSize;
    return tornTail({ bytes, at, lastAppendAt: this.#lastAppendAt.get(path) ?? at }, random);
  }
}
