import { BrokerUnavailableError, NotModelledError } from "../../base/errors.ts";
import type { Environment } from "../../seams/adapter.ts";
import type { KafkaConnection, SendMore } from "../kafka/connection.ts";
import { foreignBytes } from "../kafka/frame_reader.ts";
import { versionText } from "../kafka/socket_texts.ts";
import { throttleMsOf } from "../kafka/throttle_time.ts";
import { bodyOf, type BoundConnection, type BoundLogger, makeConnection } from "./kafkajs_binding.ts";
import { causeOf, openError } from "./kafkajs_errors.ts";
import type { KafkajsOptions } from "./kafkajs_options.ts";
import { ByteReader } from "../kafka/protocol/byte_reader.ts";
import { ByteWriter } from "../kafka/protocol/byte_writer.ts";
import type { Call } from "../kafka/protocol/call.ts";
import {
  API_VERSIONS,
  API_VERSIONS_3_CALL,
  API_VERSIONS_CALL,
  type ApiVersions,
} from "../kafka/protocol/metadata_calls.ts";

/** What a connection is told. */
export interface KafkajsConnectionOptions {
  /** TLS, or `false`. */
  readonly ssl: NonNullable<KafkajsOptions["ssl"]>;
  /** SASL. */
  readonly sasl: KafkajsOptions["sasl"];
  /** How long to wait for a connection, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** How long to wait for a reply, in milliseconds. */
  readonly requestTimeoutMs: number;
}

/** Longest reply to the first call: what is longer is no Kafka. */
const FIRST_REPLY_BYTES_MAX = 1 << 20;

/** A session is renewed so long before its end, in milliseconds. */
const RENEWAL_MS = 1_000;

/** A connection of kafkajs to one broker. */
export class KafkajsConnection implements KafkaConnection {
  /** `host:port`. */
  readonly address: string;
  readonly #connection: BoundConnection;
  readonly #options: KafkajsConnectionOptions;
  #versions: ApiVersions = {};
  #features: Readonly<Record<string, number>> = {};
  #isDestroyed = false;
  #renewal: Promise<void> | null = null;

