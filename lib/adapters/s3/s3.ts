import type { Adapter, Environment } from "../../seams/adapter.ts";
import type { BlobStore } from "../../seams/blob_store.ts";
import { checkOptionNames } from "../../base/check_option_names.ts";
import { processEnvironment } from "./process_environment.ts";
import { S3BlobStore } from "./s3_blob_store.ts";
import { parseLocation } from "./s3_location.ts";
import { OPTION_NAMES, resolveOptions, type S3Options } from "./s3_options.ts";

/**
 * The adapter for `s3://BUCKET/PREFIX?endpoint=URL&region=NAME`, for the `adapters` option; further parameters are
 * `pathStyle=true|false`, `encryption=AES256|aws:kms` and `kmsKeyId=ID`. Credentials come from the usual chain.
 *
 * @example Let option strings name a bucket
 * ```ts
 * import { s3 } from "@turbine/turbine/s3";
 *
 * const options = { adapters: [s3], checkpoints: "s3://my-bucket/orders?region=eu-central-1" };
 * if (options.adapters[0]!.scheme !== "s3") throw new Error("the scheme is s3");
 * ```
 */
export const s3: Adapter = Object.freeze<Adapter>({
  scheme: "s3",
  blobs: (location: string, environment: Environment): BlobStore => s3BlobStore(parseLocation(location), environment),
});

/**
 * A bucket as an object for the `checkpoints` option, for what a location cannot say: credentials, time limits, bounds.
 *
 * @param options Bucket, server, credentials, encryption and bounds.
 * @param environment Time and randomness. @default {those of the process}
 * @returns The store; nothing is connected yet.
 * @throws {TypeError} when bucket, prefix, endpoint, credentials or encryption are of a wrong form.
 * @throws {RangeError} when a number is out of its range.
 * @example A compatible server with credentials of its own
 * ```ts
 * import { s3BlobStore } from "@turbine/turbine/s3";
 *
 * const checkpoints = s3BlobStore({
 *   bucket: "checkpoints",
 *   prefix: "orders",
 *   endpoint: "http://127.0.0.1:17900",
 *   region: "us-east-1",
 *   credentials: { accessKeyId: "test", secretAccessKey: "secret" },
 * });
 * const location = "s3://checkpoints/orders?endpoint=http://127.0.0.1:17900&region=us-east-1";
 * if (checkpoints.location !== location) throw new Error("the location names no secrets");
 * await checkpoints.close();
 * ```
 */
export function s3BlobStore(options: S3Options, environment: Environment = processEnvironment()): S3BlobStore {
  checkOptionNames("S3 store", options, OPTION_NAMES);
  return new S3BlobStore(resolveOptions(options), environment);
}
