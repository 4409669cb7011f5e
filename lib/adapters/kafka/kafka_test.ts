import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { Witness } from "../../../testing/contracts/broker_contract_kit.ts";
import { recordsOf } from "../../../testing/record_rows.ts";
import { TestAuthority } from "../../../testing/lanes/certificates.ts";
import { AuthorizationError, BrokerUnavailableError, NotModelledError, UnknownTopicError } from "../../base/errors.ts";
import { type Answering, FakeKafka, metadataReply, producerIdReply, versionsReply } from "./fake_kafka_test.ts";
import { kafka, kafkaBroker } from "./kafka.ts";
import type { KafkaOptions } from "./kafka_options.ts";
import { processEnvironment } from "./process_environment.ts";
import { ByteWriter } from "./protocol/byte_writer.ts";

const METADATA = 3;
const FIND_COORDINATOR = 10;
const INIT_PRODUCER_ID = 22;
const TLS_ALERT = new Uint8Array([21, 3, 3, 0, 2, 2, 80]);

/** A cluster of the broker that is asked; it gives producer ids. */
function cluster(topics: () => Parameters<typeof metadataReply>[1] = () => []): Answering {
  return ({ apiKey, address }) => {
    if (apiKey === METADATA) return metadataReply(address, topics());
    return apiKey === INIT_PRODUCER_ID ? producerIdReply(9n) : null;
  };
}

Deno.test("kafka makes brokers for its scheme, and their location names no secrets", () => {
  assertEquals(kafka.scheme, "kafka");
  assertEquals(kafka.broker!("kafka://a:1,b:2", processEnvironment()).location, "kafka://a:1,b:2");
  const sasl = { mechanism: "plain", username: "me", password: "secret" } as const;
  assertEquals(kafkaBroker({ brokers: ["a:1"], sasl }).location, "kafka://a:1");
});

type Refused = readonly [options: Omit<KafkaOptions, "brokers">, text: string];
const user = { username: "me", password: "secret" };
const REFUSED: readonly Refused[] = [
  [{ ssl: { rejectUnauthorized: false } }, "give the certificate of the brokers' authority as 'ssl.ca' instead"],
  [{ ssl: { cert: "x" } }, "'ssl.cert' and 'ssl.key' must be given together: 'ssl.key' is missing"],
  [{ ssl: { key: "x" } }, "'ssl.cert' is missing"],
  [{ ssl: { cert: "x", key: "y", passphrase: "z" } }, "'ssl.passphrase' must decrypt 'ssl.key'"],
  [{ ssl: { passphrase: "x" } }, "'ssl.passphrase' must come with 'ssl.key'"],
  [{ ssl: { cert: "x", key: "y", servername: "b" } }, "'ssl.servername' must not differ from the addresses"],
  [{ sasl: { mechanism: "gssapi" as "plain", ...user } }, "must be one of 'plain', 'scram-sha-256', 'scram-sha-512'"],
  [{ sasl: { mechanism: "plain", username: "", password: "x" } }, "'sasl.username' must be a text"],
  [{ sasl: { mechanism: "plain", username: "x", password: "a\0b" } }, "'sasl.password' must be a text"],
  [{ sasl: { mechanism: "oauthbearer" } as never }, "'sasl.oauthBearerProvider' must be a function"],
];
for (const [options, text] of REFUSED) {
  Deno.test(`kafkaBroker() refuses ${JSON.stringify(options)}`, () => {
    const { message } = assertThrows(() => kafkaBroker({ brokers: ["a:1"], ...options }), TypeError);
    assertStringIncludes(message, text);
    assert(!message.includes("secret"));
  });
}

async function openError(options: Partial<KafkaOptions> & { readonly brokers: string[] }): Promise<Error> {
  const broker = kafkaBroker({ connectTimeoutMs: 500, requestTimeoutMs: 300, ...options });
  const error = await assertRejects(() => broker.open(), Error);
  await broker.close();
  return error;
}

async function freeAddress(): Promise<string> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  await Promise.resolve();
  return `127.0.0.1:${port}`;
}

