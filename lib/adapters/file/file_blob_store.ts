import { readdir, readFile, stat, unlink } from "node:fs/promises";
import type { Dirent } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { BlobDeniedError, BlobPreconditionError, BlobUnavailableError, DiskFullError } from "../../base/errors.ts";
import { checkObjectName, checkObjectPrefix } from "../../base/object_name.ts";
import type { BlobEntry, BlobStore, CreateResult } from "../../seams/blob_store.ts";
import { createFile, syncDirectory, TEMPORARY_PREFIX } from "./durable.ts";
import { denialAdvice, errorCode, fileFault } from "./file_errors.ts";

/**
 * Objects as files below a directory: object `a/b` is the file `a/b`. Creation is atomic among all processes that use
 * the directory, and durable; what a crash leaves behind is a temporary file that is never listed.
 */
export class FileBlobStore implements BlobStore {
  /** Where this store is, for messages: `file:` and the absolute directory. */
  readonly location: string;
  readonly #directory: string;
  #isClosed = false;

  /**
   * A store over a directory; nothing is touched yet.
   *
   * @param directory Where the files are; created by the first {
   * @linkcode FileBlobStore.create}.
   */
  constructor(directory: string) {
    this.#directory = resolve(directory);
    this.location = `file:${this.#directory}`;
  }

  /**
   * Reads an object.
   *
   * @param name Full name.
   * @returns The bytes, or `undefined` when there is no such object.
   * @throws {BlobDeniedError} when permission is missing.
   * @throws {BlobUnavailableError} when the directory cannot be read.
   */
  async get(name: string): Promise<Uint8Array | undefined> {
    const path = this.#path("read", name);
    try {
      return await readFile(path);
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw this.#translate(error, "read", name);
    }
  }

  /**
   * Writes an object only if its name is free; durable when it resolves.
   *
   * @param name Full name.
   * @param bytes Content.
   * @throws {BlobPreconditionError} when the name is a folder of, or lies below, another object.
   * @throws {DiskFullError} when there is no space.
   * @throws {BlobDeniedError} when permission is missing.
   */
  async create(name: string, bytes: Uint8Array): Promise<CreateResult> {
    const path = this.#path("create", name);
    for (;;) {
      try {
        if (await createFile(path, bytes)) return { isCreated: true };
      } catch (error) {
        throw this.#translate(error, "create", name);
      }
      if (await this.#isFolder(path)) throw this.#prefixConflict(name);
      const existing = await this.get(name);
      if (existing !== undefined) return { isCreated: false, existing };
      // Deleted between the two calls: the name is free again.
    }
  }

  /**
   * Lists objects whose name starts with `prefix`, sorted by name.
   *
   * @param prefix Start of the names.
   */
  async list(prefix: string): Promise<readonly BlobEntry[]> {
    this.#checkOpen("list", checkObjectPrefix(prefix));
    const entries: BlobEntry[] = [];
    const folder = prefix.slice(0, prefix.lastIndexOf("/") + 1);
    try {
      await this.#walk(folder, prefix, entries);
    } catch (error) {
      throw this.#translate(error, "list", prefix);
    }
    return entries.sort((left, right) => left.name < right.name ? -1 : 1);
  }

  /**
   * Deletes an object; deleting what is not there is no error. Empty folders stay.
   *
   * @param name Full name.
   */
  async delete(name: string): Promise<void> {
    const path = this.#path("delete", name);
    try {
      await unlink(path);
      await syncDirectory(dirname(path));
    } catch (error) {
      if (isAbsent(error) || await this.#isFolder(path)) return;
      throw this.#translate(error, "delete", name);
    }
  }

  /** Later calls fail. */
  // deno-lint-ignore require-await
  async close(): Promise<void> {
    this.#isClosed = true;
  }

  async #walk(folder: string, prefix: string, entries: BlobEntry[]): Promise<void> {
    for (const child of await readFolder(join(this.#directory, folder))) {
      const name = folder + child.name;
      if (child.name.startsWith(TEMPORARY_PREFIX)) continue;
      if (child.isDirectory()) {
        const below = `${name}/`;
        if (below.startsWith(prefix) || prefix.startsWith(below)) await this.#walk(below, prefix, entries);
      } else if (child.isFile() && name.startsWith(prefix)) {
        const size = await sizeOf(join(this.#directory, name));
        if (size !== undefined) entries.push({ name, size });
      }
    }
  }

  #path(verb: string, name: string): string {
    this.#checkOpen(verb, name);
    return join(this.#directory, checkObjectName(name));
  }

  async #isFolder(path: string): Promise<boolean> {
    return await stat(path).then((found) => found.isDirectory(), () => false);
  }

  #prefixConflict(name: string, cause?: unknown): BlobPreconditionError {
    return new BlobPreconditionError(
      `Cannot create '${name}' in ${this.location}: an object's name may not be a folder of another one's; ` +
        "choose a name that does not collide",
      { context: { location: this.location, name }, cause },
    );
  }

  #checkOpen(verb: string, name: string): void {
    if (!this.#isClosed) return;
    throw new BlobUnavailableError(`Cannot ${verb} '${name}' in ${this.location}: the store is closed`, {
      context: { location: this.location, name },
    });
  }

  #translate(error: unknown, verb: string, name: string): Error {
    if (error instanceof BlobUnavailableError || error instanceof BlobDeniedError) return error;
    const options = { context: { location: this.location, name, code: errorCode(error) }, cause: error };
    const tried = `Cannot ${verb} '${name}' in ${this.location}`;
    switch (fileFault(error)) {
      case "denied":
        return new BlobDeniedError(`${tried}: access is refused; ${denialAdvice(error, this.#directory)}`, options);
      case "full":
        return new DiskFullError(`${tried}: no space left on the device; free space, then start again`, options);
      case "not-a-directory":
      case "exists":
        return this.#prefixConflict(name, error);
      default:
        return new BlobUnavailableError(
          `${tried}: ${(error as Error).message}; check the disk that holds ${this.#directory}`,
          // A failed sync leaves open whether the object is there.
          { ...options, outcome: verb === "list" || verb === "read" ? "not-applied" : "unknown" },
        );
    }
  }
}

/** Whether there is no such file: also below a name that is a file, and for a name that is a folder. */
function isAbsent(error: unknown): boolean {
  const fault = fileFault(error);
  return fault === "missing" || fault === "not-a-directory" || errorCode(error) === "EISDIR";
}

async function readFolder(path: string): Promise<Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}
