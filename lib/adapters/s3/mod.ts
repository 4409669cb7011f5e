/**
 * Checkpoints in an S3 bucket, or on a compatible server that has conditional writes (`If-None-Match: *` on writes and
 * on completed uploads): an adapter for the `checkpoints` option, on npm:@aws-sdk/client-s3.
 *
 * The bucket has to be there. Deno needs `--allow-net=HOST:PORT --allow-sys=osRelease
 * --allow-env='AWS_*,HOME,HOMEDRIVE,HOMEPATH,USERPROFILE,_X_AMZN_TRACE_ID'`, and to read `~/.aws` when a profile is used.
 * An authority of your own is named in `NODE_EXTRA_CA_CERTS`. Give the bucket a rule that aborts unfinished uploads after
 * some days, or call `abortTornUploads`: what a killed process has sent of an object is in no listing, and is paid for.
 *
 * @example A store whose objects are encrypted with a key of the key service
 * ```ts
 * import { s3BlobStore } from "@turbine/turbine/s3";
 *
 * const checkpoints = s3BlobStore({
 *   bucket: "my-bucket",
 *   region: "eu-central-1",
 *   encryption: { type: "aws:kms", keyId: "alias/checkpoints" },
 * });
 * if (checkpoints.location !== "s3://my-bucket?region=eu-central-1") throw new Error("the bucket and its region");
 * await checkpoints.close();
 * ```
 *
 * @module
 */
export { s3, s3BlobStore } from "./s3.ts";
export type { S3Credentials, S3Encryption, S3Options } from "./s3_options.ts";
export type { S3BlobStore } from "./s3_blob_store.ts";
