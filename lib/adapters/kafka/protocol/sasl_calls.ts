import type { Call } from "./call.ts";

/** Chooses how to authenticate. Gives the mechanisms that the listener offers. */
export function saslHandshakeCall(
  mechanism: string,
): Call<{ readonly errorCode: number; readonly mechanisms: readonly string[] }> {
  return {
    apiKey: 17,
    version: 1,
    name: "SaslHandshake",
    write: (w) => void w.string(mechanism),
    read: (r) => ({ errorCode: r.int16(), mechanisms: r.array(() => r.string()) }),
  };
}

/** What a broker answers to one message of a mechanism. */
export interface SaslReply {
  /** Error code; 0 for none. */
  readonly errorCode: number;
  /** What the broker says. */
  readonly message: string | null;
  /** The mechanism's own answer. */
  readonly bytes: Uint8Array;
  /** The broker ends the session after this, in milliseconds; 0 for never. */
  readonly lifetimeMs: number;
}

/** Number of the API that carries a mechanism's messages. */
export const SASL_AUTHENTICATE = 36;

/** Versions of {@linkcode saslAuthenticateCall}. */
export const SASL_AUTHENTICATE_VERSIONS = { minVersion: 0, maxVersion: 2 } as const;

/**
 * Sends one message of a mechanism.
 *
 * @param bytes The message.
 * @param version Of the call: 0 to 2; since 1 the broker tells how long the session lives.
 */
export function saslAuthenticateCall(bytes: Uint8Array, version: number): Call<SaslReply> {
  const isFlexible = version >= 2;
  return {
    apiKey: SASL_AUTHENTICATE,
    version,
    name: "SaslAuthenticate",
    isFlexible,
    write: (w) => {
      if (isFlexible) w.unsignedVarint(bytes.length + 1).raw(bytes).noTags();
      else w.bytes(bytes);
    },
    read: (r) => {
      const errorCode = r.int16();
      const message = isFlexible ? r.compactString() : r.nullableString();
      const answer = isFlexible ? r.raw(Math.max(0, r.unsignedVarint() - 1)) : r.nullableBytes();
      const lifetimeMs = version >= 1 ? Number(r.int64()) : 0;
      return { errorCode, message, bytes: answer ?? new Uint8Array(0), lifetimeMs };
    },
  };
}
