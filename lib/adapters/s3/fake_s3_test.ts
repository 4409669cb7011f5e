/** An S3 server in memory for the tests of this folder, that fails on demand. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { Buffer } from "node:buffer";

/** What a request asks for. */
export type FakeCall = "get" | "head" | "put" | "delete" | "list" | "begin" | "part" | "complete" | "abort" | "uploads";

/** What goes wrong with a request. */
export interface FakeFault {
  /** Whether the request is carried out all the same. @default {false} */
  readonly isApplied?: boolean;
  /** How it is answered: an error, a cut connection, silence, or half a body and then one of these. */
  readonly answer:
    | { readonly status: number; readonly code: string }
    | "cut"
    | "silence"
    | "half, cut"
    | "half, silence";
  /** How long the answer takes, in milliseconds. @default {0} */
  readonly afterMs?: number;
  /** Headers of an error. */
  readonly headers?: Readonly<Record<string, string>>;
}

interface FakeObject {
  readonly bytes: Uint8Array;
  readonly metadata: Readonly<Record<string, string>>;
}

interface FakeReply {
  readonly status: number;
  readonly body?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Request {
  readonly call: FakeCall;
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  readonly body: Uint8Array;
}

interface FakeUpload {
  readonly key: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly parts: Map<number, Uint8Array>;
}

/** The server. Its only bucket is `bucket`. */
export class FakeS3 {
  /** What is stored, by key. */
  readonly objects: Map<string, FakeObject> = new Map();
  /** Uploads that are not finished, by id. */
  readonly uploads: Map<string, FakeUpload> = new Map();
  /** Every request, as `put key`. */
  readonly seen: string[] = [];
  /** Headers of the last request of each kind. */
  readonly headers: Map<FakeCall, IncomingMessage["headers"]> = new Map();
  /** How many entries a page of a listing has. */
  pageSize: number = 1_000;
  /** How many requests were carried out at once at most. */
  mostAtOnce: number = 0;
  readonly #faults: { readonly call: FakeCall; readonly fault: FakeFault; left: number }[] = [];
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #atOnce = 0;
  #made = 0;

