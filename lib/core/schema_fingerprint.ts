import { sha256HexOfText } from "../base/sha256.ts";
import type { Columns, ColumnType } from "../columns/schema.ts";

/** Anything with the shape of a keyed table. */
export interface FingerprintedTable {
  /** Type of the keys. */
  readonly key: ColumnType;
  /** Columns of the values. */
  readonly value: Columns;
}

/**
 * Canonical text of columns: names quoted, in order, each with its type; `?` marks what may be null.
 *
 * @param columns The columns.
 * @returns For example `{"count":int64,"name":utf8?}`.
 */
export function canonicalColumns(columns: Columns): string {
  const parts = Object.entries(columns).map(([name, type]) => `${JSON.stringify(name)}:${canonicalType(type)}`);
  return `{${parts.join(",")}}`;
}

/**
 * Canonical text of a column type.
 *
 * @param type The type.
 * @returns For example `list<utf8>?`.
 */
export function canonicalType(type: ColumnType): string {
  const element = type.element === undefined ? "" : `<${canonicalType(type.element)}>`;
  const columns = type.columns === undefined ? "" : canonicalColumns(type.columns);
  return `${type.kind}${element}${columns}${type.nullable ? "?" : ""}`;
}

/**
 * Fingerprint of how an operator's state is written, kept in each checkpoint.
 *
 * @param text Canonical text of the schema; the same schema must always give the same text.
 * @returns SHA-256 of the text, 64 hexadecimal digits.
 */
export function fingerprintOf(text: string): string {
  return sha256HexOfText(text);
}

/**
 * Fingerprint of a keyed table.
 *
 * @param table Key type and value columns.
 * @returns SHA-256 of the canonical text, 64 hexadecimal digits.
 */
export function tableFingerprint(table: FingerprintedTable): string {
  return fingerprintOf(`${canonicalType(table.key)}=>${canonicalColumns(table.value)}`);
}
