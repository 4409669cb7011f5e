import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { BrokerUnavailableError, NotModelledError } from "../../base/errors.ts";
import { type DecompressOutput, OutputLimitError } from "./decompress_output.ts";
import { lz4Decompress } from "./lz4_decompress.ts";
import { COMPRESSIONS } from "./record_batch.ts";
import { snappyDecompress } from "./snappy_decompress.ts";
import { zstdFrames } from "./zstd_frames.ts";

/** What node:zlib says about a result that would be larger than it may. */
const TOO_LARGE = "ERR_BUFFER_TOO_LARGE";
/** Bytes that node:zlib decompresses at a time: about as many as come out, as a larger buffer costs time by itself. */
const CHUNK_BYTES = { min: 32 << 10, max: 128 << 10, ofCompressed: 4 } as const;

/** A decompressor of a codec's number; all five of Kafka's codecs can be read. */
const DECOMPRESSORS: readonly ((bytes: Uint8Array, output: DecompressOutput) => void)[] = [
  (bytes, output) => output.append(bytes),
  (bytes, output) => output.append(byZlib(gunzipSync, bytes, output)),
  snappyDecompress,
  lz4Decompress,
  (bytes, output) => {
    for (const frame of zstdFrames(bytes)) output.append(byZlib(zstdDecompressSync, frame, output));
  },
];

/**
 * Writes the records of a batch as they were before compression.
 *
 * @param codec Number of the codec: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
 * @param bytes The compressed records.
 * @param output Where they go. After an error its content up to the old length stands, and its length is as it was.
 * @throws {OutputLimitError} when they hold more than may be written.
 * @throws {BrokerUnavailableError} when the bytes are damaged.
 * @throws {NotModelledError} when the codec is unknown.
 */
export function decompress(codec: number, bytes: Uint8Array, output: DecompressOutput): void {
  const decompressor = DECOMPRESSORS[codec];
  if (decompressor === undefined) {
    throw new NotModelledError(`Cannot decompress records as codec ${codec} is unknown, produce with another one`);
  }
  const before = output.length;
  try {
    decompressor(bytes, output);
  } catch (cause) {
    output.length = before;
    if (cause instanceof OutputLimitError) throw cause;
    throw new BrokerUnavailableError(
      `Cannot decompress records of codec ${COMPRESSIONS[codec]}: ${
        (cause as Error).message
      }, try again; if it stays, its producer wrote them damaged`,
      { cause, context: { codec } },
    );
  }
}

function byZlib(
  decompressor: (
    bytes: Uint8Array,
    options: { readonly chunkSize: number; readonly maxOutputLength: number },
  ) => Uint8Array,
  bytes: Uint8Array,
  output: DecompressOutput,
): Uint8Array {
  const { min, max, ofCompressed } = CHUNK_BYTES;
  const chunkSize = Math.min(max, Math.max(min, ofCompressed * bytes.length));
  try {
    return decompressor(bytes, { chunkSize, maxOutputLength: Math.max(1, output.bytesLeft) });
  } catch (error) {
    if ((error as { readonly code?: unknown }).code !== TOO_LARGE) throw error;
    throw output.limitError();
  }
}
