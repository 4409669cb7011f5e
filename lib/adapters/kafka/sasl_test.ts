import { assert, assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import { FakeClock } from "../../../testing/fake_clock.ts";
import { AuthorizationError, BrokerUnavailableError } from "../../base/errors.ts";
import { type Answering, calm, FakeKafka, type FakeRequest, until, versionsReply } from "./fake_kafka_test.ts";
import { type KafkaSasl, parseAddress } from "./kafka_options.ts";
import { processEnvironment } from "./process_environment.ts";
import { ByteWriter } from "./protocol/byte_writer.ts";
import { heartbeatCall } from "./protocol/group_calls.ts";
import { SocketConnection } from "./socket_connection.ts";

const HANDSHAKE = 17;
const AUTHENTICATE = 36;
const HEARTBEAT = 12;
const NO_BYTES = new Uint8Array(0);
const PLAIN: KafkaSasl = { mechanism: "plain", username: "alice", password: "secret" };
const RANDOM_MAX = 2 ** 32 - 1;

/** What a broker says to one message of a mechanism. */
interface Said {
  readonly errorCode?: number;
  readonly message?: string | null;
  readonly bytes?: Uint8Array;
  readonly lifetimeMs?: number;
}

function handshake(errorCode = 0, mechanisms: readonly string[] = ["PLAIN"]): Uint8Array {
  const writer = new ByteWriter().int16(errorCode);
  return writer.array(mechanisms, (name) => void writer.string(name)).finish();
}

function said({ errorCode = 0, message = null, bytes = NO_BYTES, lifetimeMs = 0 }: Said, version = 2): Uint8Array {
  const writer = new ByteWriter().int16(errorCode);
  if (version >= 2) writer.compactString(message).unsignedVarint(bytes.length + 1).raw(bytes);
  else writer.string(message).bytes(bytes);
  if (version >= 1) writer.int64(BigInt(lifetimeMs));
  if (version >= 2) writer.noTags();
  return writer.finish();
}

/** The message in a request. */
function messageIn({ version, body }: FakeRequest): Uint8Array {
  return version >= 2 ? body.raw(body.unsignedVarint() - 1) : body.nullableBytes()!;
}

/** A broker that takes each message of a mechanism as `say` tells. */
function broker(say: (message: Uint8Array, turn: number) => Said, more: { readonly handshake?: Uint8Array } = {}) {
  let turn = 0;
  const answer: Answering = (request) => {
    if (request.apiKey === HANDSHAKE) return more.handshake ?? handshake();
    if (request.apiKey === AUTHENTICATE) return said(say(messageIn(request), turn++), request.version);
    return request.apiKey === HEARTBEAT ? new ByteWriter().int32(0).int16(0).finish() : null;
  };
  return answer;
}

interface Scene {
  readonly connection: SocketConnection;
  readonly server: FakeKafka;
  readonly clock: FakeClock;
}

async function withSasl(sasl: KafkaSasl, answer: Answering, run: (scene: Scene) => Promise<void>): Promise<void> {
  const clock = new FakeClock();
  await FakeKafka.with(answer, async (server) => {
    const connection = new SocketConnection(parseAddress(server.address), "me", {
      options: { ssl: false, sasl, connectTimeoutMs: 3_000, requestTimeoutMs: 1_000 },
      environment: { ...processEnvironment(), clock, random: { uint32: () => RANDOM_MAX } },
    });
    try {
      await run({ connection, server, clock });
    } finally {
      connection.destroy();
    }
    assertEquals(clock.sleeperCount, 0);
  });
}

async function refusal(sasl: KafkaSasl, answer: Answering): Promise<string> {
  let text = "";
  await withSasl(sasl, answer, async ({ connection }) => {
    text = (await assertRejects(() => connection.open(), AuthorizationError)).message;
    assertEquals(connection.isOpen, false);
  });
  return text;
}

const beat = heartbeatCall({ groupId: "g", memberId: "m", instanceId: null }, 1);

Deno.test("PLAIN sends user and password as RFC 4616 says", async () => {
  const seen: string[] = [];
  const answer = broker((message) => {
    seen.push(new TextDecoder().decode(message));
    return {};
  });
  await withSasl(PLAIN, answer, async ({ connection, server }) => {
    await connection.open();
    assertEquals(seen, ["\0alice\0secret"]);
    assertEquals(server.apiKeys, [HANDSHAKE, AUTHENTICATE]);
    assertEquals(server.requests[0]!.body.string(), "PLAIN");
  });
});

for (const highest of [0, 1, 2]) {
  Deno.test(`SaslAuthenticate is sent in version ${highest} to a broker that speaks no higher one`, async () => {
    const entries = [[HANDSHAKE, 0, 1], [AUTHENTICATE, 0, highest], [HEARTBEAT, 0, 4]] as const;
    const usual = broker(() => ({ lifetimeMs: 1_000 }));
    const answer: Answering = (request) =>
      request.apiKey === 18 ? versionsReply(request.version, entries) : usual(request);
    await withSasl(PLAIN, answer, async ({ connection, server, clock }) => {
      await connection.open();
      assertEquals(server.requests.map(({ version }) => version), [1, highest]);
      // A lifetime is told since version 1.
      await clock.advance(1_000);
      await connection.send(beat);
      assertEquals(server.apiKeys.length, highest === 0 ? 3 : 5);
    });
  });
}

Deno.test("a mechanism that the listener does not offer is refused with those that it offers", async () => {
  const answer = broker(() => ({}), { handshake: handshake(33, ["SCRAM-SHA-512", "OAUTHBEARER"]) });
  const message = await refusal(PLAIN, answer);
  assertStringIncludes(message, "by PLAIN: this listener offers SCRAM-SHA-512, OAUTHBEARER, set 'sasl.mechanism'");
});

Deno.test("a listener without authentication is told from one that refuses", async () => {
  const message = await refusal(PLAIN, broker(() => ({}), { handshake: handshake(34, []) }));
  assertStringIncludes(message, "takes no authentication, leave 'sasl' away");
});

Deno.test("a wrong password is refused with the broker's words, and is not in the message", async () => {
  const message = await refusal(PLAIN, broker(() => ({ errorCode: 58, message: "Invalid username or password" })));
  assertStringIncludes(
    message,
    "the broker refused user 'alice' (Invalid username or password), check user and password",
  );
  assert(!message.includes("secret"));
});

Deno.test("a broker that cannot prove that it knows the password is not trusted", async () => {
  const sasl: KafkaSasl = { mechanism: "scram-sha-256", username: "alice", password: "secret" };
  const answer = broker((message, turn) => {
    const nonce = /r=([^,]+)/.exec(new TextDecoder().decode(message))![1];
    const text = turn === 0 ? `r=${nonce}x,s=c2FsdA==,i=4096` : "v=c2lnbmF0dXJl";
    return { bytes: new TextEncoder().encode(text) };
  });
  const message = await refusal(sasl, answer);
  assertStringIncludes(message, "by SCRAM-SHA-256: the broker is not trusted: it could not prove that it knows");
});

function oauth(oauthBearerProvider: () => Promise<{ value: string; extensions?: Record<string, string> }>): KafkaSasl {
  return { mechanism: "oauthbearer", oauthBearerProvider };
}

Deno.test("OAUTHBEARER sends token and extensions as RFC 7628 says", async () => {
  const seen: string[] = [];
  const answer = broker((message) => {
    seen.push(new TextDecoder().decode(message));
    return {};
  });
  const provider = () => Promise.resolve({ value: "a.b-c_d.", extensions: { traceId: "1 2", pool: "x" } });
  await withSasl(oauth(provider), answer, async ({ connection }) => {
    await connection.open();
    assertEquals(seen, ["n,,\x01auth=Bearer a.b-c_d.\x01traceId=1 2\x01pool=x\x01\x01"]);
  });
});

Deno.test("OAUTHBEARER acknowledges what the broker says of a bad token, and then tells it", async () => {
  const seen: string[] = [];
  const answer = broker((message, turn) => {
    seen.push(new TextDecoder().decode(message));
    if (turn === 0) return { bytes: new TextEncoder().encode('{"status":"invalid_token"}') };
    return { errorCode: 58, message: '{"status":"invalid_token"}' };
  });
  const message = await refusal(oauth(() => Promise.resolve({ value: "old" })), answer);
  assertEquals(seen[1], "\x01");
  assertStringIncludes(message, 'refused the token ({"status":"invalid_token"}), check its issuer');
});

Deno.test("a provider of tokens that fails is told as it is, and may be asked again", async () => {
  const provider = () => Promise.reject(new Error("503 from the token server"));
  await withSasl(oauth(provider), broker(() => ({})), async ({ connection }) => {
    const { message } = await assertRejects(() => connection.open(), BrokerUnavailableError);
    assertStringIncludes(message, "'sasl.oauthBearerProvider' failed: 503 from the token server");
    assert(!message.includes("Cannot connect"));
  });
});

Deno.test("a provider of tokens that never answers is given up", async () => {
  const provider = () => new Promise<never>(() => {});
  await withSasl(oauth(provider), broker(() => ({})), async ({ connection, server, clock }) => {
    const opening = assertRejects(() => connection.open(), BrokerUnavailableError);
    await until(() => server.requests.length === 1);
    await calm();
    await clock.advance(1_000);
    assertStringIncludes((await opening).message, "no token within 1000 ms");
  });
});

for (
  const token of [
    { value: "" },
    { value: "with blank" },
    { value: "a\x01auth=Bearer b" },
    { value: "good", extensions: { auth: "x" } },
    { value: "good", extensions: { "two words": "x" } },
    { value: "good", extensions: { name: "a\x01b" } },
  ]
) {
  Deno.test(`OAUTHBEARER refuses ${JSON.stringify(token)} before anything is sent`, async () => {
    await withSasl(oauth(() => Promise.resolve(token)), broker(() => ({})), async ({ connection, server }) => {
      await assertRejects(() => connection.open(), TypeError, "Cannot authenticate");
      assertEquals(server.apiKeys, [HANDSHAKE]);
    });
  });
}

Deno.test("a connection authenticates again before the broker ends its session, in between two calls", async () => {
  let logins = 0;
  const answer = broker(() => ({ lifetimeMs: logins++ === 0 ? 10_000 : 20_000 }));
  await withSasl(PLAIN, answer, async ({ connection, server, clock }) => {
    await connection.open();
    // The greatest random number stands for the latest time: 95 % of the session's life.
    await clock.advance(9_499);
    await connection.send(beat);
    assertEquals(server.apiKeys, [HANDSHAKE, AUTHENTICATE, HEARTBEAT]);
    await clock.advance(1);
    await Promise.all([connection.send(beat), connection.send(beat)]);
    assertEquals(server.apiKeys.slice(3), [HANDSHAKE, AUTHENTICATE, HEARTBEAT, HEARTBEAT]);
    await clock.advance(18_999);
    await connection.send(beat);
    assertEquals(server.apiKeys.slice(7), [HEARTBEAT]);
    await clock.advance(1);
    await connection.send(beat);
    assertEquals(server.apiKeys.slice(8), [HANDSHAKE, AUTHENTICATE, HEARTBEAT]);
    assertEquals(server.connectionCount, 1);
  });
});

Deno.test("a session that lives for ever is never renewed", async () => {
  await withSasl(PLAIN, broker(() => ({ lifetimeMs: 0 })), async ({ connection, server, clock }) => {
    await connection.open();
    for (let minute = 0; minute < 60; minute++) {
      await clock.advance(60_000);
      await connection.send(beat);
    }
    assertEquals(server.apiKeys.filter((apiKey) => apiKey === HANDSHAKE).length, 1);
  });
});

Deno.test("a call that waits for a renewal that is refused is not applied and told why", async () => {
  let logins = 0;
  const answer = broker(() => logins++ === 0 ? { lifetimeMs: 1_000 } : { errorCode: 58, message: "user is gone" });
  await withSasl(PLAIN, answer, async ({ connection, server, clock }) => {
    await connection.open();
    await clock.advance(1_000);
    const error = await connection.send(beat).catch((failure: unknown) => failure);
    assertInstanceOf(error, AuthorizationError);
    assertEquals(error.outcome, "not-applied");
    assertStringIncludes(error.message, "user is gone");
    assertEquals([connection.isOpen, server.apiKeys.includes(HEARTBEAT)], [false, false]);
  });
});
