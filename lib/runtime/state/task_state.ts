import { invariant } from "../../base/assert.ts";
import { CheckpointIncompatibleError, ProcessingError, StateStoreClosedError } from "../../base/errors.ts";
import type { ValueCodec } from "../../base/value_codec.ts";
import type { Columns, ColumnType } from "../../columns/schema.ts";
import { concatSpans, spanBytes, spansByteLength, spansOf } from "../../columns/spans.ts";
import type { KeyedState, StateAccess, StateTable } from "../../operator/operator.ts";
import type { StatePage, StateSnapshot, StateStore } from "../../seams/state_store.ts";
import { KeyedAccess } from "./keyed_access.ts";
import { keyedFingerprint, tableFingerprint } from "./schema_fingerprint.ts";
import type { SlotTable } from "./slot_table.ts";
import type { StateHost } from "./state_host.ts";
import { operatorPrefix, schemaKey, schemaRange } from "./stored_key.ts";
import { TableAccess } from "./table_access.ts";

/** Options of {@linkcode TaskState.open}. */
export interface TaskStateOptions {
  /** How free-form values are written. */
  readonly valueCodec: ValueCodec;
  /** Keys of one table that are held in memory; beyond it clean ones are dropped and read again. @default {5_000_000} */
  readonly tableKeysMax?: number;
}

/** What state has done so far, and what it holds. */
export interface TaskStateMetrics {
  /** Open commits. */
  readonly openCommits: number;
  /** Rows that are applied and not flushed. */
  readonly pendingRows: number;
  /** Their bytes, nearly. */
  readonly pendingBytes: number;
  /** Flushes that are in the store. */
  readonly flushes: number;
  /** Flushes that failed. */
  readonly flushFailures: number;
  /** Rows written by flushes. */
  readonly flushedRows: number;
  /** Bytes of keys and values written by flushes. */
  readonly flushedBytes: number;
  /** Reads of the store. */
  readonly storeReads: number;
  /** Keys that they asked for. */
  readonly storeReadKeys: number;
  /** Before-images taken. */
  readonly undoRows: number;
  /** Keys held in memory. */
  readonly heldKeys: number;
  /** Bytes of memory that they take. */
  readonly heldBytes: number;
  /** Keys dropped from memory. */
  readonly droppedKeys: number;
}

interface Part {
  readonly fingerprint: string;
  readonly slots: SlotTable;
  readonly access: KeyedAccess | StateAccess<ColumnType, Columns>;
}

/**
 * The state of one task above its store: open commits on top of the committed overlay on top of what is flushed.
 *
 * ```
 * handler writes -> newest open commit -> ... -> oldest open commit --applyOldest--> overlay --flush--> store
 *                   `----------- abortAll drops all of these -----------'
 * ```
 *
 * Keeps: reads see everything; the store never has a value of an open commit (I-03); a flush writes everything that was
 * applied before it together with its position in one atomic write (I-02), and a flush that failed loses nothing.
 */
export class TaskState implements StateHost {
  readonly store: StateStore;
  readonly #options: Required<TaskStateOptions>;
  readonly #parts = new Map<string, Part>();
  /** Shapes that the store has rows of, by operator; they are written together with a table's first rows. */
  readonly #stored: Map<string, string>;
  #open: number[] = [];
  #serial = 0;
  #flushing: Promise<void> | undefined;
  #isClosed = false;
  #flushes = 0;
  #flushFailures = 0;
  #flushedRows = 0;
  #flushedBytes = 0;
  #storeReads = 0;
  #storeReadKeys = 0;

  private constructor(store: StateStore, options: Required<TaskStateOptions>, stored: Map<string, string>) {
    this.store = store;
    this.#options = options;
    this.#stored = stored;
  }

  /**
   * Opens the state of a task.
   *
   * @param store Its store, restored already; closed by {@linkcode TaskState.close}.
   * @param options Value codec and bounds.
   * @throws {RangeError} when a bound is no positive integer.
   */
  static async open(store: StateStore, options: TaskStateOptions): Promise<TaskState> {
    const { valueCodec, tableKeysMax = 5_000_000 } = options;
    if (!Number.isInteger(tableKeysMax) || tableKeysMax < 1) {
      throw new RangeError(
        `Cannot open task state as 'tableKeysMax' must be an integer >= 1: current value is ${tableKeysMax}`,
      );
    }
    return new TaskState(store, Object.freeze({ valueCodec, tableKeysMax }), await readSchemas(store));
  }

