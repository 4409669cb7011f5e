import { AuthorizationError, BrokerUnavailableError, NotModelledError, StreamError } from "../../base/errors.ts";
import type { Environment } from "../../seams/adapter.ts";
import type { KafkaConnection, SendMore } from "./connection.ts";
import { FrameReader } from "./frame_reader.ts";
import type { KafkaSasl, KafkaTls } from "./kafka_options.ts";
import { openSocket, type Socket, type SocketPlace } from "./open_socket.ts";
import { ByteReader } from "./protocol/byte_reader.ts";
import { ByteWriter } from "./protocol/byte_writer.ts";
import type { Call } from "./protocol/call.ts";
import { API_VERSIONS, API_VERSIONS_3_CALL, API_VERSIONS_CALL, type ApiVersions } from "./protocol/metadata_calls.ts";
import { RequestLimits } from "./request_limits.ts";
import { authenticate } from "./sasl.ts";
import { closedText, connectText, HUNG_UP, versionText } from "./socket_texts.ts";
import { throttleMsOf } from "./throttle_time.ts";

/** What a connection is told. */
export interface SocketConnectionOptions {
  /** TLS; `true` with the usual authorities. */
  readonly ssl: boolean | KafkaTls;
  /** SASL, if any. */
  readonly sasl: KafkaSasl | undefined;
  /** How long to wait for a connection, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** How long to wait for a reply, in milliseconds. */
  readonly requestTimeoutMs: number;
}

/** A call under way. */
interface Request {
  readonly call: Call<unknown>;
  readonly correlationId: number;
  /** What is sent, piece by piece. */
  readonly pieces: readonly Uint8Array[];
  readonly limitMs: number;
  /** When the reply must be there, in monotonic milliseconds; set when it is sent. */
  deadlineMs: number;
  readonly onWritten: (() => void) | undefined;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

const UNSUPPORTED_VERSION = 35;
/** A minute less than what brokers allow by default, in milliseconds. */
const IDLE_MS_MAX = 540_000;
/** Longest reply to the first call: what is longer is no Kafka. */
const FIRST_REPLY_BYTES_MAX = 1 << 20;
/** Longest reply. */
const REPLY_BYTES_MAX = 512 << 20;

/**
 * A connection to one broker over a socket of its own.
 *
 * Invariants: requests are written whole and one after the other, and replies are taken in that order; after the first
 * failure (end of stream, a reply out of turn or late, one that cannot be read) nothing is sent or taken any more, what was
 * written ends with outcome `unknown`, what was not written with `not-applied`.
 */
export class SocketConnection implements KafkaConnection {
  /** `host:port`. */
  readonly address: string;
  readonly #place: SocketPlace;
  readonly #clientId: string;
  readonly #options: SocketConnectionOptions;
  readonly #environment: Environment;
  readonly #outbox: Request[] = [];
  readonly #pending: Request[] = [];
  readonly #limits: RequestLimits<Request>;
  #socket: Socket | null = null;
  #versions: ApiVersions = {};
  #features: Readonly<Record<string, number>> = {};
  #isReady = false;
  #isPumping = false;
  #hasServed = false;
  #lastId = 0;
  #usedMs = 0;
  #throttledUntilMs = 0;
  #authenticateAtMs = Infinity;
  #failure: Error | null = null;
  readonly #end = new AbortController();

  /**
   * @param place Where to connect to.
   * @param clientId Names this client in the broker's logs.
   * @param more TLS, SASL and time limits; time, randomness and log.
   */
  constructor(
    place: SocketPlace,
    clientId: string,
    more: { readonly options: SocketConnectionOptions; readonly environment: Environment },
  ) {
    this.#place = place;
    this.#clientId = clientId;
    this.#options = more.options;
    this.#environment = more.environment;
    this.address = place.host.includes(":") ? `[${place.host}]:${place.port}` : `${place.host}:${place.port}`;
    this.#limits = new RequestLimits(
      more.environment.clock,
      this.#pending,
      ({ limitMs }) => this.#lose(new Error(`no reply within ${limitMs} ms`)),
    );
  }

  /** What the broker speaks. */
  get versions(): ApiVersions {
    return this.#versions;
  }

  /** Levels of the features that its cluster has finalized. */
  get features(): Readonly<Record<string, number>> {
    return this.#features;
  }

