import type { Clock } from "./clock.ts";
import type { Observer } from "./observer.ts";
import type { Random } from "./random.ts";
import type { Broker } from "./broker.ts";
import type { BlobStore } from "./blob_store.ts";
import type { StateStoreProvider } from "./state_store.ts";

/** What adapters may use of the process: swapped in one line by tests. */
export interface Environment {
  /** Time. */
  readonly clock: Clock;
  /** Randomness. */
  readonly random: Random;
  /** Log, trace and crash points. */
  readonly observer: Observer;
}

/**
 * An adapter registers one scheme; option strings with that scheme then work. The factory gets the whole location and
 * throws `TypeError` with the allowed form when it does not understand it.
 */
export interface Adapter {
  /** Scheme with its colon left away: `kafkajs`, `rocksdb`, `file`. */
  readonly scheme: string;
  /** Opens brokers (`broker` option). */
  readonly broker?: (location: string, environment: Environment) => Broker;
  /** Opens state stores (`state` option). */
  readonly state?: (location: string, environment: Environment) => StateStoreProvider;
  /** Opens blob stores (`checkpoints` option). */
  readonly blobs?: (location: string, environment: Environment) => BlobStore;
}
