/** Bytes between the length field and the correlation id of a request: API key and version. */
const CORRELATION_AT = 4;

/** What becomes of a request or its reply. */
export type Fate = "pass" | "request-lost" | "reply-lost" | "silent";

/** What is to be lost, by the numbers of the requests of a connection. */
type LossMap = Map<number, { readonly apiKey: number; readonly fate: Fate }>;

/** A proxy in front of one Kafka broker: all traffic of a client goes through it, and it can lose what it is told to. */
export class KafkaProxy {
  /** `host:port` for clients. */
  readonly address: string;
  /** Decides about each request by its API key, or by what stands in it: the API key, version, and so on. */
  fate: (apiKey: number, request: DataView) => Fate = () => "pass";
  /** Told when a fate other than `pass` has come true: that of a reply, once the broker has answered. */
  onLoss: (apiKey: number, fate: Fate) => void = () => {};
  readonly #listener: Deno.TcpListener;
  readonly #target: { readonly hostname: string; readonly port: number };
  readonly #port: number;
  readonly #open = new Set<Deno.Conn>();
  readonly #running = new Set<Promise<void>>();

  /** @param target `host:port` of the broker. */
  constructor(target: string) {
    const [hostname, port] = target.split(":");
    this.#target = { hostname: hostname!, port: Number(port) };
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#port = this.#listener.addr.port;
    this.address = `127.0.0.1:${this.#port}`;
    this.#run(this.#accept());
  }

  /** Cuts all connections; new ones are taken. */
  cut(): void {
    for (const connection of this.#open) close(connection);
    this.#open.clear();
  }

  /** Closes everything. */
  async close(): Promise<void> {
    this.#listener.close();
    this.cut();
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #run(work: Promise<void>): void {
    const running: Promise<void> = work.catch(() => {}).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) this.#run(this.#serve(client));
  }

  async #serve(client: Deno.Conn): Promise<void> {
    this.#open.add(client);
    const broker = await Deno.connect(this.#target);
    this.#open.add(broker);
    const end = () => {
      close(client);
      close(broker);
    };
    const fates: LossMap = new Map();
    try {
      await Promise.race([this.#forward(client, broker, fates), this.#answer(broker, client, fates)]);
    } finally {
      end();
    }
  }

  async #forward(client: Deno.Conn, broker: Deno.Conn, fates: LossMap): Promise<void> {
    for await (const frame of frames(client)) {
      const view = new DataView(frame.buffer, frame.byteOffset + 4);
      const apiKey = view.getInt16(0);
      const fate = this.fate(apiKey, view);
      if (fate === "request-lost") return this.onLoss(apiKey, fate);
      if (fate !== "pass") fates.set(view.getInt32(CORRELATION_AT), { apiKey, fate });
      await writeAll(broker, frame);
    }
  }

  async #answer(broker: Deno.Conn, client: Deno.Conn, fates: LossMap): Promise<void> {
    for await (const frame of frames(broker)) {
      const loss = fates.get(new DataView(frame.buffer, frame.byteOffset + 4).getInt32(0));
      if (loss !== undefined) this.onLoss(loss.apiKey, loss.fate);
      if (loss?.fate === "reply-lost") return;
      if (loss?.fate !== "silent") await writeAll(client, this.#readdressed(frame));
    }
  }

  /** Puts the proxy's port where the broker names its own: after its host name, in four bytes. */
  #readdressed(frame: Uint8Array): Uint8Array {
    const host = new TextEncoder().encode(this.#target.hostname);
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
    for (let at = 0; at + host.length + 4 <= frame.length; at++) {
      if (view.getInt32(at + host.length) !== this.#target.port) continue;
      if (host.every((byte, i) => frame[at + i] === byte)) view.setInt32(at + host.length, this.#port);
    }
    return frame;
  }
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // It is closed already.
  }
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

/** Whole messages with their length field. */
async function* frames(connection: Deno.Conn): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let held = new Uint8Array(0);
  const chunk = new Uint8Array(64 * 1024);
  for (;;) {
    const count = await connection.read(chunk).catch(() => null);
    if (count === null) return;
    const joined = new Uint8Array(held.length + count);
    joined.set(held);
    joined.set(chunk.subarray(0, count), held.length);
    held = joined;
    while (held.length >= 4) {
      const size = 4 + new DataView(held.buffer, held.byteOffset).getInt32(0);
      if (held.length < size) break;
      yield held.slice(0, size);
      held = held.slice(size);
    }
  }
}
