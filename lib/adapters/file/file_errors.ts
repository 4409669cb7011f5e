/** What an error of `node:fs` (or of Deno's permission checks underneath) means to us. */
export type FileFault = "missing" | "exists" | "denied" | "full" | "not-a-directory" | "other";

const FAULT_OF_CODE: Readonly<Record<string, FileFault>> = {
  ENOENT: "missing",
  EEXIST: "exists",
  EACCES: "denied",
  EPERM: "denied",
  EROFS: "denied",
  ENOSPC: "full",
  EDQUOT: "full",
  ENOTDIR: "not-a-directory",
};

/**
 * Tells what went wrong in a file operation.
 *
 * @param error What was thrown.
 */
export function fileFault(error: unknown): FileFault {
  if (!(error instanceof Error)) return "other";
  if (isPermissionRefusal(error)) return "denied";
  return FAULT_OF_CODE[errorCode(error) ?? ""] ?? "other";
}

/**
 * The system's code of an error (`EIO`, `ENOSPC` ...), or `undefined`.
 *
 * @param error What was thrown.
 */
export function errorCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : undefined;
}

/**
 * One sentence on the next step after a refusal: the Deno flag when the runtime refused, else the file's owner and mode.
 *
 * @param error What was thrown.
 * @param directory Directory that must be usable.
 */
export function denialAdvice(error: unknown, directory: string): string {
  if (error instanceof Error && isPermissionRefusal(error)) {
    const [, access, path] = /^Requires (read|write) access to "(.+?)"/.exec(error.message) ?? [];
    // A new directory is made durable in the one above it, which needs a flag of its own.
    const above = path !== undefined && path !== directory && `${directory}/`.startsWith(`${path}/`)
      ? `, and --allow-${access}=${path} as ${directory} does not exist yet`
      : "";
    return `run with --allow-read=${directory} and --allow-write=${directory}${above}`;
  }
  if (errorCode(error) === "EROFS") return `the file system is read-only: choose another directory than ${directory}`;
  return `check owner and mode of ${directory}`;
}

/** Deno throws `NotCapable` without a code when a permission flag is missing. */
function isPermissionRefusal(error: Error): boolean {
  return error.name === "NotCapable";
}
