/** The parts of kafkajs that are used here: one connection with its TLS, SASL, framing and request queue. */
import { Buffer } from "node:buffer";
import Connection from "kafkajs/src/network/connection.js";
import socketFactory from "kafkajs/src/network/socketFactory.js";
import Encoder from "kafkajs/src/protocol/encoder.js";

/** A request as kafkajs sends it. */
export interface BoundRequest {
  /** What to send. */
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    readonly apiName: string;
    encode(): Promise<unknown>;
  };
  /** How to read the reply. */
  readonly response: {
    decode(payload: Uint8Array): Promise<Record<string, unknown>>;
    parse(decoded: Record<string, unknown>): Promise<Record<string, unknown>>;
  };
  /** How long to wait for the reply; at least the connection's own bound. */
  readonly requestTimeout: number;
}

/** A connection of kafkajs. */
export interface BoundConnection {
  connect(): Promise<unknown>;
  authenticate(): Promise<void>;
  disconnect(): Promise<unknown>;
  isConnected(): boolean;
  /** Whether it has authenticated, and its session is not about to end. */
  isAuthenticated(): boolean;
  send(request: BoundRequest): Promise<Record<string, unknown>>;
  setVersions(versions: unknown): void;
  setSupportAuthenticationProtocol(isSupported: boolean): void;
  rejectRequests(error: Error): void;
  readonly requestQueue: { pending: unknown[]; scheduleCheckPendingRequests(): void };
}

/** What kafkajs logs to. */
export interface BoundLogger {
  error(message: string): void;
  warn(message: string): void;
  info(message: string): void;
  debug(message: string): void;
  namespace(): BoundLogger;
}

/** What a connection is made of. */
export interface ConnectionSettings {
  readonly host: string;
  readonly port: number;
  readonly clientId: string;
  readonly ssl: unknown;
  readonly sasl: unknown;
  readonly connectionTimeout: number;
  readonly requestTimeout: number;
  /** How long before its end a session is renewed, in milliseconds. */
  readonly reauthenticationThreshold: number;
  readonly logger: BoundLogger;
  /** Told the first bytes that come. */
  onFirstBytes(bytes: Uint8Array): void;
}

/** Makes a connection; nothing is sent yet. */
export function makeConnection(settings: ConnectionSettings): BoundConnection {
  const makeSocket = socketFactory();
  const listening = (how: Parameters<typeof makeSocket>[0]) => {
    const socket = makeSocket(how);
    socket.once("data", settings.onFirstBytes);
    return socket;
  };
  const connection = new Connection({ ...settings, socketFactory: listening }) as BoundConnection;
  const queue = connection.requestQueue;
  const schedule = queue.scheduleCheckPendingRequests;
  // Without pending requests kafkajs would start a timer that is due in the past, and be warned about it.
  queue.scheduleCheckPendingRequests = function () {
    if (queue.pending.length > 0) schedule.call(queue);
  };
  return connection;
}

/** Bytes as what kafkajs takes for a request's body, without a copy. */
export function bodyOf(bytes: Uint8Array<ArrayBuffer>): unknown {
  const encoder = new Encoder(1) as { buf: Buffer; offset: number };
  encoder.buf = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  encoder.offset = bytes.length;
  return encoder;
}
