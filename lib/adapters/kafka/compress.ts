import { constants, gzipSync, zstdCompressSync } from "node:zlib";
import { lz4Compress, lz4SizeMax } from "./lz4_compress.ts";
import type { Compression } from "./record_batch.ts";
import { snappyCompress, snappySizeMax } from "./snappy_compress.ts";

/** Nearly as small as with the usual level 6, in a third of its time. */
const GZIP_LEVEL = 2;
/** Rows that are alike become no smaller with the usual level 3. */
const ZSTD_OPTIONS = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
/** A buffer up to this size is kept for the next batch. */
const KEPT_BYTES_MAX = 8 << 20;

let kept: Uint8Array = new Uint8Array(0);

/**
 * Compresses the records of a batch.
 *
 * @param compression How.
 * @param bytes The records.
 * @returns The compressed records, to be read before the next call.
 */
export function compress(compression: Exclude<Compression, "none">, bytes: Uint8Array): Uint8Array {
  switch (compression) {
    case "gzip":
      return gzipSync(bytes, { level: GZIP_LEVEL });
    case "zstd":
      return zstdCompressSync(bytes, ZSTD_OPTIONS);
    case "lz4": {
      const target = room(lz4SizeMax(bytes.length));
      return target.subarray(0, lz4Compress(bytes, target));
    }
    case "snappy": {
      const target = room(snappySizeMax(bytes.length));
      return target.subarray(0, snappyCompress(bytes, target));
    }
  }
}

function room(size: number): Uint8Array {
  if (size <= kept.length) return kept;
  const target = new Uint8Array(size);
  if (size <= KEPT_BYTES_MAX) kept = target;
  return target;
}