  /** Number of open commits. */
  get openCommits(): number {
    return this.#open.length;
  }

  /** Bytes of the rows that are applied and not flushed, nearly. */
  get pendingBytes(): number {
    let bytes = 0;
    for (const { slots } of this.#parts.values()) bytes += slots.pendingBytes;
    return bytes;
  }

  /** Rows that are applied and not flushed. */
  get pendingRows(): number {
    let rows = 0;
    for (const { slots } of this.#parts.values()) rows += slots.pendingRows;
    return rows;
  }

  /** Opens a commit on top of the open ones; from now on all writes belong to it. */
  begin(): void {
    invariant(this.#serial < 0x7fffffff, "commits of one task are counted in 31 bits");
    this.#open.push(++this.#serial);
  }

  /** The outcome of the oldest open commit is known: what it wrote joins the committed overlay. */
  applyOldest(): void {
    const serial = this.#open.shift();
    invariant(serial !== undefined, "there is an open commit to apply");
    for (const { slots } of this.#parts.values()) slots.apply(serial);
  }

  /** Takes all open commits back, newest first. */
  abortAll(): void {
    for (const { slots } of this.#parts.values()) slots.abort();
    this.#open = [];
  }

  /**
   * The free form of an operator's state; the same object for the same operator.
   *
   * @param operatorId The operator; empty for the handler itself.
   * @throws {CheckpointIncompatibleError} when the store has rows of another shape under that name.
   */
  keyed(operatorId: string): KeyedState {
    const fingerprint = keyedFingerprint(this.#options.valueCodec.name);
    return this.#part(operatorId, fingerprint, (prefix, isComplete) => {
      const { tableKeysMax: keysMax } = this.#options;
      const place = { name: `state of '${operatorId}'`, prefix, keysMax, isComplete };
      return new KeyedAccess(this, this.#options.valueCodec, place);
    }) as KeyedAccess;
  }

  /**
   * A table of an operator's state; the same object for the same operator.
   *
   * @param operatorId The operator.
   * @param table Its shape.
   * @throws {TypeError} when the operator's table was opened with another shape before.
   * @throws {CheckpointIncompatibleError} when the store has rows of another shape under that name.
   */
  table<K extends ColumnType, V extends Columns>(operatorId: string, table: StateTable<K, V>): StateAccess<K, V> {
    return this.#part(operatorId, tableFingerprint(table), (prefix, isComplete) => {
      const { tableKeysMax: keysMax } = this.#options;
      return new TableAccess(this, table, {
        name: `state table '${operatorId}'`,
        prefix,
        keysMax,
        isComplete,
      }) as never;
    }) as unknown as StateAccess<K, V>;
  }

  /**
   * Writes everything that is applied and not in the store yet, with a position, in one atomic write. Processing and
   * commits may go on meanwhile: what they apply is left for the next flush.
   *
   * @param position The position of the last applied commit.
   * @throws {StateError} when the store cannot write; then everything stays pending.
   */
  async flush(position: Uint8Array): Promise<void> {
    this.#checkOpen();
    invariant(this.#flushing === undefined, "one flush at a time");
    invariant(position.length > 0, "I-02: state is written together with its position");
    this.#flushing = this.#flush(position);
    try {
      await this.#flushing;
    } finally {
      this.#flushing = undefined;
    }
  }

  /** A consistent view of what is flushed. */
  snapshot(): Promise<StateSnapshot> {
    return this.store.snapshot();
  }

  /** What state has done so far, and what it holds. */
  metrics(): TaskStateMetrics {
    const slots = [...this.#parts.values()].map((part) => part.slots);
    const sum = (of: (table: SlotTable) => number): number => slots.reduce((total, table) => total + of(table), 0);
    return {
      openCommits: this.openCommits,
      pendingRows: this.pendingRows,
      pendingBytes: this.pendingBytes,
      flushes: this.#flushes,
      flushFailures: this.#flushFailures,
      flushedRows: this.#flushedRows,
      flushedBytes: this.#flushedBytes,
      storeReads: this.#storeReads,
      storeReadKeys: this.#storeReadKeys,
      undoRows: sum((table) => table.undoRows),
      heldKeys: sum((table) => table.keys.size),
      heldBytes: sum((table) => table.byteLength),
      droppedKeys: sum((table) => table.droppedSlots),
    };
  }

  /** Waits for the flush that runs, then closes the store. What is not flushed is gone. Closing twice is no error. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#flushing?.catch(() => {});
    await this.store.close();
  }

  /** Number of the newest open commit. @throws {ProcessingError} when none is open. */
  writeSerial(): number {
    this.#checkOpen();
    const serial = this.#open.at(-1);
    if (serial !== undefined) return serial;
    throw new ProcessingError(
      "Cannot write state outside of the processing of a batch: await every call that writes before the handler returns",
    );
  }

  /** Counts a read of the store. */
  countRead(keys: number): void {
    this.#storeReads++;
    this.#storeReadKeys += keys;
  }

  #part(
    operatorId: string,
    fingerprint: string,
    make: (prefix: Uint8Array, isComplete: boolean) => { readonly slots: SlotTable },
  ): unknown {
    const known = this.#parts.get(operatorId);
    if (known?.fingerprint === fingerprint) return known.access;
    if (known !== undefined) {
      throw new TypeError(
        `Cannot open state '${operatorId}' as ${fingerprint}, it is open with another shape: current value is ` +
          known.fingerprint,
      );
    }
    const stored = this.#stored.get(operatorId);
    if (stored !== undefined && stored !== fingerprint) {
      throw new CheckpointIncompatibleError(
        `Cannot open state '${operatorId}' in ${this.store.location}: its rows are of the shape ${stored}, wanted is ` +
          `${fingerprint}; give the changed state another name, or reset the subscription`,
        { context: { operatorId, stored, wanted: fingerprint } },
      );
    }
    const access = make(operatorPrefix(operatorId), stored === undefined);
    this.#parts.set(operatorId, { fingerprint, slots: access.slots, access: access as unknown as Part["access"] });
    return access;
  }

  async #flush(position: Uint8Array): Promise<void> {
    const pages: StatePage[] = [];
    const schemas: [operatorId: string, fingerprint: string][] = [];
    let isDone = false;
    try {
      for (const [operatorId, { slots, fingerprint }] of this.#parts) {
        const page = slots.beginFlush();
        if (page === undefined) continue;
        pages.push(page);
        if (!this.#stored.has(operatorId)) schemas.push([operatorId, fingerprint]);
      }
      if (schemas.length > 0) pages.push(schemaPage(schemas));
      const mutations = onePage(pages);
      await this.store.apply(mutations, position);
      isDone = true;
      this.#flushes++;
      this.#flushedRows += mutations.count;
      this.#flushedBytes += spansByteLength(mutations.keys) + spansByteLength(mutations.values);
      for (const [operatorId, fingerprint] of schemas) this.#stored.set(operatorId, fingerprint);
    } finally {
      if (!isDone) this.#flushFailures++;
      for (const { slots } of this.#parts.values()) slots.endFlush(isDone);
    }
  }

  #checkOpen(): void {
    if (!this.#isClosed) return;
    throw new StateStoreClosedError(`Cannot use state in ${this.store.location}: the task is closed`, {
      context: { location: this.store.location },
    });
  }
}

function schemaPage(schemas: readonly [operatorId: string, fingerprint: string][]): StatePage {
  return {
    count: schemas.length,
    keys: spansOf(schemas.map(([operatorId]) => schemaKey(operatorId))),
    values: spansOf(schemas.map(([, fingerprint]) => fingerprint)),
  };
}

function onePage(pages: readonly StatePage[]): StatePage {
  if (pages.length === 1) return pages[0]!;
  return {
    count: pages.reduce((sum, page) => sum + page.count, 0),
    keys: concatSpans(pages.map((page) => page.keys)),
    values: concatSpans(pages.map((page) => page.values)),
  };
}

async function readSchemas(store: StateStore): Promise<Map<string, string>> {
  const { from, to, idAt } = schemaRange();
  const decoder = new TextDecoder();
  const stored = new Map<string, string>();
  for await (const { count, keys, values } of store.scan({ from, to }, 1_000)) {
    for (let row = 0; row < count; row++) {
      stored.set(decoder.decode(spanBytes(keys, row)!.subarray(idAt)), decoder.decode(spanBytes(values, row)!));
    }
  }
  return stored;
}
