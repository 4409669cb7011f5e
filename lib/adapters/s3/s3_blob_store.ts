import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { BlobUnavailableError } from "../../base/errors.ts";
import { checkObjectName, checkObjectPrefix } from "../../base/object_name.ts";
import type { Environment } from "../../seams/adapter.ts";
import type { BlobEntry, BlobStore, CreateResult } from "../../seams/blob_store.ts";
import { randomId } from "../../seams/random.ts";
import { readBody } from "./read_body.ts";
import { s3Error, type S3Tried } from "./s3_error.ts";
import { type S3Fault, s3Fault } from "./s3_fault.ts";
import type { S3Settings } from "./s3_options.ts";
import { S3RequestError, S3Requests } from "./s3_requests.ts";
import { encryptionOf, S3Uploads } from "./s3_uploads.ts";

/** Metadata of each object: which call of `create` wrote it, for when the reply is lost. */
const WRITER = "turbine-writer";
/** How often a name may be free again after it was found taken, before that is an error. */
const RACES_MAX = 20;
/** What a listing shows of other people's objects (folders of consoles, odd names) is left out. */
const OURS = /^(?!\.)[A-Za-z0-9._=-]+(?:\/(?!\.)[A-Za-z0-9._=-]+)*$/;

interface Stored {
  readonly bytes: Uint8Array;
  readonly writer: string | undefined;
}

/**
 * Objects of an S3 bucket, or of a compatible server with conditional writes. Creation is atomic among all writers
 * (`If-None-Match: *`). Each `create` marks its object, so that after a lost reply it is known who wrote what is there.
 */
export class S3BlobStore implements BlobStore {
  /** Where this store is, for messages: `s3://bucket/prefix?endpoint=...`, without secrets. */
  readonly location: string;
  readonly #settings: S3Settings;
  readonly #environment: Environment;
  readonly #requests: S3Requests;
  readonly #uploads: S3Uploads;

  /**
   * A store; nothing is connected yet.
   *
   * @param settings Bucket, endpoint and bounds, checked.
   * @param environment Time and randomness.
   */
  constructor(settings: S3Settings, environment: Environment) {
    this.location = settings.location;
    this.#settings = settings;
    this.#environment = environment;
    this.#requests = new S3Requests(settings, environment);
    this.#uploads = new S3Uploads(settings, this.#requests);
  }

  /**
   * Reads an object.
   *
   * @param name Full name.
   * @returns The bytes, or `undefined` when there is no such object.
   * @throws {BlobDeniedError} when credentials or permissions are wrong.
   * @throws {BlobTimeoutError} when there is no answer in time.
   * @throws {BlobUnavailableError} when there is no bucket, or the server cannot be used.
   */
  async get(name: string): Promise<Uint8Array | undefined> {
    const key = this.#key("read", name);
    return await this.#telling("read", name, async () => (await this.#read(key))?.bytes);
  }

  /**
   * Writes an object only if its name is free; durable when it resolves. A large one is written in parts.
   *
   * @param name Full name.
   * @param bytes Content; not to be changed until this resolves.
   * @throws {BlobPreconditionError} when the server cannot have this name beside another object's.
   * @throws {BlobDeniedError} when credentials or permissions are wrong.
   * @throws {BlobThrottledError} when the server asks to slow down for too long.
   * @throws {BlobTimeoutError} when there is no answer in time; the object may be there, now or later.
   * @throws {BlobUnavailableError} when the server cannot be used; `outcome` tells whether the object may be there.
   */
  async create(name: string, bytes: Uint8Array): Promise<CreateResult> {
    const key = this.#key("create", name);
    return await this.#telling("create", name, () => this.#create(key, bytes));
  }

