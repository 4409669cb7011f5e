/**
 * The adapters `kafka` and `kafkajs` at the listeners of a real Kafka that want TLS or authentication. Runs when TURBINE_TEST_KAFKA is set
 * and `deno task services up kafka` wrote down how to reach them, or TURBINE_TEST_KAFKA_SECURITY names the file.
 */
import { assert, assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import { createPrivateKey } from "node:crypto";
import { AuthorizationError, NotModelledError } from "../../lib/base/errors.ts";
import type { KafkaBroker } from "../../lib/adapters/kafka/kafka_broker.ts";
import type { KafkaOptions, KafkaSasl } from "../../lib/adapters/kafka/kafka_options.ts";
import type { ByteWriter } from "../../lib/adapters/kafka/protocol/byte_writer.ts";
import { PLENTY, Witness } from "../contracts/broker_contract_kit.ts";
import { recordsOf, rowsOf } from "../record_rows.ts";
import { ADAPTERS, holdingEnvironment, sendToBroker } from "./kafka_brokers.ts";
import { type KafkaSecurity, testKafkaSecurity } from "./kafka_security.ts";
import { writeScramUsers } from "./scram_users.ts";

const SECURITY = testKafkaSecurity();
const PATIENCE_MS = 20_000;

type Options = Omit<KafkaOptions, "brokers">;

type Kind = keyof typeof ADAPTERS;
const BOTH: readonly Kind[] = ["kafka", "kafkajs"];
/** What only our own connections do. */
const OURS: readonly Kind[] = ["kafka"];
/** The adapter of the test that runs. */
let adapter: Kind = "kafka";

function securityTest(name: string, run: (security: KafkaSecurity) => Promise<void>, kinds = BOTH): void {
  if (SECURITY === undefined) return;
  for (const each of kinds) {
    Deno.test(`${each}: ${name}`, async () => {
      adapter = each;
      await run(SECURITY);
    });
  }
}

if (SECURITY !== undefined) await writeScramUsers(SECURITY);

if (SECURITY === undefined) {
  console.log(
    "cannot: kafka with TLS and SASL: no security.json of 'deno task services up kafka', or no TURBINE_TEST_KAFKA",
  );
}

async function withBroker<T>(address: string, options: Options, use: (broker: KafkaBroker) => Promise<T>): Promise<T> {
  const bounds = { heartbeatIntervalMs: 100, fetchWaitMs: 20 };
  const broker = ADAPTERS[adapter]({ brokers: [address], ...bounds, ...options }, holdingEnvironment());
  try {
    return await use(broker);
  } finally {
    await broker.close();
  }
}

async function openError(address: string, options: Options): Promise<Error> {
  return await withBroker(address, options, (broker) => assertRejects(() => broker.open(), Error));
}

/** Creates a topic, writes and reads it as a member of a group, and commits. */
async function roundTrip(broker: KafkaBroker): Promise<void> {
  const topic = `security-${crypto.randomUUID()}`;
  await (await broker.admin()).createTopics([{ topic, partitions: 1 }]);
  const produced = await (await broker.producer()).produce({ topic, records: recordsOf(["a", "b"]) });
  assertEquals(produced.kind, "applied");
  const consumer = await broker.consumer({ groupId: topic });
  await consumer.subscribe([topic], new Witness());
  const values: (string | null)[] = [];
  const endMs = performance.now() + PATIENCE_MS;
  while (values.length < 2 && performance.now() < endMs) {
    for (const slab of await consumer.poll({ ...PLENTY, timeoutMs: 50 })) {
      values.push(...rowsOf(slab).map(({ value }) => value));
    }
  }
  assertEquals(values, ["a", "b"]);
  const position = { topic, partition: 0, offset: 2n, leaderEpoch: -1, metadata: "" };
  assertEquals((await consumer.commit([position], consumer.groupMetadata())).kind, "applied");
  await consumer.close();
}

/** A token that a broker takes which checks no signature. */
function tokenOf(user: string): string {
  const part = (value: unknown) =>
    btoa(JSON.stringify(value)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const seconds = Date.now() / 1_000;
  return `${part({ alg: "none" })}.${part({ sub: user, iat: seconds - 5, exp: seconds + 600 })}.`;
}

function oauth(user: string): KafkaSasl {
  return { mechanism: "oauthbearer", oauthBearerProvider: () => Promise.resolve({ value: tokenOf(user) }) };
}

for (const mechanism of ["plain", "scram-sha-256", "scram-sha-512"] as const) {
  securityTest(`${mechanism} lets a user write and read`, async ({ saslPlaintext, users }) => {
    const sasl = { mechanism, username: "alice", password: users.alice };
    await withBroker(saslPlaintext, { sasl }, roundTrip);
  });

  securityTest(`${mechanism} in TLS lets a user write and read`, async ({ saslSsl, ca, users }) => {
    const sasl = { mechanism, username: "bob", password: users.bob };
    await withBroker(saslSsl, { sasl, ssl: { ca } }, roundTrip);
  });

  securityTest(`${mechanism} with a wrong password is refused`, async ({ saslPlaintext, users }) => {
    const sasl = { mechanism, username: "alice", password: users.bob };
    const error = await openError(saslPlaintext, { sasl });
    assertInstanceOf(error, AuthorizationError);
    const name = mechanism.toUpperCase();
    const said = mechanism === "plain"
      ? "Authentication failed: Invalid username or password"
      : `Authentication failed during authentication due to invalid credentials with SASL mechanism ${name}`;
    assertEquals(
      error.message,
      `Cannot authenticate at broker ${saslPlaintext} by ${name}: the broker refused user 'alice' (${said}), check user ` +
        "and password of 'sasl', and that the user has credentials for this mechanism",
    );
  });
}

securityTest("oauthbearer in TLS lets a user write and read", async ({ saslSsl, ca }) => {
  await withBroker(saslSsl, { sasl: oauth("alice"), ssl: { ca } }, roundTrip);
});

securityTest("oauthbearer with a token that is none is refused", async ({ saslSsl, ca }) => {
  const sasl = { ...oauth("alice"), oauthBearerProvider: () => Promise.resolve({ value: "none" }) } as KafkaSasl;
  const error = await openError(saslSsl, { sasl, ssl: { ca } });
  assertInstanceOf(error, AuthorizationError);
  const said = adapter === "kafka" ? ' ({"status":"invalid_token"})' : "";
  assertStringIncludes(error.message, `the broker refused the token${said}, check its issuer, audience and scope`);
});

securityTest("a mechanism that the listener does not offer is refused with those that it offers", async (security) => {
  const error = await openError(security.saslPlaintext, { sasl: oauth("alice") });
  assertInstanceOf(error, AuthorizationError);
  if (adapter === "kafkajs") return assertStringIncludes(error.message, "this listener does not offer it");
  for (const name of ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]) assertStringIncludes(error.message, name);
  assertStringIncludes(error.message, "set 'sasl.mechanism' to one of these");
});

securityTest(
  "a client's certificate lets it write and read, also with an encrypted key",
  async ({ ssl, ca, client }) => {
    await withBroker(ssl, { ssl: { ca, cert: client.cert, key: client.key } }, roundTrip);
    const locked = { type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "pass" } as const;
    const key = String(createPrivateKey(client.key).export(locked));
    await withBroker(ssl, { ssl: { ca, cert: client.cert, key, passphrase: "pass" } }, (broker) => broker.open());
  },
);

type Mismatch = readonly [
  what: string,
  at: keyof KafkaSecurity,
  options: (security: KafkaSecurity) => Options,
  text: string,
];
const plain = ({ users }: KafkaSecurity): KafkaSasl => ({
  mechanism: "plain",
  username: "alice",
  password: users.alice,
});
const MISMATCHES: readonly Mismatch[] = [
  ["no certificate where one is wanted", "ssl", ({ ca }) => ({ ssl: { ca } }), "check 'ssl.cert' and 'ssl.key'"],
  ["an authority that is not trusted", "ssl", () => ({ ssl: true }), "give the authority's as 'ssl.ca'"],
  ["a TLS client at a plaintext listener", "plaintext", () => ({ ssl: true }), "leave 'ssl' away if it is a plaintext"],
  ["a plaintext client at a TLS listener", "ssl", () => ({}), "it answered in TLS, set 'ssl'"],
  ["SASL outside of TLS at a TLS listener", "saslSsl", (s) => ({ sasl: plain(s) }), "it answered in TLS, set 'ssl'"],
  ["no SASL where it is wanted", "saslPlaintext", () => ({}), "set 'sasl' if this listener wants authentication"],
  [
    "no SASL where it is wanted, in TLS",
    "saslSsl",
    ({ ca }) => ({ ssl: { ca } }),
    "set 'sasl' if this listener wants authentication",
  ],
  ["SASL where none is wanted", "plaintext", (s) => ({ sasl: plain(s) }), "leave 'sasl' away"],
  [
    "a certificate for another name",
    "saslSsl",
    (security) => ({ ssl: { ca: security.ca, servername: "kafka.test" }, sasl: plain(security) }),
    "its certificate is for another name",
  ],
];
for (const [what, at, options, text] of MISMATCHES) {
  securityTest(`${what} is an error that tells so`, async (security) => {
    const { message } = await openError(security[at] as string, options(security));
    assertStringIncludes(message, text);
    assertStringIncludes(message, security[at] as string);
  });
}

securityTest("the port of a controller is told from a broker's", async ({ plaintext }) => {
  const [host, port] = plaintext.split(":");
  const error = await openError(`${host}:${Number(port) + 100}`, {});
  assertInstanceOf(error, NotModelledError);
  assertStringIncludes(error.message, "use the address of a broker, not of a controller");
});

for (const mechanism of ["scram-sha-256", "oauthbearer"] as const) {
  securityTest(`${mechanism} sessions go on past their end`, async ({ saslSsl, ca, users, sessionMs }) => {
    let tokens = 0;
    const provider = () => {
      tokens++;
      return Promise.resolve({ value: tokenOf("alice") });
    };
    const sasl: KafkaSasl = mechanism === "oauthbearer"
      ? { mechanism, oauthBearerProvider: provider }
      : { mechanism, username: "alice", password: users.alice };
    await withBroker(saslSsl, { sasl, ssl: { ca } }, async (broker) => {
      const topic = `security-${crypto.randomUUID()}`;
      await (await broker.admin()).createTopics([{ topic, partitions: 1 }]);
      const witness = new Witness();
      const consumer = await broker.consumer({ groupId: topic });
      await consumer.subscribe([topic], witness);
      const producer = await broker.producer();
      const beganTokens = tokens;
      const [sent, read]: [string[], (string | null)[]] = [[], []];
      const endMs = performance.now() + 2.5 * sessionMs;
      while (performance.now() < endMs || read.length < sent.length) {
        if (performance.now() < endMs) {
          sent.push(`${sent.length}`);
          // The broker would cut the connection of a session that ended, and the outcome would be unknown.
          assertEquals((await producer.produce({ topic, records: recordsOf([sent.at(-1)!]) })).kind, "applied");
        }
        const slabs = await consumer.poll({ ...PLENTY, timeoutMs: 50 });
        read.push(...slabs.flatMap((slab) => rowsOf(slab).map(({ value }) => value)));
        assert(performance.now() < endMs + PATIENCE_MS);
      }
      assertEquals(read, sent);
      assertEquals(witness.events, ["assigned 0"]);
      if (mechanism === "oauthbearer") assert(tokens >= beganTokens + 4, `only ${tokens - beganTokens} new tokens`);
      await consumer.close();
    });
  });
}

const RESOURCE = { topic: 2, group: 3, transactionalId: 5 } as const;
const ALL = 2;
const [DENY, ALLOW] = [2, 3] as const;

const TOPIC_STEP =
  "grant the client's principal Read of the topic (Write, to publish) with kafka-acls.sh, or use other " +
  "credentials";

/** Sets who may use something. */
async function rule(
  { plaintext }: KafkaSecurity,
  on: {
    readonly kind: keyof typeof RESOURCE;
    readonly name: string;
    readonly user: string;
    readonly permission: number;
  },
): Promise<void> {
  await sendToBroker(plaintext, {
    apiKey: 30,
    version: 1,
    name: "CreateAcls",
    write: (w: ByteWriter) => {
      w.int32(1).int8(RESOURCE[on.kind]).string(on.name).int8(3);
      w.string(`User:${on.user}`).string("*").int8(ALL).int8(on.permission);
    },
    read: (r) => {
      r.int32();
      r.array(() => assertEquals([r.int16(), r.string()], [0, ""]));
    },
  });
}

/** Tries until the rules have reached the broker. */
async function forbidden(attempt: () => Promise<unknown>): Promise<AuthorizationError> {
  const endMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = await attempt().then(() => null, (error: unknown) => error);
    if (found !== null || performance.now() > endMs) {
      assertInstanceOf(found, AuthorizationError);
      return found;
    }
  }
}

