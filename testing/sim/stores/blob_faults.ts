import {
  BlobDeniedError,
  type BlobError,
  BlobPreconditionError,
  BlobThrottledError,
  BlobTimeoutError,
  BlobUnavailableError,
} from "../../../lib/base/errors.ts";
import type { FaultKind, PlannedFault } from "../fault_kinds.ts";
import type { FaultRule } from "./armed_faults.ts";

/** Faults of an object store. */
export type BlobFaultKind = Extract<FaultKind, `S${number}`>;

/** A call of an object store at the moment at which it takes effect. */
export interface BlobCall {
  /** Which call. */
  readonly verb: "get" | "create" | "list" | "delete";
  /** Name, or prefix of a list. */
  readonly name: string;
  /** Size of the object that is there, or `undefined`. */
  readonly size: number | undefined;
  /** Objects that a list would show. */
  readonly listed: number;
}

const always = () => true;
const isRead = ({ verb, size }: BlobCall) => verb === "get" && size !== undefined && size > 0;
const isCreation = ({ verb, size }: BlobCall) => verb === "create" && size === undefined;
const isWrite = ({ verb }: BlobCall) => verb === "create" || verb === "delete";
const fewCalls = ({ draw }: PlannedFault) => 1 + (draw >>> 8) % 3;

/** Which calls each fault strikes. S13 and S15 strike what is stored, at any call; S17 is aimed at an object. */
export const BLOB_FAULT_RULES: Readonly<Record<Exclude<BlobFaultKind, "S13" | "S15" | "S17">, FaultRule<BlobCall>>> = {
  S1: { fits: always, calls: fewCalls },
  S2: { fits: always, calls: fewCalls },
  S3: { fits: isWrite },
  S4: { fits: always },
  S5: { fits: isRead },
  S6: { fits: isRead },
  S7: { fits: ({ verb, listed }) => verb === "list" && listed > 0 },
  S8: { fits: isCreation },
  S9: { fits: ({ verb }) => verb === "create" },
  S10: { fits: isCreation },
  S11: { fits: isCreation },
  S12: { fits: always, calls: () => "while" },
  S14: { fits: always },
  S16: { fits: always, calls: () => "while" },
};

/** Kinds of {@linkcode blobFaultError}. */
export type BlobErrorKind = "S1" | "S2" | "S3" | "S4" | "S9" | "S10" | "S12" | "S16";

/**
 * The error that an adapter would make of a fault.
 *
 * @param kind Which fault.
 * @param call The call that it strikes, and where.
 */
export function blobFaultError(
  kind: BlobErrorKind,
  call: { readonly verb: BlobCall["verb"]; readonly name: string; readonly location: string },
): BlobError {
  const { verb, name, location } = call;
  const tried = `Cannot ${verb} '${name}' in ${location}`;
  const context = { location, name, fault: kind };
  // A write that ends like this may have happened: an adapter cannot know.
  const outcome = verb === "create" || verb === "delete" ? "unknown" : "not-applied";
  switch (kind) {
    case "S1":
      return new BlobUnavailableError(`${tried}: the store answers 500 Internal Server Error; try again`, {
        context,
        outcome,
      });
    case "S2":
      return new BlobThrottledError(`${tried}: the store answers 503 Slow Down; try again later`, { context });
    case "S3":
    case "S4":
      return new BlobTimeoutError(`${tried}: no answer in time; look what is there, then try again`, { context });
    case "S9":
      return new BlobPreconditionError(`${tried}: the store answers 409 Conflict; take another name`, { context });
    case "S10":
      return new BlobUnavailableError(`${tried}: the connection broke during the upload; try again`, {
        context,
        outcome,
      });
    case "S12":
      return new BlobDeniedError(`${tried}: the store answers 403 Forbidden; renew the credentials`, { context });
    case "S16":
      return new BlobUnavailableError(`${tried}: the connection is refused; try again when the store is back`, {
        context,
      });
  }
}

/**
 * Which entries of a listing stay away: the last one, any one, everything from some entry on (a page that never came), or
 * about half of them.
 *
 * @param count Number of entries, at least 1.
 * @param draw The fault's draw.
 * @returns One flag for each entry, at least one of them set.
 */
export function hiddenEntries(count: number, draw: number): boolean[] {
  const rest = draw >>> 2;
  const at = rest % count;
  switch (draw & 3) {
    case 0:
      return flags(count, (entry) => entry === count - 1);
    case 1:
      return flags(count, (entry) => entry === at);
    case 2:
      return flags(count, (entry) => entry >= at);
    default:
      return flags(count, (entry) => entry === at || (Math.imul(entry + 1, rest | 1) & 0x40) !== 0);
  }
}

function flags(count: number, isHidden: (entry: number) => boolean): boolean[] {
  return Array.from({ length: count }, (_, entry) => isHidden(entry));
}

/** A copy with one bit flipped. @param bytes At least one byte. @param draw Which bit. */
export function flipBit(bytes: Uint8Array, draw: number): Uint8Array {
  const bit = draw % (bytes.length * 8);
  const flipped = bytes.slice();
  flipped[bit >>> 3]! ^= 1 << (bit & 7);
  return flipped;
}