  /**
   * Lists objects whose name starts with `prefix`, sorted by name.
   *
   * @param prefix Start of the names.
   * @throws {BlobDeniedError} when credentials or permissions are wrong.
   * @throws {BlobUnavailableError} when there is no bucket, or the server cannot be used.
   */
  async list(prefix: string): Promise<readonly BlobEntry[]> {
    this.#checkOpen("list", checkObjectPrefix(prefix));
    return await this.#telling("list", prefix, async () => {
      const entries: BlobEntry[] = [];
      let token: string | undefined;
      do {
        const page = await this.#page(prefix, token);
        this.#collect(page, entries);
        const next: string | undefined = page.IsTruncated === true ? page.NextContinuationToken : undefined;
        if (page.IsTruncated === true && (next === undefined || next === token)) throw this.#endless(prefix);
        token = next;
      } while (token !== undefined);
      return entries.sort((left, right) => left.name < right.name ? -1 : 1);
    });
  }

  /**
   * Deletes an object; deleting what is not there is no error.
   *
   * @param name Full name.
   * @throws {BlobDeniedError} when credentials or permissions are wrong.
   * @throws {BlobTimeoutError} when there is no answer in time; the object may be gone, now or later.
   * @throws {BlobUnavailableError} when there is no bucket, or the server cannot be used.
   */
  async delete(name: string): Promise<void> {
    const key = this.#key("delete", name);
    await this.#telling("delete", name, async () => {
      try {
        const command = new DeleteObjectCommand({ Bucket: this.#settings.bucket, Key: key });
        await this.#requests.send(({ client, signal }) => client.send(command, { abortSignal: signal }), {
          isEffect: true,
        });
      } catch (error) {
        const kind = error instanceof S3RequestError ? error.fault.kind : undefined;
        // A server with real folders refuses to delete one that is not empty: it is no object.
        if (kind === "missing" || kind === "collides") return;
        throw error;
      }
    });
  }

  /**
   * Aborts uploads in parts below `prefix` that nobody has finished: what processes that were killed have left. Their
   * parts are in no listing, and are paid for. A rule of the bucket (`AbortIncompleteMultipartUpload`) does the same.
   *
   * @param prefix Start of the names.
   * @param olderThanMs Only uploads that were begun longer ago, by the server's clock against this one, in milliseconds.
   * @returns How many there were.
   */
  async abortTornUploads(prefix: string, olderThanMs: number): Promise<number> {
    this.#checkOpen("collect", checkObjectPrefix(prefix));
    const beforeMs = this.#environment.clock.wallMs() - olderThanMs;
    return await this.#telling(
      "collect",
      prefix,
      () => this.#uploads.abortTorn(this.#settings.root + prefix, beforeMs),
    );
  }

  /** Ends what is under way; later calls fail. */
  // deno-lint-ignore require-await
  async close(): Promise<void> {
    this.#requests.close();
  }

  async #create(key: string, bytes: Uint8Array): Promise<CreateResult> {
    const writer = randomId(this.#environment.random);
    let isUnsure = false;
    for (let rounds = 1;; rounds++) {
      try {
        await this.#write(key, bytes, writer);
        return { isCreated: true };
      } catch (error) {
        if (!(error instanceof S3RequestError)) throw error;
        isUnsure ||= error.isUnsure;
        const failure = new S3RequestError(error.fault, error.attempts, isUnsure, { cause: error.cause });
        const result = await this.#resolve(key, { bytes, writer, failure });
        if (result !== undefined) return result;
        if (!this.#isWorthAnotherRound(failure, bytes) || rounds >= this.#roundsMax(failure)) throw failure;
        await this.#requests.backOff(rounds);
      }
    }
  }

  /** Nothing is there after a write that failed: whether another one may come to something. */
  #isWorthAnotherRound({ fault, isUnsure }: S3RequestError, bytes: Uint8Array): boolean {
    // A plain write has been repeated already, a completion never is.
    const isLostCompletion = isUnsure && fault.isPassing && bytes.length > this.#settings.partBytes;
    return isBeaten(fault) || isLostCompletion;
  }

  #roundsMax({ isUnsure }: S3RequestError): number {
    return isUnsure ? this.#settings.attemptsMax : RACES_MAX;
  }

  async #write(key: string, bytes: Uint8Array, writer: string): Promise<void> {
    const { bucket, partBytes, encryption } = this.#settings;
    const object = {
      Bucket: bucket,
      Key: key,
      ContentType: "application/octet-stream",
      Metadata: { [WRITER]: writer },
    };
    if (bytes.length > partBytes) {
      // All parts of an object that is there would be sent in vain.
      if (await this.#head(key) !== undefined) throw new S3RequestError(TAKEN, 1, false);
      await this.#uploads.write(object, bytes);
      await this.#verify(key, writer);
      return;
    }
    const put = { ...object, ...encryptionOf(encryption), Body: bytes, IfNoneMatch: "*" };
    await this.#requests.send(
      ({ client, signal }) => client.send(new PutObjectCommand(put), { abortSignal: signal }),
      { isEffect: true },
    );
  }

  /** What a write that failed has come to; `undefined` when nothing is there. */
  async #resolve(
    key: string,
    { bytes, writer, failure }: {
      readonly bytes: Uint8Array;
      readonly writer: string;
      readonly failure: S3RequestError;
    },
  ): Promise<CreateResult | undefined> {
    const { fault, isUnsure } = failure;
    if ((!isBeaten(fault) && !isUnsure) || this.#requests.isClosed) throw failure;
    const found = await this.#read(key).catch((unread) => {
      if (isUnsure) throw failure;
      throw unread;
    });
    if (found === undefined) return undefined;
    const isOurs = found.writer === writer || (found.writer === undefined && isUnsure && isSame(found.bytes, bytes));
    return isOurs ? { isCreated: true } : { isCreated: false, existing: found.bytes };
  }

  async #read(key: string): Promise<Stored | undefined> {
    try {
      return await this.#requests.send(async ({ client, signal, progress }) => {
        const command = new GetObjectCommand({ Bucket: this.#settings.bucket, Key: key });
        const { Body, ContentLength, Metadata } = await client.send(command, { abortSignal: signal });
        const bytes = await readBody(Body, { length: ContentLength, signal, progress });
        return { bytes, writer: Metadata?.[WRITER] };
      });
    } catch (error) {
      if (error instanceof S3RequestError && isAbsent(error)) return undefined;
      throw error;
    }
  }

  /** There are servers that tell success of an upload that others have aborted, if any object is there. */
  async #verify(key: string, writer: string): Promise<void> {
    const found = await this.#head(key).catch((error) => {
      throw error instanceof S3RequestError
        ? new S3RequestError(error.fault, error.attempts, true, { cause: error.cause })
        : error;
    });
    if (found === undefined || (found.writer ?? writer) !== writer) throw new S3RequestError(UPLOAD_GONE, 1, true);
  }

  async #head(key: string): Promise<{ readonly writer: string | undefined } | undefined> {
    try {
      const head = new HeadObjectCommand({ Bucket: this.#settings.bucket, Key: key });
      const { Metadata } = await this.#requests.send(({ client, signal }) =>
        client.send(head, { abortSignal: signal })
      );
      return { writer: Metadata?.[WRITER] };
    } catch (error) {
      if (error instanceof S3RequestError && isAbsent(error)) return undefined;
      throw error;
    }
  }

  async #page(prefix: string, token: string | undefined): Promise<ListObjectsV2CommandOutput> {
    const { bucket, root } = this.#settings;
    const command = new ListObjectsV2Command({ Bucket: bucket, Prefix: root + prefix, ContinuationToken: token });
    return await this.#requests.send(({ client, signal }) => client.send(command, { abortSignal: signal }));
  }

  #collect({ Contents = [] }: ListObjectsV2CommandOutput, entries: BlobEntry[]): void {
    const { root } = this.#settings;
    for (const { Key = "", Size = 0 } of Contents) {
      const name = Key.slice(root.length);
      if (Key.startsWith(root) && OURS.test(name)) entries.push({ name, size: Size });
    }
  }

  #endless(prefix: string): Error {
    return new BlobUnavailableError(
      `Cannot list '${prefix}' in ${this.location}: the server says that there is more, and not where; ` +
        "use a server whose listings can be paged through",
      { context: { location: this.location, name: prefix } },
    );
  }

  #key(verb: S3Tried["verb"], name: string): string {
    const key = this.#settings.root + checkObjectName(name);
    this.#checkOpen(verb, name);
    return key;
  }

  #checkOpen(verb: S3Tried["verb"], name: string): void {
    if (!this.#requests.isClosed) return;
    throw new BlobUnavailableError(`Cannot ${verb} '${name}' in ${this.location}: the store is closed`, {
      context: { location: this.location, name },
    });
  }

  async #telling<T>(verb: S3Tried["verb"], name: string, run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      throw s3Error(error, { verb, name, settings: this.#settings });
    }
  }
}

const TAKEN = s3Fault({ name: "PreconditionFailed", $metadata: { httpStatusCode: 412 } });
const UPLOAD_GONE = s3Fault({ name: "NoSuchUpload", $metadata: { httpStatusCode: 404 } });

/** Whether somebody else was faster: with this name, or with the upload itself. */
function isBeaten({ kind }: S3Fault): boolean {
  return kind === "taken" || kind === "conflict" || kind === "upload-gone";
}

/** Also below a name that is an object, on a server with real folders. */
function isAbsent({ fault }: S3RequestError): boolean {
  return fault.kind === "missing" || fault.kind === "collides";
}

function isSame(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, at) => byte === right[at]);
}
