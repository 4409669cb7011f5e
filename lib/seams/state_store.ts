import type { ByteSpans } from "../columns/records.ts";

/** Keys and values of a state store in columns of bytes; a null value is a deletion or a missing key. */
export interface StatePage {
  /** Number of rows. */
  readonly count: number;
  /** Stored keys; never null. */
  readonly keys: ByteSpans;
  /** Values; a null row means "not there" (read) or "delete" (write). */
  readonly values: ByteSpans;
}

/** A half-open range of stored keys, compared as unsigned bytes. */
export interface KeyRange {
  /** First key of the range. @default the first key */
  readonly from?: Uint8Array;
  /** First key after the range. @default past the last key */
  readonly to?: Uint8Array;
}

/** Iterates one consistent state of a store while writes go on. */
export interface StateSnapshot {
  /** The position that was written together with exactly this state; `undefined` for a store never written. */
  readonly position: Uint8Array | undefined;
  /** Pages of at most `rowsMax` rows in key order. May be called once. */
  pages(rowsMax: number): AsyncIterable<StatePage>;
  /** Must be called when done. */
  release(): Promise<void>;
}

/**
 * Durable keyed bytes of one task. The store sees only flushes: open commits, undo and overlay live above it (I-03).
 * Stored key = u32 big-endian murmur2 of the routing key, operator id, user key.
 */
export interface StateStore {
  /** Where the store is, for messages. */
  readonly location: string;
  /** The position written by the last {@linkcode StateStore.apply}, read from the store itself. */
  readPosition(): Promise<Uint8Array | undefined>;
  /**
   * Reads many keys in one round.
   *
   * @param keys Stored keys; never null.
   * @param count Number of keys.
   * @returns One row for each key, null where there is none.
   * @throws {StateStoreClosedError} after close.
   */
  getMany(keys: ByteSpans, count: number): Promise<ByteSpans>;
  /** Rows of a range in key order, in pages of at most `rowsMax` rows. Sees what was applied before the call. */
  scan(range: KeyRange, rowsMax: number): AsyncIterable<StatePage>;
  /**
   * Writes all mutations together with the position in one atomic write (I-02): a reopened store has both or neither.
   * A later row of the same key wins.
   *
   * @param mutations Rows to put, null values to delete.
   * @param position Opaque bytes, returned by {@linkcode StateStore.readPosition}.
   * @throws {DiskFullError} when there is no space; the store stays as it was.
   * @throws {StateStoreClosedError} after close.
   */
  apply(mutations: StatePage, position: Uint8Array): Promise<void>;
  /** Bulk load into an empty store, without a position: a crash in the middle leaves a store that has none. */
  load(page: StatePage): Promise<void>;
  /** A consistent view for a checkpoint. */
  snapshot(): Promise<StateSnapshot>;
  /** Waits for pending calls, then closes. Later calls throw; closing twice is no error. */
  close(): Promise<void>;
  /** Closes and deletes everything. */
  destroy(): Promise<void>;
}

/** Names one task's store. */
export interface StateStoreKey {
  /** Application id. */
  readonly application: string;
  /** Subscription name. */
  readonly subscription: string;
  /** Partition number of the task. */
  readonly partition: number;
}

/** Opens stores: the `state` option of an app. */
export interface StateStoreProvider {
  /** What users wrote or would write (`rocksdb:./state`, `memory:`). */
  readonly location: string;
  /** Whether state survives the process, so that a checkpoint is not the only durable copy. */
  readonly isDurable: boolean;
  /**
   * Opens (creating it when missing) the store of a task.
   *
   * @throws {StateLockedError} when another process or task holds it.
   * @throws {StateCorruptError} when it cannot be opened.
   */
  open(key: StateStoreKey): Promise<StateStore>;
  /** Deletes the store of a task that is not open. */
  destroy(key: StateStoreKey): Promise<void>;
}
