import { BrokerUnavailableError, NotModelledError } from "../../base/errors.ts";
import { crc32c } from "../../base/crc32c.ts";
import type { AbortedTransaction } from "./protocol/record_calls.ts";
import { ATTRIBUTES, type BatchHeader, CHECKED_FROM, HEADER_SIZE, PREFIX_SIZE } from "./record_batch.ts";

/**
 * Headers of the whole batches in a buffer; a batch that is cut off at the end is left away.
 *
 * @param bytes What a broker sent for one partition.
 * @throws {BrokerUnavailableError} when a checksum does not hold.
 * @throws {NotModelledError} when the message format is older than 2.
 */
export function scanBatches(bytes: Uint8Array): BatchHeader[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headers: BatchHeader[] = [];
  for (let at = 0; at + HEADER_SIZE <= bytes.length;) {
    const end = at + PREFIX_SIZE + view.getInt32(at + 8);
    const magic = view.getInt8(at + 16);
    if (magic !== 2) {
      throw new NotModelledError(
        `Cannot read records of message format ${magic}, rewrite the topic in format 2 (Kafka 0.11 and newer)`,
        { context: { magic } },
      );
    }
    if (end > bytes.length) break;
    const baseOffset = Number(view.getBigInt64(at));
    if (end < at + HEADER_SIZE || crc32c(bytes.subarray(at + CHECKED_FROM, end)) !== view.getUint32(at + 17)) {
      throw new BrokerUnavailableError(
        `Cannot read the record batch at offset ${baseOffset} as its checksum does not hold, try again; if it stays, ` +
          "the log is damaged on the broker",
        { context: { offset: baseOffset } },
      );
    }
    headers.push({
      start: at,
      end,
      baseOffset,
      lastOffset: baseOffset + view.getInt32(at + 23),
      leaderEpoch: view.getInt32(at + 12),
      attributes: view.getInt16(at + 21),
      baseTimestamp: Number(view.getBigInt64(at + 27)),
      maxTimestamp: Number(view.getBigInt64(at + 35)),
      producerId: view.getBigInt64(at + 43),
      producerEpoch: view.getInt16(at + 51),
      baseSequence: view.getInt32(at + 53),
      count: view.getInt32(at + 57),
    });
    at = end;
  }
  return headers;
}

/**
 * Batches whose records are to be seen: no control batches, and none of aborted transactions.
 *
 * An aborted transaction of a producer reaches from its first offset to that producer's next abort marker.
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
    while (bytes[at++]! > 127);
  };
  skipVarint(); // length
  at += 1; // attributes
  skipVarint(); // timestamp
  skipVarint(); // offset
  skipVarint(); // key length
  return bytes[at + 2] === 0 && bytes[at + 3] === 0;
}
