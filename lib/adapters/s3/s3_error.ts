import {
  BlobDeniedError,
  BlobPreconditionError,
  BlobThrottledError,
  BlobTimeoutError,
  BlobUnavailableError,
  StreamError,
} from "../../base/errors.ts";
import type { S3Fault } from "./s3_fault.ts";
import type { S3Settings } from "./s3_options.ts";
import { S3RequestError } from "./s3_requests.ts";

/** What was tried when a request failed. */
export interface S3Tried {
  /** As in "Cannot <verb> '<name>'". */
  readonly verb: "read" | "create" | "list" | "delete" | "collect";
  /** Name of the object, or start of names. */
  readonly name: string;
  /** Bucket, endpoint and bounds. */
  readonly settings: S3Settings;
}

const NEEDED = "s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload and s3:ListBucket";

/**
 * Turns the failure of a request into one of our errors, which names bucket, endpoint and what to do next.
 *
 * @param error What was thrown; ours, and what is none of a request, are returned as they are.
 * @param tried What was tried.
 */
export function s3Error(error: unknown, tried: S3Tried): unknown {
  if (!(error instanceof S3RequestError) || error instanceof StreamError) return error;
  const { fault, attempts, isUnsure } = error;
  const { verb, name, settings } = tried;
  const { bucket, location } = settings;
  const isWrite = verb === "create" || verb === "delete";
  const options = {
    context: { bucket, location, name, attempts, fault: fault.kind },
    cause: error.cause,
    outcome: isWrite && isUnsure ? "unknown" as const : "not-applied" as const,
  };
  const times = attempts === 1 ? "" : ` in ${attempts} attempts`;
  const text = `Cannot ${verb} '${name}' in ${location}${times}: ${found(fault, settings)} (${fault.text}); ` +
    nextStep(fault, settings);
  switch (fault.kind) {
    case "denied":
    case "clock-skewed":
    case "no-credentials":
    case "not-permitted":
      return new BlobDeniedError(text, options);
    case "collides":
    case "taken":
    case "conflict":
      return new BlobPreconditionError(text, options);
    case "throttled":
      return new BlobThrottledError(text, options);
    case "timeout":
      return new BlobTimeoutError(text, options);
    default:
      return new BlobUnavailableError(text, options);
  }
}

const FOUND: Readonly<Record<S3Fault["kind"], string>> = {
  "missing": "nothing is there",
  "taken": "the name is taken",
  "conflict": "other writes of the same name go on",
  "collides": "an object's name may not be a folder of another one's",
  "upload-gone": "the upload in parts is gone",
  "no-bucket": "there is no bucket",
  "other-region": "the bucket is in another region",
  "denied": "access is refused",
  "clock-skewed": "the clock of this machine is off",
  "no-credentials": "no credentials were found",
  "no-region": "no region is given",
  "not-permitted": "this process may not",
  "untrusted": "the server's certificate is not trusted",
  "not-offered": "the server does not offer this",
  "throttled": "the server asks to slow down",
  "timeout": "no answer in time",
  "unreachable": "the connection failed",
  "damaged": "the bytes were damaged on their way",
  "server": "the server failed",
  "refused": "the server refused the request",
};

function found(fault: S3Fault, { bucket }: S3Settings): string {
  return fault.kind === "no-bucket" ? `there is no bucket '${bucket}'` : FOUND[fault.kind];
}

function nextStep(fault: S3Fault, { bucket, endpoint, region }: S3Settings): string {
  const server = endpoint ?? `the service of region ${region ?? "of the environment"}`;
  const where = `bucket '${bucket}' at ${server}`;
  switch (fault.kind) {
    case "no-bucket":
      return `create ${where}, or correct bucket, endpoint and region`;
    case "other-region":
    case "no-region":
      return `set 'region' to that of ${where}, or AWS_REGION`;
    case "denied":
      return `check that the credentials are right and allow ${NEEDED} on ${where}`;
    case "no-credentials":
      return `pass 'credentials', or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, for ${where}`;
    case "clock-skewed":
      return `set the clock of this machine to that of the server of ${where}`;
    case "not-permitted":
      return `let the process reach ${where} (--allow-net, --allow-env, --allow-sys=osRelease)`;
    case "untrusted":
      return `name the authority's certificate in NODE_EXTRA_CA_CERTS, or correct the endpoint ${server}`;
    case "not-offered":
      return `use a server with conditional writes for ${where}`;
    case "collides":
    case "taken":
    case "conflict":
      return "choose a name that does not collide";
    case "throttled":
      return `lower 'requestsMax', or ask for more capacity of ${where}`;
    default:
      return `check that ${where} can be reached and works`;
  }
}
