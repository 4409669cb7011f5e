import { InvariantError } from "../../base/assert.ts";
import { StateStoreClosedError } from "../../base/errors.ts";
import type { ByteSpans } from "../../columns/records.ts";
import type { KeyRange, StatePage, StateSnapshot, StateStore } from "../../seams/state_store.ts";
import { MemoryStateRows, type MemoryStateView } from "./memory_state_rows.ts";

/** What a memory store holds; may outlive the store that wrote it. */
export interface MemoryStateContent {
  /** The rows. */
  rows: MemoryStateRows;
  /** The position written with them. */
  position: Uint8Array | undefined;
}

/** State of one task in memory, gone with the process. */
export class MemoryStateStore implements StateStore {
  readonly location: string;
  readonly #content: MemoryStateContent;
  readonly #onClose: (isDestroyed: boolean) => void;
  #isClosed = false;

  /**
   * @param location Name for messages.
   * @param content What is there already. @default nothing
   * @param onClose Called once when it closes.
   */
  constructor(
    location = "memory:",
    content: MemoryStateContent = { rows: new MemoryStateRows(), position: undefined },
    onClose: (isDestroyed: boolean) => void = () => {},
  ) {
    this.location = location;
    this.#content = content;
    this.#onClose = onClose;
  }

  // deno-lint-ignore require-await
  async readPosition(): Promise<Uint8Array | undefined> {
    this.#checkOpen("readPosition");
    return this.#content.position?.slice();
  }

  // deno-lint-ignore require-await
  async getMany(keys: ByteSpans, count: number): Promise<ByteSpans> {
    this.#checkOpen("getMany");
    return this.#content.rows.getMany(firstRows(keys, count));
  }

  scan(range: KeyRange, rowsMax: number): AsyncIterable<StatePage> {
    this.#checkOpen("scan");
    checkRowsMax(rowsMax);
    return this.#pages(this.#content.rows.view(range), rowsMax, "scan");
  }

  // deno-lint-ignore require-await
  async apply(mutations: StatePage, position: Uint8Array): Promise<void> {
    this.#checkOpen("apply");
    this.#content.rows.apply(wholePage(mutations));
    this.#content.position = position.slice();
  }

  // deno-lint-ignore require-await
  async load(page: StatePage): Promise<void> {
    this.#checkOpen("load");
    if (this.#content.position !== undefined) {
      throw new InvariantError(`I-02: load() must not follow apply(), ${this.location} has a position`);
    }
    this.#content.rows.apply(wholePage(page));
  }

  // deno-lint-ignore require-await
  async snapshot(): Promise<StateSnapshot> {
    this.#checkOpen("snapshot");
    const view = this.#content.rows.view();
    let isUsed = false;
    return {
      position: this.#content.position?.slice(),
      pages: (rowsMax: number) => {
        if (isUsed) throw new InvariantError("The pages of a snapshot are read once");
        isUsed = true;
        checkRowsMax(rowsMax);
        return this.#pages(view, rowsMax, "snapshot");
      },
      release: () => Promise.resolve(),
    };
  }

  // deno-lint-ignore require-await
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onClose(false);
  }

  // deno-lint-ignore require-await
  async destroy(): Promise<void> {
    const wasClosed = this.#isClosed;
    this.#isClosed = true;
    this.#content.rows = new MemoryStateRows();
    this.#content.position = undefined;
    if (!wasClosed) this.#onClose(true);
  }

  async *#pages(view: MemoryStateView, rowsMax: number, call: string): AsyncGenerator<StatePage> {
    for (const page of view.pages(rowsMax)) {
      this.#checkOpen(call);
      yield page;
    }
  }

  #checkOpen(call: string): void {
    if (!this.#isClosed) return;
    throw new StateStoreClosedError(`Cannot ${call} state in ${this.location}: the store is closed; open it again`, {
      context: { location: this.location, call },
    });
  }
}

/** Throws unless a page may have that many rows. @param rowsMax The number. */
function checkRowsMax(rowsMax: number): void {
  if (Number.isInteger(rowsMax) && rowsMax >= 1) return;
  throw new RangeError(`Cannot read state as 'rowsMax' must be an integer >= 1: current value is ${rowsMax}`);
}

function firstRows(spans: ByteSpans, count: number): ByteSpans {
  if (spans.starts.length === count) return spans;
  return { bytes: spans.bytes, starts: spans.starts.subarray(0, count), ends: spans.ends.subarray(0, count) };
}

function wholePage(page: StatePage): StatePage {
  const { count } = page;
  return { count, keys: firstRows(page.keys, count), values: firstRows(page.values, count) };
}