Deno.test("open() without a broker at the address names it and the next step", async () => {
  const address = await freeAddress();
  const error = await openError({ brokers: [address] }) as BrokerUnavailableError;
  assertStringIncludes(error.message, `Cannot connect to broker ${address}: nobody listens there`);
  assertStringIncludes(error.message, "start it, or check address and port");
  assertEquals([error.code, error.outcome, error.context.address], ["BrokerUnavailable", "not-applied", address]);
});

Deno.test("open() names all addresses when none of several answers", async () => {
  const [one, two] = [await freeAddress(), await freeAddress()];
  assertStringIncludes((await openError({ brokers: [one, two] })).message, `any broker of ${one}, ${two}`);
});

Deno.test("open() takes the second address when nobody is at the first", async () => {
  await FakeKafka.with(cluster(), async ({ address }) => {
    const broker = kafkaBroker({ brokers: [await freeAddress(), address] });
    await broker.open();
    assertEquals(await (await broker.admin()).clusterId(), "fake-cluster");
    await broker.close();
  });
});

type Foreign = readonly [what: string, answer: Answering, text: string];
const FOREIGN: readonly Foreign[] = [
  ["never answers", () => "silence", "no reply within 300 ms"],
  ["hangs up", () => "hang-up", "the broker closed the connection, check address and port, and set 'ssl'"],
  ["speaks TLS", () => ({ raw: TLS_ALERT }), "it answered in TLS, set 'ssl'"],
  ["speaks HTTP", () => ({ raw: new TextEncoder().encode("HTTP/1.1 400 Bad") }), "an HTTP server answered"],
  ["speaks something else", () => ({ raw: new TextEncoder().encode("220 mail ready") }), "use the address of a Kafka"],
];
for (const [what, answer, text] of FOREIGN) {
  Deno.test(`open() of a server that ${what} is an error that tells so`, async () => {
    await FakeKafka.with(answer, async ({ address }) => {
      const error = await openError({ brokers: [address] });
      assert(error instanceof BrokerUnavailableError);
      assertStringIncludes(error.message, `Cannot connect to broker ${address}: `);
      assertStringIncludes(error.message, text);
    });
  });
}

Deno.test("open() of a broker that is too old tells the version that is needed", async () => {
  await FakeKafka.with(({ version }) => versionsReply(version, [[3, 0, 5], [18, 0, 2]]), async ({ address }) => {
    const error = await openError({ brokers: [address] });
    assert(error instanceof NotModelledError);
    assertStringIncludes(error.message, "it speaks versions 0 to 5 of Metadata, this client needs version 10");
    assertStringIncludes(error.message, "use Kafka 2.8 or newer");
  });
});

Deno.test("open() without 'sasl' at a listener that wants it names 'sasl'", async () => {
  await FakeKafka.with(({ apiKey }) => apiKey === METADATA ? "hang-up" : null, async ({ address }) => {
    const { message } = await openError({ brokers: [address] });
    assertStringIncludes(message, "lost before the reply to Metadata: the broker closed the connection");
    assertStringIncludes(message, "set 'sasl' if this listener wants authentication");
  });
});

Deno.test("open() in TLS at a plaintext listener tells to leave 'ssl' away", async () => {
  // A broker takes the handshake for a message of an impossible size and hangs up.
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    const connection = await listener.accept();
    await connection.read(new Uint8Array(1_000));
    connection.close();
  })();
  const address = `127.0.0.1:${(listener.addr as Deno.NetAddr).port}`;
  const { message } = await openError({ brokers: [address], ssl: true });
  assertStringIncludes(message, "the TLS handshake failed");
  assertStringIncludes(message, "leave 'ssl' away if it is a plaintext listener");
  await serving;
  listener.close();
});

const authority = await TestAuthority.create();
const certified = await authority.certify("broker", ["127.0.0.1", "kafka.test"]);

Deno.test("open() in TLS trusts the authority that it is told, under the name that it is told", async () => {
  await FakeKafka.with(cluster(), async ({ address }) => {
    for (const ssl of [{ ca: authority.cert }, { ca: [authority.cert], servername: "kafka.test" }]) {
      const broker = kafkaBroker({ brokers: [address], ssl });
      await broker.open();
      await broker.close();
    }
  }, certified);
});

