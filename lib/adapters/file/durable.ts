import { link, mkdir, open, rename, rm } from "node:fs/promises";
import process from "node:process";
import { dirname, join, resolve } from "node:path";

/** Files with this beginning are ours, not yet finished, and never listed. */
export const TEMPORARY_PREFIX = ".tmp-";

let temporaryCount = 0;

/**
 * Makes the entries of a directory durable. Windows cannot open directories, and needs no such call.
 *
 * @param directory Absolute path.
 */
export async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Creates a directory and the missing ones above it, durably: each new entry is synced in its parent.
 *
 * @param directory Absolute path.
 */
export async function makeDirectory(directory: string): Promise<void> {
  const firstCreated = await mkdir(directory, { recursive: true });
  if (firstCreated === undefined) return;
  const stop = dirname(resolve(firstCreated));
  for (let created = resolve(directory); created !== stop; created = dirname(created)) {
    await syncDirectory(dirname(created));
  }
}

/**
 * Replaces a file atomically and durably: write aside, sync, rename, sync the directory.
 *
 * @param path Absolute path.
 * @param bytes New content.
 */
export async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = await writeAside(path, bytes);
  try {
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

/**
 * Creates a file atomically and durably only if its name is free: write aside, sync, link (which fails when the name is
 * taken, atomically among all processes), unlink the name aside, sync the directory.
 *
 * @param path Absolute path.
 * @param bytes Content.
 * @returns `false` when the name is taken.
 */
export async function createFile(path: string, bytes: Uint8Array): Promise<boolean> {
  const temporary = await writeAside(path, bytes);
  try {
    await link(temporary, path);
  } catch (error) {
    if ((error as { code?: unknown }).code !== "EEXIST") throw error;
    // The winner may not have synced the entry yet; who reads it next must be able to rely on it.
    await syncDirectory(dirname(path));
    return false;
  } finally {
    await rm(temporary, { force: true });
  }
  await syncDirectory(dirname(path));
  return true;
}

/** Writes and syncs a file under a temporary name in the directory of `path`, which is created when missing. */
async function writeAside(path: string, bytes: Uint8Array): Promise<string> {
  const directory = dirname(path);
  const name = `${TEMPORARY_PREFIX}${process.pid}-${Date.now().toString(36)}-${temporaryCount++}`;
  const temporary = join(directory, name);
  const handle = await openNew(temporary, directory);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } catch (error) {
    await handle.close();
    await rm(temporary, { force: true });
    throw error;
  }
  await handle.close();
  return temporary;
}

async function openNew(path: string, directory: string): Promise<Awaited<ReturnType<typeof open>>> {
  try {
    return await open(path, "wx");
  } catch (error) {
    if ((error as { code?: unknown }).code !== "ENOENT") throw error;
  }
  await makeDirectory(directory);
  return await open(path, "wx");
}
