import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { StateLockedError } from "../../base/errors.ts";
import type { DiskLock } from "../../seams/local_disk.ts";
import { createFile, makeDirectory, replaceFile } from "./durable.ts";
import { fileFault } from "./file_errors.ts";
import { describeHolder, isGone, type LockHolder, parseHolder, thisHolder } from "./lock_holder.ts";
import { takeSystemLock } from "./system_lock.ts";

/** Folder of the lock inside the locked directory. */
export const LOCK_FOLDER = ".lock";

const SYSTEM_LOCK_FILE = "system";
const ATTEMPTS_MAX = 100;

/**
 * Takes the lock of a directory.
 *
 * Two locks work together. Where the runtime has it, the operating system's advisory lock: it cannot be taken twice and
 * ends with the process. Beside it a chain of numbered files, each naming a holder, for runtimes without that call and
 * for messages. The greatest number is the one that counts. Whoever finds its holder gone creates the next number, and
 * creation is exclusive, so of several starters one wins; the greatest number is never deleted, so it never goes back.
 *
 * @param directory Absolute path; created when missing.
 * @param name Who takes it.
 * @throws {StateLockedError} naming the holder.
 */
export async function lockDirectory(directory: string, name: string): Promise<DiskLock> {
  const folder = join(directory, LOCK_FOLDER);
  await makeDirectory(folder);
  const systemLock = await takeSystemLock(join(folder, SYSTEM_LOCK_FILE));
  try {
    if (systemLock === "taken") throw await lockedError(directory, folder);
    const holder = thisHolder(name, systemLock !== undefined);
    const path = await takeNumber(directory, folder, holder);
    return new DirectoryLock(path, holder, systemLock);
  } catch (error) {
    if (typeof systemLock === "object") systemLock.release();
    throw error;
  }
}

class DirectoryLock implements DiskLock {
  #isReleased = false;

  constructor(
    private readonly path: string,
    private readonly holder: LockHolder,
    private readonly systemLock: { release(): void } | undefined,
  ) {}

  async release(): Promise<void> {
    if (this.#isReleased) return;
    this.#isReleased = true;
    try {
      // A directory that was removed meanwhile must not come back.
      if (await readHolder(this.path) !== undefined) {
        await replaceFile(this.path, encodeHolder({ ...this.holder, isReleased: true }));
      }
    } finally {
      this.systemLock?.release();
    }
  }
}

async function takeNumber(directory: string, folder: string, holder: LockHolder): Promise<string> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const numbers = await lockNumbers(folder);
    const last = numbers.at(-1) ?? 0;
    if (last > 0) {
      const found = await readHolder(join(folder, String(last)));
      // A file that is gone or half there belongs to somebody who is at it right now: look again.
      if (found === undefined) continue;
      if (!isGone(found, holder.isSystemLocked)) throw lockedBy(directory, folder, found);
    }
    const next = join(folder, String(last + 1));
    if (!await createFile(next, encodeHolder(holder))) continue;
    const after = await lockNumbers(folder);
    if (after.at(-1) === last + 1) {
      for (const number of after.slice(0, -1)) await rm(join(folder, String(number)), { force: true });
      return next;
    }
    // Others came, went and deleted the number that we then created anew: it never counted.
    await rm(next, { force: true });
  }
  throw await lockedError(directory, folder);
}

async function lockNumbers(folder: string): Promise<number[]> {
  const names = await readdir(folder);
  return names.filter((name) => /^[1-9][0-9]*$/.test(name)).map(Number).sort((left, right) => left - right);
}

async function readHolder(path: string): Promise<LockHolder | undefined> {
  try {
    return parseHolder(await readFile(path));
  } catch (error) {
    if (fileFault(error) === "missing") return undefined;
    throw error;
  }
}

async function lockedError(directory: string, folder: string): Promise<StateLockedError> {
  const last = (await lockNumbers(folder)).at(-1);
  const found = last === undefined ? undefined : await readHolder(join(folder, String(last)));
  return lockedBy(directory, folder, found?.isReleased === false ? found : undefined);
}

function lockedBy(directory: string, folder: string, found: LockHolder | undefined): StateLockedError {
  const who = found === undefined ? "another process that is starting or ending" : describeHolder(found);
  return new StateLockedError(
    `Cannot lock ${directory}: it is held by ${who}; stop that process or choose another directory ` +
      `(if it is certain that no such process runs any more, delete ${folder})`,
    { context: { directory, holder: found } },
  );
}

function encodeHolder(holder: LockHolder): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(holder) + "\n");
}
