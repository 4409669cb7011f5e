/**
 * CRC-32C by vectors, in WebAssembly: about four times as fast as by tables of words.
 *
 * A checksum is linear, so a block of 128 bytes may be replaced by another one that stands 128 bytes further on and has the
 * same checksum when as many zeros are cut off: then it is added (xor) to the bytes that stand there, and so on to the end,
 * where the checksum of one last block remains. Of the eight vectors of a block the even ones depend on each other, and the
 * odd ones, byte by byte: four bytes that stand 32 bytes apart give four new ones, which are looked up by half bytes, for
 * sixteen neighbours at once. As all are 16 bytes apart from vector to vector, the tables are the same for all of them.
 */

/** Size of a block. */
export const FOLD_BYTES = 128;
const VECTOR_BYTES = 16;
/** Vectors of a block that depend on each other; there are two such groups, one of the even and one of the odd vectors. */
const GROUP = 4;
/** Bytes from one vector of a group to the next one. */
const STRIDE = 32;
/** Where the tables, the block that is carried on, and the bytes to read stand in the memory of the module. */
const TABLES_AT = 0;
const STATE_AT = 512;
const BYTES_AT = 1024;
/** Bytes that are copied in at a time: they stay in the processor's nearest caches. */
const CHUNK_BYTES = 16_384;

/** Goes on with a raw checksum over [0, end) of some bytes; `end` is a multiple of {@linkcode FOLD_BYTES} and above 0. */
export type Fold = (bytes: Uint8Array, end: number, crc: number) => number;

/**
 * Makes the function.
 *
 * @param table What each byte adds to a raw checksum: 256 entries.
 * @returns `null` where WebAssembly, or its vectors, are not to be had.
 */
export function makeFold(table: Int32Array): Fold | null {
  let exports: { readonly memory: WebAssembly.Memory; readonly fold: (from: number, to: number) => void };
  try {
    exports = new WebAssembly.Instance(new WebAssembly.Module(moduleBytes())).exports as unknown as typeof exports;
  } catch {
    return null;
  }
  const memory = new Uint8Array(exports.memory.buffer);
  const view = new DataView(exports.memory.buffer);
  memory.set(makeTables(table), TABLES_AT);
  return (bytes, end, crc) => {
    memory.set(bytes.subarray(0, FOLD_BYTES), STATE_AT);
    view.setInt32(STATE_AT, view.getInt32(STATE_AT, true) ^ crc, true);
    for (let at = FOLD_BYTES; at < end; at += CHUNK_BYTES) {
      const chunk = bytes.subarray(at, Math.min(end, at + CHUNK_BYTES));
      memory.set(chunk, BYTES_AT);
      exports.fold(BYTES_AT, BYTES_AT + chunk.length);
    }
    let folded = 0;
    for (let at = STATE_AT; at < STATE_AT + FOLD_BYTES; at++) {
      folded = (folded >>> 8) ^ table[(folded ^ memory[at]!) & 255]!;
    }
    return folded;
  };
}

/**
 * Tables of 16 bytes: number `2 * (4 * from + to) + isHigh` tells what a half byte in one vector of a group becomes in
 * another one, a block later.
 */
function makeTables(table: Int32Array): Uint8Array {
  const afterZeros = (byte: number, zeros: number) => {
    let crc = table[byte]!;
    for (let i = 0; i < zeros; i++) crc = (crc >>> 8) ^ table[crc & 255]!;
    return crc >>> 0;
  };
  const zerosBehind = (vector: number) => STRIDE * (GROUP - 1 - vector);
  const basis = makeBasis((to, byte) => afterZeros(byte, zerosBehind(to)));
  const tables = new Uint8Array(GROUP * GROUP * 2 * VECTOR_BYTES);
  for (let from = 0; from < GROUP; from++) {
    for (let entry = 0; entry < 32; entry++) {
      const isHigh = entry >= 16;
      const byte = isHigh ? (entry - 16) << 4 : entry;
      const becomes = solve(basis, afterZeros(byte, FOLD_BYTES + zerosBehind(from)));
      for (let to = 0; to < GROUP; to++) {
        tables[32 * (GROUP * from + to) + entry] = becomes >>> (8 * to);
      }
    }
  }
  return tables;
}

/** A checksum, and the bits of four bytes that have it. */
interface BasisEntry {
  readonly crc: number;
  readonly bits: number;
}

/** Entries whose highest bits all differ, so that each checksum is a sum of some of them. */
function makeBasis(crcOf: (vector: number, byte: number) => number): BasisEntry[] {
  const basis: BasisEntry[] = [];
  for (let bit = 0; bit < 32; bit++) {
    let crc = crcOf(bit >> 3, 1 << (bit & 7));
    let bits = 1 << bit;
    for (const entry of basis) {
      if (((crc ^ entry.crc) >>> 0) >= crc) continue;
      crc = (crc ^ entry.crc) >>> 0;
      bits ^= entry.bits;
    }
    basis.push({ crc, bits });
    basis.sort((a, b) => b.crc - a.crc);
  }
  return basis;
}