  /** Begins to listen. */
  async start(): Promise<void> {
    const server = createServer((request, response) => void this.#serve(request, response));
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  }

  /** `http://host:port`. */
  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server!.address() as AddressInfo).port}`;
  }

  /** Ends with all its connections. */
  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server!.close(resolve));
  }

  /** The next requests of a kind go wrong. */
  fail(call: FakeCall, fault: FakeFault, times: number = 1): void {
    this.#faults.push({ call, fault, left: times });
  }

  /** How many requests of a kind there were. */
  count(call: FakeCall): number {
    return this.seen.filter((seen) => seen.startsWith(`${call} `)).length;
  }

  /** Stores an object as another client would. */
  put(key: string, bytes: Uint8Array, metadata: Readonly<Record<string, string>> = {}): void {
    this.objects.set(key, { bytes, metadata });
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#atOnce);
    response.on("close", () => this.#atOnce--);
    const request = await read(incoming);
    this.seen.push(`${request.call} ${request.key}`);
    this.headers.set(request.call, request.headers);
    const script = this.#faults.find(({ call, left }) => call === request.call && left > 0);
    if (script === undefined) return reply(response, this.#carryOut(request));
    script.left--;
    const { answer, isApplied = false, headers = {}, afterMs = 0 } = script.fault;
    if (afterMs > 0) await new Promise((resolve) => setTimeout(resolve, afterMs));
    const done = isApplied || typeof answer === "string" && answer.startsWith("half") ? this.#carryOut(request) : ERROR;
    if (typeof answer === "object") return reply(response, refusal(answer.status, answer.code, headers));
    if (answer.startsWith("half")) sendHalf(response, done);
    // What was written already is let go before the cut.
    if (answer.endsWith("cut")) setTimeout(() => incoming.socket.destroy(), answer === "cut" ? 0 : 20);
  }

  #carryOut(request: Request): FakeReply {
    const { call, key } = request;
    if (call === "get" || call === "head") {
      const object = this.objects.get(key);
      if (object === undefined) return refusal(404, "NoSuchKey");
      const headers = Object.entries(object.metadata).map(([name, value]) => [`x-amz-meta-${name}`, value]);
      return { status: 200, body: object.bytes, headers: Object.fromEntries(headers) };
    }
    if (call === "put") return this.#store(request, request.body, metadataOf(request));
    if (call === "list") return this.#list(request.query);
    if (call === "delete") {
      this.objects.delete(key);
      return { status: 204 };
    }
    return this.#multipart(request);
  }

  #multipart(request: Request): FakeReply {
    const { call, key, query, body } = request;
    if (call === "begin") {
      const id = `upload-${this.#made++}`;
      this.uploads.set(id, { key, metadata: metadataOf(request), parts: new Map() });
      return {
        status: 200,
        body: `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
      };
    }
    if (call === "uploads") {
      const entry = (id: string, key: string) =>
        `<Upload><Key>${key}</Key><UploadId>${id}</UploadId><Initiated>2020-01-01T00:00:00Z</Initiated></Upload>`;
      const all = [...this.uploads].map(([id, upload]) => entry(id, upload.key)).join("");
      return { status: 200, body: `<ListMultipartUploadsResult>${all}</ListMultipartUploadsResult>` };
    }
    const id = query.get("uploadId")!;
    const upload = this.uploads.get(id);
    if (upload === undefined) return refusal(404, "NoSuchUpload");
    if (call === "part") {
      upload.parts.set(Number(query.get("partNumber")), body);
      return { status: 200, headers: { etag: `"part"` } };
    }
    if (call === "abort") {
      this.uploads.delete(id);
      return { status: 204 };
    }
    const parts = [...upload.parts].sort(([left], [right]) => left - right).map(([, bytes]) => bytes);
    const stored = this.#store(request, new Uint8Array(Buffer.concat(parts)), upload.metadata);
    if (stored.status !== 200) return stored;
    this.uploads.delete(id);
    return { status: 200, body: "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>" };
  }

  #store({ key, headers }: Request, bytes: Uint8Array, metadata: Readonly<Record<string, string>>): FakeReply {
    if (headers["if-none-match"] === "*" && this.objects.has(key)) return refusal(412, "PreconditionFailed");
    this.objects.set(key, { bytes, metadata });
    return { status: 200, headers: { etag: `"etag"` } };
  }

  #list(query: URLSearchParams): FakeReply {
    const [prefix, after] = [query.get("prefix") ?? "", query.get("continuation-token") ?? ""];
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort();
    const page = keys.slice(0, this.pageSize);
    const entries = page.map((key) =>
      `<Contents><Key>${key}</Key><Size>${this.objects.get(key)!.bytes.length}</Size></Contents>`
    );
    const next = page.length === 0 ? "" : `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>`;
    const more = page.length < keys.length
      ? `<IsTruncated>true</IsTruncated>${next}`
      : "<IsTruncated>false</IsTruncated>";
    return { status: 200, body: `<ListBucketResult>${more}${entries.join("")}</ListBucketResult>` };
  }
}

const ERROR: FakeReply = { status: 500 };

async function read(incoming: IncomingMessage): Promise<Request> {
  const url = new URL(incoming.url!, "http://fake");
  const pieces: Uint8Array[] = [];
  for await (const piece of incoming) pieces.push(piece);
  const key = decodeURIComponent(url.pathname.split("/").slice(2).join("/"));
  const query = url.searchParams;
  const body = new Uint8Array(Buffer.concat(pieces));
  return { call: callOf(incoming.method!, key, query), key, query, headers: incoming.headers, body };
}

function callOf(method: string, key: string, query: URLSearchParams): FakeCall {
  if (query.has("uploads")) return method === "POST" ? "begin" : "uploads";
  if (query.has("uploadId")) return method === "PUT" ? "part" : method === "POST" ? "complete" : "abort";
  if (method === "GET") return key === "" ? "list" : "get";
  return method === "HEAD" ? "head" : method === "PUT" ? "put" : "delete";
}

function metadataOf({ headers }: Request): Record<string, string> {
  const ours = Object.entries(headers).filter(([name]) => name.startsWith("x-amz-meta-"));
  return Object.fromEntries(ours.map(([name, value]) => [name.slice("x-amz-meta-".length), String(value)]));
}

function refusal(status: number, code: string, headers: Readonly<Record<string, string>> = {}): FakeReply {
  if (status === 200) {
    return { status, headers, body: "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>" };
  }
  return { status, headers, body: `<Error><Code>${code}</Code><Message>${code} it is</Message></Error>` };
}

function reply(response: ServerResponse, { status, body = "", headers = {} }: FakeReply): void {
  response.writeHead(status, { ...headers, "content-length": Buffer.byteLength(body) });
  response.end(response.req.method === "HEAD" ? undefined : body);
}

function sendHalf(response: ServerResponse, { status, body = "", headers = {} }: FakeReply): void {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  response.writeHead(status, { ...headers, "content-length": bytes.length });
  response.write(bytes.subarray(0, bytes.length >> 1));
}
