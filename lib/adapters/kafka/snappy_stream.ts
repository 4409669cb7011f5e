/** What Java's snappy streams begin with: "\x82SNAPPY\0", then its version and the oldest version that reads it. */
export const SNAPPY_STREAM_HEADER: Uint8Array = Uint8Array.of(
  ...[0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00],
  ...[0, 0, 0, 1],
  ...[0, 0, 0, 1],
);
/** Bytes of the header that tell a stream from a plain block. */
export const SNAPPY_STREAM_MAGIC_SIZE = 8;
