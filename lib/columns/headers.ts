/** One record header: a name and bytes, or `null`. Names may repeat; order is kept. */
export type HeaderEntry = readonly [name: string, value: Uint8Array | null];

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Bytes of an unsigned LEB128 varint of the zigzag form of a 32-bit integer. */
function varintSize(value: number): number {
  let zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  let size = 1;
  for (; zigzag > 127; size++) zigzag >>>= 7;
  return size;
}

function writeVarint(target: Uint8Array, at: number, value: number): number {
  let zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  for (; zigzag > 127; zigzag >>>= 7) target[at++] = (zigzag & 127) | 128;
  target[at++] = zigzag;
  return at;
}

/**
 * The headers of one record in Kafka's wire form: a count, then name length, name, value length (-1 for null), value;
 * all counts and lengths are zigzag varints.
 *
 * @param entries Headers in order.
 * @returns The bytes.
 */
export function encodeHeaders(entries: readonly HeaderEntry[]): Uint8Array {
  const names = entries.map(([name]) => encoder.encode(name));
  let size = varintSize(entries.length);
  for (const [i, [, value]] of entries.entries()) {
    const name = names[i]!;
    size += varintSize(name.length) + name.length;
    size += value === null ? varintSize(-1) : varintSize(value.length) + value.length;
  }
  const bytes = new Uint8Array(size);
  let at = writeVarint(bytes, 0, entries.length);
  for (const [i, [, value]] of entries.entries()) {
    const name = names[i]!;
    at = writeVarint(bytes, at, name.length);
    bytes.set(name, at);
    at = writeVarint(bytes, at + name.length, value === null ? -1 : value.length);
    if (value !== null) {
      bytes.set(value, at);
      at += value.length;
    }
  }
  return bytes;
}

/**
 * Reads the headers of one record.
 *
 * @param bytes Headers in Kafka's wire form; no bytes at all mean no headers.
 * @returns Headers in order; values are views into `bytes`.
 * @throws {RangeError} when the bytes are not headers.
 */
export function decodeHeaders(bytes: Uint8Array): HeaderEntry[] {
  if (bytes.length === 0) return [];
  let at = 0;
  const fail = (what: string): never => {
    throw new RangeError(`Cannot read record headers as ${what}: current position is ${at} of ${bytes.length}`);
  };
  const readVarint = (): number => {
    let zigzag = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      if (at >= bytes.length) fail("a number is cut off");
      const byte = bytes[at++]!;
      zigzag |= (byte & 127) << shift;
      if (byte < 128) return (zigzag >>> 1) ^ -(zigzag & 1);
    }
    return fail("a number is longer than five bytes");
  };
  const readBytes = (length: number, what: string): Uint8Array => {
    if (length < 0 || at + length > bytes.length) fail(`${what} of length ${length} does not fit`);
    at += length;
    return bytes.subarray(at - length, at);
  };
  const count = readVarint();
  if (count < 0 || count > bytes.length) fail(`their number ${count} cannot be`);
  const entries: HeaderEntry[] = [];
  for (let i = 0; i < count; i++) {
    const nameBytes = readBytes(readVarint(), "a name");
    let name = "";
    try {
      name = decoder.decode(nameBytes);
    } catch {
      fail("a name is not UTF-8");
    }
    const length = readVarint();
    entries.push([name, length === -1 ? null : readBytes(length, "a value")]);
  }
  if (at !== bytes.length) fail("bytes follow the last header");
  return entries;
}
