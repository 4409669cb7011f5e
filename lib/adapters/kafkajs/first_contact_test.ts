/** What a user reads when the first contact with a broker fails, word for word, through both adapters. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type Certified, TestAuthority } from "../../../testing/lanes/certificates.ts";
import { AuthorizationError, BrokerUnavailableError, NotModelledError } from "../../base/errors.ts";
import { kafkaBroker } from "../kafka/kafka.ts";
import { type Answering, FakeKafka, metadataReply, USUAL, versionsReply } from "../kafka/fake_kafka_test.ts";
import type { KafkaBroker } from "../kafka/kafka_broker.ts";
import type { KafkaOptions } from "../kafka/kafka_options.ts";
import { connectText } from "../kafka/socket_texts.ts";
import { ByteWriter } from "../kafka/protocol/byte_writer.ts";
import { kafkajsBroker } from "./kafkajs.ts";

const ADAPTERS = { kafka: kafkaBroker, kafkajs: kafkajsBroker } as const;
type Kind = keyof typeof ADAPTERS;
const KINDS = Object.keys(ADAPTERS) as Kind[];

const [METADATA, SASL_HANDSHAKE, SASL_AUTHENTICATE] = [3, 17, 36] as const;
const [UNSUPPORTED_MECHANISM, ILLEGAL_STATE, REFUSED] = [33, 34, 58] as const;
const CREDENTIALS = { username: "alice", password: "not-hers" };
const SASL = { mechanism: "scram-sha-256", ...CREDENTIALS } as const;
const PLAIN = { mechanism: "plain", ...CREDENTIALS } as const;

type Texts = string | Readonly<Record<Kind, string>>;
type Contact = Omit<KafkaOptions, "brokers">;

/** A message with ADDRESS for the broker's, of both adapters or of each. */
function textOf(texts: Texts, kind: Kind, address: string): string {
  return (typeof texts === "string" ? texts : texts[kind]).replaceAll("ADDRESS", address);
}

async function openError(kind: Kind, brokers: string[], contact: Contact): Promise<Error> {
  const bounds = { connectTimeoutMs: 5_000, requestTimeoutMs: 300 };
  const broker: KafkaBroker = ADAPTERS[kind]({ brokers, ...bounds, ...contact });
  try {
    return await assertRejects(() => broker.open(), Error);
  } finally {
    await broker.close();
  }
}

interface Case {
  readonly what: string;
  readonly answer: Answering;
  readonly contact?: Contact;
  readonly certified?: Certified;
  readonly errorClass?: new (...args: never[]) => Error;
  readonly texts: Texts;
}

function handshake(errorCode: number, mechanisms: readonly string[]): Uint8Array {
  const writer = new ByteWriter().int16(errorCode);
  return writer.array(mechanisms, (name) => writer.string(name)).finish();
}

/** Replies to credentials are in a form that both adapters read. */
const WITH_SASL = [...USUAL.filter(([apiKey]) => apiKey !== SASL_AUTHENTICATE), [SASL_AUTHENTICATE, 0, 1]] as const;

/** A listener with SASL that answers handshake and credentials as told. */
function saslListener(handshakeReply: Uint8Array, refusal = "no such user."): Answering {
  return ({ apiKey, version }) => {
    if (apiKey === SASL_HANDSHAKE) return handshakeReply;
    if (apiKey === SASL_AUTHENTICATE) {
      return new ByteWriter().int16(REFUSED).string(refusal).bytes(new Uint8Array(0)).int64(0n).finish();
    }
    return versionsReply(version, WITH_SASL);
  };
}

const authority = await TestAuthority.create();
const certified = await authority.certify("broker", ["127.0.0.1", "kafka.test"]);
const cluster: Answering = ({ apiKey, address }) => apiKey === METADATA ? metadataReply(address) : null;
const MESSAGE_OF_MAIL = new TextEncoder().encode("220 mail ready\r\n");

