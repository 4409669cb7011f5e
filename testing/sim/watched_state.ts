/** Tells of what is written to local state stores. */
import type { ByteSpans } from "../../lib/columns/records.ts";
import type {
  KeyRange,
  StatePage,
  StateSnapshot,
  StateStore,
  StateStoreKey,
  StateStoreProvider,
} from "../../lib/seams/state_store.ts";
import type { StateCall } from "./contracts.ts";

/** A call as the wrappers tell it; the world adds which process it is of. */
export type WatchedStateCall = Omit<StateCall, "process" | "incarnation">;

/** Is told of each call when it is made, and when it has taken effect or failed. Must not throw. */
export type TellState = (call: WatchedStateCall) => void;

/**
 * A provider whose stores tell when they are opened, written and closed. To be put between the stores and what makes them
 * go dead with their process, so that it tells what has been written, not what a process was told of.
 *
 * @param provider The stores of one process.
 * @param tell Is told.
 * @returns A provider that does the same.
 */
export function watchState(provider: StateStoreProvider, tell: TellState): StateStoreProvider {
  return new WatchedProvider(provider, tell);
}

async function told<T>(
  tell: TellState,
  call: Omit<WatchedStateCall, "phase" | "error">,
  run: () => Promise<T>,
): Promise<T> {
  tell({ ...call, phase: "called" });
  const settled = { ...call, phase: "settled" } as const;
  try {
    const value = await run();
    tell(call.method === "readPosition" ? { ...settled, position: value as Uint8Array | undefined } : settled);
    return value;
  } catch (error) {
    tell({ ...settled, error });
    throw error;
  }
}

class WatchedProvider implements StateStoreProvider {
  readonly #provider: StateStoreProvider;
  readonly #tell: TellState;

  constructor(provider: StateStoreProvider, tell: TellState) {
    this.#provider = provider;
    this.#tell = tell;
  }

  get location(): string {
    return this.#provider.location;
  }

  get isDurable(): boolean {
    return this.#provider.isDurable;
  }

  async open(key: StateStoreKey): Promise<StateStore> {
    const store = await told(this.#tell, { key, method: "open" }, () => this.#provider.open(key));
    return new WatchedStore(store, key, this.#tell);
  }

  destroy(key: StateStoreKey): Promise<void> {
    return told(this.#tell, { key, method: "destroy" }, () => this.#provider.destroy(key));
  }
}

class WatchedStore implements StateStore {
  readonly #store: StateStore;
  readonly #key: StateStoreKey;
  readonly #tell: TellState;

  constructor(store: StateStore, key: StateStoreKey, tell: TellState) {
    this.#store = store;
    this.#key = key;
    this.#tell = tell;
  }

  get location(): string {
    return this.#store.location;
  }

  readPosition(): Promise<Uint8Array | undefined> {
    return told(this.#tell, { key: this.#key, method: "readPosition" }, () => this.#store.readPosition());
  }

  getMany(keys: ByteSpans, count: number): Promise<ByteSpans> {
    return this.#store.getMany(keys, count);
  }

  scan(range: KeyRange, rowsMax: number): AsyncIterable<StatePage> {
    return this.#store.scan(range, rowsMax);
  }

  apply(mutations: StatePage, position: Uint8Array): Promise<void> {
    return told(
      this.#tell,
      { key: this.#key, method: "apply", position },
      () => this.#store.apply(mutations, position),
    );
  }

  load(page: StatePage): Promise<void> {
    return told(this.#tell, { key: this.#key, method: "load" }, () => this.#store.load(page));
  }

  snapshot(): Promise<StateSnapshot> {
    return this.#store.snapshot();
  }

  close(): Promise<void> {
    return told(this.#tell, { key: this.#key, method: "close" }, () => this.#store.close());
  }

  destroy(): Promise<void> {
    return told(this.#tell, { key: this.#key, method: "destroy" }, () => this.#store.destroy());
  }
}
