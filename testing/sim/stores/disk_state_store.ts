import { InvariantError } from "../../../lib/base/assert.ts";
import { StateStoreClosedError } from "../../../lib/base/errors.ts";
import { type MemoryStateContent, MemoryStateStore } from "../../../lib/adapters/memory/memory_state_store.ts";
import type { ByteSpans } from "../../../lib/columns/records.ts";
import { sliceSpans } from "../../../lib/columns/spans.ts";
import type { DiskLock } from "../../../lib/seams/local_disk.ts";
import type { KeyRange, StatePage, StateSnapshot, StateStore } from "../../../lib/seams/state_store.ts";
import type { StateLog } from "./state_log.ts";

/** What a {@linkcode DiskStateStore} is made of. */
export interface DiskStateParts {
  /** The log, open. */
  readonly log: StateLog;
  /** What it holds. */
  readonly content: MemoryStateContent;
  /** Lock of its folder. */
  readonly lock: DiskLock;
  /** A write of a commit begins when this resolves. */
  readonly beforeApply: () => Promise<void>;
  /** Deletes the files of the store, once it is closed. */
  readonly onDestroy: () => Promise<void>;
}

/**
 * State of one task: rows in memory, and every write in a log on a disk.
 *
 * Rows and position of a write are one frame of one log. Parts of a store that stand at different points after a crash
 * (fault D10: column families without a common log) therefore cannot happen here.
 */
export class DiskStateStore implements StateStore {
  readonly location: string;
  readonly #parts: DiskStateParts;
  readonly #memory: MemoryStateStore;
  #last: Promise<unknown> = Promise.resolve();
  #isOpen = true;
  #ending: Promise<void> | undefined;

  /**
   * @param location Where the store is, for messages.
   * @param parts Log, content and lock; taken over.
   */
  constructor(location: string, parts: DiskStateParts) {
    this.location = location;
    this.#parts = parts;
    this.#memory = new MemoryStateStore(location, parts.content);
  }

  // deno-lint-ignore require-await
  async readPosition(): Promise<Uint8Array | undefined> {
    this.#checkOpen("readPosition");
    return this.#memory.readPosition();
  }

  // deno-lint-ignore require-await
  async getMany(keys: ByteSpans, count: number): Promise<ByteSpans> {
    this.#checkOpen("getMany");
    return this.#memory.getMany(keys, count);
  }

  scan(range: KeyRange, rowsMax: number): AsyncIterable<StatePage> {
    this.#checkOpen("scan");
    return this.#memory.scan(range, rowsMax);
  }

  // deno-lint-ignore require-await
  async apply(mutations: StatePage, position: Uint8Array): Promise<void> {
    this.#checkOpen("apply");
    const { log, beforeApply } = this.#parts;
    const page = wholePage(mutations);
    return this.#inTurn(async () => {
      await beforeApply();
      await log.write(page, position);
    });
  }

  // deno-lint-ignore require-await
  async load(page: StatePage): Promise<void> {
    this.#checkOpen("load");
    return this.#inTurn(async () => {
      if (this.#parts.content.position !== undefined) {
        throw new InvariantError(`I-02: load() must not follow apply(), ${this.location} has a position`);
      }
      await this.#parts.log.write(wholePage(page), undefined);
    });
  }

  // deno-lint-ignore require-await
  async snapshot(): Promise<StateSnapshot> {
    this.#checkOpen("snapshot");
    return this.#memory.snapshot();
  }

  close(): Promise<void> {
    return this.#ending ??= this.#end();
  }

  async destroy(): Promise<void> {
    await this.close();
    await this.#parts.onDestroy();
  }

  async #end(): Promise<void> {
    this.#isOpen = false;
    await this.#last;
    await this.#memory.close();
    try {
      await this.#parts.log.close();
    } finally {
      await this.#parts.lock.release();
    }
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return turn;
  }

  #checkOpen(call: string): void {
    if (this.#isOpen) return;
    throw new StateStoreClosedError(`Cannot ${call} state in ${this.location}: the store is closed; open it again`, {
      context: { location: this.location, call },
    });
  }
}

function wholePage(page: StatePage): StatePage {
  const { count } = page;
  return { count, keys: firstRows(page.keys, count), values: firstRows(page.values, count) };
}

function firstRows(spans: ByteSpans, count: number): ByteSpans {
  return spans.starts.length === count ? spans : sliceSpans(spans, 0, count);
}
