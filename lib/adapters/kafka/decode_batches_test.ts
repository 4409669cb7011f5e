import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { BrokerUnavailableError, NotModelledError } from "../../base/errors.ts";
import { crc32c } from "../../base/crc32c.ts";
import { spanBytes } from "../../columns/spans.ts";
import { recordsOf, rowsOf } from "../../../testing/record_rows.ts";
import { decodeBatches, type DecodedRecords } from "./decode_batches.ts";
import { encodeBatches } from "./encode_batches.ts";
import { ATTRIBUTES, CHECKED_FROM, type Compression, COMPRESSIONS, HEADER_SIZE } from "./record_batch.ts";
import { peekEnd } from "./scan_batches.ts";

/** One batch of eight records as Kafka 4.1's own producer wrote it with each codec. */
const BY_KAFKA: Readonly<Record<string, string>> = {
  none:
    "AAAAAAAAAAAAAAJqAAAAAAIrM5+nAAAAAAAHAAABofzdA+sAAAGh/N0D/AAAAAAAAACcAAAAAAAAAAAACGAAAAAEazBQYWJjYWJjYWJjIHRoZSBxdWljayBicm93biBmb3ggIHRoZSBxdWljawBsACACBGsxXGFiY2FiY2FiY2FiYyB0aGUgcXVpY2sgYnJvd24gZm94IGFiYyB0aGUgcXVpY2sAeAAgBARrMmhhYmNhYmNhYmNhYmNhYmMgdGhlIHF1aWNrIGJyb3duIGZveCBhYmNhYmMgdGhlIHF1aWNrAIQBACAGBGswdGFiY2FiY2FiY2FiY2FiY2FiYyB0aGUgcXVpY2sgYnJvd24gZm94IGFiY2FiY2FiYyB0aGUgcXVpY2sAkgEAIAgEazGAAWFiY2FiY2FiY2FiY2FiY2FiY2FiYyB0aGUgcXVpY2sgYnJvd24gZm94IGFiY2FiY2FiY2FiYyB0aGUgcXVpY2sAngEAIAoEazKMAWFiY2FiY2FiY2FiY2FiY2FiY2FiY2FiYyB0aGUgcXVpY2sgYnJvd24gZm94IGFiY2FiY2FiY2FiY2FiYyB0aGUgcXVpY2sAqgEAIgwEazCYAWFiY2FiY2FiY2FiY2FiY2FiY2FiY2FiY2FiYyB0aGUgcXVpY2sgYnJvd24gZm94IGFiY2FiY2FiY2FiY2FiY2FiYyB0aGUgcXVpY2sAtgEAIg4EazGkAWFiY2FiY2FiY2FiY2FiY2FiY2FiY2FiY2FiY2FiYyB0aGUgcXVpY2sgYnJvd24gZm94IGFiY2FiY2FiY2FiY2FiY2FiY2FiYyB0aGUgcXVpY2sA",
  gzip:
    "AAAAAAAAAAAAAADRAAAAAAKGGbH9AAEAAAAHAAABofzdCDUAAAGh/N0IQQAAAAAAAACdAAAAAAAAAAAACB+LCAAAAAAAAP9LYGBgYMk2CEhMSoYghZKMVIXC0szkbIWkovzyPIW0/AoFhCBDDoMEE0u2YQxcAy49KOIMFQwSLCzZRhnI2vDoRNXcwsggwQZ0ZQmabvwGoJoxCWgGB9DhDYyYhhA0B9WoeUCjuICe6cFuFDGmoRq4CmggD9B/M3AaSKSZqMZuAxrLB/TyEnzGEm8yquEAU8saxDkCAAA=",
  snappy:
    "AAAAAAAAAAAAAAEOAAAAAALdyCvuAAIAAAAHAAABofzdDDIAAAGh/N0MYQAAAAAAAACeAAAAAAAAAAAACIJTTkFQUFkAAAAAAQAAAAEAAADJuQQoYAAAAARrMFBhYmMJA1AgdGhlIHF1aWNrIGJyb3duIGZveCAZFSAAbABaAgRrMVwJLgkGGR8dNARhYh0YIAB4AFwEBGsyaAkxFQZeOgA2PQAghAEAXAYEazB0FTgVCWpBADZEACSSAQBcCARrMYABFTwuCQB2SAA2SwAgngEAXAoEazKMVksAMi0ANhEBVnIAJACqAQBcDARrMJhiUQCaVAAyJwAkALYBAF4OBGsxpG5XADIzAGauAAm6KCB0aGUgcXVpY2sA",
  lz4:
    "AAAAAAAAAAAAAAESAAAAAALqF3kiAAMAAAAHAAABofzdEG4AAAGh/N0QkgAAAAAAAACfAAAAAAAAAAAACAQiTRhgQILSAAAAsmAAAAAEazBQYWJjAwD2BiB0aGUgcXVpY2sgYnJvd24gZm94IBUAkgBsAEgCBGsxXC4AAgYABh8ABzQACRgAkgB4AEgEBGsyaDEABQYADzoABQo9AJWEAQBIBgRrMHQ4AAUJAA9BAAgKRAClkgEASAgEazGAATwACAkAD0gACwpLAJ+eAQBICgRrMoxLAAMJLQAKEQEPcgADrwCqAQBIDARrMJhRAAYPVAAUCScArwC2AQBIDgRrMaRXAAkJMwAPrgAHAroAsCB0aGUgcXVpY2sAAAAAAA==",
  zstd:
    "AAAAAAAAAAAAAADsAAAAAAIxJlwsAAQAAAAHAAABofzdFMQAAAGh/N0U7QAAAAAAAACgAAAAAAAAAAAACCi1L/0AWHwFAHLGFyCQKx2P72tdO7cAkPw1lEH+Sq6oLTPG7efE9L//KRCZAr3Lugmtl2lF3YPWw9yE3YLWs/Qi6w5kj1JJ3YDsSQqx29mphXU32UVxihLIgEQOB/8oHg1EQBI+ziHV3dYQHwBNEYiZDW0LARgA8FzpEa5QAlhHBQNQgNZm2MOBpgoAuBO142gBRgMhChyAwoMeQYQIguiQYQjiYEBRB9CKu50HXAUAVfrEuZmD8wIBAAA=",
};

