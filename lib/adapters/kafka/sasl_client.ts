/** The client's side of one authentication. */
export interface SaslClient {
  /** The first message. */
  start(): Promise<Uint8Array>;
  /**
   * The answer to a message of the server, or `null` when it was the last one.
   *
   * @throws {Error} when the server's message is not acceptable; the text tells why, as it stands after "the broker is not
   * trusted: ".
   */
  next(challenge: Uint8Array): Promise<Uint8Array | null>;
}
