import { AuthorizationError, BrokerUnavailableError, StreamError } from "../../base/errors.ts";
import type { Environment } from "../../seams/adapter.ts";
import { bestVersion } from "./connection.ts";
import type { KafkaOauthSasl, KafkaSasl } from "./kafka_options.ts";
import type { Call } from "./protocol/call.ts";
import type { ApiVersions } from "./protocol/metadata_calls.ts";
import {
  SASL_AUTHENTICATE,
  SASL_AUTHENTICATE_VERSIONS,
  saslAuthenticateCall,
  saslHandshakeCall,
} from "./protocol/sasl_calls.ts";
import type { SaslClient } from "./sasl_client.ts";
import { handshakeError, refusedError } from "./sasl_errors.ts";
import { OauthClient } from "./sasl_oauth.ts";
import { ScramClient } from "./scram.ts";

/** Names of the mechanisms in the protocol, by those in the options. */
export const MECHANISMS: Readonly<Record<KafkaSasl["mechanism"], string>> = {
  plain: "PLAIN",
  "scram-sha-256": "SCRAM-SHA-256",
  "scram-sha-512": "SCRAM-SHA-512",
  oauthbearer: "OAUTHBEARER",
};

/** What authentication needs of a connection. */
export interface SaslExchange {
  /** `host:port`, for messages. */
  readonly address: string;
  /** What the broker speaks. */
  readonly versions: ApiVersions;
  /** Time and randomness. */
  readonly environment: Environment;
  /** How long a token may take, in milliseconds. */
  readonly timeoutMs: number;
  /** Sends a call and gives its reply; nothing else is sent meanwhile. */
  exchange<T>(call: Call<T>): Promise<T>;
}

/** Part of a session's life after which the client authenticates again: at least, and at random beyond that. */
const LIFE_MIN = 0.85;
const LIFE_JITTER = 0.1;
const RANDOM_RANGE = 2 ** 32;

/**
 * Proves to a broker who this client is.
 *
 * @param sasl How.
 * @param more The connection.
 * @returns After how many milliseconds it must be done again, before the broker ends the session; `Infinity` for never.
 * @throws {AuthorizationError} when the broker refuses, or does not prove what it has to.
 * @throws {BrokerUnavailableError} when the token's provider does not answer in time.
 */
export async function authenticate(sasl: KafkaSasl, more: SaslExchange): Promise<number> {
  const { address, versions, environment } = more;
  const mechanism = MECHANISMS[sasl.mechanism];
  const handshake = await more.exchange(saslHandshakeCall(mechanism));
  if (handshake.errorCode !== 0) throw handshakeError(address, { mechanism, ...handshake });
  const client = await clientFor(sasl, more);
  const version = bestVersion(versions, SASL_AUTHENTICATE, SASL_AUTHENTICATE_VERSIONS);
  let lifetimeMs = 0;
  for (let message: Uint8Array | null = await client.start(); message !== null;) {
    const reply = await more.exchange(saslAuthenticateCall(message, version));
    if (reply.errorCode !== 0) throw refusedError(address, { mechanism, user: userOf(sasl), message: reply.message });
    lifetimeMs = reply.lifetimeMs;
    try {
      message = await client.next(reply.bytes);
    } catch (error) {
      throw new AuthorizationError(
        `Cannot authenticate at broker ${address} by ${mechanism}: the broker is not trusted: ${
          (error as Error).message
        }, ` +
          "check the address and the broker's credentials of this user",
        { cause: error, context: { address, mechanism } },
      );
    }
  }
  if (lifetimeMs <= 0) return Infinity;
  return lifetimeMs * (LIFE_MIN + LIFE_JITTER * environment.random.uint32() / RANDOM_RANGE);
}

function userOf(sasl: KafkaSasl): string | null {
  return sasl.mechanism === "oauthbearer" ? null : sasl.username;
}

async function clientFor(sasl: KafkaSasl, more: SaslExchange): Promise<SaslClient> {
  switch (sasl.mechanism) {
    case "plain": {
      const message = new TextEncoder().encode(`\0${sasl.username}\0${sasl.password}`);
      return { start: () => Promise.resolve(message), next: () => Promise.resolve(null) };
    }
    case "scram-sha-256":
      return new ScramClient(sasl, { hash: "sha256" });
    case "scram-sha-512":
      return new ScramClient(sasl, { hash: "sha512" });
    case "oauthbearer":
      return new OauthClient(await tokenOf(sasl, more));
  }
}

type Token = Awaited<ReturnType<KafkaOauthSasl["oauthBearerProvider"]>>;

/** Asks for a token, but not for ever. */
async function tokenOf({ oauthBearerProvider }: KafkaOauthSasl, more: SaslExchange): Promise<Token> {
  const { address, environment, timeoutMs } = more;
  const done = new AbortController();
  const late = environment.clock.sleep(timeoutMs, done.signal).then((): Token => {
    throw new Error(`no token within ${timeoutMs} ms`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([oauthBearerProvider(), late]);
  } catch (error) {
    if (error instanceof StreamError) throw error;
    const found = error instanceof Error ? error.message : String(error);
    throw new BrokerUnavailableError(
      `Cannot authenticate at broker ${address} by OAUTHBEARER: 'sasl.oauthBearerProvider' failed: ${found}, look at the ` +
        "server that gives tokens",
      { cause: error, context: { address } },
    );
  } finally {
    done.abort();
  }
}
