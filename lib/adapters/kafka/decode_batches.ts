import { BrokerUnavailableError } from "../../base/errors.ts";
import type { ByteSpans, Records } from "../../columns/records.ts";
import { decompress } from "./decompress.ts";
import type { AbortedTransaction } from "./protocol/record_calls.ts";
import { ATTRIBUTES, type BatchHeader, HEADER_SIZE } from "./record_batch.ts";
import { isAbortMarker, scanBatches, visibleBatches } from "./scan_batches.ts";

/** Records of one partition in columns. */
export interface DecodedRecords {
  /** The records. */
  readonly records: Records;
  /** Offset of each record. */
  readonly offsets: Float64Array;
  /** Next offset to fetch: past control records and compaction gaps. */
  readonly to: number;
  /** Leader epoch of the last batch, or -1 when there is none. */
  readonly leaderEpoch: number;
}

/** What is wanted of the bytes. */
export interface DecodeOptions {
  /** First offset wanted. */
  readonly from: number;
  /** Aborted transactions that the broker named. */
  readonly aborted: readonly AbortedTransaction[];
  /** Bound of what compressed batches may hold, in bytes. @default {268_435_456} */
  readonly decompressedBytesMax?: number;
}

/** A run of records of one batch in the common buffer. */
interface Segment {
  readonly header: BatchHeader;
  readonly start: number;
  readonly end: number;
}

/**
 * Decodes what a broker sent for one partition. Bytes are not copied unless they are compressed.
 *
 * @param bytes Record batches; the last one may be cut off.
 * @param options First offset wanted, and the aborted transactions that the broker named.
 * @throws {BrokerUnavailableError} when a batch is damaged.
 */
export function decodeBatches(
  bytes: Uint8Array,
  options: DecodeOptions,
): DecodedRecords {
  const headers = scanBatches(bytes);
  const last = headers.at(-1);
  const to = Math.max(options.from, last === undefined ? 0 : last.lastOffset + 1);
  const visible = visibleBatches(headers, options.aborted, (header) => isAbortMarker(bytes, header))
    .filter(({ lastOffset }) => lastOffset >= options.from);
  const { buffer, segments } = inOneBuffer(bytes, visible);
  const rows = new Rows(buffer, visible.reduce((sum, { count }) => sum + count, 0));
  for (const segment of segments) rows.read(segment, options.from);
  return { ...rows.finish(), to, leaderEpoch: last?.leaderEpoch ?? -1 };
}

function inOneBuffer(bytes: Uint8Array, batches: readonly BatchHeader[]): { buffer: Uint8Array; segments: Segment[] } {
  if (batches.every(({ attributes }) => (attributes & ATTRIBUTES.codec) === 0)) {
    return {
      buffer: bytes,
      segments: batches.map((header) => ({ header, start: header.start + HEADER_SIZE, end: header.end })),
    };
  }
  const parts = batches.map(({ attributes, start, end }) =>
    decompress(attributes & ATTRIBUTES.codec, bytes.subarray(start + HEADER_SIZE, end))
  );
  const buffer = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  const segments = parts.map((part, i) => {
    buffer.set(part, at);
    at += part.length;
    return { header: batches[i]!, start: at - part.length, end: at };
  });
  return { buffer, segments };
}

/** Columns that fill up row by row. */
class Rows {
  readonly #bytes: Uint8Array;
  #count = 0;
  #at = 0;
  #hasKeys = false;
  #hasHeaders = false;
  readonly #keyStarts: Int32Array;
  readonly #keyEnds: Int32Array;
  readonly #valueStarts: Int32Array;
  readonly #valueEnds: Int32Array;
  readonly #headerStarts: Int32Array;
  readonly #headerEnds: Int32Array;
  readonly #timestamps: Float64Array;
  readonly #offsets: Float64Array;

