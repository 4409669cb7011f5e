import { invariant } from "./assert.ts";
import { toHex } from "./hex.ts";

/**
 * SHA-256 (FIPS 180-4), synchronous and without the platform's help: a hash behind a promise settles in no fixed order,
 * and the decisions of the core may depend on neither.
 */

/** Number of bytes of a digest. */
export const SHA256_BYTES = 32;

const BLOCK_BYTES = 64;
// The message length in bits is kept in a double.
const LENGTH_MAX = Number.MAX_SAFE_INTEGER / 8;

const ROUND_CONSTANTS = fractionalBits(64, Math.cbrt);
const INITIAL_STATE = fractionalBits(8, Math.sqrt);

/** First 32 bits of the fractional parts of a root of the first `count` primes, which is how FIPS 180-4 defines them. */
function fractionalBits(count: number, root: (value: number) => number): Int32Array {
  const words = new Int32Array(count);
  for (let candidate = 2, found = 0; found < count; candidate++) {
    let isPrime = true;
    for (let divisor = 2; divisor * divisor <= candidate; divisor++) isPrime &&= candidate % divisor !== 0;
    if (!isPrime) continue;
    const value = root(candidate);
    words[found++] = Math.floor((value - Math.floor(value)) * 2 ** 32) | 0;
  }
  return words;
}

/** An incremental SHA-256. */
export class Sha256 {
  readonly #state = INITIAL_STATE.slice();
  readonly #schedule = new Int32Array(64);
  readonly #block = new Uint8Array(BLOCK_BYTES);
  #length = 0;
  #isDone = false;

  /**
   * Adds bytes to the message.
   *
   * @param bytes Any bytes; not kept.
   * @returns This hash.
   */
  update(bytes: Uint8Array): this {
    invariant(!this.#isDone, "a hash takes no bytes after its digest");
    let at = 0;
    const filled = this.#length % BLOCK_BYTES;
    this.#length += bytes.length;
    invariant(this.#length <= LENGTH_MAX, "a hashed message is shorter than 2^50 bytes");
    if (filled > 0) {
      at = Math.min(BLOCK_BYTES - filled, bytes.length);
      this.#block.set(bytes.subarray(0, at), filled);
      if (filled + at < BLOCK_BYTES) return this;
      compress(this.#state, this.#schedule, this.#block, 0, 1);
    }
    const blocks = Math.floor((bytes.length - at) / BLOCK_BYTES);
    compress(this.#state, this.#schedule, bytes, at, blocks);
    this.#block.set(bytes.subarray(at + blocks * BLOCK_BYTES));
    return this;
  }

  /**
   * Ends the message.
   *
   * @returns The digest of 32 bytes.
   */
  digest(): Uint8Array {
    invariant(!this.#isDone, "a hash has one digest");
    const length = this.#length;
    const filled = length % BLOCK_BYTES;
    const padding = new Uint8Array((filled < 56 ? 56 : 120) - filled + 8);
    padding[0] = 0x80;
    const view = new DataView(padding.buffer);
    view.setUint32(padding.length - 8, Math.floor(length / 2 ** 29));
    view.setUint32(padding.length - 4, (length * 8) >>> 0);
    this.update(padding);
    this.#isDone = true;
    const digest = new Uint8Array(SHA256_BYTES);
    const words = new DataView(digest.buffer);
    for (let i = 0; i < 8; i++) words.setInt32(4 * i, this.#state[i]!);
    return digest;
  }
}

/**
 * SHA-256 of bytes.
 *
 * @param bytes The message.
 * @returns 64 lower-case hexadecimal digits.
 */
export function sha256Hex(bytes: Uint8Array): string {
  return toHex(new Sha256().update(bytes).digest());
}

/** Folds `blocks` blocks of 64 bytes into the state. */
function compress(state: Int32Array, w: Int32Array, bytes: Uint8Array, from: number, blocks: number): void {
  const k = ROUND_CONSTANTS;
  for (let block = 0, at = from; block < blocks; block++, at += BLOCK_BYTES) {
    expand(w, bytes, at);
    let a = state[0]!, b = state[1]!, c = state[2]!, d = state[3]!;
    let e = state[4]!, f = state[5]!, g = state[6]!, h = state[7]!;
    for (let i = 0; i < 64; i++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + k[i]! + w[i]!) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    state[0]! += a;
    state[1]! += b;
    state[2]! += c;
    state[3]! += d;
    state[4]! += e;
    state[5]! += f;
    state[6]! += g;
    state[7]! += h;
  }
}

/** The message schedule of one block. */
function expand(w: Int32Array, bytes: Uint8Array, at: number): void {
  for (let i = 0, p = at; i < 16; i++, p += 4) {
    w[i] = (bytes[p]! << 24) | (bytes[p + 1]! << 16) | (bytes[p + 2]! << 8) | bytes[p + 3]!;
  }
  for (let i = 16; i < 64; i++) {
    const x = w[i - 15]!;
    const y = w[i - 2]!;
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    w[i] = (w[i - 16]! + s0 + w[i - 7]! + s1) | 0;
  }
}
