import { toHex } from "../../lib/base/hex.ts";

const DECODER = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Bytes as people read them: text where they are text, hexadecimal digits otherwise. Different bytes look different. */
export function shownBytes(bytes: Uint8Array): string {
  try {
    return DECODER.decode(bytes);
  } catch {
    return `0x${toHex(bytes)}`;
  }
}

/** A value as JSON text that does not depend on the order in which an object got its properties. */
export function shownJson(value: unknown): string {
  return JSON.stringify(value, (_name, each: unknown) => {
    if (typeof each === "bigint") return `${each}n`;
    if (each instanceof Uint8Array) return `0x${toHex(each)}`;
    if (typeof each === "number" && !Number.isFinite(each)) return String(each);
    if (typeof each !== "object" || each === null || Array.isArray(each)) return each;
    return Object.fromEntries(Object.entries(each).toSorted(([a], [b]) => a < b ? -1 : a > b ? 1 : 0));
  }) ?? String(value);
}

/** A row as JSON text, its properties in their order. */
export function shownRow(row: object): string {
  return JSON.stringify(row, (_name, each: unknown) => {
    if (typeof each === "bigint") return `${each}n`;
    return each instanceof Uint8Array ? `0x${toHex(each)}` : each;
  });
}
