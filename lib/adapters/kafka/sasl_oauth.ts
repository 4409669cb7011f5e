import type { SaslClient } from "./sasl_client.ts";

/** A token with what is sent beside it. */
export interface OauthToken {
  /** The token, as the server that gave it wrote it. */
  readonly value: string;
  /** Further names and values (RFC 7628). */
  readonly extensions?: Readonly<Record<string, string>>;
}

const SEPARATOR = "\x01";

/** The client's side of OAUTHBEARER (RFC 7628). */
export class OauthClient implements SaslClient {
  readonly #message: Uint8Array;

  /**
   * @param token The token.
   * @throws {TypeError} when token or extensions have characters that the mechanism does not take.
   */
  constructor({ value, extensions = {} }: OauthToken) {
    if (!/^[A-Za-z0-9\-._~+/]+=*$/.test(value)) {
      throw new TypeError("Cannot authenticate as 'sasl.oauthBearerProvider' must give a bearer token of RFC 6750");
    }
    const pairs = Object.entries(extensions);
    for (const [name, text] of pairs) {
      if (/^[A-Za-z]+$/.test(name) && name !== "auth" && /^[\x21-\x7e \t\r\n]+$/.test(text)) continue;
      throw new TypeError(
        "Cannot authenticate as 'extensions' of 'sasl.oauthBearerProvider' must have names of letters other than auth and " +
          `values of printable characters: current value is '${name}'`,
      );
    }
    const fields = [`auth=Bearer ${value}`, ...pairs.map(([name, text]) => `${name}=${text}`)];
    this.#message = new TextEncoder().encode(`n,,${SEPARATOR}${fields.join(SEPARATOR)}${SEPARATOR}${SEPARATOR}`);
  }

  /** The token. */
  start(): Promise<Uint8Array> {
    return Promise.resolve(this.#message);
  }

  /** Nothing after success; what the server says of a failure is acknowledged, then it ends the exchange with an error. */
  next(challenge: Uint8Array): Promise<Uint8Array | null> {
    return Promise.resolve(challenge.length === 0 ? null : new TextEncoder().encode(SEPARATOR));
  }
}
