import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { BrokerUnavailableError, NotModelledError } from "../../base/errors.ts";
import { lz4Decompress } from "./lz4_decompress.ts";
import { snappyDecompress } from "./snappy_decompress.ts";

/** A decompressor of a codec's number; all five of Kafka's codecs can be read. */
const DECOMPRESSORS: Readonly<Record<number, (bytes: Uint8Array) => Uint8Array>> = {
  0: (bytes) => bytes,
  1: gunzipSync,
  2: snappyDecompress,
  3: lz4Decompress,
  4: zstdDecompressSync,
};

/**
 * The records of a batch as they were before compression.
 *
 * @param codec Number of the codec: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
 * @param bytes The compressed records.
 * @throws {BrokerUnavailableError} when the bytes are damaged.
 * @throws {NotModelledError} when the codec is unknown.
 */
export function decompress(codec: number, bytes: Uint8Array): Uint8Array {
  const decompressor = DECOMPRESSORS[codec];
  if (decompressor === undefined) {
    throw new NotModelledError(`Cannot decompress records as codec ${codec} is unknown, produce with another one`);
  }
  try {
    return decompressor(bytes);
  } catch (cause) {
    throw new BrokerUnavailableError(
      `Cannot decompress records of codec ${codec}: ${
        (cause as Error).message
      }, try again; if it stays, its producer ` +
        "wrote them damaged",
      { cause, context: { codec } },
    );
  }
}
