import { invariant } from "./assert.ts";

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

/** The message schedule: of use within one call only, so that one for all hashes will do. */
const SCHEDULE = new Int32Array(64);

/** An incremental SHA-256. */
export class Sha256 {
  readonly #state = INITIAL_STATE.slice();
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
      compress(this.#state, this.#block, 0, 1);
    }
    const blocks = Math.floor((bytes.length - at) / BLOCK_BYTES);
    compress(this.#state, bytes, at, blocks);
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
    this.#isDone = true;
    finish(this.#state, this.#block, this.#length);
    const digest = new Uint8Array(SHA256_BYTES);
    for (let i = 0; i < SHA256_BYTES; i++) digest[i] = this.#state[i >> 2]! >>> (24 - 8 * (i & 3));
    return digest;
  }
}

/** Ends a message of `length` bytes, of which the last, unfolded ones stand in `block`. */
function finish(state: Int32Array, block: Uint8Array, length: number): void {
  const filled = length % BLOCK_BYTES;
  block[filled] = 0x80;
  block.fill(0, filled + 1);
  if (filled >= BLOCK_BYTES - 8) {
    compress(state, block, 0, 1);
    block.fill(0);
  }
  const high = Math.floor(length / 2 ** 29);
  const low = length * 8;
  for (let i = 0; i < 4; i++) {
    block[56 + i] = high >>> (24 - 8 * i);
    block[60 + i] = low >>> (24 - 8 * i);
  }
  compress(state, block, 0, 1);
}

// Most messages are short, and a hash has no say in between: these are set anew by each call.
const STATE = new Int32Array(8);
const BLOCK = new Uint8Array(BLOCK_BYTES);
const encoder = new TextEncoder();

/**
 * SHA-256 of bytes.
 *
 * @param bytes The message.
 * @returns 64 lower-case hexadecimal digits.
 */
export function sha256Hex(bytes: Uint8Array): string {
  invariant(bytes.length <= LENGTH_MAX, "a hashed message is shorter than 2^50 bytes");
  STATE.set(INITIAL_STATE);
  const blocks = Math.floor(bytes.length / BLOCK_BYTES);
  compress(STATE, bytes, 0, blocks);
  for (let i = blocks * BLOCK_BYTES, k = 0; i < bytes.length; i++, k++) BLOCK[k] = bytes[i]!;
  return finished(bytes.length);
}

/**
 * SHA-256 of a text in UTF-8.
 *
 * @param text The message.
 * @returns 64 lower-case hexadecimal digits.
 */
export function sha256HexOfText(text: string): string {
  STATE.set(INITIAL_STATE);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) return sha256Hex(encoder.encode(text));
    BLOCK[i % BLOCK_BYTES] = unit;
    if (i % BLOCK_BYTES === BLOCK_BYTES - 1) compress(STATE, BLOCK, 0, 1);
  }
  return finished(text.length);
}

/** The digest of the message that stands in the common state and block. */
function finished(length: number): string {
  finish(STATE, BLOCK, length);
  let text = "";
  for (let i = 0; i < 8; i++) text += (STATE[i]! >>> 0).toString(16).padStart(8, "0");
  return text;
}

/** Folds `blocks` blocks of 64 bytes into the state. */
function compress(state: Int32Array, bytes: Uint8Array, from: number, blocks: number): void {
  const k = ROUND_CONSTANTS;
  const w = SCHEDULE;
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