const ALL = { from: 0, aborted: [] };
const PRODUCER = { producerId: 7n, producerEpoch: 0, sequence: 0 };

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
}

/** A batch of one partition with its place in the log. */
function batchAt(
  baseOffset: number,
  values: readonly string[],
  options: { readonly attributes?: number; readonly producerId?: bigint; readonly isAbort?: boolean } = {},
): Uint8Array {
  const { attributes = 0, producerId = 7n, isAbort = false } = options;
  const isControl = (attributes & ATTRIBUTES.isControl) !== 0;
  const records = isControl
    ? recordsOf([{ key: Uint8Array.of(0, 0, 0, isAbort ? 0 : 1), value: Uint8Array.of(0, 0, 0, 0, 0, 0) }])
    : recordsOf(values.map((value) => ({ key: "k", value })));
  const producer = { ...PRODUCER, producerId };
  const { bytes } = encodeBatches(records, null, { producer, wallMs: 1_000, bytesMax: 1e6 })[0]!;
  const view = new DataView(bytes.buffer);
  view.setBigInt64(0, BigInt(baseOffset));
  view.setInt16(21, attributes);
  view.setUint32(17, crc32c(bytes.subarray(CHECKED_FROM)));
  return bytes;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function valuesOf(decoded: DecodedRecords): (string | null)[] {
  return rowsOf({ partition: 0, ...decoded }).map(({ value }) => value);
}

const OPEN = ATTRIBUTES.isTransactional;
const MARKER = ATTRIBUTES.isTransactional | ATTRIBUTES.isControl;

for (const [codec, text] of Object.entries(BY_KAFKA)) {
  Deno.test(`decodeBatches() reads what Kafka's producer wrote with codec ${codec}`, () => {
    const bytes = fromBase64(text);
    const decoded = decodeBatches(bytes, ALL);
    const rows = rowsOf({ partition: 0, ...decoded });
    assertEquals(
      rows.map(({ offset, key, value }) => [offset, key, value]),
      Array.from({ length: 8 }, (_, i) => [
        i,
        `k${i % 3}`,
        `${"abc".repeat(i + 3)} the quick brown fox ${"abc".repeat(i)} the quick`,
      ]),
    );
    assertEquals([decoded.to, decoded.leaderEpoch], [8, 0]);
    assert(rows.every(({ timestampMs }) => timestampMs > 1_700_000_000_000), "timestamps are epoch milliseconds");
  });
}

Deno.test("decodeBatches() leaves out records before the position that was asked for", () => {
  const bytes = joined([batchAt(10, ["a", "b", "c"]), batchAt(13, ["d", "e"])]);
  const decoded = decodeBatches(bytes, { from: 12, aborted: [] });
  assertEquals(valuesOf(decoded), ["c", "d", "e"]);
  assertEquals([...decoded.offsets], [12, 13, 14]);
  assertEquals(decoded.to, 15);
});

Deno.test("decodeBatches() ignores a batch that is cut off", () => {
  const [one, two] = [batchAt(0, ["a"]), batchAt(1, ["b"])];
  const whole = joined([one, two]);
  for (let length = one.length; length < whole.length; length++) {
    const decoded = decodeBatches(whole.subarray(0, length), ALL);
    assertEquals([valuesOf(decoded), decoded.to], [["a"], 1]);
  }
});

Deno.test("decodeBatches() of nothing stays where it is", () => {
  const decoded = decodeBatches(new Uint8Array(0), { from: 5, aborted: [] });
  assertEquals([decoded.records.count, decoded.to, decoded.leaderEpoch], [0, 5, -1]);
});

Deno.test("decodeBatches() finds every byte that was changed under the checksum", () => {
  const bytes = batchAt(0, ["some value"]);
  for (let at = CHECKED_FROM; at < bytes.length; at++) {
    const damaged = bytes.slice();
    damaged[at]! ^= 0x40;
    const error = assertThrows(() => decodeBatches(damaged, ALL), BrokerUnavailableError);
    assertStringIncludes(error.message, "checksum");
  }
});

Deno.test("decodeBatches() refuses records that do not fit into their batch, checksum or not", () => {
  const bytes = batchAt(0, ["some value"]);
  bytes[HEADER_SIZE] = 0x7e;
  new DataView(bytes.buffer).setUint32(17, crc32c(bytes.subarray(CHECKED_FROM)));
  assertThrows(() => decodeBatches(bytes, ALL), BrokerUnavailableError);
});

Deno.test("decodeBatches() refuses message formats before 2", () => {
  const bytes = batchAt(0, ["a"]);
  bytes[16] = 1;
  assertThrows(() => decodeBatches(bytes, ALL), NotModelledError);
});

Deno.test("decodeBatches() passes control records without showing them", () => {
  const bytes = joined([batchAt(0, ["a"], { attributes: OPEN }), batchAt(1, [], { attributes: MARKER })]);
  const decoded = decodeBatches(bytes, ALL);
  assertEquals([valuesOf(decoded), decoded.to], [["a"], 2]);
  const after = decodeBatches(batchAt(1, [], { attributes: MARKER }), { from: 1, aborted: [] });
  assertEquals([after.records.count, after.to], [0, 2]);
});

Deno.test("decodeBatches() hides aborted transactions and nothing else", () => {
  const bytes = joined([
    batchAt(0, ["aborted 1"], { attributes: OPEN, producerId: 1n }),
    batchAt(1, ["committed"], { attributes: OPEN, producerId: 2n }),
    batchAt(2, ["plain"], { producerId: 1n }),
    batchAt(3, [], { attributes: MARKER, producerId: 1n, isAbort: true }),
    batchAt(4, ["later"], { attributes: OPEN, producerId: 1n }),
    batchAt(5, [], { attributes: MARKER, producerId: 2n }),
    batchAt(6, [], { attributes: MARKER, producerId: 1n }),
    batchAt(7, ["aborted 2"], { attributes: OPEN, producerId: 2n }),
    batchAt(8, ["aborted 3"], { attributes: OPEN, producerId: 2n }),
  ]);
  const aborted = [{ producerId: 2n, firstOffset: 7n }, { producerId: 1n, firstOffset: 0n }];
  const decoded = decodeBatches(bytes, { from: 0, aborted });
  assertEquals(valuesOf(decoded), ["committed", "plain", "later"]);
  assertEquals(decoded.to, 9);
  assertEquals(valuesOf(decodeBatches(bytes, ALL)).length, 6, "read_uncommitted sees all");
});

Deno.test("decodeBatches() takes the broker's time when the topic says so", () => {
  const bytes = batchAt(0, ["a", "b"], { attributes: ATTRIBUTES.isAppendTime });
  const view = new DataView(bytes.buffer);
  view.setBigInt64(35, 99_000n);
  view.setUint32(17, crc32c(bytes.subarray(CHECKED_FROM)));
  assertEquals([...decodeBatches(bytes, ALL).records.timestamps!], [99_000, 99_000]);
});

Deno.test("decodeBatches() shares the fetched bytes when nothing is compressed", () => {
  const bytes = joined([batchAt(0, ["a"]), batchAt(1, ["b"])]);
  const { records } = decodeBatches(bytes, ALL);
  assert(records.values.bytes === bytes);
  assertEquals(spanBytes(records.values, 1), new TextEncoder().encode("b"));
  assertEquals([records.keys === null, records.headers], [false, null]);
});

Deno.test("decodeBatches() reads plain and compressed batches side by side", () => {
  const compressed = fromBase64(BY_KAFKA.lz4!);
  new DataView(compressed.buffer).setBigInt64(0, 2n);
  const decoded = decodeBatches(joined([batchAt(0, ["a", "b"]), compressed, batchAt(10, ["z"])]), ALL);
  assertEquals(valuesOf(decoded).length, 11);
  assertEquals([valuesOf(decoded)[1], valuesOf(decoded)[10]], ["b", "z"]);
  assertEquals([...decoded.offsets], Array.from({ length: 11 }, (_, i) => i));
});

Deno.test("decodeBatches() hides an aborted transaction that began before the reply and ends behind it", () => {
  const middle = joined([
    batchAt(10, ["aborted"], { attributes: OPEN, producerId: 1n }),
    batchAt(11, ["committed"], { attributes: OPEN, producerId: 2n }),
    batchAt(12, ["aborted"], { attributes: OPEN, producerId: 1n }),
  ]);
  const aborted = [{ producerId: 1n, firstOffset: 3n }];
  const decoded = decodeBatches(middle, { from: 10, aborted });
  assertEquals([valuesOf(decoded), decoded.to], [["committed"], 13]);
});

Deno.test("decodeBatches() shows what a producer commits after a transaction whose end came in this reply", () => {
  const end = joined([
    batchAt(13, ["aborted"], { attributes: OPEN, producerId: 1n }),
    batchAt(14, [], { attributes: MARKER, producerId: 1n, isAbort: true }),
    batchAt(15, ["committed"], { attributes: OPEN, producerId: 1n }),
    batchAt(16, [], { attributes: MARKER, producerId: 1n }),
    batchAt(17, ["aborted again"], { attributes: OPEN, producerId: 1n }),
  ]);
  const aborted = [{ producerId: 1n, firstOffset: 17n }, { producerId: 1n, firstOffset: 3n }];
  const decoded = decodeBatches(end, { from: 13, aborted });
  assertEquals([valuesOf(decoded), decoded.to], [["committed"], 18]);
});

Deno.test("decodeBatches() of nothing but hidden records moves on", () => {
  const bytes = joined([
    batchAt(5, ["aborted", "aborted"], { attributes: OPEN, producerId: 1n }),
    batchAt(7, [], { attributes: MARKER, producerId: 1n, isAbort: true }),
  ]);
  const decoded = decodeBatches(bytes, { from: 6, aborted: [{ producerId: 1n, firstOffset: 5n }] });
  assertEquals([decoded.records.count, decoded.to], [0, 8]);
});

Deno.test("decodeBatches() gives what stands before a damaged batch, and tells of it when it is asked for it", () => {
  const damaged = batchAt(3, ["d", "e"]);
  damaged[HEADER_SIZE + 4]! ^= 1;
  const bytes = joined([batchAt(0, ["a"]), batchAt(1, ["b", "c"]), damaged, batchAt(5, ["f"])]);
  const decoded = decodeBatches(bytes, ALL);
  assertEquals([valuesOf(decoded), decoded.to], [["a", "b", "c"], 3]);
  for (const from of [3, 4]) {
    const error = assertThrows(() => decodeBatches(bytes, { from, aborted: [] }), BrokerUnavailableError);
    assertStringIncludes(error.message, "at offset 3");
  }
});

Deno.test("decodeBatches() gives what stands before a batch whose producer wrote it damaged", () => {
  const damaged = batchAt(1, ["b"]);
  damaged[HEADER_SIZE]! += 2;
  new DataView(damaged.buffer).setUint32(17, crc32c(damaged.subarray(CHECKED_FROM)));
  const bytes = joined([batchAt(0, ["a"]), damaged, batchAt(2, ["c"])]);
  const decoded = decodeBatches(bytes, ALL);
  assertEquals([valuesOf(decoded), decoded.to], [["a"], 1]);
  assertThrows(() => decodeBatches(bytes, { from: 1, aborted: [] }), BrokerUnavailableError);
});

Deno.test("decodeBatches() refuses a first batch that is cut off, and bytes that end before what was asked for", () => {
  const bytes = batchAt(0, ["some value"]);
  for (let length = 1; length < bytes.length; length++) {
    assertThrows(() => decodeBatches(bytes.subarray(0, length), ALL), BrokerUnavailableError);
  }
  const error = assertThrows(() => decodeBatches(bytes, { from: 7, aborted: [] }), BrokerUnavailableError);
  assertStringIncludes(error.message, "what ends at 0");
});

Deno.test("decodeBatches() refuses first offsets that go backwards or that cannot be, though no checksum covers them", () => {
  const [one, two] = [batchAt(10, ["a", "b"]), batchAt(11, ["c"])];
  const decoded = decodeBatches(joined([one, two]), { from: 10, aborted: [] });
  assertEquals([valuesOf(decoded), decoded.to], [["a", "b"], 12]);
  for (const baseOffset of [-1n, -(2n ** 40n), 2n ** 53n, 2n ** 62n]) {
    new DataView(one.buffer).setBigInt64(0, baseOffset);
    assertThrows(() => decodeBatches(one, { from: 0, aborted: [] }), BrokerUnavailableError);
  }
});

Deno.test("decodeBatches() reads offsets beyond 2^32 and timestamps of 64 bits", () => {
  const decoded = decodeBatches(batchAt(2 ** 45, ["a", "b"]), { from: 2 ** 45 + 1, aborted: [] });
  assertEquals([[...decoded.offsets], decoded.to], [[2 ** 45 + 1], 2 ** 45 + 2]);
});

/** A batch of `count` records of so many zeros. */
function zerosAt(baseOffset: number, count: number, compression: Compression): Uint8Array {
  const records = recordsOf(Array.from({ length: count }, () => ({ value: new Uint8Array(100_000) })));
  const options = { producer: PRODUCER, wallMs: 1_000, bytesMax: 1e9, compression };
  const { bytes } = encodeBatches(records, null, options)[0]!;
  new DataView(bytes.buffer).setBigInt64(0, BigInt(baseOffset));
  return bytes;
}

for (const compression of COMPRESSIONS.slice(1)) {
  Deno.test(`decodeBatches() holds no more of what ${compression} has compressed than it may`, () => {
    const bytes = joined([zerosAt(0, 3, compression), zerosAt(3, 3, compression), zerosAt(6, 9, compression)]);
    const positions: number[] = [];
    for (let from = 0; from < 6;) {
      const decoded = decodeBatches(bytes, { from, aborted: [], decompressedBytesMax: 500_000 });
      assertEquals(decoded.records.count, 3);
      positions.push(from = decoded.to);
    }
    assertEquals(positions, [3, 6]);
    const bomb = { from: 6, aborted: [], decompressedBytesMax: 500_000 };
    const { message } = assertThrows(() => decodeBatches(bytes, bomb), NotModelledError);
    assertStringIncludes(message, "Cannot read the record batch at offset 6");
    assertStringIncludes(message, "hold more than 500000, raise 'decompressedBytesMax'");
    assertEquals(decodeBatches(bytes, { ...bomb, decompressedBytesMax: 1_000_000 }).records.count, 9);
  });
}

Deno.test("decodeBatches() reserves nothing for records that are only claimed", () => {
  const bytes = batchAt(0, ["a"]);
  const view = new DataView(bytes.buffer);
  for (const claimed of [2, 1_000, 2 ** 31 - 1, -1, -(2 ** 31)]) {
    view.setInt32(23, Math.max(claimed - 1, 0));
    view.setInt32(57, claimed);
    view.setUint32(17, crc32c(bytes.subarray(CHECKED_FROM)));
    assertThrows(() => decodeBatches(bytes, ALL), BrokerUnavailableError);
  }
});

Deno.test("peekEnd() tells where whole batches end that decodeBatches() would read, wherever the bytes are cut off", () => {
  const first = batchAt(10, ["a", "b"]);
  const second = batchAt(20, [], { attributes: ATTRIBUTES.isControl | ATTRIBUTES.isTransactional });
  const bytes = joined([first, second, batchAt(21, ["c"])]);
  for (let length = first.length; length <= bytes.length; length++) {
    const cut = bytes.subarray(0, length);
    const { to, leaderEpoch } = decodeBatches(cut, { from: 10, aborted: [] });
    assertEquals(peekEnd(cut), { offset: BigInt(to), leaderEpoch });
  }
  for (let length = 0; length < first.length; length++) assertEquals(peekEnd(bytes.subarray(0, length)), null);
});

Deno.test("peekEnd() tells nothing of batches that cannot be", () => {
  const backwards = joined([batchAt(10, ["a"]), batchAt(3, ["b"])]);
  const foreign = batchAt(10, ["a"]);
  foreign[16] = 1;
  const endless = batchAt(10, ["a"]);
  new DataView(endless.buffer).setInt32(8, -9);
  assertEquals([backwards, foreign, endless].map(peekEnd), [null, null, null]);
});
