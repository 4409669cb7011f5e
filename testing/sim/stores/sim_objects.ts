import { BlobPreconditionError } from "../../../lib/base/errors.ts";
import type { BlobEntry } from "../../../lib/seams/blob_store.ts";
import type { Damage } from "./fault_ledger.ts";

interface StoredObject {
  /** What is there; `undefined` when it is gone though nobody deleted it. */
  readonly bytes: Uint8Array | undefined;
  /** What was written. */
  readonly truth: Uint8Array;
}

/** What an object store holds, and how that differs from what was written. */
export class SimObjects {
  readonly #objects = new Map<string, StoredObject>();
  readonly #damaged = new Map<string, Damage>();
  #names: string[] | undefined;

  /** Objects that are not as they were written, or gone, by name. */
  get damaged(): ReadonlyMap<string, Damage> {
    return this.#damaged;
  }

  /** What is there now. Not a copy. */
  get(name: string): Uint8Array | undefined {
    return this.#objects.get(name)?.bytes;
  }

  /** What was written under a name that nobody has deleted. Not a copy. */
  written(name: string): Uint8Array | undefined {
    return this.#objects.get(name)?.truth;
  }

  /** Names of what is there, sorted. */
  names(prefix = ""): string[] {
    this.#names ??= [...this.#objects].filter(([, { bytes }]) => bytes !== undefined).map(([name]) => name).sort();
    return prefix === "" ? this.#names.slice() : this.#names.filter((name) => name.startsWith(prefix));
  }

  /** What a list shows. */
  entries(prefix: string): BlobEntry[] {
    return this.names(prefix).map((name) => ({ name, size: this.get(name)!.length }));
  }

  /** Puts an object where none is. @param name Full name. @param bytes Content; kept. */
  put(name: string, bytes: Uint8Array): void {
    this.#objects.set(name, { bytes, truth: bytes });
    this.#damaged.delete(name);
    this.#names = undefined;
  }

  /** What was written under a name becomes something else, or nothing. */
  damage(name: string, bytes: Uint8Array | undefined, damage: Damage): void {
    const { truth } = this.#objects.get(name)!;
    this.#objects.set(name, { bytes, truth });
    // Two damages can make up for each other.
    if (bytes !== undefined && isSame(bytes, truth)) this.#damaged.delete(name);
    else if (!this.#damaged.has(name)) this.#damaged.set(name, damage);
    this.#names = undefined;
  }

  /** Takes an object away, and with it all that is known of it. */
  remove(name: string): void {
    this.#objects.delete(name);
    this.#damaged.delete(name);
    this.#names = undefined;
  }

  /** @throws {BlobPreconditionError} when the name is a folder of, or lies below, another object. */
  checkNoFolder(name: string, location: string): void {
    for (const other of this.names()) {
      if (!other.startsWith(`${name}/`) && !name.startsWith(`${other}/`)) continue;
      throw new BlobPreconditionError(
        `Cannot create '${name}' in ${location}: '${other}' is there, and an object's name may not be a folder of ` +
          "another one's; choose a name that does not collide",
        { context: { location, name, other } },
      );
    }
  }
}

/** Whether two objects have the same content. */
export function isSame(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, at) => byte === right[at]);
}
