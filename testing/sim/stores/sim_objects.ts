import { BlobPreconditionError } from "../../../lib/base/errors.ts";
import type { BlobEntry } from "../../../lib/seams/blob_store.ts";
import type { Damage } from "./fault_ledger.ts";

interface StoredObject {
  /** What is there; `undefined` when it is gone though nobody deleted it. */
  readonly bytes: Uint8Array | undefined;
  /** What was written. */
  readonly truth: Uint8Array;
}

/** Where in sorted names the first one is that does not come before `name`. */
function firstFrom(names: readonly string[], name: string): number {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (names[middle]! < name) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What an object store holds, and how that differs from what was written. */
export class SimObjects {
  readonly #objects = new Map<string, StoredObject>();
  readonly #damaged = new Map<string, Damage>();
  /** Names of what is there, sorted. */
  readonly #names: string[] = [];

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
    const names = this.#names;
    const from = firstFrom(names, prefix);
    let to = from;
    while (to < names.length && names[to]!.startsWith(prefix)) to++;
    return names.slice(from, to);
  }

  /** What a list shows. */
  entries(prefix: string): BlobEntry[] {
    return this.names(prefix).map((name) => ({ name, size: this.get(name)!.length }));
  }

  /** Puts an object where none is. @param name Full name. @param bytes Content; kept. */
  put(name: string, bytes: Uint8Array): void {
    this.#objects.set(name, { bytes, truth: bytes });
    this.#damaged.delete(name);
    this.#list(name, true);
  }

  /** What was written under a name becomes something else, or nothing. */
  damage(name: string, bytes: Uint8Array | undefined, damage: Damage): void {
    const { truth } = this.#objects.get(name)!;
    this.#objects.set(name, { bytes, truth });
    // Two damages can make up for each other.
    if (bytes !== undefined && isSame(bytes, truth)) this.#damaged.delete(name);
    else if (!this.#damaged.has(name)) this.#damaged.set(name, damage);
    this.#list(name, bytes !== undefined);
  }

  /** Takes an object away, and with it all that is known of it. */
  remove(name: string): void {
    this.#objects.delete(name);
    this.#damaged.delete(name);
    this.#list(name, false);
  }

  #list(name: string, isThere: boolean): void {
    const names = this.#names;
    const at = firstFrom(names, name);
    if ((names[at] === name) === isThere) return;
    if (isThere) names.splice(at, 0, name);
    else names.splice(at, 1);
  }

  /** @throws {BlobPreconditionError} when the name is a folder of, or lies below, another object. */
  checkNoFolder(name: string, location: string): void {
    const below = this.#names[firstFrom(this.#names, `${name}/`)];
    const others = below?.startsWith(`${name}/`) === true ? [below] : [];
    for (let slash = name.indexOf("/"); slash >= 0; slash = name.indexOf("/", slash + 1)) {
      const folder = name.slice(0, slash);
      if (this.get(folder) !== undefined) others.push(folder);
    }
    if (others.length === 0) return;
    const [other] = others.sort();
    throw new BlobPreconditionError(
      `Cannot create '${name}' in ${location}: '${other}' is there, and an object's name may not be a folder of ` +
        "another one's; choose a name that does not collide",
      { context: { location, name, other } },
    );
  }
}

/** Whether two objects have the same content. */
export function isSame(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, at) => byte === right[at]);
}
