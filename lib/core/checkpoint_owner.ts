import type { CheckpointNames, CheckpointTask } from "./checkpoint_names.ts";

const encoder = new TextEncoder();
/** An owner token stands behind the first folder of a name, in so many digits. */
const TOKEN_DIGITS = 12;

/** Who claims an owner token: enough to know one's own claim again after a lost reply. */
export interface OwnerClaim extends CheckpointTask {
  /** The claimed token. */
  readonly ownerToken: number;
  /** Random identifier of this claim. */
  readonly nonce: string;
  /** Which process it is, for people. */
  readonly instance: string;
  /** Wall time of the claim in epoch milliseconds: a stamp for people, never compared. */
  readonly claimedWallMs: number;
}

/**
 * The greatest owner token that any object of a task shows: claims, and files whose claim is gone.
 *
 * @param listed Names of objects; others than the task's own are ignored.
 * @param names Names of the task's objects.
 * @returns The token, or 0 when there is none.
 */
export function greatestOwnerToken(listed: Iterable<string>, names: CheckpointNames): number {
  let greatest = 0;
  // Claims stand last in a list, the latest of them at its end: it shows at a glance that no other name counts.
  for (const name of [...listed].reverse()) {
    const at = name.indexOf("/", names.prefix.length) + 1;
    if (Number(name.slice(at, at + TOKEN_DIGITS)) <= greatest) continue;
    greatest = Math.max(greatest, names.parse(name)?.ownerToken ?? 0);
  }
  return greatest;
}

/**
 * Writes a claim; the same claim always gives the same bytes.
 *
 * @param claim The claim.
 * @returns Content of its object.
 */
export function encodeOwnerClaim(claim: OwnerClaim): Uint8Array {
  const { application, subscription, partition, ownerToken, nonce, instance, claimedWallMs } = claim;
  const document = { application, subscription, partition, ownerToken, nonce, instance, claimedWallMs };
  return encoder.encode(JSON.stringify(document) + "\n");
}
