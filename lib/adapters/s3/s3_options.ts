import { checkObjectName } from "../../base/object_name.ts";

/** A key pair, and a token when it is a temporary one. */
export interface S3Credentials {
  /** Public half. */
  readonly accessKeyId: string;
  /** Secret half. */
  readonly secretAccessKey: string;
  /** Of temporary credentials. */
  readonly sessionToken?: string;
  /** When they end: a function that gives them is asked again before that. */
  readonly expiration?: Date;
}

/** How the server encrypts what it stores. */
export type S3Encryption =
  | { readonly type: "AES256" }
  /** With a key of the key service; without `keyId` with its default one. */
  | { readonly type: "aws:kms"; readonly keyId?: string };

/** Where objects are, how to get at them, and bounds. */
export interface S3Options {
  /** Name of the bucket; it has to be there. */
  readonly bucket: string;
  /** Folder inside the bucket, `/`-separated. @default {""} */
  readonly prefix?: string;
  /** Address of a compatible server, `http(s)://host:port`. @default {of the service of the region} */
  readonly endpoint?: string;
  /** Region of the bucket. @default {that of the environment or of the profile} */
  readonly region?: string;
  /** Whether the bucket is named in the path and not in the host. @default {true with an endpoint} */
  readonly isPathStyle?: boolean;
  /** Credentials, or what gives them. @default {the usual chain: environment, profile, container, machine} */
  readonly credentials?: S3Credentials | (() => Promise<S3Credentials>);
  /** Encryption that is asked for at each write. @default {that of the bucket} */
  readonly encryption?: S3Encryption;
  /** How long a connection may take, in milliseconds. @default {3_000} */
  readonly connectTimeoutMs?: number;
  /** How long a request may take without an answer, and an answer without more bytes, in milliseconds. @default {30_000} */
  readonly requestTimeoutMs?: number;
  /** How often a request is tried before it has failed. @default {6} */
  readonly attemptsMax?: number;
  /** Upper bound of the first wait between attempts, in milliseconds; it doubles. @default {100} */
  readonly backoffBaseMs?: number;
  /** Upper bound of every wait between attempts, in milliseconds. @default {5_000} */
  readonly backoffCapMs?: number;
  /** How many requests are under way at once. @default {16} */
  readonly requestsMax?: number;
  /** Larger objects are written in parts of this size, in bytes; 5 MiB or more. @default {8 MiB} */
  readonly partBytes?: number;
}

/** {@linkcode S3Options} with every default filled in. */
export interface S3Settings {
  /** For messages, without secrets. */
  readonly location: string;
  /** Name of the bucket. */
  readonly bucket: string;
  /** What all keys begin with: empty, or ending with `/`. */
  readonly root: string;
  /** Address of a compatible server. */
  readonly endpoint: string | undefined;
  /** Region of the bucket. */
  readonly region: string | undefined;
  /** Whether the bucket is named in the path. */
  readonly isPathStyle: boolean;
  /** Given credentials. */
  readonly credentials: S3Options["credentials"];
  /** Encryption to ask for. */
  readonly encryption: S3Encryption | undefined;
  /** Bound of a connect, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** Bound of a silence, in milliseconds. */
  readonly requestTimeoutMs: number;
  /** Tries of a request. */
  readonly attemptsMax: number;
  /** First wait, in milliseconds. */
  readonly backoffBaseMs: number;
  /** Longest wait, in milliseconds. */
  readonly backoffCapMs: number;
  /** Requests at once. */
  readonly requestsMax: number;
  /** Size of a part. */
  readonly partBytes: number;
}

/** Every option there is. */
export const OPTION_NAMES: readonly (keyof S3Options)[] = [
  "bucket",
  "prefix",
  "endpoint",
  "region",
  "isPathStyle",
  "credentials",
  "encryption",
  "connectTimeoutMs",
  "requestTimeoutMs",
  "attemptsMax",
  "backoffBaseMs",
  "backoffCapMs",
  "requestsMax",
  "partBytes",
];

/** The least and the greatest size of a part that servers take. */
const PART_BYTES_MIN = 5 * 1024 * 1024;
const PART_BYTES_MAX = 1024 * 1024 * 1024;
const TIMER_MS_MAX = 0x7fff_ffff;
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

/**
 * Checks options and fills in what was left out.
 *
 * @param options What the user gave.
 * @throws {TypeError} when bucket, prefix, endpoint, credentials or encryption are of a wrong form.
 * @throws {RangeError} when a number is out of its range.
 */
