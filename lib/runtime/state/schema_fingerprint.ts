import type { Columns, ColumnType } from "../../columns/schema.ts";
import type { StateTable } from "../../operator/operator.ts";

/**
 * Text that is equal for tables whose stored rows mean the same, and only for them; fit for messages.
 *
 * @param table A table.
 */
export function tableFingerprint(table: StateTable): string {
  const routing = table.routing === undefined ? "" : ` routed by ${table.routing}`;
  return `table ${typeText(table.key)}${routing} -> ${columnsText(table.value)}`;
}

/** The fingerprint of free-form state. @param codec Name of the value codec. */
export function keyedFingerprint(codec: string): string {
  return `keyed utf8 -> ${codec}`;
}

function typeText(type: ColumnType): string {
  const inner = type.kind === "list"
    ? `<${typeText(type.element!)}>`
    : type.kind === "struct"
    ? columnsText(type.columns!)
    : "";
  return `${type.kind}${inner}${type.nullable ? "?" : ""}`;
}

function columnsText(columns: Columns): string {
  return `{${Object.entries(columns).map(([name, type]) => `${JSON.stringify(name)}: ${typeText(type)}`).join(", ")}}`;
}
