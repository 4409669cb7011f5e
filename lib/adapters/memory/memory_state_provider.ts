import { StateLockedError } from "../../base/errors.ts";
import type { StateStore, StateStoreKey, StateStoreProvider } from "../../seams/state_store.ts";
import { MemoryStateRows } from "./memory_state_rows.ts";
import { type MemoryStateContent, MemoryStateStore } from "./memory_state_store.ts";

/** Options of {@linkcode MemoryStateProvider}. */
export interface MemoryStateOptions {
  /**
   * Keep what a closed store held, so that opening it again finds it: the local disk of tests. It then counts as durable.
   *
   * @default {false}
   */
  isKept?: boolean;
}

/** State in memory: the default. Without checkpoints it is gone with the process. */
export class MemoryStateProvider implements StateStoreProvider {
  readonly location = "memory:";
  readonly isDurable: boolean;
  readonly #contents = new Map<string, MemoryStateContent>();
  readonly #open = new Set<string>();

  /** A provider without stores. @param options Whether state outlives its store. */
  constructor(options: MemoryStateOptions = {}) {
    this.isDurable = options.isKept ?? false;
  }

  // deno-lint-ignore require-await
  async open(key: StateStoreKey): Promise<StateStore> {
    const id = idOf(key);
    const location = `memory:${key.application}/${key.subscription}/${key.partition}`;
    if (this.#open.has(id)) {
      throw new StateLockedError(
        `Cannot open state ${location}: another task of this process has it open; close that one first`,
        { context: { location } },
      );
    }
    this.#open.add(id);
    const content = this.#contents.get(id) ?? { rows: new MemoryStateRows(), position: undefined };
    if (this.isDurable) this.#contents.set(id, content);
    return new MemoryStateStore(location, content, (isDestroyed) => {
      this.#open.delete(id);
      if (isDestroyed || !this.isDurable) this.#contents.delete(id);
      else this.#contents.set(id, content);
    });
  }

  /** The process that had stores open is gone: they may be opened again, with what was applied to them. */
  abandon(): void {
    this.#open.clear();
  }

  // deno-lint-ignore require-await
  async destroy(key: StateStoreKey): Promise<void> {
    const id = idOf(key);
    if (this.#open.has(id)) {
      throw new StateLockedError(
        `Cannot delete state memory:${key.application}/${key.subscription}/${key.partition}: a task has it open; ` +
          `close it first`,
      );
    }
    this.#contents.delete(id);
  }
}

/**
 * The factory of the scheme `memory:`.
 *
 * @param location `memory:`.
 * @throws {TypeError} when anything follows the scheme.
 */
export function memoryState(location = "memory:"): MemoryStateProvider {
  if (location !== "memory:" && location !== "memory") {
    throw new TypeError(
      `Cannot open state in memory as its location must be 'memory:': current value is '${location}'`,
    );
  }
  return new MemoryStateProvider();
}

function idOf(key: StateStoreKey): string {
  return JSON.stringify([key.application, key.subscription, key.partition]);
}