  constructor(bytes: Uint8Array, capacity: number) {
    this.#bytes = bytes;
    this.#keyStarts = new Int32Array(capacity);
    this.#keyEnds = new Int32Array(capacity);
    this.#valueStarts = new Int32Array(capacity);
    this.#valueEnds = new Int32Array(capacity);
    this.#headerStarts = new Int32Array(capacity);
    this.#headerEnds = new Int32Array(capacity);
    this.#timestamps = new Float64Array(capacity);
    this.#offsets = new Float64Array(capacity);
  }

  /** Reads the records of one batch from offset `from` on. */
  read({ header, start, end }: Segment, from: number): void {
    const { baseOffset, baseTimestamp, maxTimestamp, count } = header;
    const isAppendTime = (header.attributes & ATTRIBUTES.isAppendTime) !== 0;
    this.#at = start;
    for (let i = 0; i < count; i++) {
      const length = this.#varint();
      const next = this.#at + length;
      if (length < 0 || next > end) throw damaged(header);
      this.#at += 1;
      const timestampDelta = this.#varlong();
      const offset = baseOffset + this.#varint();
      if (offset >= from) {
        const row = this.#count++;
        this.#offsets[row] = offset;
        this.#timestamps[row] = isAppendTime ? maxTimestamp : baseTimestamp + timestampDelta;
        this.#readBytes(row, next);
      }
      this.#at = next;
    }
  }

  finish(): { readonly records: Records; readonly offsets: Float64Array } {
    const count = this.#count;
    const spans = (starts: Int32Array, ends: Int32Array): ByteSpans => ({
      bytes: this.#bytes,
      starts: starts.subarray(0, count),
      ends: ends.subarray(0, count),
    });
    const records = {
      count,
      keys: this.#hasKeys ? spans(this.#keyStarts, this.#keyEnds) : null,
      values: spans(this.#valueStarts, this.#valueEnds),
      timestamps: this.#timestamps.subarray(0, count),
      headers: this.#hasHeaders ? spans(this.#headerStarts, this.#headerEnds) : null,
    };
    return { records, offsets: this.#offsets.subarray(0, count) };
  }

  #readBytes(row: number, next: number): void {
    const keyLength = this.#varint();
    this.#keyStarts[row] = keyLength < 0 ? -1 : this.#at;
    if (keyLength >= 0) {
      this.#at += keyLength;
      this.#hasKeys = true;
    }
    this.#keyEnds[row] = this.#at;
    const valueLength = this.#varint();
    this.#valueStarts[row] = valueLength < 0 ? -1 : this.#at;
    if (valueLength >= 0) this.#at += valueLength;
    this.#valueEnds[row] = this.#at;
    if (this.#at >= next) {
      throw new BrokerUnavailableError(
        `Cannot read the record at offset ${this.#offsets[row]} as it is damaged, try again`,
      );
    }
    const hasHeaders = this.#bytes[this.#at] !== 0;
    this.#headerStarts[row] = hasHeaders ? this.#at : -1;
    this.#headerEnds[row] = next;
    if (hasHeaders) this.#hasHeaders = true;
  }

  /** A zigzag varint of 32 bits. */
  #varint(): number {
    const bytes = this.#bytes;
    let byte = bytes[this.#at++]!;
    let value = byte & 127;
    for (let shift = 7; byte > 127 && shift < 35; shift += 7) {
      byte = bytes[this.#at++]!;
      value |= (byte & 127) << shift;
    }
    return (value >>> 1) ^ -(value & 1);
  }

  /** A zigzag varint of up to 64 bits, exact up to 2^53. */
  #varlong(): number {
    const bytes = this.#bytes;
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      const byte = bytes[this.#at++]!;
      value += (byte & 127) * scale;
      if (byte < 128) break;
      scale *= 128;
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }
}

function damaged({ baseOffset }: BatchHeader): BrokerUnavailableError {
  return new BrokerUnavailableError(
    `Cannot read the record batch at offset ${baseOffset} as its records do not fit into it, try again; if it stays, ` +
      "its producer wrote it damaged",
    { context: { offset: baseOffset } },
  );
}
