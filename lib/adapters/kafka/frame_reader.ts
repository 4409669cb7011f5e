/** Where bytes come from. */
export interface ByteSource {
  /**
   * Reads what is there, at least one byte.
   *
   * @param into Where the bytes go.
   * @returns How many there were, or `null` at the end.
   */
  read(into: Uint8Array): Promise<number | null>;
}

/** Bytes that are read ahead of knowing how long a reply is. */
const STAGED_BYTES = 64 * 1024;
const LENGTH_BYTES = 4;

/**
 * Cuts a stream of bytes into Kafka's messages. Each gets a buffer of its own, of its exact size: what is cut from a reply
 * (records) points into it. Of a big one at most the staged bytes are copied, the rest is read to where it stays.
 */
export class FrameReader {
  /** Longest message that is taken, in bytes; a longer one is not one of Kafka's. */
  bytesMax: number;
  readonly #source: ByteSource;
  readonly #staged = new Uint8Array(STAGED_BYTES);
  readonly #view = new DataView(this.#staged.buffer);
  #from = 0;
  #to = 0;

  /**
   * @param source Where bytes come from.
   * @param bytesMax Longest message that is taken, in bytes.
   */
  constructor(source: ByteSource, bytesMax: number) {
    this.#source = source;
    this.bytesMax = bytesMax;
  }

  /**
   * The next message without its length, or `null` when the stream ends between two messages.
   *
   * @throws {ForeignBytes} when what comes is no message.
   * @throws {Error} when the stream ends within one.
   */
  async next(): Promise<Uint8Array<ArrayBuffer> | null> {
    while (this.#to - this.#from < LENGTH_BYTES) {
      if (!await this.#stage()) return this.#atEnd();
    }
    const size = this.#view.getInt32(this.#from);
    if (size < LENGTH_BYTES || size > this.bytesMax) throw this.#foreign(size);
    this.#from += LENGTH_BYTES;
    const frame = new Uint8Array(size);
    const staged = Math.min(size, this.#to - this.#from);
    frame.set(this.#staged.subarray(this.#from, this.#from + staged));
    this.#from += staged;
    for (let at = staged; at < size;) {
      const count = await this.#source.read(frame.subarray(at));
      if (count === null) throw cutOff();
      at += count;
    }
    return frame;
  }

  /** Reads ahead; `false` at the end. */
  async #stage(): Promise<boolean> {
    if (this.#from > 0) {
      this.#staged.copyWithin(0, this.#from, this.#to);
      this.#to -= this.#from;
      this.#from = 0;
    }
    const count = await this.#source.read(this.#staged.subarray(this.#to));
    this.#to += count ?? 0;
    return count !== null;
  }

  #atEnd(): null {
    if (this.#from < this.#to) throw cutOff();
    return null;
  }

  #foreign(size: number): Error {
    return foreignBytes(this.#staged.subarray(this.#from, Math.min(this.#to, this.#from + LENGTH_BYTES)), size);
  }
}

/**
 * What somebody is who answers with something else than Kafka's messages.
 *
 * @param start The first bytes of the answer.
 * @param size Its length, if it were one of Kafka's messages.
 */
export function foreignBytes(start: Uint8Array, size: number): ForeignBytes {
  // A TLS record begins with its type (21 alert, 22 handshake) and the version 3.x.
  if ((start[0] === 21 || start[0] === 22) && start[1] === 3) {
    return new ForeignBytes("it answered in TLS, set 'ssl', or use the address of a plaintext listener");
  }
  if (String.fromCharCode(...start.subarray(0, 4)) === "HTTP") {
    return new ForeignBytes("an HTTP server answered, use the address of a Kafka listener");
  }
  const found = `it announced a message of ${size} bytes, which cannot be one of Kafka's`;
  return new ForeignBytes(`${found}, use the address of a Kafka listener`);
}

/** What came is none of Kafka's messages; the text tells what it is and the next step. */
export class ForeignBytes extends Error {}

function cutOff(): Error {
  return new Error("the connection ended within a message");
}