  /** Whether calls can be sent. Brokers close what is idle for long, so such a connection is not used any more. */
  get isOpen(): boolean {
    if (!this.#isReady || this.#failure !== null) return false;
    const isIdle = this.#pending.length === 0 && this.#outbox.length === 0;
    return !isIdle || this.#environment.clock.monotonicMs() - this.#usedMs < IDLE_MS_MAX;
  }

  /**
   * Connects, learns what the broker speaks, and authenticates.
   *
   * @throws {BrokerUnavailableError} when nobody answers.
   * @throws {AuthorizationError} when the broker refuses the credentials.
   */
  async open(): Promise<void> {
    try {
      this.#socket = await this.#connect();
      if (this.#failure !== null) {
        this.#socket.close();
        throw this.#failure;
      }
      const frames = new FrameReader(this.#socket, FIRST_REPLY_BYTES_MAX);
      void this.#receive(frames);
      let broker = await this.#exchange(API_VERSIONS_3_CALL);
      if (broker.errorCode === UNSUPPORTED_VERSION) broker = await this.#exchange(API_VERSIONS_CALL);
      frames.bytesMax = REPLY_BYTES_MAX;
      this.#versions = broker.versions;
      this.#features = broker.features;
      await this.#authenticate();
      this.#isReady = true;
    } catch (error) {
      this.#lose(error as Error);
      throw this.#openError(error);
    }
  }

  /**
   * Sends a call; calls may follow each other without waiting for replies.
   *
   * @param call What to send.
   * @param more How long to wait for the reply, if longer than usual, and who is told when it is written.
   * @throws {BrokerUnavailableError} with outcome `unknown` when it may have been sent.
   * @throws {NotModelledError} when the broker does not speak this version.
   */
  async send<T>(call: Call<T>, more: SendMore = {}): Promise<T> {
    const range = this.#versions[call.apiKey];
    if (this.#isReady && (range === undefined || call.version < range.minVersion || call.version > range.maxVersion)) {
      throw new NotModelledError(`Cannot use broker ${this.address}: ${versionText(call, range)}`, {
        context: { address: this.address, call: call.name },
      });
    }
    if (!this.isOpen) throw this.#unsent(call.name);
    return await new Promise<T>((resolve, reject) => {
      this.#outbox.push(this.#request(call, { ...more, resolve, reject }));
      if (!this.#isPumping) void this.#pump();
    });
  }

  /** Closes without waiting; calls under way fail. */
  destroy(): void {
    this.#lose(new Error("connection closed by this client"));
  }

  async #connect(): Promise<Socket> {
    const { ssl, connectTimeoutMs } = this.#options;
    const tls = ssl === false ? null : ssl === true ? {} : ssl;
    const giveUp = new AbortController();
    const done = new AbortController();
    const abort = () => giveUp.abort();
    this.#end.signal.addEventListener("abort", abort, { once: true });
    void this.#environment.clock.sleep(connectTimeoutMs, done.signal).then(() => {
      if (!done.signal.aborted) giveUp.abort();
    });
    try {
      return await openSocket(this.#place, tls, giveUp.signal);
    } catch (error) {
      if (this.#failure !== null) throw this.#failure;
      throw giveUp.signal.aborted ? new Error(`no connection within ${connectTimeoutMs} ms`, { cause: error }) : error;
    } finally {
      done.abort();
      this.#end.signal.removeEventListener("abort", abort);
    }
  }

  /** Authenticates, or does it again: what waits in the outbox waits. */
  async #authenticate(): Promise<void> {
    const { sasl, requestTimeoutMs } = this.#options;
    if (sasl === undefined) return;
    const lifetimeMs = await authenticate(sasl, {
      address: this.address,
      versions: this.#versions,
      environment: this.#environment,
      timeoutMs: requestTimeoutMs,
      exchange: (call) => this.#exchange(call),
    });
    this.#authenticateAtMs = this.#environment.clock.monotonicMs() + lifetimeMs;
  }

  #request<T>(
    call: Call<T>,
    more: SendMore & { resolve(value: T): void; reject(error: Error): void },
  ): Request {
    const correlationId = this.#lastId = (this.#lastId + 1) & 0x7fff_ffff;
    const { timeoutMs = 0, onWritten, resolve, reject } = more;
    return {
      call,
      correlationId,
      pieces: encodeRequest(call, { correlationId, clientId: this.#clientId }),
      limitMs: Math.max(timeoutMs, this.#options.requestTimeoutMs),
      deadlineMs: 0,
      onWritten,
      resolve: resolve as (value: unknown) => void,
      reject,
    };
  }

  /** Sends a call at once, past the outbox. */
  #exchange<T>(call: Call<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#failure !== null) reject(this.#failure);
      else this.#transmit(this.#request(call, { resolve, reject })).catch((error) => this.#lose(error));
    });
  }

