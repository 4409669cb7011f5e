import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { AddressInfo } from "node:net";
import { createServer, type Server, type Socket } from "node:net";
import { BrokerUnavailableError, NotModelledError } from "../../base/errors.ts";
import type { KafkaBroker } from "../kafka/kafka_broker.ts";
import { KafkajsConnection } from "./kafkajs_connection.ts";
import { processEnvironment } from "../kafka/process_environment.ts";
import { type Answering, calm, FakeKafka } from "../kafka/fake_kafka_test.ts";
import { parseAddress } from "../kafka/kafka_options.ts";
import { ByteWriter } from "../kafka/protocol/byte_writer.ts";
import { heartbeatCall } from "../kafka/protocol/group_calls.ts";
import { findCoordinatorCall } from "../kafka/protocol/metadata_calls.ts";
import { kafkajsBroker } from "./kafkajs.ts";

/** A server on a free port of this machine, for the time of a test. */
async function withServer(serve: (socket: Socket) => void, run: (address: string) => Promise<void>): Promise<void> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await run(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}

/** Answers each request with what `body` makes of its API key. */
function answering(body: (apiKey: number) => Uint8Array): (socket: Socket) => void {
  return (socket) => {
    socket.on("data", (data: Uint8Array) => {
      const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
      socket.write(frameOf(data, body(view.getInt16(4))));
    });
  };
}

/** The reply to a request, with its number. */
function frameOf(request: Uint8Array, body: Uint8Array): Uint8Array {
  const view = new DataView(request.buffer, request.byteOffset, request.byteLength);
  return new ByteWriter().int32(4 + body.length).int32(view.getInt32(8)).raw(body).finish();
}

function versions(entries: readonly (readonly [apiKey: number, min: number, max: number])[]): Uint8Array {
  const writer = new ByteWriter().int16(0);
  return writer.array(entries, ([apiKey, min, max]) => writer.int16(apiKey).int16(min).int16(max)).finish();
}

function brokerAt(...brokers: string[]): KafkaBroker {
  return kafkajsBroker({ brokers, connectTimeoutMs: 300, requestTimeoutMs: 300 });
}

async function openFails(broker: KafkaBroker): Promise<BrokerUnavailableError> {
  const beganMs = performance.now();
  const error = await assertRejects(() => broker.open(), BrokerUnavailableError);
  assert(performance.now() - beganMs < 5_000, "within a few seconds");
  await broker.close();
  return error;
}

async function freeAddress(): Promise<string> {
  let address = "";
  await withServer(() => {}, (at) => {
    address = at;
    return Promise.resolve();
  });
  return address;
}

Deno.test("open() without a broker at the address names it and the next step", async () => {
  const address = await freeAddress();
  const { message, context } = await openFails(brokerAt(address));
  assertStringIncludes(message, `Cannot connect to broker ${address}`);
  assertStringIncludes(message, "start it, or check address");
  assertEquals(context.address, address);
});

Deno.test("open() names all addresses when none of several answers", async () => {
  const [one, two] = [await freeAddress(), await freeAddress()];
  assertStringIncludes((await openFails(brokerAt(one, two))).message, `${one}, ${two}`);
});

Deno.test("open() gives up on a server that never answers", async () => {
  await withServer(() => {}, async (address) => {
    assertStringIncludes((await openFails(brokerAt(address))).message, address);
  });
});

Deno.test("open() gives up on a server that hangs up", async () => {
  await withServer((socket) => void socket.end(), async (address) => {
    assertStringIncludes((await openFails(brokerAt(address))).message, address);
  });
});

Deno.test("open() of a server that does not speak Kafka is an error, not a wrong answer", async () => {
  await withServer(answering(() => new Uint8Array(3)), async (address) => {
    assertStringIncludes((await openFails(brokerAt(address))).message, address);
  });
});

Deno.test("open() of a broker that is too old tells the version that is needed", async () => {
  const old = versions([[3, 0, 5], [18, 0, 2]]);
  await withServer(answering(() => old), async (address) => {
    const broker = brokerAt(address);
    const { message } = await assertRejects(() => broker.open(), NotModelledError);
    assertStringIncludes(message, "it speaks versions 0 to 5 of Metadata");
    assertStringIncludes(message, "Kafka 2.8");
    await broker.close();
  });
});

Deno.test("a broker that was closed tells so", async () => {
  const broker = brokerAt("127.0.0.1:9");
  await broker.close();
  await assertRejects(() => broker.open(), BrokerUnavailableError);
  await assertRejects(() => broker.consumer({ groupId: "g" }), BrokerUnavailableError);
});

Deno.test("a reply that comes after the connection was closed is no warning", async () => {
  const held = Promise.withResolvers<() => void>();
  const serve = (socket: Socket) => {
    socket.once("data", (first: Uint8Array) => {
      // The second request is answered when the test says so.
      socket.once(
        "data",
        (second: Uint8Array) => held.resolve(() => void socket.write(frameOf(second, new Uint8Array(4)))),
      );
      socket.write(frameOf(first, versions([[18, 0, 2], [10, 0, 9]])));
    });
  };
  await withServer(serve, async (address) => {
    const logged: string[] = [];
    const environment = processEnvironment();
    const log = (level: string, message: string) => void logged.push(`${level}: ${message}`);
    const [host, port] = address.split(":");
    const connection = new KafkajsConnection({ host: host!, port: Number(port) }, "test", {
      options: { ssl: false, sasl: undefined, connectTimeoutMs: 3_000, requestTimeoutMs: 30_000 },
      environment: { ...environment, observer: { ...environment.observer, log } },
    });
    await connection.open();
    const sent = connection.send(findCoordinatorCall("g"));
    const answer = await held.promise;
    connection.destroy();
    answer();
    await assertRejects(() => sent, BrokerUnavailableError);
    const endMs = performance.now() + 5_000;
    while (logged.length === 0 && performance.now() < endMs) await new Promise((resolve) => setTimeout(resolve, 5));
    assertEquals(logged, ["debug: Response without match"]);
  });
});

const HEARTBEAT = 12;
const beat = heartbeatCall({ groupId: "g", memberId: "m", instanceId: null }, 1);

async function withConnection(
  answer: Answering,
  run: (connection: KafkajsConnection, server: FakeKafka) => Promise<void>,
): Promise<void> {
  await FakeKafka.with(answer, async (server) => {
    const connection = new KafkajsConnection(parseAddress(server.address), "test", {
      options: { ssl: false, sasl: undefined, connectTimeoutMs: 3_000, requestTimeoutMs: 30_000 },
      environment: processEnvironment(),
    });
    await connection.open();
    await run(connection, server);
    connection.destroy();
  });
}

Deno.test("a reply that cannot be read leaves the call unknown and ends the connection", async () => {
  await withConnection(({ apiKey }) => apiKey === HEARTBEAT ? new Uint8Array(3) : null, async (connection) => {
    const error = await assertRejects(() => connection.send(beat), BrokerUnavailableError);
    assertEquals([error.outcome, connection.isOpen], ["unknown", false]);
  });
});

Deno.test("a broker that throttles is left alone", async () => {
  const answer: Answering = ({ apiKey }) =>
    apiKey === HEARTBEAT ? new ByteWriter().int32(30_000).int16(0).finish() : null;
  await withConnection(answer, async (connection, server) => {
    assertEquals(await connection.send(beat), 0);
    const waiting = assertRejects(() => connection.send(beat), BrokerUnavailableError);
    await calm();
    assertEquals(server.requests.length, 1);
    connection.destroy();
    await waiting;
  });
});
