/** A server on this machine that speaks Kafka's protocol as a test tells it to. */
import { ByteReader } from "./protocol/byte_reader.ts";
import { ByteWriter } from "./protocol/byte_writer.ts";
import type { Certified } from "../../../testing/lanes/certificates.ts";

/** A request as it came. */
export interface FakeRequest {
  readonly apiKey: number;
  readonly version: number;
  readonly clientId: string | null;
  /** At the beginning of the body. */
  readonly body: ByteReader;
  /** Number of the connection, from 0 on. */
  readonly connection: number;
  /** Of the server: `host:port`. */
  readonly address: string;
}

/**
 * Body of the reply; `null` for the usual versions, or for no reply to other calls; no reply to versions either; the end of
 * the connection; or bytes that are sent as they are.
 */
export type FakeAnswer = Uint8Array | null | "silence" | "hang-up" | { readonly raw: Uint8Array };

/** Makes the answer to a request. */
export type Answering = (request: FakeRequest) => FakeAnswer | Promise<FakeAnswer>;

/** First version of each API whose headers have tagged fields. */
const FLEXIBLE_SINCE: Readonly<Record<number, number>> = { 0: 9, 1: 12, 3: 9, 9: 6, 10: 3, 18: 3, 36: 2 };
const API_VERSIONS = 18;

/** What most brokers of tests speak. */
export const USUAL: readonly (readonly [apiKey: number, min: number, max: number])[] = [
  [0, 0, 12],
  [1, 4, 17],
  [3, 0, 13],
  [8, 2, 9],
  [10, 0, 6],
  [12, 0, 4],
  [17, 0, 1],
  [18, 0, 4],
  [22, 0, 5],
  [36, 0, 2],
];

/** The server. */
export class FakeKafka {
  /** `host:port`. */
  readonly address: string;
  /** All requests but those for versions. */
  readonly requests: FakeRequest[] = [];
  /** How many connections there were. */
  connectionCount = 0;
  readonly #listener: Deno.Listener;
  readonly #answer: Answering;
  readonly #open = new Set<Deno.Conn>();
  readonly #running = new Set<Promise<void>>();

  private constructor(listener: Deno.Listener, answer: Answering) {
    this.#listener = listener;
    this.#answer = answer;
    this.address = `127.0.0.1:${(listener.addr as Deno.NetAddr).port}`;
    this.#run(this.#accept());
  }

  /**
   * Runs a test with a server.
   *
   * @param answer Answers what is not asked for versions; those too when it gives something for them.
   * @param run The test.
   * @param tls Certificate, for a server in TLS.
   */
  static async with(answer: Answering, run: (server: FakeKafka) => Promise<void>, tls?: Certified): Promise<void> {
    const place = { hostname: "127.0.0.1", port: 0 };
    const listener = tls === undefined ? Deno.listen(place) : Deno.listenTls({ ...place, ...tls });
    const server = new FakeKafka(listener, answer);
    try {
      await run(server);
    } finally {
      listener.close();
      server.cut();
      while (server.#running.size > 0) await Promise.all(server.#running);
    }
  }

  /** Names of the calls, by their numbers. */
  get apiKeys(): number[] {
    return this.requests.map(({ apiKey }) => apiKey);
  }

  /** Cuts all connections; new ones are taken. */
  cut(): void {
    for (const connection of this.#open) close(connection);
    this.#open.clear();
  }

  #run(work: Promise<void>): void {
    const running: Promise<void> = work.catch(() => {}).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async #accept(): Promise<void> {
    for (;;) {
      try {
        this.#run(this.#serve(await this.#listener.accept(), this.connectionCount++));
      } catch (error) {
        // A handshake that failed is no reason to stop.
        if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) return;
      }
    }
  }

  async #serve(connection: Deno.Conn, number: number): Promise<void> {
    this.#open.add(connection);
    try {
      for await (const frame of framesOf(connection)) {
        const { request, correlationId, isFlexible } = readRequest(frame, {
          connection: number,
          address: this.address,
        });
        let answer = await this.#answer(request);
        if (request.apiKey === API_VERSIONS) answer ??= versionsReply(request.version);
        else this.requests.push(request);
        if (answer === "hang-up") return;
        if (answer === null || answer === "silence") continue;
        if (!(answer instanceof Uint8Array)) await writeAll(connection, answer.raw);
        else {await writeAll(
            connection,
            replyFrame(correlationId, answer, isFlexible && request.apiKey !== API_VERSIONS),
          );}
      }
    } finally {
      close(connection);
    }
  }
}

