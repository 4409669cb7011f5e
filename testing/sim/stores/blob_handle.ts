import { BlobUnavailableError } from "../../../lib/base/errors.ts";
import { checkObjectName, checkObjectPrefix } from "../../../lib/base/object_name.ts";
import type { BlobEntry, BlobStore, CreateResult } from "../../../lib/seams/blob_store.ts";

/** Who uses an object store, and how far away it is. */
export interface BlobClient {
  /** Name of the client, for checkers. @default {""} */
  readonly who?: string;
  /** Awaited on the way to the store and on the way back. @default {nothing} */
  readonly latency?: () => Promise<void>;
}

/** The store behind a handle. */
export interface BlobCalls {
  /** For messages. */
  readonly location: string;
  /** Reads. */
  get(name: string, who: string): Promise<Uint8Array | undefined>;
  /** Creates. */
  create(name: string, bytes: Uint8Array, who: string): Promise<CreateResult>;
  /** Lists. */
  list(prefix: string): Promise<readonly BlobEntry[]>;
  /** Deletes. */
  delete(name: string, who: string): Promise<void>;
}

/** What one process holds of an object store. */
export class BlobHandle implements BlobStore {
  readonly location: string;
  readonly #client: BlobClient;
  readonly #calls: BlobCalls;
  readonly #who: string;
  #isClosed = false;

  /**
   * A handle that is open.
   *
   * @param client Who it is.
   * @param calls The store.
   */
  constructor(client: BlobClient, calls: BlobCalls) {
    this.location = calls.location;
    this.#client = client;
    this.#calls = calls;
    this.#who = client.who ?? "";
  }

  // deno-lint-ignore require-await
  async get(name: string): Promise<Uint8Array | undefined> {
    this.#checkOpen("get", checkObjectName(name));
    return this.#travel(() => this.#calls.get(name, this.#who));
  }

  // deno-lint-ignore require-await
  async create(name: string, bytes: Uint8Array): Promise<CreateResult> {
    this.#checkOpen("create", checkObjectName(name));
    // What leaves the process is what the bytes are now.
    const sent = bytes.slice();
    return this.#travel(() => this.#calls.create(name, sent, this.#who));
  }

  // deno-lint-ignore require-await
  async list(prefix: string): Promise<readonly BlobEntry[]> {
    this.#checkOpen("list", checkObjectPrefix(prefix));
    return this.#travel(() => this.#calls.list(prefix));
  }

  // deno-lint-ignore require-await
  async delete(name: string): Promise<void> {
    this.#checkOpen("delete", checkObjectName(name));
    return this.#travel(() => this.#calls.delete(name, this.#who));
  }

  // deno-lint-ignore require-await
  async close(): Promise<void> {
    this.#isClosed = true;
  }

  async #travel<T>(call: () => Promise<T>): Promise<T> {
    const { latency } = this.#client;
    if (latency === undefined) return await call();
    await latency();
    try {
      return await call();
    } finally {
      await latency();
    }
  }

  #checkOpen(verb: string, name: string): void {
    if (!this.#isClosed) return;
    throw new BlobUnavailableError(`Cannot ${verb} '${name}' in ${this.location}: the store is closed`, {
      context: { location: this.location, name },
    });
  }
}