export function resolveOptions(options: S3Options): S3Settings {
  const { bucket, prefix = "", region } = options;
  if (typeof bucket !== "string" || !BUCKET.test(bucket)) {
    throw wrong("bucket", "3 to 63 of [a-z0-9.-] that begin and end with a letter or digit", bucket);
  }
  const folder = prefix.replace(/\/$/, "");
  if (folder !== "") checkObjectName(folder);
  if (region !== undefined && region === "") throw wrong("region", "the name of a region", region);
  const endpoint = checkEndpoint(options.endpoint);
  checkCredentials(options.credentials);
  const query = [
    ...endpoint === undefined ? [] : [`endpoint=${endpoint}`],
    ...region === undefined ? [] : [`region=${region}`],
  ].join("&");
  const path = folder === "" ? bucket : `${bucket}/${folder}`;
  return {
    location: `s3://${path}${query === "" ? "" : `?${query}`}`,
    bucket,
    root: folder === "" ? "" : `${folder}/`,
    endpoint,
    region,
    isPathStyle: options.isPathStyle ?? endpoint !== undefined,
    credentials: options.credentials,
    encryption: checkEncryption(options.encryption),
    ...resolveBounds(options),
  };
}

function resolveBounds(options: S3Options) {
  const backoffBaseMs = bounded(options, "backoffBaseMs", { byDefault: 100, min: 1, max: TIMER_MS_MAX });
  return {
    connectTimeoutMs: bounded(options, "connectTimeoutMs", { byDefault: 3_000, min: 1, max: TIMER_MS_MAX }),
    requestTimeoutMs: bounded(options, "requestTimeoutMs", { byDefault: 30_000, min: 1, max: TIMER_MS_MAX }),
    attemptsMax: bounded(options, "attemptsMax", { byDefault: 6, min: 1, max: 1_000 }),
    backoffBaseMs,
    backoffCapMs: bounded(options, "backoffCapMs", {
      byDefault: Math.max(5_000, backoffBaseMs),
      min: backoffBaseMs,
      max: TIMER_MS_MAX,
    }),
    requestsMax: bounded(options, "requestsMax", { byDefault: 16, min: 1, max: 1_000 }),
    partBytes: bounded(options, "partBytes", { byDefault: 8 * 1024 * 1024, min: PART_BYTES_MIN, max: PART_BYTES_MAX }),
  };
}

type Bound = {
  readonly [K in keyof S3Options]-?: S3Options[K] extends number | undefined ? K : never;
}[keyof S3Options];

function bounded(
  options: S3Options,
  name: Bound,
  { byDefault, min, max }: { readonly byDefault: number; readonly min: number; readonly max: number },
): number {
  const value = options[name] ?? byDefault;
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  throw new RangeError(
    `Cannot use S3 as '${name}' must be an integer of ${min} to ${max}: current value is ${value}`,
  );
}

function checkEndpoint(endpoint: string | undefined): string | undefined {
  if (endpoint === undefined) return undefined;
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url !== undefined && (url.username !== "" || url.password !== "")) {
    throw new TypeError("Cannot use S3 as 'endpoint' must not hold credentials: pass them as 'credentials'");
  }
  const isHttp = url?.protocol === "http:" || url?.protocol === "https:";
  if (url === undefined || !isHttp || url.search !== "" || url.hash !== "") {
    throw wrong("endpoint", "of the form 'http://host:port' or 'https://host:port'", endpoint);
  }
  return endpoint.replace(/\/+$/, "");
}

function checkCredentials(credentials: S3Options["credentials"]): void {
  if (credentials === undefined || typeof credentials === "function") return;
  // What was given is a secret: it is never told.
  for (const half of ["accessKeyId", "secretAccessKey"] as const) {
    if (typeof credentials[half] === "string" && credentials[half] !== "") continue;
    throw new TypeError(`Cannot use S3 as 'credentials.${half}' must be a text that is not empty`);
  }
}

function checkEncryption(encryption: S3Encryption | undefined): S3Encryption | undefined {
  if (encryption === undefined || encryption.type === "AES256" || encryption.type === "aws:kms") return encryption;
  throw wrong("encryption.type", "'AES256' or 'aws:kms'", (encryption as { type: unknown }).type);
}

function wrong(name: string, rule: string, value: unknown): TypeError {
  return new TypeError(`Cannot use S3 as '${name}' must be ${rule}: current value is ${String(value)}`);
}
