import { BrokerUnavailableError, NotModelledError } from "../../base/errors.ts";
import type { Records } from "../../columns/records.ts";
import { mayHold, RecordColumns, type Section } from "./decode_records.ts";
import { decompress } from "./decompress.ts";
import { DecompressOutput, OutputLimitError } from "./decompress_output.ts";
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
  /** Bound of what compressed batches may hold, in bytes. @default {134_217_728} */
  readonly decompressedBytesMax?: number;
}

/** Batches to read, where their records stand, and what keeps the batch after them from being read. */
interface Sections {
  readonly bytes: Uint8Array;
  readonly sections: readonly Section[];
  readonly stop: Stop | null;
}

/** A batch that is not read, and why. */
interface Stop {
  readonly header: BatchHeader;
  readonly error: Error;
}

const DECOMPRESSED_BYTES_MAX = 2 ** 27;

/**
 * Decodes what a broker sent for one partition. Bytes are not copied unless they are compressed.
 *
 * Before a batch that is damaged, or that holds more than may be held, it stops when something stands before it, so that all
 * of that is handed out; the next fetch begins with that batch, and tells.
 *
 * @param bytes Record batches; the last one may be cut off.
 * @param options First offset wanted, the aborted transactions that the broker named, and the bound.
 * @throws {BrokerUnavailableError} when a batch is damaged.
 * @throws {NotModelledError} when one batch holds more than may be held, or is of an unknown codec or message format.
 */
export function decodeBatches(bytes: Uint8Array, options: DecodeOptions): DecodedRecords {
  const { from, aborted, decompressedBytesMax = DECOMPRESSED_BYTES_MAX } = options;
  const headers = scanBatches(bytes, from);
  const last = headers.at(-1);
  if (last !== undefined && last.lastOffset < from) throw before(from, last);
  const wanted = visibleBatches(headers, aborted, (header) => isAbortMarker(bytes, header))
    .filter(({ lastOffset, count }) => lastOffset >= from && count > 0);
  const located = locate(bytes, wanted, decompressedBytesMax);
  const columns = new RecordColumns(located.bytes, located.sections.reduce((sum, { header }) => sum + header.count, 0));
  let { stop } = located;
  for (const section of located.sections) {
    if (columns.add(section, from)) continue;
    stop = { header: section.header, error: damaged(section.header) };
    break;
  }
  if (stop === null) {
    return {
      ...columns.finish(),
      to: last === undefined ? from : last.lastOffset + 1,
      leaderEpoch: last?.leaderEpoch ?? -1,
    };
  }
  const { baseOffset } = stop.header;
  if (baseOffset <= from) throw stop.error;
  const leaderEpoch = headers[headers.indexOf(stop.header) - 1]?.leaderEpoch ?? -1;
  return { ...columns.finish(), to: baseOffset, leaderEpoch };
}

/** Finds the records of batches: where they stand when none is compressed, and else in one buffer for all. */
function locate(bytes: Uint8Array, batches: readonly BatchHeader[], bytesMax: number): Sections {
  const sections: Section[] = [];
  const isPlain = batches.every(({ attributes }) => (attributes & ATTRIBUTES.codec) === 0);
  const output = new DecompressOutput(isPlain ? 0 : bytesMax);
  let stop: Stop | null = null;
  for (const header of batches) {
    const error = isPlain ? null : decompressBatch(bytes, header, output);
    const start = isPlain ? header.start + HEADER_SIZE : sections.at(-1)?.end ?? 0;
    const section = { header, start, end: isPlain ? header.end : output.length };
    if (error !== null || !mayHold(section)) {
      stop = { header, error: error ?? damaged(header) };
      break;
    }
    sections.push(section);
  }
  return { bytes: isPlain ? bytes : output.take(), sections, stop };
}

function decompressBatch(bytes: Uint8Array, header: BatchHeader, output: DecompressOutput): Error | null {
  try {
    decompress(header.attributes & ATTRIBUTES.codec, bytes.subarray(header.start + HEADER_SIZE, header.end), output);
    return null;
  } catch (error) {
    if (!(error instanceof OutputLimitError)) return error as Error;
    const { baseOffset, end, start } = header;
    return new NotModelledError(
      `Cannot read the record batch at offset ${baseOffset} as its ${
        end - start - HEADER_SIZE
      } compressed bytes hold more ` +
        `than ${output.bytesMax}, raise 'decompressedBytesMax' if its producer can be trusted`,
      { cause: error, context: { offset: baseOffset, bytesMax: output.bytesMax } },
    );
  }
}

function before(from: number, last: BatchHeader): BrokerUnavailableError {
  return new BrokerUnavailableError(
    `Cannot read records at offset ${from} as the broker sent what ends at ${last.lastOffset}, try again; if it stays, the ` +
      "log is damaged on the broker",
    { context: { offset: from } },
  );
}

function damaged({ baseOffset }: BatchHeader): BrokerUnavailableError {
  return new BrokerUnavailableError(
    `Cannot read the record batch at offset ${baseOffset} as its records do not fit into it, try again; if it stays, ` +
      "its producer wrote it damaged",
    { context: { offset: baseOffset } },
  );
}
