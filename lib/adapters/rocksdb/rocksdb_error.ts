import {
  DiskFullError,
  DiskUnavailableError,
  StateCorruptError,
  StateStoreClosedError,
  StreamError,
} from "../../base/errors.ts";

/**
 * Turns an error of RocksDB, of which only the text tells what it is, or of the file system into one of ours.
 *
 * @param error What was thrown; ours are returned as they are.
 * @param call What was tried, as in "Cannot <call> <directory>".
 * @param directory Directory of the store.
 */
export function rocksdbError(error: unknown, call: string, directory: string): Error {
  if (error instanceof StreamError) return error;
  const found = error instanceof Error ? error.message : String(error);
  const code = (error as { code?: unknown } | null)?.code;
  const options = { context: { directory, call }, cause: error };
  if (code === "ENOSPC" || code === "EDQUOT" || /no space left on device|disk quota exceeded/i.test(found)) {
    return new DiskFullError(
      `Cannot ${call} ${directory}: no space left on the device; free space, then start again`,
      options,
    );
  }
  if (/database is not open/i.test(found)) return closedError(call, directory);
  if (/^corruption|does not exist \(create_if_missing|^invalid argument|^not implemented/i.test(found)) {
    return new StateCorruptError(
      `Cannot ${call} ${directory}: RocksDB found '${found}'; delete the directory, state is then restored from a ` +
        `checkpoint`,
      options,
    );
  }
  if (error instanceof Error && error.name === "NotCapable") {
    return new DiskUnavailableError(
      `Cannot ${call} ${directory}: access is refused; run with --allow-read=${directory} and --allow-write=${directory}`,
      options,
    );
  }
  if (code === "EACCES" || code === "EPERM" || code === "EROFS" || /permission denied|read-only file/i.test(found)) {
    return new DiskUnavailableError(
      `Cannot ${call} ${directory}: access is refused (${found}); check owner and mode of ${directory}`,
      options,
    );
  }
  return new DiskUnavailableError(
    `Cannot ${call} ${directory}: ${found}; check the disk that holds ${directory}`,
    options,
  );
}

/** Whether RocksDB says that somebody else has the directory open. @param error What was thrown. */
export function isLockError(error: unknown): boolean {
  return error instanceof Error &&
    /lock hold by current process|while lock file|lock .*: no locks available/i.test(error.message);
}

/** The error of a call after `close`. */
export function closedError(call: string, directory: string): StateStoreClosedError {
  return new StateStoreClosedError(`Cannot ${call} ${directory}: the store is closed; open it again`, {
    context: { directory, call },
  });
}