  /**
   * @param place Where to connect to.
   * @param clientId Names this client in the broker's logs.
   * @param more Options and log.
   */
  constructor(
    place: { readonly host: string; readonly port: number },
    clientId: string,
    more: { readonly options: KafkajsConnectionOptions; readonly environment: Environment },
  ) {
    const { options, environment } = more;
    this.#options = options;
    this.address = `${place.host}:${place.port}`;
    this.#connection = makeConnection({
      host: place.host,
      port: place.port,
      clientId,
      ssl: options.ssl === false ? null : options.ssl,
      // kafkajs writes into it.
      sasl: options.sasl === undefined ? null : { ...options.sasl },
      connectionTimeout: options.connectTimeoutMs,
      requestTimeout: options.requestTimeoutMs,
      reauthenticationThreshold: RENEWAL_MS,
      logger: loggerOf(environment, () => this.#isDestroyed),
      onFirstBytes: (bytes) => this.#checkFirst(bytes),
    });
  }

  /** What the broker speaks. */
  get versions(): ApiVersions {
    return this.#versions;
  }

  /** Levels of the features that its cluster has finalized. */
  get features(): Readonly<Record<string, number>> {
    return this.#features;
  }

  /** Whether calls can be sent. */
  get isOpen(): boolean {
    return !this.#isDestroyed && this.#connection.isConnected();
  }

  /**
   * Connects, learns what the broker speaks, and authenticates.
   *
   * @throws {BrokerUnavailableError} when nobody answers.
   * @throws {AuthorizationError} when the broker refuses the credentials.
   */
  async open(): Promise<void> {
    try {
      await this.#connection.connect();
      this.#versions = (await this.#exchange(API_VERSIONS_CALL, 0)).versions;
      this.#connection.setVersions(this.#versions);
      this.#connection.setSupportAuthenticationProtocol(true);
      await this.#connection.authenticate();
      // Brokers that do not know this version have no features either.
      if ((this.#versions[API_VERSIONS]?.maxVersion ?? 0) >= API_VERSIONS_3_CALL.version) {
        this.#features = (await this.#exchange(API_VERSIONS_3_CALL, 0)).features;
      }
    } catch (error) {
      this.destroy();
      const isGreeted = Object.keys(this.#versions).length > 0;
      throw openError(this.address, { error, options: this.#options, isGreeted });
    }
  }

  /**
   * Sends a call.
   *
   * @param call What to send.
   * @param more How long to wait for the reply, if longer than usual; when it is written cannot be told.
   * @throws {BrokerUnavailableError} with outcome `unknown` when it may have been sent.
   * @throws {NotModelledError} when the broker does not speak this version.
   */
  async send<T>(call: Call<T>, { timeoutMs = 0 }: SendMore = {}): Promise<T> {
    const range = this.#versions[call.apiKey];
    if (range === undefined || call.version < range.minVersion || call.version > range.maxVersion) {
      throw new NotModelledError(`Cannot use broker ${this.address}: ${versionText(call, range)}`, {
        context: { address: this.address, call: call.name },
      });
    }
    if (!this.isOpen) throw this.#closedError(call.name);
    if (this.#options.sasl !== undefined && !this.#connection.isAuthenticated()) await this.#renew();
    try {
      return await this.#exchange(call, timeoutMs);
    } catch (error) {
      // A reply that cannot be read tells as little as one that is lost.
      this.destroy();
      throw new BrokerUnavailableError(
        `Connection to broker ${this.address} was lost before the reply to ${call.name}: ` +
          `${causeOf(error, this.#options).message}, try again`,
        { outcome: "unknown", cause: error, context: { address: this.address, call: call.name } },
      );
    }
  }

  /** Closes without waiting; calls under way fail. */
  destroy(): void {
    if (this.#isDestroyed) return;
    this.#isDestroyed = true;
    this.#connection.rejectRequests(new Error("connection closed by this client"));
    void this.#connection.disconnect().catch(() => {});
  }

  /** Authenticates again, before the broker ends the session: until then nothing else is sent. */
  async #renew(): Promise<void> {
    this.#renewal ??= this.#connection.authenticate().finally(() => this.#renewal = null);
    try {
      await this.#renewal;
    } catch (error) {
      this.destroy();
      throw openError(this.address, { error, options: this.#options, isGreeted: true });
    }
  }

  async #exchange<T>(call: Call<T>, timeoutMs: number): Promise<T> {
    const { apiKey, version, name, isFlexible = false } = call;
    const reply = await this.#connection.send({
      request: {
        apiKey,
        apiVersion: version,
        apiName: name,
        encode: () => {
          const writer = new ByteWriter();
          if (isFlexible) writer.noTags();
          call.write(writer);
          return Promise.resolve(bodyOf(writer.finish()));
        },
      },
      response: {
        decode: (payload) => Promise.resolve(decode(call, payload)),
        parse: (decoded) => Promise.resolve(decoded),
      },
      requestTimeout: timeoutMs,
    });
    return reply.value as T;
  }

  #closedError(name: string): BrokerUnavailableError {
    return new BrokerUnavailableError(
      `Cannot send ${name} to broker ${this.address} as the connection is closed, try again`,
      { context: { address: this.address, call: name } },
    );
  }

  /** kafkajs would wait for the rest of a message that is none. */
  #checkFirst(bytes: Uint8Array): void {
    const size = bytes.length < 4 ? 4 : new DataView(bytes.buffer, bytes.byteOffset).getInt32(0);
    if (size >= 4 && size <= FIRST_REPLY_BYTES_MAX) return;
    this.#connection.rejectRequests(foreignBytes(bytes, size));
  }
}

/** What a reply says, and for how long the broker asks to be left alone: kafkajs sends nothing until then. */
function decode(call: Call<unknown>, payload: Uint8Array): { value: unknown; clientSideThrottleTime: number } {
  const frame = new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength);
  const reader = new ByteReader(frame);
  if (call.isFlexible === true && call.apiKey !== API_VERSIONS) reader.tags();
  const body = reader.at;
  const value = call.read(reader);
  return { value, clientSideThrottleTime: throttleMsOf(call, frame, { body, read: reader.at }) };
}

/**
 * What kafkajs logs goes to the observer; its errors are thrown too, so here they are debug lines. Replies that come after
 * we have closed are of no interest to anybody.
 */
function loggerOf({ observer }: Environment, isClosed: () => boolean): BoundLogger {
  const logger: BoundLogger = {
    error: (message) => observer.log("debug", message, { client: "kafkajs" }),
    warn: (message) => observer.log(isClosed() ? "debug" : "warn", message, { client: "kafkajs" }),
    info: () => {},
    debug: () => {},
    namespace: () => logger,
  };
  return logger;
}