Deno.test("open() in TLS tells an authority that is not trusted from a certificate for another name", async () => {
  await FakeKafka.with(() => null, async ({ address }) => {
    const unknown = await openError({ brokers: [address], ssl: true });
    assertStringIncludes(unknown.message, "of an authority that is not trusted here");
    assertStringIncludes(unknown.message, "'ssl.ca'");
    const misnamed = await openError({ brokers: [address], ssl: { ca: authority.cert, servername: "other.test" } });
    assertStringIncludes(misnamed.message, "its certificate is for another name");
    assertStringIncludes(misnamed.message, "'ssl.servername'");
  }, certified);
});

Deno.test("open() in TLS gives up on a server that never answers the handshake", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = listener.accept();
  const address = `127.0.0.1:${(listener.addr as Deno.NetAddr).port}`;
  const { message } = await openError({ brokers: [address], ssl: true });
  assertStringIncludes(message, "no connection within 500 ms");
  (await accepted).close();
  listener.close();
});

Deno.test("close() does not wait for connections that are being opened", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = listener.accept();
  const broker = kafkaBroker({
    brokers: [`127.0.0.1:${(listener.addr as Deno.NetAddr).port}`],
    ssl: true,
    connectTimeoutMs: 600_000,
  });
  const opening = assertRejects(() => broker.open(), BrokerUnavailableError, "connection closed by this client");
  const connection = await accepted;
  await broker.close();
  await opening;
  connection.close();
  listener.close();
});

Deno.test("a broker that was closed tells so", async () => {
  const broker = kafkaBroker({ brokers: ["127.0.0.1:9"] });
  await broker.close();
  await assertRejects(() => broker.open(), BrokerUnavailableError);
  await assertRejects(() => broker.consumer({ groupId: "g" }), BrokerUnavailableError);
});

Deno.test("a topic that is missing and one that is not allowed are told apart", async () => {
  let errorCode = 0;
  await FakeKafka.with(cluster(() => [{ topic: "t", errorCode }]), async ({ address }) => {
    const broker = kafkaBroker({ brokers: [address] });
    const offsets = async () => await (await broker.admin()).offsets([{ topic: "t", partition: 0 }]);
    errorCode = 3;
    const missing = await assertRejects(offsets, UnknownTopicError);
    assertStringIncludes(missing.message, `kafka-topics.sh --bootstrap-server ${address} --create --topic t`);
    errorCode = 29;
    const forbidden = await assertRejects(offsets, AuthorizationError);
    assertStringIncludes(forbidden.message, "Cannot use topic 't': the broker answered TOPIC_AUTHORIZATION_FAILED");
    assertStringIncludes(forbidden.message, "grant the client's principal Read of the topic");
    const consumer = await broker.consumer({ groupId: "g" });
    await assertRejects(
      () => consumer.subscribe(["t"], new Witness()),
      AuthorizationError,
      "TOPIC_AUTHORIZATION_FAILED",
    );
    const produced = await (await broker.producer()).produce({ topic: "t", records: recordsOf(["a"]) });
    assert(produced.kind === "not-applied" && produced.error instanceof AuthorizationError);
    await broker.close();
  });
});
Deno.test("a group that is not allowed is told", async () => {
  const answer: Answering = (request) => {
    if (request.apiKey !== FIND_COORDINATOR) return cluster()(request);
    return new ByteWriter().int32(0).int16(30).string("not you").int32(-1).string("").int32(-1).finish();
  };
  await FakeKafka.with(answer, async ({ address }) => {
    const broker = kafkaBroker({ brokers: [address] });
    const admin = await broker.admin();
    const error = await assertRejects(
      () => admin.groupOffsets("g", [{ topic: "t", partition: 0 }]),
      AuthorizationError,
    );
    assertStringIncludes(
      error.message,
      "find the coordinator of group 'g': the broker answered GROUP_AUTHORIZATION_FAILED",
    );
    assertStringIncludes(error.message, "(not you)");
    await broker.close();
  });
});
