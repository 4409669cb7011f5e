/** A held lock of the operating system. */
export interface SystemLock {
  /** Gives it free. */
  release(): void;
}

interface LockableFile {
  tryLock(isExclusive: boolean): Promise<boolean>;
  close(): void;
}

interface LockingRuntime {
  open(path: string, options: { read: boolean; write: boolean; create: boolean }): Promise<LockableFile>;
}

/**
 * Takes the operating system's advisory lock on a file, where the runtime offers it. It ends with the process, however
 * that ends.
 *
 * @param path Absolute path; created when missing.
 * @returns The lock, `"taken"` when another one holds it, or `undefined` when there is no such lock here.
 */
export async function takeSystemLock(path: string): Promise<SystemLock | "taken" | undefined> {
  const runtime = (globalThis as { Deno?: LockingRuntime }).Deno;
  if (runtime === undefined) return undefined;
  const file = await runtime.open(path, { read: true, write: true, create: true });
  try {
    if (await file.tryLock(true)) return { release: () => file.close() };
  } catch {
    // File systems without locks (some network and container ones): the numbered files remain.
    file.close();
    return undefined;
  }
  file.close();
  return "taken";
}
