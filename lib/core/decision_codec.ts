import type { DecisionEntry, DecisionKind } from "./decision_entry.ts";

/**
 * Text of a decision journal: one entry after the other, `<letter><offset step>.<value>`, numbers in base 36. The step is
 * counted from the entry before (the first from the journal's start). A jump's value is counted from the jump before, or,
 * when it is no safe integer, stands after `=` in decimal.
 */
const LETTERS: Readonly<Record<DecisionKind, string>> = { "jump": "J", "skip-range": "S", "drop": "D" };
const KINDS: Readonly<Record<string, DecisionKind>> = { J: "jump", S: "skip-range", D: "drop" };
const ENTRY = /([JSD])([0-9a-z]+)\.(?:=([-+.0-9e]+)|(-?[0-9a-z]+))/y;

/**
 * Writes decisions as ASCII text, one byte for each character.
 *
 * @param from The journal's start.
 * @param entries Decisions at or above it, in input order.
 */
export function encodeDecisions(from: bigint, entries: readonly DecisionEntry[]): string {
  let text = "";
  let offset = from;
  let jump = 0;
  for (const entry of entries) {
    text += LETTERS[entry.kind] + (entry.offset - offset).toString(36) + ".";
    offset = entry.offset;
    if (entry.kind !== "jump") {
      text += entry.value.toString(36);
      continue;
    }
    const step = entry.value - jump;
    const isExact = Number.isSafeInteger(entry.value) && Number.isSafeInteger(step);
    text += isExact ? step.toString(36) : `=${entry.value}`;
    if (isExact) jump = entry.value;
  }
  return text;
}

/**
 * Reads what {@linkcode encodeDecisions} wrote.
 *
 * @param from The journal's start.
 * @param text The text.
 * @returns The decisions, or `undefined` when the text is none of ours.
 */
export function decodeDecisions(from: bigint, text: string): DecisionEntry[] | undefined {
  const entries: DecisionEntry[] = [];
  let offset = from;
  let jump = 0;
  for (ENTRY.lastIndex = 0; ENTRY.lastIndex < text.length;) {
    const match = ENTRY.exec(text);
    if (match === null) return undefined;
    const kind = KINDS[match[1]!]!;
    offset += parseBase36(match[2]!);
    let value = match[3] === undefined ? parseInt(match[4]!, 36) : Number(match[3]);
    if (kind === "jump" && match[3] === undefined) value = jump += value;
    const isLegal = kind === "jump" ? Number.isFinite(value) : Number.isSafeInteger(value) && value > 0;
    if (!isLegal) return undefined;
    entries.push({ offset, kind, value });
  }
  return entries;
}

/**
 * Reads a whole number of any size.
 *
 * @param digits Digits and small letters; none stand for 0.
 */
export function parseBase36(digits: string): bigint {
  // Most are safe integers.
  if (digits !== "" && digits.length <= 10) return BigInt(parseInt(digits, 36));
  let value = 0n;
  for (const digit of digits) value = value * 36n + BigInt(parseInt(digit, 36));
  return value;
}
