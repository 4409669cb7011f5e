import { DiskFullError, DiskUnavailableError, type StateError } from "../../../lib/base/errors.ts";
import type { DiskOperation } from "../../../lib/adapters/memory/memory_disk.ts";
import type { FaultKind, PlannedFault } from "../fault_kinds.ts";
import type { SeededRandom } from "../../seeded_random.ts";
import type { FaultRule } from "./armed_faults.ts";

/** Faults of a local disk that can strike. D10 cannot: see `disk_state_store.ts`. */
export type DiskFaultKind = Exclude<Extract<FaultKind, `D${number}`>, "D10">;

/** An operation of a disk, or the crash of its process or machine. */
export interface DiskCall {
  /** Which one. */
  readonly kind: DiskOperation["kind"] | "crash";
  /** File or directory. */
  readonly path: string;
  /** Whether there are bytes that a crash may take. */
  hasUnsynced(): boolean;
  /** Whether there are bytes that are durable. */
  hasSynced(): boolean;
  /** Whether a directory is locked. */
  hasLocks(): boolean;
}

const WRITES: ReadonlySet<string> = new Set(["append", "replace", "create"]);
const CHANGES: ReadonlySet<string> = new Set([...WRITES, "sync", "truncate", "remove", "lock"]);
const OPENS: ReadonlySet<string> = new Set(["open", "list", "read", "replace", "create", "lock"]);
const isOperation = ({ kind }: DiskCall) => kind !== "crash";
const once = ({ draw }: PlannedFault) => (draw & 1) === 0 ? 1 : "while";

/** What a directory that is "gone" means: D6 has three ways. */
export function missingDirectory({ draw }: PlannedFault): "read-only" | "unmounted" | "deleted" {
  return (["read-only", "unmounted", "deleted"] as const)[draw % 3]!;
}

/** Which operations each fault strikes. */
export const DISK_FAULT_RULES: Readonly<Record<DiskFaultKind, FaultRule<DiskCall>>> = {
  D1: { fits: ({ kind }) => WRITES.has(kind), calls: once },
  D2: { fits: (call) => isOperation(call) && call.kind !== "lock" && call.kind !== "sync" },
  D3: { fits: (call) => !isOperation(call) && call.hasUnsynced() },
  D4: { fits: (call) => !isOperation(call) && call.hasUnsynced() },
  D5: { fits: (call) => isOperation(call) && call.hasSynced() },
  D6: {
    fits: (call, fault) => {
      if (!isOperation(call)) return false;
      const way = missingDirectory(fault);
      return way === "unmounted" || (way === "read-only" ? CHANGES.has(call.kind) : call.hasSynced());
    },
    calls: (fault) => missingDirectory(fault) === "deleted" ? 1 : "while",
  },
  D7: { fits: (call) => !isOperation(call) && call.hasLocks() },
  D8: { fits: ({ kind }) => kind === "sync" },
  D9: { fits: ({ kind }) => OPENS.has(kind), calls: once },
};

/**
 * The error that the disk makes of a fault.
 *
 * @param fault Of kind D1, D2, D6, D8 or D9.
 * @param call What it strikes, and where.
 */
export function diskFaultError(
  fault: PlannedFault,
  call: { readonly kind: string; readonly path: string; readonly root: string },
): StateError {
  const { kind, path, root } = call;
  const tried = `Cannot ${kind} ${root}/${path}`;
  const context = { path, fault: fault.kind };
  switch (fault.kind) {
    case "D1":
      return new DiskFullError(`${tried}: no space left on the device; free space, then start again`, { context });
    case "D6": {
      const found = missingDirectory(fault) === "read-only" ? "read-only file system" : "no such device or address";
      return new DiskUnavailableError(`${tried}: ${found}; check the disk that holds ${root}`, { context });
    }
    case "D8":
      return new DiskUnavailableError(
        `${tried}: input/output error, what is durable is not known; check the disk that holds ${root}`,
        { context, outcome: "unknown" },
      );
    case "D9":
      return new DiskUnavailableError(`${tried}: too many open files; raise the limit or close some`, { context });
    default:
      return new DiskUnavailableError(`${tried}: input/output error; check the disk that holds ${root}`, { context });
  }
}

const PAGE_BYTES = 4_096;

/** A tail that was not synced, at a crash. */
export interface UnsyncedTail {
  /** Its bytes. */
  readonly bytes: Uint8Array;
  /** Where it begins in the file. */
  readonly at: number;
  /** Where the last append begins in the file. */
  readonly lastAppendAt: number;
}

/**
 * What is found of an unsynced tail that was torn: it ends at a boundary of pages, in the middle of the last append, or
 * anywhere; or some of its pages were written and those before them were not.
 *
 * @param tail The tail; at least one byte.
 * @param random Which.
 * @returns Bytes that are found at its place, at most as many.
 */
export function tornTail(tail: UnsyncedTail, random: SeededRandom): Uint8Array {
  const { bytes, at, lastAppendAt } = tail;
  const end = at + bytes.length;
  switch (random.integer(0, 3)) {
    case 0: {
      const first = Math.ceil(at / PAGE_BYTES);
      const last = Math.floor(end / PAGE_BYTES);
      return last < first ? bytes.slice(0, 0) : bytes.slice(0, random.integer(first, last) * PAGE_BYTES - at);
    }
    case 1:
      return bytes.slice(0, random.integer(Math.max(lastAppendAt, at) - at, bytes.length - 1));
    case 2:
      return bytes.slice(0, random.integer(0, bytes.length - 1));
    default:
      return somePages(tail, random);
  }
}

/** Pages reach the medium in any order: what was not written reads as zeros. */
function somePages({ bytes, at }: UnsyncedTail, random: SeededRandom): Uint8Array {
  const found = new Uint8Array(bytes.length);
  let length = 0;
  for (let from = 0; from < bytes.length;) {
    const to = Math.min(bytes.length, from + PAGE_BYTES - ((at + from) % PAGE_BYTES));
    if (random.isHit(0.5)) {
      found.set(bytes.subarray(from, to), from);
      length = to;
    }
    from = to;
  }
  return found.subarray(0, length);
}
