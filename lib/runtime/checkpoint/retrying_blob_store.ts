import { backoffMs, type BackoffOptions } from "../../base/backoff.ts";
import { BlobThrottledError, BlobTimeoutError, BlobUnavailableError } from "../../base/errors.ts";
import type { BlobEntry, BlobStore, CreateResult } from "../../seams/blob_store.ts";
import type { Environment } from "../../seams/adapter.ts";

/** How calls to a blob store are tried again. */
export interface BlobRetryOptions extends BackoffOptions {
  /** Attempts of one call; at least 1. @default {8} */
  attemptsMax?: number;
}

const ATTEMPTS_MAX = 8;

/**
 * A blob store whose calls are tried again when the store is throttled, late or away, with backoff on the seams' clock.
 * All four calls may be repeated after a lost reply; a repeated `create` finds its own object, so the caller compares
 * what is there with what it wanted to write.
 */
export class RetryingBlobStore implements BlobStore {
  /** Where the store is, for messages. */
  readonly location: string;
  readonly #store: BlobStore;
  readonly #environment: Environment;
  readonly #backoff: BackoffOptions;
  readonly #attemptsMax: number;
  readonly #signal: AbortSignal | undefined;

  /**
   * @param store The store underneath.
   * @param environment Clock, randomness and observer.
   * @param options How often and how soon, and a signal that ends retrying.
   * @throws {RangeError} when `attemptsMax` is not an integer >= 1.
   */
  constructor(store: BlobStore, environment: Environment, options: BlobRetryOptions & { signal?: AbortSignal } = {}) {
    const { attemptsMax = ATTEMPTS_MAX, signal, ...backoff } = options;
    if (!Number.isSafeInteger(attemptsMax) || attemptsMax < 1) {
      throw new RangeError(
        `Cannot retry blob store as 'attemptsMax' must be an integer >= 1: current value is ${attemptsMax}`,
      );
    }
    this.location = store.location;
    this.#store = store;
    this.#environment = environment;
    this.#attemptsMax = attemptsMax;
    this.#backoff = backoff;
    this.#signal = signal;
  }

  /** Reads an object. @param name Full name. */
  get(name: string): Promise<Uint8Array | undefined> {
    return this.#retry("get", name, () => this.#store.get(name));
  }

  /** Writes an object only if its name is free. @param name Full name. @param bytes Content. */
  create(name: string, bytes: Uint8Array): Promise<CreateResult> {
    return this.#retry("create", name, () => this.#store.create(name, bytes));
  }

  /** Lists objects. @param prefix Start of the names. */
  list(prefix: string): Promise<readonly BlobEntry[]> {
    return this.#retry("list", prefix, () => this.#store.list(prefix));
  }

  /** Deletes an object. @param name Full name. */
  delete(name: string): Promise<void> {
    return this.#retry("delete", name, () => this.#store.delete(name));
  }

  /** Closes the store underneath. */
  close(): Promise<void> {
    return this.#store.close();
  }

  async #retry<T>(verb: string, name: string, call: () => Promise<T>): Promise<T> {
    const { clock, random, observer } = this.#environment;
    for (let attempt = 0;; attempt++) {
      try {
        return await call();
      } catch (error) {
        const isLast = attempt + 1 >= this.#attemptsMax || this.#signal?.aborted === true;
        if (isLast || !isTransient(error)) throw error;
        const waitMs = backoffMs(attempt, random.uint32(), this.#backoff);
        const detail = { location: this.location, name, attempt: attempt + 1, waitMs };
        observer.log("debug", `Blob store: ${verb} is tried again after ${(error as Error).message}`, detail);
        await clock.sleep(waitMs, this.#signal);
        if (this.#signal?.aborted) throw error;
      }
    }
  }
}

function isTransient(error: unknown): boolean {
  return error instanceof BlobThrottledError || error instanceof BlobTimeoutError ||
    error instanceof BlobUnavailableError;
}
