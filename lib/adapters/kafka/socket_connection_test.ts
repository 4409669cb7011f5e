import { assert, assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import { FakeClock } from "../../../testing/fake_clock.ts";
import { BrokerUnavailableError, NotModelledError } from "../../base/errors.ts";
import {
  type Answering,
  calm,
  type FakeAnswer,
  FakeKafka,
  replyFrame,
  until,
  versionsReply,
} from "./fake_kafka_test.ts";
import { parseAddress } from "./kafka_options.ts";
import { processEnvironment } from "./process_environment.ts";
import { ByteWriter } from "./protocol/byte_writer.ts";
import type { Call } from "./protocol/call.ts";
import { heartbeatCall } from "./protocol/group_calls.ts";
import { SocketConnection } from "./socket_connection.ts";

const BOUNDS = { ssl: false, sasl: undefined, connectTimeoutMs: 3_000, requestTimeoutMs: 1_000 } as const;
const HEARTBEAT = 12;
const MEMBER = { groupId: "g", memberId: "m", instanceId: null };

/** A heartbeat whose generation and whose reply's code are the same number. */
function beat(number: number): Call<number> {
  return heartbeatCall(MEMBER, number);
}

/** Answers heartbeats with their generation. */
function echo(throttleMs = 0): Answering {
  return ({ apiKey, body }) => {
    if (apiKey !== HEARTBEAT) return null;
    body.string();
    return code(body.int32(), throttleMs);
  };
}

function code(number: number, throttleMs = 0): Uint8Array {
  return new ByteWriter().int32(throttleMs).int16(number).finish();
}

async function withConnection(
  answer: Answering,
  run: (scene: { connection: SocketConnection; server: FakeKafka; clock: FakeClock }) => Promise<void>,
): Promise<void> {
  const clock = new FakeClock();
  await FakeKafka.with(answer, async (server) => {
    const connection = new SocketConnection(parseAddress(server.address), "me", {
      options: BOUNDS,
      environment: { ...processEnvironment(), clock },
    });
    try {
      await connection.open();
      await run({ connection, server, clock });
    } finally {
      connection.destroy();
    }
    assertEquals(clock.sleeperCount, 0, "nothing sleeps on behind a connection that is gone");
  });
}

async function unknownError(sent: Promise<unknown>): Promise<BrokerUnavailableError> {
  const error = await assertRejects(() => sent, BrokerUnavailableError);
  assertEquals(error.outcome, "unknown");
  return error;
}

Deno.test("open() learns versions and features, and tells who asks", async () => {
  const names: string[] = [];
  const answer: Answering = ({ version, body, clientId }) => {
    names.push(`${clientId} ${body.compactString()} ${version}`);
    return versionsReply(version, [[12, 0, 4]], { "transaction.version": 2, "group.version": 1 });
  };
  await withConnection(answer, ({ connection }) => {
    assertEquals(connection.versions, { 12: { minVersion: 0, maxVersion: 4 } });
    assertEquals(connection.features, { "transaction.version": 2, "group.version": 1 });
    assertEquals(names, ["me turbine 3"]);
    assert(connection.isOpen);
    return Promise.resolve();
  });
});

Deno.test("open() asks again in the oldest form when the broker does not know the newest", async () => {
  const asked: number[] = [];
  const answer: Answering = ({ version }) => {
    asked.push(version);
    if (version === 0) return versionsReply(0, [[12, 0, 3]]);
    const writer = new ByteWriter().int16(35);
    return writer.array([18], (apiKey) => writer.int16(apiKey).int16(0).int16(2)).finish();
  };
  await withConnection(answer, ({ connection }) => {
    assertEquals(asked, [3, 0]);
    assertEquals(connection.versions[12], { minVersion: 0, maxVersion: 3 });
    assertEquals(connection.features, {});
    return Promise.resolve();
  });
});

Deno.test("send() does not wait for replies, and gives them in the order of the calls", async () => {
  const held: (() => void)[] = [];
  const answer: Answering = async (request) => {
    if (request.apiKey !== HEARTBEAT) return null;
    if (held.length === 0) await new Promise<void>((resolve) => held.push(resolve));
    return await echo()(request);
  };
  await withConnection(answer, async ({ connection }) => {
    const replies = Promise.all([1, 2, 3].map((number) => connection.send(beat(number))));
    await until(() => held.length === 1);
    held[0]!();
    assertEquals(await replies, [1, 2, 3]);
  });
});

Deno.test("a reply that comes in pieces, and several that come at once, are the same as any", async () => {
  let pieces = new Uint8Array(0);
  const answer: Answering = ({ apiKey, version, body }) => {
    if (apiKey !== HEARTBEAT) return versionsReply(version);
    body.string();
    const number = body.int32();
    // Replies are held back until the third, then come as one piece.
    pieces = new Uint8Array([...pieces, ...replyFrame(number + 1, code(number))]);
    return number === 3 ? { raw: pieces } : null;
  };
  await withConnection(answer, async ({ connection }) => {
    assertEquals(await Promise.all([1, 2, 3].map((number) => connection.send(beat(number)))), [1, 2, 3]);
  });
});

Deno.test("a reply of many megabytes arrives whole", async () => {
  const big = new Uint8Array(9_000_001).map((_, at) => at * 31 + (at >> 8));
  const call: Call<Uint8Array> = { ...beat(1), read: (r) => r.raw(r.bytes.length - r.at) };
  await withConnection(({ apiKey }) => apiKey === HEARTBEAT ? big : null, async ({ connection }) => {
    const [one, two] = await Promise.all([connection.send(call), connection.send(call)]);
    assertEquals(one.length, big.length);
    assert(one.every((byte, at) => byte === big[at]) && two.every((byte, at) => byte === big[at]));
    assert(one.buffer !== two.buffer, "each reply has a buffer of its own");
  });
});

Deno.test("a request of many megabytes is sent whole", async () => {
  const big = new Uint8Array(9_000_001).map((_, at) => at * 31 + (at >> 8));
  let isSame = false;
  const answer: Answering = ({ apiKey, body }) => {
    if (apiKey !== HEARTBEAT) return null;
    const found = body.raw(big.length);
    isSame = found.every((byte, at) => byte === big[at]) && body.at === body.bytes.length;
    return code(4);
  };
  await withConnection(answer, async ({ connection }) => {
    assertEquals(await connection.send({ ...beat(1), write: (w) => void w.raw(big) }), 4);
    assert(isSame);
  });
});

Deno.test("a call without a reply in its time is unknown, and so is what was sent behind it", async () => {
  await withConnection((request) => request.apiKey === HEARTBEAT ? null : echo()(request), async (scene) => {
    const { connection, server, clock } = scene;
    const sent = [1, 2].map((number) => connection.send(beat(number)).catch((error: unknown) => error));
    await until(() => server.requests.length === 2);
    await clock.advance(999);
    assert(connection.isOpen);
    await clock.advance(1);
    for (const error of await Promise.all(sent)) {
      assertInstanceOf(error, BrokerUnavailableError);
      assertEquals(error.outcome, "unknown");
      assertStringIncludes(error.message, "before the reply to Heartbeat: no reply within 1000 ms");
    }
    assertEquals(connection.isOpen, false);
  });
});

Deno.test("a call may be waited for longer than usual, and one behind it in its own time", async () => {
  const held: (() => void)[] = [];
  const answer: Answering = async (request) => {
    if (request.apiKey !== HEARTBEAT) return null;
    await new Promise<void>((resolve) => held.push(resolve));
    return await echo()(request);
  };
  await withConnection(answer, async ({ connection, clock }) => {
    const patient = connection.send(beat(1), { timeoutMs: 5_000 });
    await until(() => held.length === 1);
    await clock.advance(4_900);
    held[0]!();
    assertEquals(await patient, 1);
    // The watch that was set for the first one does not make the second one wait longer.
    const impatient = unknownError(connection.send(beat(2)));
    await until(() => held.length === 2);
    await clock.advance(1_000);
    await impatient;
    held[1]!();
  });
});

Deno.test("a call whose connection ends before the reply is unknown", async () => {
  await withConnection(({ apiKey }) => apiKey === HEARTBEAT ? "hang-up" : null, async ({ connection }) => {
    const { message } = await unknownError(connection.send(beat(1)));
    assertStringIncludes(message, "the broker closed the connection, set 'sasl' if this listener wants authentication");
  });
});

Deno.test("destroy() makes calls under way unknown and later ones not applied", async () => {
  await withConnection((request) => request.apiKey === HEARTBEAT ? null : echo()(request), async (scene) => {
    const { connection, server } = scene;
    const sent = unknownError(connection.send(beat(1)));
    await until(() => server.requests.length === 1);
    connection.destroy();
    connection.destroy();
    assertStringIncludes((await sent).message, "connection closed by this client");
    const late = await assertRejects(() => connection.send(beat(2)), BrokerUnavailableError);
    assertEquals([late.outcome, connection.isOpen], ["not-applied", false]);
  });
});

const BROKEN: readonly (readonly [found: string, answer: FakeAnswer, text: string])[] = [
  ["out of turn", { raw: replyFrame(77, code(1)) }, "a reply to request 77 came out of turn"],
  ["too short to be read", { raw: replyFrame(2, new Uint8Array(3)) }, "bytes are missing"],
  ["cut off", { raw: replyFrame(2, code(1)).slice(0, 9) }, "no reply within"],
  ["of an impossible size", { raw: new Uint8Array([255, 255, 255, 255]) }, "announced a message of -1 bytes"],
];
for (const [found, answer, text] of BROKEN) {
  Deno.test(`a reply ${found} leaves the call unknown and ends the connection`, async () => {
    await withConnection(({ apiKey }) => apiKey === HEARTBEAT ? answer : null, async (scene) => {
      const { connection, clock, server } = scene;
      const sent = unknownError(connection.send(beat(1)));
      await until(() => server.requests.length === 1);
      await calm();
      await clock.advance(1_000);
      assertStringIncludes((await sent).message, text);
      assertEquals(connection.isOpen, false);
    });
  });
}

Deno.test("a broker that throttles is left alone for the time it asks for", async () => {
  await withConnection(echo(500), async ({ connection, server, clock }) => {
    assertEquals(await connection.send(beat(1)), 1);
    const [next, behind] = [connection.send(beat(2)), connection.send(beat(3))];
    await calm();
    await clock.advance(499);
    await calm();
    assertEquals(server.requests.length, 1);
    await clock.advance(1);
    assertEquals(await next, 2);
    await calm();
    assertEquals(server.requests.length >= 2, true);
    await clock.advance(500);
    assertEquals(await behind, 3);
  });
});

Deno.test("a call that waits for a throttled broker is not applied when the connection is lost", async () => {
  await withConnection(echo(500), async ({ connection, server }) => {
    await connection.send(beat(1));
    const waiting = assertRejects(() => connection.send(beat(2)), BrokerUnavailableError);
    server.cut();
    const error = await waiting;
    assertEquals(error.outcome, "not-applied");
    assertStringIncludes(error.message, "Cannot send Heartbeat");
  });
});

const UNSPOKEN: readonly (readonly [string, readonly (readonly [number, number, number])[], string])[] = [
  [
    "is too old",
    [[HEARTBEAT, 0, 2]],
    "it speaks versions 0 to 2 of Heartbeat, this client needs version 3, use Kafka 2.8",
  ],
  ["is too new", [[HEARTBEAT, 4, 5]], "this client needs version 3, use a newer version of this library"],
  ["is no broker", [[18, 0, 3]], "it does not speak Heartbeat, use the address of a broker, not of a controller"],
];
for (const [found, entries, text] of UNSPOKEN) {
  Deno.test(`send() to a server that ${found} sends nothing and tells what to do`, async () => {
    await withConnection(({ version }) => versionsReply(version, entries), async ({ connection, server }) => {
      const { message } = await assertRejects(() => connection.send(beat(1)), NotModelledError);
      assertStringIncludes(message, text);
      assertEquals([server.requests.length, connection.isOpen], [0, true]);
    });
  });
}

Deno.test("a connection that was idle for long is not used any more: the broker may be closing it", async () => {
  await withConnection(echo(), async ({ connection, clock }) => {
    await connection.send(beat(1));
    await clock.advance(539_999);
    assertEquals(connection.isOpen, true);
    await clock.advance(1);
    assertEquals(connection.isOpen, false);
  });
});
