import { BlobPreconditionError, BlobUnavailableError } from "../../base/errors.ts";
import { checkObjectName, checkObjectPrefix } from "../../base/object_name.ts";
import type { BlobEntry, BlobStore, CreateResult } from "../../seams/blob_store.ts";

/** Objects in memory: for tests, and for apps whose checkpoints may end with the process. */
export class MemoryBlobStore implements BlobStore {
  /** Where this store is, for messages. */
  readonly location: string;
  #objects = new Map<string, Uint8Array>();
  #isClosed = false;

  /**
   * A store that holds nothing.
   *
   * @param location Name for messages.
   */
  constructor(location = "memory:") {
    this.location = location;
  }

  /**
   * Reads an object.
   *
   * @param name Full name.
   * @returns A copy of the bytes, or `undefined` when there is no such object.
   */
  // deno-lint-ignore require-await
  async get(name: string): Promise<Uint8Array | undefined> {
    this.#checkOpen("get", name);
    return this.#objects.get(checkObjectName(name))?.slice();
  }

  /**
   * Writes an object only if its name is free.
   *
   * @param name Full name.
   * @param bytes Content; copied.
   * @throws {BlobPreconditionError} when the name is a folder of, or lies below, another object.
   */
  // deno-lint-ignore require-await
  async create(name: string, bytes: Uint8Array): Promise<CreateResult> {
    this.#checkOpen("create", name);
    const existing = this.#objects.get(checkObjectName(name));
    if (existing !== undefined) return { isCreated: false, existing: existing.slice() };
    this.#checkNoFolder(name);
    this.#objects.set(name, bytes.slice());
    return { isCreated: true };
  }

  /**
   * Lists objects whose name starts with `prefix`, sorted by name.
   *
   * @param prefix Start of the names.
   */
  // deno-lint-ignore require-await
  async list(prefix: string): Promise<readonly BlobEntry[]> {
    this.#checkOpen("list", checkObjectPrefix(prefix));
    const entries: BlobEntry[] = [];
    for (const [name, bytes] of this.#objects) {
      if (name.startsWith(prefix)) entries.push({ name, size: bytes.byteLength });
    }
    return entries.sort((left, right) => left.name < right.name ? -1 : 1);
  }

  /**
   * Deletes an object; deleting what is not there is no error.
   *
   * @param name Full name.
   */
  // deno-lint-ignore require-await
  async delete(name: string): Promise<void> {
    this.#checkOpen("delete", name);
    this.#objects.delete(checkObjectName(name));
  }

  /** Later calls fail; other handles keep the objects. */
  // deno-lint-ignore require-await
  async close(): Promise<void> {
    this.#isClosed = true;
  }

  /** Another handle on the same objects, as a second or a restarted process would have. */
  openAgain(): MemoryBlobStore {
    const other = new MemoryBlobStore(this.location);
    other.#objects = this.#objects;
    return other;
  }

  /**
   * Changes the bytes of an object behind the store's back: for tests of damage.
   *
   * @param name Full name of an object that is there.
   * @param change Gets a copy of the bytes, returns what shall be there.
   * @throws {RangeError} when there is no such object.
   */
  damage(name: string, change: (bytes: Uint8Array) => Uint8Array): void {
    const bytes = this.#objects.get(name);
    if (bytes === undefined) {
      throw new RangeError(`Cannot damage object as there must be one: current value is ${name}`);
    }
    this.#objects.set(name, change(bytes.slice()).slice());
  }

  /** Object stores allow it, file systems and some object stores do not: refused everywhere, so that no name depends on it. */
  #checkNoFolder(name: string): void {
    for (const other of this.#objects.keys()) {
      if (!other.startsWith(`${name}/`) && !name.startsWith(`${other}/`)) continue;
      throw new BlobPreconditionError(
        `Cannot create '${name}' in ${this.location}: '${other}' is there, and an object's name may not be a folder of ` +
          "another one's; choose a name that does not collide",
        { context: { location: this.location, name, other } },
      );
    }
  }

  #checkOpen(verb: string, name: string): void {
    if (!this.#isClosed) return;
    throw new BlobUnavailableError(`Cannot ${verb} '${name}' in ${this.location}: the store is closed`, {
      context: { location: this.location, name },
    });
  }
}
