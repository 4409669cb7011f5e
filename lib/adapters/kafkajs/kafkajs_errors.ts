import { type AuthorizationError, BrokerUnavailableError, StreamError } from "../../base/errors.ts";
import { handshakeError, refusedError } from "../kafka/sasl_errors.ts";
import { closedText, connectText, HUNG_UP } from "../kafka/socket_texts.ts";
import type { KafkajsOptions } from "./kafkajs_options.ts";

/** What errors depend on. */
export interface ErrorOptions {
  /** TLS, or `false`. */
  readonly ssl: NonNullable<KafkajsOptions["ssl"]>;
  /** SASL. */
  readonly sasl: KafkajsOptions["sasl"];
  /** How long to wait for a connection, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** How long to wait for a reply, in milliseconds. */
  readonly requestTimeoutMs: number;
}

/** What kafkajs throws. */
interface ThrownByKafkajs {
  readonly name?: string;
  readonly type?: string;
}

/** Errors of the handshake: kafkajs does not tell which mechanisms the listener offers. */
const HANDSHAKE_CODES: Readonly<Record<string, number>> = { UNSUPPORTED_SASL_MECHANISM: 33, ILLEGAL_SASL_STATE: 34 };

/** What a user of our own connections would read, for an error of kafkajs. */
export function causeOf(error: unknown, options: ErrorOptions): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  const message = error.message.replace(/\.$/, "");
  const found = message === "Closed connection"
    ? HUNG_UP
    : message === "Connection timeout"
    ? `no connection within ${options.connectTimeoutMs} ms`
    : /^Request .* timed out$/.test(message)
    ? `no reply within ${options.requestTimeoutMs} ms`
    : message.replace(/^Connection error: /, "");
  return found === error.message ? error : new Error(found, { cause: error });
}

/**
 * The error of a connection that could not be opened.
 *
 * @param address `host:port`.
 * @param found What kafkajs threw, the options, and whether the broker had told its versions before.
 */
export function openError(
  address: string,
  found: { readonly error: unknown; readonly options: ErrorOptions; readonly isGreeted: boolean },
): Error {
  const { error, options, isGreeted } = found;
  if (error instanceof StreamError && error.context.address !== undefined) return error;
  const context = { address };
  const refusal = isGreeted ? saslError(address, error, options) : null;
  if (refusal !== null) return refusal;
  const cause = causeOf(error, options);
  // Closed before the first call could be written: a TLS listener does so that misses the client's certificate.
  const isClosedAtOnce = !isGreeted && options.ssl !== false && cause.message === "Not connected";
  const text = isClosedAtOnce
    ? `${HUNG_UP}, check 'ssl.cert' and 'ssl.key' if it wants a certificate, and that it is a TLS listener`
    : isGreeted && cause.message === HUNG_UP
    ? `${HUNG_UP}${closedText(options.sasl)}`
    : connectText(cause, options.ssl !== false);
  return new BrokerUnavailableError(`Cannot connect to broker ${address}: ${text}`, { cause: error, context });
}

function saslError(address: string, error: unknown, { sasl }: ErrorOptions): AuthorizationError | null {
  if (sasl === undefined) return null;
  const mechanism = sasl.mechanism.toUpperCase();
  const { name = "", type = "" } = error as ThrownByKafkajs;
  const errorCode = HANDSHAKE_CODES[type];
  if (errorCode !== undefined) return handshakeError(address, { mechanism, errorCode, mechanisms: null });
  const message = error instanceof Error ? error.message.replace(/^SASL .* authentication failed: /, "") : null;
  const user = "username" in sasl ? sasl.username : "accessKeyId" in sasl ? sasl.accessKeyId : null;
  if (name === "KafkaJSSASLAuthenticationError") return refusedError(address, { mechanism, user, message });
  // kafkajs takes the broker's complaint about a token for a yes; what is sent next gets an answer that is none.
  const isMuddled = sasl.mechanism === "oauthbearer" && !name.startsWith("KafkaJS");
  return isMuddled ? refusedError(address, { mechanism, user, message: null }) : null;
}
