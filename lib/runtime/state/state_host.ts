import type { StateStore } from "../../seams/state_store.ts";
import type { SlotTable } from "./slot_table.ts";

/** What access to one table needs of the state that it is part of. */
export interface StateHost {
  /** The store. */
  readonly store: StateStore;
  /** Number of the newest open commit. @throws {ProcessingError} when none is open. */
  writeSerial(): number;
  /** Counts a read of the store. */
  countRead(keys: number): void;
}

/**
 * Looks at slots once they are loaded, with one read of the store for all that are not.
 *
 * @param host The store.
 * @param table The table.
 * @param more The slots, and what to do with them; codes are valid until it returns.
 */
export async function withLoaded<T>(
  host: StateHost,
  table: SlotTable,
  more: { codes: Int32Array; look: () => T },
): Promise<T> {
  const missing = table.notLoaded(more.codes);
  if (missing.length === 0) return more.look();
  host.countRead(missing.length);
  table.readsUnderWay++;
  try {
    const rows = await host.store.getMany(table.storedKeys(missing), missing.length);
    table.load(missing, rows);
    return more.look();
  } finally {
    table.readsUnderWay--;
  }
}
