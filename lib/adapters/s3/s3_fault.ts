import type { EffectOutcome } from "../../base/errors.ts";

/** What an attempt has run into. */
export type S3FaultKind =
  /** There is no such object. */
  | "missing"
  /** The name is taken: the condition did not hold. */
  | "taken"
  /** Another write of the same name is under way. */
  | "conflict"
  /** The name is a folder of another object's name, or lies below one, and this server cannot have both. */
  | "collides"
  /** The upload in parts is gone: completed, or aborted. */
  | "upload-gone"
  | "no-bucket"
  | "other-region"
  | "denied"
  | "clock-skewed"
  | "no-credentials"
  | "no-region"
  /** The runtime does not let us. */
  | "not-permitted"
  | "untrusted"
  | "not-offered"
  | "throttled"
  | "timeout"
  | "unreachable"
  | "damaged"
  | "server"
  | "refused";

/** An attempt that failed. */
export interface S3Fault {
  /** What was run into. */
  readonly kind: S3FaultKind;
  /** Whether a write may have happened all the same. */
  readonly outcome: EffectOutcome;
  /** Whether the same request may go through later. */
  readonly isPassing: boolean;
  /** The server's or the runtime's words, in one line. */
  readonly text: string;
}

/** No answer within the time limit. */
export class SilenceError extends Error {}
/** An answer that cannot be what was stored. */
export class DamagedAnswerError extends Error {}

interface Raised {
  readonly name?: string;
  readonly message?: string;
  readonly code?: unknown;
  readonly Code?: unknown;
  readonly cause?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: { readonly statusCode?: number; readonly headers?: Readonly<Record<string, string>> };
}

/** Codes of servers, whatever the status. */
const CODES: Readonly<Record<string, S3FaultKind>> = {
  NoSuchKey: "missing",
  NoSuchBucket: "no-bucket",
  NoSuchUpload: "upload-gone",
  PreconditionFailed: "taken",
  ConditionalRequestConflict: "conflict",
  OperationAborted: "conflict",
  ObjectParentIsFile: "collides",
  ObjectExistsAsDirectory: "collides",
  ExistingObjectIsDirectory: "collides",
  ExistingObjectIsFile: "collides",
  PermanentRedirect: "other-region",
  AuthorizationHeaderMalformed: "other-region",
  IllegalLocationConstraintException: "other-region",
  RequestTimeTooSkewed: "clock-skewed",
  ExpiredToken: "denied",
  InvalidToken: "denied",
  TokenRefreshRequired: "denied",
  SlowDown: "throttled",
  SlowDownRead: "throttled",
  SlowDownWrite: "throttled",
  RequestLimitExceeded: "throttled",
  TooManyRequests: "throttled",
  RequestTimeout: "timeout",
  InternalError: "server",
  ServiceUnavailable: "server",
  BadDigest: "damaged",
  XAmzContentChecksumMismatch: "damaged",
  IncompleteBody: "damaged",
  NotImplemented: "not-offered",
  CredentialsProviderError: "no-credentials",
};

/** Errors of the system before anything was sent. */
const NOT_SENT = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN"]);
/** Errors of the system that may come with a request on its way. */
const CUT = new Set(["ECONNRESET", "EPIPE", "ETIMEDOUT", "ECONNABORTED", "EHOSTUNREACH", "ENETUNREACH"]);

const PASSING = new Set<S3FaultKind>(
  ["conflict", "clock-skewed", "throttled", "timeout", "unreachable", "damaged", "server"],
);

/**
 * Tells what an attempt has run into.
 *
 * @param error What the client threw.
 */
export function s3Fault(error: unknown): S3Fault {
  const raised = error as Raised;
  const code = String(raised.Code ?? raised.name ?? "");
  const status = raised.$metadata?.httpStatusCode ?? raised.$response?.statusCode;
  const said = (raised.message ?? "").replace(/\s+/g, " ").trim();
  const text = [...status === undefined ? [] : [status], ...said.includes(code) ? [] : [code]].join(" ");
  const words = [text, said].filter((part) => part !== "").join(": ") || "no reason given";
  const kind = kindOf(error, code, status);
  const isAnswered = status !== undefined && kind !== "server" && kind !== "timeout";
  const isUnsent = kind === "no-credentials" || kind === "no-region" || kind === "not-permitted" ||
    kind === "untrusted" || isNotSent(raised);
  return {
    kind,
    outcome: isAnswered || isUnsent ? "not-applied" : "unknown",
    isPassing: PASSING.has(kind),
    text: kind === "other-region" ? words + regionHint(raised) : words,
  };
}

function kindOf(error: unknown, code: string, status: number | undefined): S3FaultKind {
  if (error instanceof SilenceError) return "timeout";
  if (error instanceof DamagedAnswerError) return "damaged";
  const known = CODES[code];
  if (known !== undefined) return known;
  return status === undefined ? kindWithoutAnswer(error as Raised) : kindOfStatus(status);
}

function kindOfStatus(status: number): S3FaultKind {
  // An answer that was begun, and not finished or not understood.
  if (status < 300) return "server";
  switch (status) {
    case 301:
    case 307:
      return "other-region";
    case 401:
    case 403:
      return "denied";
    case 404:
      return "missing";
    case 408:
      return "timeout";
    case 409:
      return "conflict";
    case 412:
      return "taken";
    case 429:
      return "throttled";
    case 501:
      return "not-offered";
    default:
      return status >= 500 ? "server" : "refused";
  }
}

function kindWithoutAnswer(raised: Raised): S3FaultKind {
  const code = systemCode(raised);
  const message = raised.message ?? "";
  if (NOT_SENT.has(code) || CUT.has(code)) return "unreachable";
  if (raised.name === "NotCapable" || raised.name === "PermissionDenied" || code === "EACCES") return "not-permitted";
  if (/region is missing/i.test(message)) return "no-region";
  if (/could not load credentials|credential/i.test(message)) return "no-credentials";
  if (/certificate|CERT_|ERR_TLS|self.signed/i.test(`${code} ${message}`)) return "untrusted";
  if (raised.name === "TimeoutError" || raised.name === "AbortError") return "timeout";
  if (/checksum/i.test(message)) return "damaged";
  return "unreachable";
}

function isNotSent(raised: Raised): boolean {
  if (raised.$metadata?.httpStatusCode !== undefined) return false;
  return NOT_SENT.has(systemCode(raised)) || isConnectTimeout(raised);
}

/** The client's only time limit that is not ours. */
function isConnectTimeout({ name, message = "" }: Raised): boolean {
  return name === "TimeoutError" && message.includes("did not establish a connection");
}

function systemCode(raised: Raised): string {
  if (typeof raised.code === "string") return raised.code;
  const cause = raised.cause as Raised | undefined;
  return typeof cause?.code === "string" ? cause.code : "";
}

function regionHint(raised: Raised): string {
  const region = raised.$response?.headers?.["x-amz-bucket-region"];
  return region === undefined ? "" : ` (its region is ${region})`;
}