const CASES: readonly Case[] = [
  {
    what: "a server that never answers",
    answer: () => "silence",
    texts:
      "Cannot connect to broker ADDRESS: somebody listens there but gave no reply within 300 ms, check address and " +
      "port, and set 'ssl' if it is a TLS listener",
  },
  {
    what: "a server that hangs up",
    answer: () => "hang-up",
    texts:
      "Cannot connect to broker ADDRESS: the broker closed the connection, check address and port, and set 'ssl' if " +
      "it is a TLS listener",
  },
  {
    what: "an HTTP server",
    answer: () => ({ raw: new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n") }),
    texts: "Cannot connect to broker ADDRESS: an HTTP server answered, use the address of a Kafka listener",
  },
  {
    what: "a server of something else",
    answer: () => ({ raw: MESSAGE_OF_MAIL }),
    texts:
      "Cannot connect to broker ADDRESS: it announced a message of 842149920 bytes, which cannot be one of Kafka's, " +
      "use the address of a Kafka listener",
  },
  {
    what: "a TLS listener without 'ssl'",
    answer: () => ({ raw: new Uint8Array([21, 3, 3, 0, 2, 2, 80]) }),
    texts:
      "Cannot connect to broker ADDRESS: it answered in TLS, set 'ssl', or use the address of a plaintext listener",
  },
  {
    what: "a certificate of an authority that is not trusted",
    answer: cluster,
    certified,
    contact: { ssl: true },
    texts: {
      kafka:
        "Cannot connect to broker ADDRESS: its certificate is of an authority that is not trusted here (invalid peer " +
        "certificate: UnknownIssuer), give the authority's as 'ssl.ca'",
      kafkajs:
        "Cannot connect to broker ADDRESS: its certificate is of an authority that is not trusted here (unable to " +
        "verify the first certificate), give the authority's as 'ssl.ca'",
    },
  },
  {
    what: "a certificate for another name",
    answer: cluster,
    certified,
    contact: { ssl: { ca: authority.cert, servername: "other.test" } },
    texts: {
      kafka:
        "Cannot connect to broker ADDRESS: its certificate is for another name (invalid peer certificate: certificate " +
        'not valid for name "other.test"; certificate is only valid for IpAddress(127.0.0.1) or DnsName("kafka.test")), ' +
        "use that name as address, or set 'ssl.servername'",
      kafkajs: "Cannot connect to broker ADDRESS: its certificate is for another name (Hostname/IP does not match " +
        "certificate's altnames: Host: other.test. is not in the cert's altnames: IP Address:127.0.0.1, DNS:kafka.test), " +
        "use that name as address, or set 'ssl.servername'",
    },
  },
  {
    what: "a broker that is too old",
    answer: ({ version }) => versionsReply(version, [[3, 0, 5], [18, 0, 2]]),
    errorClass: NotModelledError,
    texts:
      "Cannot use broker ADDRESS: it speaks versions 0 to 5 of Metadata, this client needs version 10, use Kafka 2.8 " +
      "or newer",
  },
  {
    what: "a controller",
    answer: ({ version }) => versionsReply(version, [[18, 0, 3]]),
    errorClass: NotModelledError,
    texts:
      "Cannot use broker ADDRESS: it does not speak Metadata, use the address of a broker, not of a controller, and " +
      "Kafka 2.8 or newer",
  },
  {
    what: "a wrong password",
    answer: saslListener(handshake(0, ["PLAIN"])),
    contact: { sasl: PLAIN },
    errorClass: AuthorizationError,
    texts:
      "Cannot authenticate at broker ADDRESS by PLAIN: the broker refused user 'alice' (no such user), check user and " +
      "password of 'sasl', and that the user has credentials for this mechanism",
  },
  {
    what: "a mechanism that the listener does not offer",
    answer: saslListener(handshake(UNSUPPORTED_MECHANISM, ["PLAIN", "OAUTHBEARER"])),
    contact: { sasl: SASL },
    errorClass: AuthorizationError,
    texts: {
      kafka: "Cannot authenticate at broker ADDRESS by SCRAM-SHA-256: this listener offers PLAIN, OAUTHBEARER, set " +
        "'sasl.mechanism' to one of these",
      kafkajs: "Cannot authenticate at broker ADDRESS by SCRAM-SHA-256: this listener does not offer it, set " +
        "'sasl.mechanism' to one that it offers",
    },
  },
  {
    what: "credentials at a listener that takes none",
    answer: saslListener(handshake(ILLEGAL_STATE, [])),
    contact: { sasl: SASL },
    errorClass: AuthorizationError,
    texts:
      "Cannot authenticate at broker ADDRESS by SCRAM-SHA-256: this listener takes no authentication, leave 'sasl' " +
      "away or use the address of a SASL listener",
  },
];
for (const kind of KINDS) {
  for (const { what, answer, contact = {}, certified, errorClass = BrokerUnavailableError, texts } of CASES) {
    Deno.test(`${kind}: ${what} is told, with the address and the next step`, async () => {
      await FakeKafka.with(answer, async ({ address }) => {
        const error = await openError(kind, [address], contact);
        assertEquals([error.message, error.constructor.name], [textOf(texts, kind, address), errorClass.name]);
      }, certified);
    });
  }

  Deno.test(`${kind}: an address at which nobody listens is told, with the next step`, async () => {
    const [one, two] = [freeAddress(), freeAddress()];
    const texts = {
      kafka:
        "Cannot connect to broker ADDRESS: nobody listens there (Connection refused (os error 111)), start it, or " +
        "check address and port",
      kafkajs:
        "Cannot connect to broker ADDRESS: nobody listens there (connect ECONNREFUSED ADDRESS), start it, or check " +
        "address and port",
    };
    assertEquals((await openError(kind, [one], {})).message, textOf(texts, kind, one));
    assertEquals(
      (await openError(kind, [one, two], {})).message,
      `Cannot reach any broker of ${one}, ${two}: ${textOf(texts, kind, two)}`,
    );
  });

  Deno.test(`${kind}: 'ssl' at a plaintext listener is told, with the next step`, async () => {
    // A broker takes the handshake for a message of an impossible size and hangs up.
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const serving = (async () => {
      const connection = await listener.accept();
      await connection.read(new Uint8Array(1_000));
      connection.close();
    })();
    const address = `127.0.0.1:${(listener.addr as Deno.NetAddr).port}`;
    const found = {
      kafka: "unexpected end of file",
      kafkajs: "Client network socket disconnected before secure TLS connection was established",
    };
    assertEquals(
      (await openError(kind, [address], { ssl: true })).message,
      `Cannot connect to broker ${address}: the TLS handshake failed (${found[kind]}), leave 'ssl' away if it is a ` +
        "plaintext listener, or check the port",
    );
    await serving;
    listener.close();
  });

  Deno.test(`${kind}: no 'sasl' at a listener that wants it is told, with the next step`, async () => {
    // Versions are told to everybody, once.
    const greeted = new Set<number>();
    const answer: Answering = ({ apiKey, connection }) => {
      if (apiKey === METADATA || greeted.has(connection)) return "hang-up";
      greeted.add(connection);
      return null;
    };
    await FakeKafka.with(answer, async ({ address }) => {
      const tried = {
        kafka: `Connection to broker ${address} was lost before the reply to Metadata`,
        kafkajs: `Cannot connect to broker ${address}`,
      };
      assertEquals(
        (await openError(kind, [address], {})).message,
        `${
          tried[kind]
        }: the broker closed the connection, set 'sasl' if this listener wants authentication, or try again`,
      );
    });
  });

  Deno.test(`${kind}: a mechanism that does not exist is refused at once`, () => {
    const sasl = { mechanism: "gssapi" as "plain", username: "me", password: "secret" };
    const more = kind === "kafkajs" ? ", 'aws'" : "";
    const { message } = assertThrows(() => ADAPTERS[kind]({ brokers: ["a:1"], sasl }), TypeError);
    assertEquals(
      message,
      `Cannot create ${kind} broker as 'sasl.mechanism' must be one of 'plain', 'scram-sha-256', 'scram-sha-512', ` +
        `'oauthbearer'${more}: current value is 'gssapi'`,
    );
  });
}

Deno.test("the options that a user gave are left as they are", async () => {
  const sasl = Object.freeze({ ...PLAIN });
  await FakeKafka.with(saslListener(handshake(0, ["PLAIN"])), async ({ address }) => {
    for (const kind of KINDS) await openError(kind, [address], { sasl });
  });
  assertEquals(sasl, PLAIN);
});

Deno.test("a host name that nobody knows is told, whoever looks it up", () => {
  const next = "check the address";
  for (const found of ["failed to lookup address information: Name or service not known", "getaddrinfo ENOTFOUND a"]) {
    assertEquals(connectText(new Error(found), false), `its host name is not known (${found}), ${next}`);
  }
});

Deno.test("a process that may not use the network is told the flag", () => {
  const found = 'Requires net access to "kafka.test:9092", run again with the --allow-net flag';
  assertEquals(
    connectText(new Deno.errors.NotCapable(found), false),
    "this process may not connect to it, run it with --allow-net=kafka.test:9092 (the cluster's other brokers need it too)",
  );
});

function freeAddress(): string {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  return `127.0.0.1:${port}`;
}
