import { sha256HexOfText } from "../base/sha256.ts";
import type { DecisionEntry } from "./decision_entry.ts";

/*
 * A sum of 64 bits over decisions, so that two histories can be told apart long after their decisions were forgotten.
 * It must not depend on how a journal holds them: rows that were omitted may stand there as one range or as several, and
 * a range is cut where a journal begins. So each row counts for itself, by a polynomial that is summed up without a loop.
 */

const BITS = 64;
const ROWS: Readonly<Record<"skip-range" | "drop", readonly [bigint, bigint, bigint]>> = {
  "skip-range": [0x9e3779b97f4a7c15n, 0xc2b2ae3d27d4eb4fn, 0x165667b19e3779f9n],
  "drop": [0xd6e8feb86659fd93n, 0xa0761d6478bd642fn, 0xe7037ed1a0b428dbn],
};

/**
 * Digest of decisions taken below a position.
 *
 * @param digest Digest of the decisions before them; 0 for none.
 * @param entries Decisions in input order, none before what the digest covers.
 * @param position A range of rows counts up to here; a jump counts when it was taken before here.
 * @returns The digest, in [0, 2^64).
 */
export function digestBelow(digest: bigint, entries: readonly DecisionEntry[], position: bigint): bigint {
  let sum = digest;
  for (const { offset, kind, value } of entries) {
    if (offset >= position) continue;
    if (kind === "jump") sum += BigInt(`0x${sha256HexOfText(`${offset} ${value}`).slice(0, 16)}`);
    else {
      const end = offset + BigInt(value);
      sum += rowsBelow(kind, end < position ? end : position) - rowsBelow(kind, offset);
    }
  }
  return BigInt.asUintN(BITS, sum);
}

/** Sum over all rows below an offset. */
function rowsBelow(kind: "skip-range" | "drop", to: bigint): bigint {
  const [constant, linear, square] = ROWS[kind];
  return constant * to + linear * (to * (to - 1n) / 2n) + square * (to * (to - 1n) * (2n * to - 1n) / 6n);
}
