import type { ByteSpans } from "../../lib/columns/records.ts";
import { spanBytes, spansOf } from "../../lib/columns/spans.ts";
import type { StatePage, StateStore, StateStoreKey, StateStoreProvider } from "../../lib/seams/state_store.ts";

/** Key and value of one row as text; a null value deletes. */
export type Row = [key: string, value: string | null];

/** Text as bytes. */
export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Bytes as text. */
export function textOf(bytes: Uint8Array | null | undefined): string | null {
  return bytes === null || bytes === undefined ? null : new TextDecoder().decode(bytes);
}

/** Rows as a store takes them. */
export function page(rows: readonly Row[]): StatePage {
  return {
    count: rows.length,
    keys: spansOf(rows.map(([key]) => key)),
    values: spansOf(rows.map(([, value]) => value)),
  };
}

/** Rows of pages. */
export async function collect(pages: AsyncIterable<StatePage>): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const { count, keys, values } of pages) {
    for (let i = 0; i < count; i++) rows.push([textAt(keys, i)!, textAt(values, i)]);
  }
  return rows;
}

/** All rows of a store. */
export function dump(store: StateStore): Promise<Row[]> {
  return collect(store.scan({}, 100));
}

/** Values of keys. */
export async function read(store: StateStore, keys: readonly string[]): Promise<(string | null)[]> {
  const values = await store.getMany(spansOf(keys), keys.length);
  return keys.map((_, i) => textAt(values, i));
}

function textAt(spans: ByteSpans, row: number): string | null {
  return textOf(spanBytes(spans, row));
}

/** One rule: a fresh open store, and its provider. */
export type StateRule = (store: StateStore, provider: StateStoreProvider) => Promise<void>;

/** Whose store the rules look at. */
export const KEY: StateStoreKey = { application: "app", subscription: "sub", partition: 3 };
/** A position. */
export const AT: Uint8Array = bytesOf("position 1");
/** A later one. */
export const LATER: Uint8Array = bytesOf("position 2");

/** Rows whose keys are in order. */
export function many(count: number, value: (i: number) => string): Row[] {
  return Array.from({ length: count }, (_, i) => [`k${String(i).padStart(6, "0")}`, value(i)]);
}
