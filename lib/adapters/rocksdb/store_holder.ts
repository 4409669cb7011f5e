import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { StateLockedError } from "../../base/errors.ts";

/**
 * RocksDB's own lock keeps others out and ends with the process; its error does not tell who holds it. This file, which
 * the winner writes, does. It decides nothing: one that a dead process left behind is overwritten by the next winner.
 */
const FILE = "holder.json";

interface Holder {
  readonly pid: number;
  readonly command: string;
  readonly openedAt: string;
}

/** Tells others that this process has the store. @param directory Directory of the task. */
export async function writeHolder(directory: string): Promise<void> {
  const holder: Holder = {
    pid: process.pid,
    command: process.argv[1] ?? "",
    openedAt: new Date().toISOString(),
  };
  await writeWhole(join(directory, FILE), JSON.stringify(holder) + "\n");
}

/** Takes it back. @param directory Directory of the task. */
export async function removeHolder(directory: string): Promise<void> {
  await rm(join(directory, FILE), { force: true });
}

/** The error that names who has the store. @param directory Directory of the task. @param cause What RocksDB said. */
export async function heldError(directory: string, cause: unknown): Promise<StateLockedError> {
  const holder = await readHolder(directory);
  let who = "another process, which has not yet told its name";
  let advice = "stop that process or choose another directory";
  if (/current process/i.test((cause as Error | undefined)?.message ?? "")) {
    who = `this process itself (${process.pid})${holder === undefined ? "" : `, since ${holder.openedAt}`}`;
    advice = "close the other task first; a worker that was terminated keeps its stores until the process ends";
  } else if (holder !== undefined) {
    const command = holder.command === "" ? "" : ` running ${holder.command}`;
    who = `process ${holder.pid}${command}, since ${holder.openedAt}`;
  }
  return new StateLockedError(`Cannot open state in ${directory}: it is held by ${who}; ${advice}`, {
    context: { directory, holder },
    cause,
  });
}

/** Writes a file so that readers see all of it or the old one. @param path Path. @param text Content. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const aside = `${path}.${process.pid}.tmp`;
  await writeFile(aside, text);
  await rename(aside, path);
}

async function readHolder(directory: string): Promise<Holder | undefined> {
  try {
    const holder = JSON.parse(await readFile(join(directory, FILE), "utf8")) as Holder;
    return typeof holder?.pid === "number" ? holder : undefined;
  } catch {
    return undefined;
  }
}
