/**
 * Pairs of int32 as dense codes, as {@linkcode KeyTable} has them for bytes: the words of 64-bit integers, or (key code,
 * window number).
 */
export class PairTable {
  #size = 0;
  /** First, second, code + 1, unused. */
  #slots: Int32Array;
  #mask: number;
  #pairs: Int32Array;

  /** @param capacity Number of pairs to make room for at first. */
  constructor(capacity = 1024) {
    let slots = 16;
    while (slots < capacity * 2) slots *= 2;
    this.#mask = slots - 1;
    this.#slots = new Int32Array(slots * 4);
    this.#pairs = new Int32Array(Math.max(capacity, 16) * 2);
  }

  /** Number of pairs: codes are 0 to `size - 1`. */
  get size(): number {
    return this.#size;
  }

  /** Bytes of memory that the table holds. */
  get byteLength(): number {
    return this.#slots.byteLength + this.#pairs.byteLength;
  }

  /** The code of a pair of int32, which is added when it is new. */
  intern(first: number, second: number): number {
    const slot = this.#slotOf(first, second);
    const code = this.#slots[slot + 2]!;
    return code === 0 ? this.#insert(first, second, slot) : code - 1;
  }

  /** The code of a pair, or -1 when the table does not hold it. */
  find(first: number, second: number): number {
    return this.#slots[this.#slotOf(first, second) + 2]! - 1;
  }

  /**
   * Codes of 64-bit integers.
   *
   * @param words Words (low, high, ...) of the integers.
   * @param codes Gets the code of each integer; as many as there are pairs of words.
   * @returns `codes`.
   */
  internWords(words: Int32Array, codes: Int32Array = new Int32Array(words.length >> 1)): Int32Array {
    const count = words.length >> 1;
    for (let row = 0; row < count; row++) codes[row] = this.intern(words[2 * row]!, words[2 * row + 1]!);
    return codes;
  }

  /** The first int32 of a pair. */
  first(code: number): number {
    return this.#pairs[2 * code]!;
  }

  /** The second int32 of a pair. */
  second(code: number): number {
    return this.#pairs[2 * code + 1]!;
  }

  /** All pairs in the order of their codes; for words of 64-bit integers these are words again. */
  pairs(): Int32Array {
    return this.#pairs.slice(0, this.#size * 2);
  }

  /** Forgets all pairs and keeps the memory; the next new pair gets code 0. */
  clear(): void {
    this.#slots.fill(0);
    this.#size = 0;
  }

  #slotOf(first: number, second: number): number {
    const slots = this.#slots;
    for (let i = hashPair(first, second) & this.#mask;; i = (i + 1) & this.#mask) {
      const slot = i << 2;
      if (slots[slot + 2] === 0 || (slots[slot] === first && slots[slot + 1] === second)) return slot;
    }
  }

  #insert(first: number, second: number, slot: number): number {
    const code = this.#size++;
    if (code * 2 === this.#pairs.length) {
      const pairs = new Int32Array(this.#pairs.length * 2);
      pairs.set(this.#pairs);
      this.#pairs = pairs;
    }
    this.#pairs[2 * code] = first;
    this.#pairs[2 * code + 1] = second;
    this.#slots[slot] = first;
    this.#slots[slot + 1] = second;
    this.#slots[slot + 2] = code + 1;
    if (this.#size * 2 > this.#mask + 1) this.#grow();
    return code;
  }

  #grow(): void {
    const mask = this.#mask * 2 + 1;
    const slots = new Int32Array((mask + 1) * 4);
    for (let code = 0; code < this.#size; code++) {
      const first = this.#pairs[2 * code]!;
      const second = this.#pairs[2 * code + 1]!;
      let i = hashPair(first, second) & mask;
      while (slots[4 * i + 2] !== 0) i = (i + 1) & mask;
      slots[4 * i] = first;
      slots[4 * i + 1] = second;
      slots[4 * i + 2] = code + 1;
    }
    this.#slots = slots;
    this.#mask = mask;
  }
}

function hashPair(first: number, second: number): number {
  let hash = Math.imul(first, -1640531535) ^ Math.imul(second, -2048144789);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, -1028477387);
  return hash ^ (hash >>> 13);
}
