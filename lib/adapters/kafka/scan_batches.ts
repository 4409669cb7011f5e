import { BrokerUnavailableError, NotModelledError } from "../../base/errors.ts";
import { crc32c } from "../../base/crc32c.ts";
import type { AbortedTransaction } from "./protocol/record_calls.ts";
import { ATTRIBUTES, type BatchHeader, CHECKED_FROM, HEADER_SIZE, PREFIX_SIZE } from "./record_batch.ts";

/** Where the byte stands that tells the message format. */
const MAGIC_AT = 16;

/**
 * Headers of the whole batches in a buffer; a batch that is cut off at the end is left away. So is what stands from a
 * damaged batch on, when there is something to read before it: reading goes on there, and tells then.
 *
 * @param bytes What a broker sent for one partition.
 * @param from First offset wanted.
 * @throws {BrokerUnavailableError} when a batch is damaged, or not one is whole.
 * @throws {NotModelledError} when the message format is not 2.
 */
export function scanBatches(bytes: Uint8Array, from: number): BatchHeader[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headers: BatchHeader[] = [];
  let next = 0;
  for (let at = 0; at + HEADER_SIZE <= bytes.length;) {
    const end = at + PREFIX_SIZE + view.getInt32(at + 8);
    // Brokers cut off any batch but the first one.
    if (end > bytes.length && at > 0 && view.getInt8(at + MAGIC_AT) === 2) break;
    const header = readHeader(view, at, end);
    const error = errorOf(bytes, { at, end, header, next, from });
    if (error !== null) {
      if (next > from) break;
      throw error;
    }
    headers.push(header);
    next = header.lastOffset + 1;
    at = end;
  }
  if (headers.length === 0 && bytes.length > 0) throw damaged(from, "it is cut off");
  return headers;
}

/**
 * Where the whole batches in a buffer end, by what their headers claim: nothing is checked.
 *
 * @param bytes What a broker sent for one partition.
 * @returns Next offset, and the leader epoch of the last batch; `null` when there is none, or they cannot be.
 */
export function peekEnd(bytes: Uint8Array): { readonly offset: bigint; readonly leaderEpoch: number } | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let offset = -1;
  let leaderEpoch = -1;
  for (let at = 0; at + HEADER_SIZE <= bytes.length;) {
    const end = at + PREFIX_SIZE + view.getInt32(at + 8);
    if (end > bytes.length || end < at + HEADER_SIZE) break;
    const next = readInt64(view, at) + view.getInt32(at + 23) + 1;
    if (view.getInt8(at + MAGIC_AT) !== 2 || !Number.isSafeInteger(next) || next <= offset) return null;
    offset = next;
    leaderEpoch = view.getInt32(at + 12);
    at = end;
  }
  return offset < 0 ? null : { offset: BigInt(offset), leaderEpoch };
}

function readHeader(view: DataView, at: number, end: number): BatchHeader {
  const baseOffset = readInt64(view, at);
  return {
    start: at,
    end,
    baseOffset,
    lastOffset: baseOffset + view.getInt32(at + 23),
    leaderEpoch: view.getInt32(at + 12),
    attributes: view.getInt16(at + 21),
    baseTimestamp: readInt64(view, at + 27),
    maxTimestamp: readInt64(view, at + 35),
    producerId: view.getBigInt64(at + 43),
    producerEpoch: view.getInt16(at + 51),
    baseSequence: view.getInt32(at + 53),
    count: view.getInt32(at + 57),
  };
}

/** What is wrong with a batch, if anything; `next` is the offset after the batch before it. */
function errorOf(
  bytes: Uint8Array,
  place: {
    readonly at: number;
    readonly end: number;
    readonly header: BatchHeader;
    readonly next: number;
    readonly from: number;
  },
): Error | null {
  const { at, end, header, next, from } = place;
  const magic = bytes[at + MAGIC_AT]!;
  if (magic !== 2) {
    return new NotModelledError(
      `Cannot read records of message format ${magic} at or after offset ${
        Math.max(next, from)
      }, rewrite the topic in ` +
        "format 2 (Kafka 0.11 and newer)",
      { context: { magic } },
    );
  }
  if (end > bytes.length || end < at + HEADER_SIZE) {
    return damaged(Math.max(next, from), `its length of ${end - at - PREFIX_SIZE} bytes cannot be`);
  }
  // The checksum does not cover the first offset, the length and the leader epoch.
  const { baseOffset, lastOffset, count } = header;
  const checksum = ((bytes[at + 17]! << 24) | (bytes[at + 18]! << 16) | (bytes[at + 19]! << 8) | bytes[at + 20]!) >>> 0;
  if (crc32c(bytes.subarray(at + CHECKED_FROM, end)) !== checksum) {
    return damaged(baseOffset, "its checksum does not hold");
  }
  if (baseOffset < next || !Number.isSafeInteger(lastOffset) || lastOffset < baseOffset) {
    return damaged(Math.max(next, from), `its offsets ${baseOffset} to ${lastOffset} cannot be`);
  }
  if (count < 0 || count > lastOffset - baseOffset + 1) return damaged(baseOffset, `it claims ${count} records`);
  return null;
}

function damaged(offset: number, what: string): BrokerUnavailableError {
  return new BrokerUnavailableError(
    `Cannot read the record batch at offset ${offset} as ${what}, try again; if it stays, the log is damaged on the broker`,
    { context: { offset } },
  );
}

/** An integer of 64 bits, exact up to 2^53. */
function readInt64(view: DataView, at: number): number {
  return view.getInt32(at) * 2 ** 32 + view.getUint32(at + 4);
}

/**
 * Batches whose records are to be seen: no control batches, and none of aborted transactions.
 *
 * An aborted transaction of a producer reaches from its first offset, which may lie before these batches, to that producer's
 * next abort marker, which may lie behind them: each reply names all aborted transactions that reach into it.
 *
 * @param headers Batches in order.
 * @param aborted Aborted transactions that the broker named; none for read_uncommitted.
 * @param isAbortMarker Whether a control batch aborts.
 */
export function visibleBatches(
  headers: readonly BatchHeader[],
  aborted: readonly AbortedTransaction[],
  isAbortMarker: (header: BatchHeader) => boolean,
): BatchHeader[] {
  const waiting = [...aborted].sort((a, b) =>
    a.firstOffset < b.firstOffset ? -1 : a.firstOffset > b.firstOffset ? 1 : 0
  );
  const open = new Set<bigint>();
  let next = 0;
  return headers.filter((header) => {
    while (next < waiting.length && waiting[next]!.firstOffset <= BigInt(header.lastOffset)) {
      open.add(waiting[next++]!.producerId);
    }
    if ((header.attributes & ATTRIBUTES.isControl) !== 0) {
      if (isAbortMarker(header)) open.delete(header.producerId);
      return false;
    }
    return (header.attributes & ATTRIBUTES.isTransactional) === 0 || !open.has(header.producerId);
  });
}

/** Whether a control batch in `bytes` is an abort marker: its record's key is a version and then type 0. */
export function isAbortMarker(bytes: Uint8Array, header: BatchHeader): boolean {
  let at = header.start + HEADER_SIZE;
  const skipVarint = () => {
    while (at < header.end && bytes[at++]! > 127);
  };
  skipVarint(); // length
  at += 1; // attributes
  skipVarint(); // timestamp
  skipVarint(); // offset
  skipVarint(); // key length
  return at + 4 <= header.end && bytes[at + 2] === 0 && bytes[at + 3] === 0;
}
