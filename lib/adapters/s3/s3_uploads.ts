import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import type { S3Encryption, S3Settings } from "./s3_options.ts";
import { S3RequestError, type S3Requests } from "./s3_requests.ts";

/** What an object is to be, without its content. */
export interface S3Object {
  /** Bucket. */
  readonly Bucket: string;
  /** Key. */
  readonly Key: string;
  /** Type that others see. */
  readonly ContentType: string;
  /** Who wrote it. */
  readonly Metadata: Record<string, string>;
}

interface Upload {
  readonly Bucket: string;
  readonly Key: string;
  readonly UploadId: string;
}

/** Parts of one object that are sent at once; the others of the store share what is left of its requests. */
const PARTS_AT_ONCE = 4;
/** Servers take at most 10,000 parts. */
const PARTS_MAX = 10_000;

/** A server that copies the parts together does so at least this fast (50 MB/s). */
const ASSEMBLED_BYTES_PER_MS = 50_000;

/** How encryption is asked for. */
export function encryptionOf(
  encryption: S3Encryption | undefined,
): { ServerSideEncryption?: S3Encryption["type"]; SSEKMSKeyId?: string } {
  if (encryption === undefined) return {};
  const keyId = encryption.type === "aws:kms" ? encryption.keyId : undefined;
  return { ServerSideEncryption: encryption.type, ...keyId === undefined ? {} : { SSEKMSKeyId: keyId } };
}

/** Objects in parts: nothing is seen of one until its upload is completed, which happens only if its name is free. */
export class S3Uploads {
  constructor(private readonly settings: S3Settings, private readonly requests: S3Requests) {}

  /**
   * Writes an object in parts, put-if-absent. An upload that does not end well is aborted.
   *
   * @param object What it is to be.
   * @param bytes Its content.
   * @throws {S3RequestError} when it failed, or the name is taken.
   */
  async write(object: S3Object, bytes: Uint8Array): Promise<void> {
    const begun = new CreateMultipartUploadCommand({
      ...object,
      ...encryptionOf(this.settings.encryption),
      ChecksumAlgorithm: "CRC32",
    });
    const { UploadId = "" } = await this.requests.send(({ client, signal }) =>
      client.send(begun, { abortSignal: signal })
    ).catch(withoutEffect);
    const upload = { Bucket: object.Bucket, Key: object.Key, UploadId };
    try {
      await this.#complete(upload, await this.#sendParts(upload, bytes).catch(withoutEffect), bytes.length);
    } catch (error) {
      // If the server is out of reach, `abortTorn` finds it later.
      await this.#abort(upload).catch(() => {});
      throw error;
    }
  }

  /**
   * Aborts uploads that were begun before a time.
   *
   * @param prefix Start of their keys.
   * @param beforeMs The time, in epoch milliseconds.
   * @returns How many there were.
   */
  async abortTorn(prefix: string, beforeMs: number): Promise<number> {
    const { bucket: Bucket } = this.settings;
    const torn: Upload[] = [];
    let next: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } | undefined = {};
    while (next !== undefined) {
      const command: ListMultipartUploadsCommand = new ListMultipartUploadsCommand({ Bucket, Prefix: prefix, ...next });
      const page = await this.requests.send(({ client, signal }) => client.send(command, { abortSignal: signal }));
      for (const { Key = "", UploadId = "", Initiated } of page.Uploads ?? []) {
        if (Key.startsWith(prefix) && Initiated !== undefined && Initiated.getTime() < beforeMs) {
          torn.push({ Bucket, Key, UploadId });
        }
      }
      next = page.IsTruncated === true ? markersOf(page, next) : undefined;
    }
    for (const upload of torn) await this.#abort(upload);
    return torn.length;
  }

  async #sendParts(upload: Upload, bytes: Uint8Array): Promise<CompletedPart[]> {
    const partBytes = Math.max(this.settings.partBytes, Math.ceil(bytes.length / PARTS_MAX));
    const parts: CompletedPart[] = new Array(Math.ceil(bytes.length / partBytes));
    let begun = 0;
    let isFailed = false;
    const sendSome = async () => {
      while (begun < parts.length && !isFailed) {
        const at = begun++;
        const Body = bytes.subarray(at * partBytes, (at + 1) * partBytes);
        const command = new UploadPartCommand({ ...upload, PartNumber: at + 1, Body, ChecksumAlgorithm: "CRC32" });
        const sent = await this.requests.send(({ client, signal }) => client.send(command, { abortSignal: signal }));
        parts[at] = {
          PartNumber: at + 1,
          ETag: sent.ETag,
          ...sent.ChecksumCRC32 === undefined ? {} : { ChecksumCRC32: sent.ChecksumCRC32 },
        };
      }
    };
    const senders = Array.from({ length: Math.min(PARTS_AT_ONCE, parts.length) }, () =>
      sendSome().catch((error) => {
        isFailed = true;
        throw error;
      }));
    // An upload is aborted after its last part was answered: parts that come later would stay for ever.
    const ends = await Promise.allSettled(senders);
    for (const end of ends) if (end.status === "rejected") throw end.reason;
    return parts;
  }

  /**
   * Never repeated after a lost reply: there are servers that take the second request for one of a completion that is
   * under way, and tell success while the first has come to nothing, or while the object there is somebody else's.
   */
  async #complete(upload: Upload, parts: CompletedPart[], bytes: number): Promise<void> {
    const command = new CompleteMultipartUploadCommand({
      ...upload,
      IfNoneMatch: "*",
      MultipartUpload: { Parts: parts },
    });
    await this.requests.send(({ client, signal }) => client.send(command, { abortSignal: signal }), {
      // After a conflict servers want a new upload.
      settled: ["conflict"],
      isEffect: true,
      isOnce: true,
      extraMs: Math.ceil(bytes / ASSEMBLED_BYTES_PER_MS),
    });
  }

  async #abort(upload: Upload): Promise<void> {
    await this.requests.send(({ client, signal }) =>
      client.send(new AbortMultipartUploadCommand(upload), { abortSignal: signal })
    ).catch((error) => {
      if (error.fault?.kind !== "upload-gone" && error.fault?.kind !== "missing") throw error;
    });
  }
}

/** Whatever was lost before the completion, there is no object of it. */
function withoutEffect(error: unknown): never {
  if (!(error instanceof S3RequestError)) throw error;
  throw new S3RequestError(error.fault, error.attempts, false, { cause: error.cause });
}

interface Markers {
  readonly KeyMarker?: string | undefined;
  readonly UploadIdMarker?: string | undefined;
}

function markersOf(
  page: { readonly NextKeyMarker?: string | undefined; readonly NextUploadIdMarker?: string | undefined },
  before: Markers,
): Markers | undefined {
  const next = { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker };
  const isFurther = next.KeyMarker !== undefined &&
    (next.KeyMarker !== before.KeyMarker || next.UploadIdMarker !== before.UploadIdMarker);
  return isFurther ? next : undefined;
}
