import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import process from "node:process";

/** Who holds, or held, a directory: the content of a lock file. */
export interface LockHolder {
  /** Process id. */
  readonly pid: number;
  /** When that process began, in the system's ticks; tells a process from a later one with the same id. */
  readonly startTicks: string | null;
  /** Name of the machine; `null` when it may not be read. */
  readonly host: string | null;
  /** What the holder calls itself. */
  readonly holder: string;
  /** Script that the process runs. */
  readonly command: string;
  /** When the lock was taken, as ISO 8601. */
  readonly takenAt: string;
  /** Whether the holder also held the lock of the operating system, which ends with the process. */
  readonly isSystemLocked: boolean;
  /** Whether the lock was given free. */
  readonly isReleased: boolean;
}

/** Describes this process as a holder. @param holder What it calls itself. @param isSystemLocked See {@linkcode LockHolder}. */
export function thisHolder(holder: string, isSystemLocked: boolean): LockHolder {
  return {
    pid: process.pid,
    startTicks: startTicks(process.pid),
    host: attempt(hostname),
    holder,
    command: process.argv[1] ?? "",
    takenAt: new Date().toISOString(),
    isSystemLocked,
    isReleased: false,
  };
}

/** Reads the content of a lock file; `undefined` when it is not one. @param bytes Content. */
export function parseHolder(bytes: Uint8Array): LockHolder | undefined {
  const value = attempt(() => JSON.parse(new TextDecoder().decode(bytes)) as LockHolder);
  return typeof value?.pid === "number" && typeof value.isReleased === "boolean" ? value : undefined;
}

/**
 * Whether a holder is known to be gone. A holder on another machine, or one whose process we may not look at, counts as
 * living.
 *
 * @param found The holder.
 * @param hasSystemLock Whether we hold the lock of the operating system on the same directory.
 */
export function isGone(found: LockHolder, hasSystemLock: boolean): boolean {
  if (found.isReleased) return true;
  if (found.isSystemLocked && hasSystemLock) return true;
  // Process ids mean something on one machine only.
  if (found.host !== attempt(hostname)) return false;
  const ticks = startTicks(found.pid);
  if (ticks !== null && found.startTicks !== null) return ticks !== found.startTicks;
  if (found.pid === process.pid) return false;
  try {
    process.kill(found.pid, 0);
    return false;
  } catch (error) {
    return (error as { code?: unknown }).code === "ESRCH";
  }
}

/** Names a holder in a message. @param found The holder. */
export function describeHolder(found: LockHolder): string {
  const host = found.host === null ? "" : ` on ${found.host}`;
  const command = found.command === "" ? "" : ` running ${found.command}`;
  return `'${found.holder}' (process ${found.pid}${host}${command}, since ${found.takenAt})`;
}

/** Field 22 of /proc/<pid>/stat, where there is such a file and it may be read. */
function startTicks(pid: number): string | null {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, "utf8"));
  if (stat === null) return null;
  // The command in parentheses may hold blanks and parentheses itself.
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null;
}

function attempt<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}
