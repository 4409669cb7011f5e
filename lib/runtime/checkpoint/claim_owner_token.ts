import { BlobPreconditionError, CheckpointConflictError } from "../../base/errors.ts";
import { CheckpointNames, type CheckpointTask } from "../../core/checkpoint_names.ts";
import { encodeOwnerClaim, greatestOwnerToken } from "../../core/checkpoint_owner.ts";
import type { Environment } from "../../seams/adapter.ts";
import type { BlobStore, CreateResult } from "../../seams/blob_store.ts";
import { randomId } from "../../seams/random.ts";
import { equalBytes } from "./create_object.ts";
import { type BlobRetryOptions, RetryingBlobStore } from "./retrying_blob_store.ts";

/** Options of {@linkcode claimOwnerToken}. */
export interface ClaimOptions {
  /** Clock, randomness and observer. */
  environment: Environment;
  /** Which process claims, for people. */
  instance: string;
  /** A token that is known to have been used, whatever the store shows: that of the committed offset. @default {0} */
  above?: number;
  /** Tokens that are tried when others claim at the same time; at least 1. @default {1_000} */
  claimsMax?: number;
  /** How calls are tried again. */
  retry?: BlobRetryOptions;
  /** Ends retrying. */
  signal?: AbortSignal;
}

const CLAIMS_MAX = 1_000;

/**
 * Claims the next owner token of a task by putting it where nobody put one: greater than every token claimed or used
 * before, over crashes and with any number of claimers at once. To be called once each time a task is opened.
 *
 * @param blobs Where checkpoints are.
 * @param task Whose token.
 * @param options Environment and bounds.
 * @returns The token, at least 1.
 * @throws {CheckpointConflictError} when others were faster `claimsMax` times.
 * @throws {BlobError} when the store cannot be used.
 */
export async function claimOwnerToken(blobs: BlobStore, task: CheckpointTask, options: ClaimOptions): Promise<number> {
  const { environment, instance, above = 0, claimsMax = CLAIMS_MAX, retry, signal } = options;
  const store = new RetryingBlobStore(blobs, environment, { ...retry, ...(signal && { signal }) });
  const names = new CheckpointNames(task);
  const nonce = randomId(environment.random);
  const claimedWallMs = Math.trunc(environment.clock.wallMs());
  const listed = await store.list(names.prefix);
  const first = Math.max(above, greatestOwnerToken(listed.map((entry) => entry.name), names)) + 1;
  let cause: Error | undefined;
  for (let ownerToken = first; ownerToken < first + claimsMax; ownerToken++) {
    const claim = encodeOwnerClaim({ ...names.task, ownerToken, nonce, instance, claimedWallMs });
    const result = await create(store, names.owner(ownerToken), claim);
    if (result instanceof Error) {
      cause = result;
      continue;
    }
    // Our own bytes under the name: an earlier attempt whose reply was lost.
    if (result.isCreated || equalBytes(result.existing, claim)) return ownerToken;
  }
  throw new CheckpointConflictError(
    `Cannot claim an owner token below '${names.ownersPrefix}' in ${blobs.location}: tokens ${first} to ` +
      `${first + claimsMax - 1} were all taken in the meantime; find the processes that claim them in a loop`,
    { context: { location: blobs.location, task: names.task, first, claimsMax }, cause },
  );
}

/** A name that the store refuses, because somebody else is about to take it, is as good as taken. */
async function create(
  store: BlobStore,
  name: string,
  claim: Uint8Array,
): Promise<CreateResult | BlobPreconditionError> {
  try {
    return await store.create(name, claim);
  } catch (error) {
    if (error instanceof BlobPreconditionError) return error;
    throw error;
  }
}