/** A reply with its length and header. */
export function replyFrame(correlationId: number, body: Uint8Array, isFlexible = false): Uint8Array {
  const writer = new ByteWriter().int32(4 + body.length + (isFlexible ? 1 : 0)).int32(correlationId);
  if (isFlexible) writer.noTags();
  return writer.raw(body).finish();
}

/** The reply to ApiVersions. */
export function versionsReply(version: number, entries = USUAL, features: Readonly<Record<string, number>> = {}) {
  const writer = new ByteWriter().int16(0);
  if (version < 3) {
    return writer.array(entries, ([apiKey, min, max]) => writer.int16(apiKey).int16(min).int16(max)).finish();
  }
  writer.compactArray(entries, ([apiKey, min, max]) => writer.int16(apiKey).int16(min).int16(max).noTags()).int32(0);
  const levels = new ByteWriter();
  levels.compactArray(Object.entries(features), ([name, level]) => {
    levels.compactString(name).int16(level).int16(1).noTags();
  });
  const bytes = levels.finish();
  // An epoch of the features that nobody reads, then the features themselves.
  writer.unsignedVarint(2).unsignedVarint(1).unsignedVarint(8).int64(7n);
  return writer.unsignedVarint(2).unsignedVarint(bytes.length).raw(bytes).finish();
}

/** The reply to Metadata v10 of a cluster with one broker. */
export function metadataReply(
  address: string,
  topics: readonly {
    readonly topic: string;
    readonly errorCode?: number;
    readonly leader?: number;
    readonly epoch?: number;
  }[] = [],
): Uint8Array {
  const writer = new ByteWriter().int32(0);
  const [host, port] = address.split(":");
  writer.compactArray([0], () => writer.int32(0).compactString(host!).int32(Number(port)).compactString(null).noTags());
  writer.compactString("fake-cluster").int32(0).compactArray(
    topics,
    ({ topic, errorCode = 0, leader = 0, epoch = 3 }) => {
      writer.int16(errorCode).compactString(topic).raw(new Uint8Array(16)).boolean(false);
      writer.compactArray(errorCode === 0 ? [0] : [], (partition) => {
        writer.int16(0).int32(partition).int32(leader).int32(epoch);
        for (let list = 0; list < 3; list++) writer.compactArray([0], (node) => writer.int32(node));
        writer.noTags();
      });
      writer.int32(-2147483648).noTags();
    },
  );
  return writer.noTags().finish();
}

/** The reply to InitProducerId v1. */
export function producerIdReply(producerId: bigint): Uint8Array {
  return new ByteWriter().int32(0).int16(0).int64(producerId).int16(0).finish();
}

/** The reply to Produce v9 for partition 0 of topic 't'. */
export function producedReply(errorCode: number): Uint8Array {
  const writer = new ByteWriter();
  writer.compactArray(["t"], (topic) => {
    writer.compactString(topic).compactArray([0], (partition) => {
      writer.int32(partition).int16(errorCode).int64(0n).int64(-1n).int64(0n);
      writer.compactArray([], () => {}).compactString(null).noTags();
    }).noTags();
  });
  return writer.int32(0).noTags().finish();
}

/** Waits until something holds. */
export async function until(isTrue: () => boolean): Promise<void> {
  const endMs = performance.now() + 10_000;
  while (!isTrue()) {
    if (performance.now() > endMs) throw new Error("waited in vain");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Lets everything that is under way in this process and its sockets happen. */
export async function calm(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 20));
}

function readRequest(frame: Uint8Array, where: { readonly connection: number; readonly address: string }) {
  const body = new ByteReader(frame);
  const [apiKey, version, correlationId] = [body.int16(), body.int16(), body.int32()];
  const clientId = body.nullableString();
  const isFlexible = version >= (FLEXIBLE_SINCE[apiKey] ?? Infinity);
  if (isFlexible) body.tags();
  return { request: { apiKey, version, clientId, body, ...where }, correlationId, isFlexible };
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

async function* framesOf(connection: Deno.Conn): AsyncGenerator<Uint8Array> {
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
      const size = 4 + new DataView(held.buffer).getInt32(0);
      if (held.length < size) break;
      yield held.slice(4, size);
      held = held.slice(size);
    }
  }
}
