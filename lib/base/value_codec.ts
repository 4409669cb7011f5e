/** How free-form state values become bytes and come back. */
export interface ValueCodec {
  /** Name of the format; checkpoints remember it. */
  readonly name: string;
  /**
   * Turns a value into bytes.
   *
   * @throws {SerializationError} when the format cannot hold the value; the message names what and where.
   */
  encode(value: unknown): Uint8Array;
  /**
   * Turns bytes into the value.
   *
   * @throws {DeserializationError} when the bytes are not of this format.
   */
  decode(bytes: Uint8Array): unknown;
}