securityTest("what a user may not use is told with its name, and another user may use it", async (security) => {
  const name = `security-${crypto.randomUUID()}`;
  await withBroker(security.plaintext, {}, async (broker) => {
    await (await broker.admin()).createTopics([{ topic: name, partitions: 1 }]);
  });
  for (const kind of ["topic", "group", "transactionalId"] as const) {
    await rule(security, { kind, name, user: "alice", permission: DENY });
    await rule(security, { kind, name, user: "bob", permission: ALLOW });
  }
  const ssl = { ca: security.ca };
  await withBroker(security.saslSsl, { ssl, sasl: plain(security) }, async (broker) => {
    const admin = await broker.admin();
    const place = { topic: name, partition: 0 };
    const offsets = await forbidden(() => admin.offsets([place]));
    const topicText = `Cannot use topic '${name}': the broker answered TOPIC_AUTHORIZATION_FAILED, ${TOPIC_STEP}`;
    assertEquals(offsets.message, topicText);
    const consumer = await broker.consumer({ groupId: name });
    assertEquals((await forbidden(() => consumer.subscribe([name], new Witness()))).message, topicText);
    assertEquals(
      (await forbidden(() => admin.groupOffsets(name, [place]))).message,
      `Cannot find the coordinator of group '${name}': the broker answered GROUP_AUTHORIZATION_FAILED (Group ` +
        "authorization failed), grant the client's principal Read of the group with kafka-acls.sh, or use other credentials",
    );
    const transactional = await broker.transactionalProducer({ transactionalId: name });
    const initialized = await transactional.initialize();
    assert(initialized.kind === "not-applied");
    assertEquals(
      initialized.error.message,
      `Cannot find the coordinator of transactional id '${name}': the broker answered ` +
        "TRANSACTIONAL_ID_AUTHORIZATION_FAILED (Transactional Id authorization failed), grant the client's principal Write on the transactional id with " +
        "kafka-acls.sh, or use other credentials",
    );
    const produced = await (await broker.producer()).produce({ topic: name, records: recordsOf(["a"]) });
    assert(produced.kind === "not-applied");
    assertEquals(produced.error.message, topicText);
  });
  const sasl = { mechanism: "scram-sha-512", username: "bob", password: security.users.bob } as const;
  await withBroker(security.saslSsl, { ssl, sasl }, async (broker) => {
    assertEquals((await (await broker.admin()).offsets([{ topic: name, partition: 0 }]))[0]!.logEnd, 0n);
    const producer = await broker.producer();
    assertEquals((await producer.produce({ topic: name, records: recordsOf(["a"]) })).kind, "applied");
  });
});

securityTest(
  "a user that is taken away while a connection is used is refused at the next renewal",
  async (security) => {
    const { saslSsl, ca, sessionMs } = security;
    let isKnown = true;
    const provider = () => Promise.resolve({ value: isKnown ? tokenOf("alice") : "none" });
    const sasl: KafkaSasl = { mechanism: "oauthbearer", oauthBearerProvider: provider };
    await withBroker(saslSsl, { ssl: { ca }, sasl }, async (broker) => {
      const admin = await broker.admin();
      const describe = () => admin.describeTopics([`security-${crypto.randomUUID()}`]);
      await describe();
      isKnown = false;
      await new Promise((resolve) => setTimeout(resolve, sessionMs));
      await assertRejects(describe, AuthorizationError, "invalid_token");
    });
  },
  OURS,
);