/** The bits of four bytes that have a checksum. */
function solve(basis: readonly BasisEntry[], wanted: number): number {
  let crc = wanted;
  let bits = 0;
  for (const entry of basis) {
    if (((crc ^ entry.crc) >>> 0) >= crc) continue;
    crc = (crc ^ entry.crc) >>> 0;
    bits ^= entry.bits;
  }
  return bits;
}

/** Instructions by their numbers in the binary format of WebAssembly. */
const LOOP = [0x03, 0x40];
const AGAIN_IF = [0x0d, 0];
const END = 0x0b;
const I32_LESS = 0x49;
const I32_ADD = 0x6a;
const I8_SPLAT = [0xfd, 0x0f];
/** Bits of neighbours come in, which a mask takes away. */
const I64_SHIFT_RIGHT = [0xfd, 0xcd, 0x01];
/** Relaxed: indices are below 16. */
const I8_LOOK_UP = [0xfd, 0x80, 0x02];
const AND = [0xfd, 0x4e];
const XOR = [0xfd, 0x51];
const V128 = 0x7b;
const I32 = 0x7f;

/** Numbers of the local variables: two parameters, the block, the halves of the bytes of one group, and a mask. */
const FROM = 0;
const TO = 1;
const BLOCK = 2;
const LOW = 10;
const HIGH = 14;
const MASK = 18;
const VECTORS = 17;

/** A module with a memory of two pages, and a function that folds all blocks in [from, to) into the block that is carried on. */
function moduleBytes(): Uint8Array<ArrayBuffer> {
  const exports = [2, ...named("memory"), 2, 0, ...named("fold"), 0, 0];
  const body = [1, VECTORS, V128, ...foldCode()];
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 2, I32, I32, 0]),
    ...section(3, [1, 0]),
    ...section(5, [1, 1, 2, 2]),
    ...section(7, exports),
    ...section(10, [1, ...unsigned(body.length), ...body]),
  ]);
}

function foldCode(): number[] {
  const code = [...constant(15), ...I8_SPLAT, ...setLocal(MASK)];
  for (let i = 0; i < 2 * GROUP; i++) {
    code.push(...constant(0), ...load(STATE_AT + VECTOR_BYTES * i), ...setLocal(BLOCK + i));
  }
  code.push(...LOOP, ...foldGroup(0), ...foldGroup(1));
  code.push(...getLocal(FROM), ...constant(FOLD_BYTES), I32_ADD, ...setLocal(FROM));
  code.push(...getLocal(FROM), ...getLocal(TO), I32_LESS, ...AGAIN_IF, END);
  for (let i = 0; i < 2 * GROUP; i++) {
    code.push(...constant(0), ...getLocal(BLOCK + i), ...store(STATE_AT + VECTOR_BYTES * i));
  }
  return [...code, END];
}

/** Folds the even or the odd vectors of a block onto the bytes at `from`. */
function foldGroup(parity: number): number[] {
  const vector = (i: number) => 2 * i + parity;
  const code: number[] = [];
  for (let i = 0; i < GROUP; i++) {
    const block = getLocal(BLOCK + vector(i));
    code.push(...block, ...getLocal(MASK), ...AND, ...setLocal(LOW + i));
    code.push(...block, ...constant(4), ...I64_SHIFT_RIGHT, ...getLocal(MASK), ...AND, ...setLocal(HIGH + i));
  }
  for (let to = 0; to < GROUP; to++) {
    code.push(...getLocal(FROM), ...load(VECTOR_BYTES * vector(to)));
    for (let from = 0; from < GROUP; from++) {
      const table = TABLES_AT + 32 * (GROUP * from + to);
      code.push(...constant(0), ...load(table), ...getLocal(LOW + from), ...I8_LOOK_UP);
      code.push(...constant(0), ...load(table + VECTOR_BYTES), ...getLocal(HIGH + from), ...I8_LOOK_UP, ...XOR, ...XOR);
    }
    code.push(...setLocal(BLOCK + vector(to)));
  }
  return code;
}

function section(id: number, body: readonly number[]): number[] {
  return [id, ...unsigned(body.length), ...body];
}

function named(name: string): number[] {
  return [name.length, ...new TextEncoder().encode(name)];
}

function constant(value: number): number[] {
  // Signed: one more bit than the number has.
  return [0x41, value & 127 | 128, (value >> 7) & 127 | 128, value >> 14];
}

function getLocal(index: number): number[] {
  return [0x20, index];
}

function setLocal(index: number): number[] {
  return [0x21, index];
}

function load(offset: number): number[] {
  return [0xfd, 0x00, 4, ...unsigned(offset)];
}

function store(offset: number): number[] {
  return [0xfd, 0x0b, 4, ...unsigned(offset)];
}

/** Unsigned LEB128. */
function unsigned(value: number): number[] {
  return value < 128 ? [value] : [value & 127 | 128, ...unsigned(value >>> 7)];
}