  async #pump(): Promise<void> {
    this.#isPumping = true;
    const { clock } = this.#environment;
    try {
      while (this.#outbox.length > 0) {
        const waitMs = this.#throttledUntilMs - clock.monotonicMs();
        if (waitMs > 0) await clock.sleep(waitMs, this.#end.signal);
        if (clock.monotonicMs() >= this.#authenticateAtMs) await this.#authenticate();
        const next = this.#failure === null ? this.#outbox.shift() : undefined;
        if (next !== undefined) await this.#transmit(next);
      }
    } catch (error) {
      this.#lose(error as Error);
    } finally {
      this.#isPumping = false;
    }
  }

  async #transmit(request: Request): Promise<void> {
    const { pieces, limitMs } = request;
    request.deadlineMs = this.#environment.clock.monotonicMs() + limitMs;
    this.#usedMs = request.deadlineMs - limitMs;
    this.#pending.push(request);
    this.#limits.watch(request);
    for (const piece of pieces) {
      for (let at = 0; at < piece.length;) at += await this.#socket!.write(piece.subarray(at));
    }
    request.onWritten?.();
  }

  async #receive(frames: FrameReader): Promise<void> {
    try {
      for (let frame = await frames.next(); frame !== null; frame = await frames.next()) this.#take(frame);
      this.#lose(new Error(HUNG_UP));
    } catch (error) {
      this.#lose(error as Error);
    }
  }

  #take(frame: Uint8Array): void {
    const reader = new ByteReader(frame);
    const correlationId = reader.int32();
    const request = this.#pending[0];
    if (request?.correlationId !== correlationId) {
      throw new Error(`a reply to request ${correlationId} came out of turn`);
    }
    const { call } = request;
    if (call.isFlexible === true && call.apiKey !== API_VERSIONS) reader.tags();
    const body = reader.at;
    const value = call.read(reader);
    const throttleMs = throttleMsOf(call, frame, { body, read: reader.at });
    if (throttleMs > 0) this.#throttledUntilMs = this.#environment.clock.monotonicMs() + throttleMs;
    this.#pending.shift();
    this.#hasServed ||= this.#isReady;
    request.resolve(value);
  }

  /** The first failure ends the connection. */
  #lose(failure: Error): void {
    if (this.#failure !== null) return;
    this.#failure = failure;
    this.#limits.close();
    this.#end.abort();
    try {
      this.#socket?.close();
    } catch {
      // The other side has closed it.
    }
    for (const { call, reject } of this.#pending.splice(0)) reject(this.#lost(call.name, failure));
    for (const { call, reject } of this.#outbox.splice(0)) {
      reject(failure instanceof AuthorizationError ? failure : this.#unsent(call.name));
    }
  }

  /** The error of a call that was sent. */
  #lost(name: string, failure: Error): Error {
    if (!this.#isReady) return failure;
    const { address } = this;
    const next = this.#hasServed || failure.message !== HUNG_UP ? ", try again" : closedText(this.#options.sasl);
    return new BrokerUnavailableError(
      `Connection to broker ${address} was lost before the reply to ${name}: ${failure.message}${next}`,
      { outcome: "unknown", cause: failure, context: { address, call: name } },
    );
  }

  /** The error of a call that was not sent. */
  #unsent(name: string): BrokerUnavailableError {
    const why = this.#failure === null ? "not open" : "closed";
    return new BrokerUnavailableError(
      `Cannot send ${name} to broker ${this.address} as the connection is ${why}, try again`,
      { context: { address: this.address, call: name }, cause: this.#failure },
    );
  }

  #openError(error: unknown): Error {
    if (error instanceof TypeError || error instanceof StreamError && error.context.address !== undefined) return error;
    return new BrokerUnavailableError(
      `Cannot connect to broker ${this.address}: ${connectText(error, this.#options.ssl !== false)}`,
      { cause: error, context: { address: this.address } },
    );
  }
}

function encodeRequest<T>(
  call: Call<T>,
  { correlationId, clientId }: { readonly correlationId: number; readonly clientId: string },
): Uint8Array[] {
  const writer = new ByteWriter().int32(0).int16(call.apiKey).int16(call.version).int32(correlationId).string(clientId);
  if (call.isFlexible === true) writer.noTags();
  call.write(writer);
  const pieces = writer.finishPieces();
  const [first] = pieces;
  const size = pieces.reduce((sum, { length }) => sum + length, 0);
  new DataView(first!.buffer, first!.byteOffset).setInt32(0, size - 4);
  return pieces;
}
