import { DiskFullError, DiskUnavailableError, StreamError } from "../../base/errors.ts";
import { denialAdvice, errorCode, fileFault } from "./file_errors.ts";

/** What was tried when a file operation failed. */
export interface DiskAttempt {
  /** As in "Cannot <verb> <path>". */
  readonly verb: string;
  /** Absolute path. */
  readonly path: string;
  /** Directory that must be usable. */
  readonly root: string;
}

/**
 * Turns an error of the file system into one of ours.
 *
 * @param error What was thrown; ours are returned as they are.
 * @param attempt What was tried.
 */
export function diskError(error: unknown, attempt: DiskAttempt): Error {
  if (error instanceof StreamError) return error;
  const { verb, path, root } = attempt;
  const options = { context: { path, code: errorCode(error) }, cause: error };
  switch (fileFault(error)) {
    case "full":
      return new DiskFullError(
        `Cannot ${verb} ${path}: no space left on the device; free space, then start again`,
        options,
      );
    case "denied":
      return new DiskUnavailableError(
        `Cannot ${verb} ${path}: access is refused; ${denialAdvice(error, root)}`,
        options,
      );
    default:
      return new DiskUnavailableError(
        `Cannot ${verb} ${path}: ${(error as Error).message}; check the disk that holds ${root}`,
        options,
      );
  }
}
