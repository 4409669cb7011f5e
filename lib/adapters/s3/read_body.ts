import { DamagedAnswerError } from "./s3_fault.ts";

/** How a body is read. */
export interface ReadBodyOptions {
  /** How long the server said that it is, in bytes. */
  readonly length: number | undefined;
  /** Ends the reading. */
  readonly signal: AbortSignal;
  /** Called with each piece that came. */
  progress(): void;
}

interface Body extends AsyncIterable<Uint8Array> {
  destroy?(error?: Error): unknown;
}

/**
 * Reads the body of an answer to its end.
 *
 * @param body Stream of pieces; nothing is an empty one.
 * @throws {DamagedAnswerError} when it is shorter or longer than was said.
 */
export async function readBody(body: unknown, { length, signal, progress }: ReadBodyOptions): Promise<Uint8Array> {
  const stream = body as Body | undefined;
  // The client lets go of its connection with the answer's head: a body that hangs is ended here.
  const end = () => stream?.destroy?.();
  signal.addEventListener("abort", end, { once: true });
  try {
    if (signal.aborted) end();
    const pieces: Uint8Array[] = [];
    let got = 0;
    for await (const piece of stream ?? []) {
      progress();
      pieces.push(piece);
      got += piece.length;
    }
    if (length !== undefined && got !== length) {
      throw new DamagedAnswerError(`${got} of ${length} bytes came`);
    }
    return joined(pieces, got);
  } finally {
    signal.removeEventListener("abort", end);
  }
}

function joined(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
