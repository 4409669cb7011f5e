import { Buffer } from "node:buffer";
import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from "node:crypto";
import type { SaslClient } from "./sasl_client.ts";

/** Hash functions of SCRAM. */
export type ScramHash = "sha256" | "sha512";

/** Fewest iterations that are taken: fewer would make a password that is guessed from what was heard cheap. */
const ITERATIONS_MIN = 4096;
/** Most iterations that are taken: more would keep this process busy for seconds. */
const ITERATIONS_MAX = 1_000_000;
/** No channel binding, no other identity. */
const GS2_HEADER = "n,,";

/**
 * The client's side of SCRAM (RFC 5802, RFC 7677): the password is proved without being sent, and the server proves that it
 * knows it too.
 *
 * User and password are taken as UTF-8 as they are, as Kafka does, without the mapping of SASLprep.
 */
export class ScramClient implements SaslClient {
  readonly #hash: ScramHash;
  readonly #password: string;
  readonly #nonce: string;
  readonly #firstBare: string;
  #serverSignature: Uint8Array | null = null;

  /**
   * @param credentials User and password.
   * @param options Hash function; the client's nonce, of printable characters without a comma.
   */
  constructor(
    credentials: { readonly username: string; readonly password: string },
    options: { readonly hash: ScramHash; readonly nonce?: string },
  ) {
    this.#hash = options.hash;
    this.#password = credentials.password;
    this.#nonce = options.nonce ?? randomBytes(24).toString("base64");
    const user = credentials.username.replaceAll("=", "=3D").replaceAll(",", "=2C");
    this.#firstBare = `n=${user},r=${this.#nonce}`;
  }

  /** The first message. */
  start(): Promise<Uint8Array> {
    return Promise.resolve(Buffer.from(GS2_HEADER + this.#firstBare));
  }

  /**
   * The answer to a message of the server; `null` after its last one.
   *
   * @throws {Error} when the server breaks the protocol, or does not know the password.
   */
  async next(challenge: Uint8Array): Promise<Uint8Array | null> {
    const text = Buffer.from(challenge.buffer, challenge.byteOffset, challenge.byteLength).toString();
    if (this.#serverSignature === null) return Buffer.from(await this.#prove(text));
    this.#verify(text, this.#serverSignature);
    return null;
  }

  async #prove(serverFirst: string): Promise<string> {
    const match = /^r=([!-+\--~]+),s=([A-Za-z0-9+/]+={0,2}),i=([1-9]\d{0,9})(?:,.*)?$/.exec(serverFirst);
    if (match === null) throw new Error("its first message is no SCRAM message");
    const [nonce, salt, iterations] = [match[1]!, match[2]!, Number(match[3])];
    if (!nonce.startsWith(this.#nonce) || nonce.length === this.#nonce.length) {
      throw new Error("its nonce does not continue this client's");
    }
    if (iterations < ITERATIONS_MIN || iterations > ITERATIONS_MAX) {
      throw new Error(`it asks for ${iterations} iterations, which are not ${ITERATIONS_MIN} to ${ITERATIONS_MAX}`);
    }
    const finalBare = `c=${Buffer.from(GS2_HEADER).toString("base64")},r=${nonce}`;
    const message = `${this.#firstBare},${serverFirst},${finalBare}`;
    const salted = await this.#salt(Buffer.from(salt, "base64"), iterations);
    const clientKey = this.#hmac(salted, "Client Key");
    const signature = this.#hmac(createHash(this.#hash).update(clientKey).digest(), message);
    this.#serverSignature = this.#hmac(this.#hmac(salted, "Server Key"), message);
    const proof = Buffer.from(clientKey.map((byte, at) => byte ^ signature[at]!));
    return `${finalBare},p=${proof.toString("base64")}`;
  }

  #verify(serverFinal: string, expected: Uint8Array): void {
    const match = /^(?:v=([A-Za-z0-9+/]+={0,2})|e=([^,]*))(?:,.*)?$/.exec(serverFinal);
    if (match?.[2] !== undefined) throw new Error(`it answered '${match[2]}'`);
    const found = Buffer.from(match?.[1] ?? "", "base64");
    if (found.length !== expected.length || !timingSafeEqual(found, expected)) {
      throw new Error("it could not prove that it knows the password: it may be another server than you think");
    }
  }

  #salt(salt: Uint8Array, iterations: number): Promise<Uint8Array> {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    const size = this.#hash === "sha256" ? 32 : 64;
    pbkdf2(this.#password, salt, iterations, size, this.#hash, (error, key) => {
      if (error === null || error === undefined) resolve(key);
      else reject(error);
    });
    return promise;
  }

  #hmac(key: Uint8Array, text: string): Uint8Array {
    return createHmac(this.#hash, key).update(text).digest();
  }
}
