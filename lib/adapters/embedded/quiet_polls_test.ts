import { assertEquals } from "@std/assert";
import type { Consumer } from "../../seams/broker.ts";
import { SeededRandom } from "../../../testing/seeded_random.ts";
import { losingLink } from "../../../testing/traps.ts";
import { NOW, position, stillBroker, text, Told, valuesOf } from "./embedded_fixture_test.ts";

/** A member of group `g` that has read topic `t` to its end, and the requests that it sends from now on. */
async function quietMember(partitions = 1) {
  const { broker, clock } = stillBroker();
  broker.createTopic("t", partitions);
  broker.createTopic("other");
  const environment = { clock, random: new SeededRandom(2), observer: { step: () => {}, log: () => {} } };
  const calls: string[] = [];
  const connection = broker.connect(environment, (server) => losingLink(server, (call) => void calls.push(call)));
  const told = new Told();
  const consumer = await connection.consumer({ groupId: "g" });
  await consumer.subscribe(["t"], told);
  assertEquals(await valuesOf(consumer), []);
  assertEquals(await valuesOf(consumer), []);
  calls.length = 0;
  const callsOfPoll = async (of: Consumer = consumer): Promise<string> => {
    await of.poll(NOW);
    return calls.splice(0).join();
  };
  return { broker, clock, consumer, told, callsOfPoll };
}

Deno.test("a poll of a topic that was read to its end asks nobody as long as nothing happens to it", async () => {
  const { broker, callsOfPoll } = await quietMember();
  for (let i = 0; i < 3; i++) assertEquals(await callsOfPoll(), "");
  broker.put("other", ["a"]);
  assertEquals(await callsOfPoll(), "", "another topic");
  const producer = await broker.transactionalProducer({ transactionalId: "x" });
  await producer.initialize();
  assertEquals(await callsOfPoll(), "", "a producer");
  const stranger = await broker.consumer({ groupId: "strangers" });
  await stranger.subscribe(["t"], new Told());
  await stranger.commit([position(0)], stranger.groupMetadata());
  assertEquals(await callsOfPoll(), "", "another group");
  await broker.close();
});

Deno.test("after a second without news a quiet member asks anyway", async () => {
  const { broker, clock, callsOfPoll } = await quietMember();
  await clock.advance(999);
  assertEquals(await callsOfPoll(), "");
  await clock.advance(1);
  assertEquals(await callsOfPoll(), "heartbeat,fetch");
  await broker.close();
});

Deno.test("a quiet member sees records, and the end of a transaction, with its next poll", async () => {
  const { broker, consumer } = await quietMember();
  broker.put("t", ["a"]);
  assertEquals(await valuesOf(consumer), ["a"]);
  const producer = await broker.transactionalProducer({ transactionalId: "x" });
  await producer.initialize();
  producer.begin();
  await producer.produce(text("b"));
  assertEquals(await valuesOf(consumer), []);
  assertEquals(await valuesOf(consumer), []);
  await producer.commit();
  assertEquals(await valuesOf(consumer), ["b"]);
  await broker.close();
});

Deno.test("a quiet member fetches again after a seek, and what was paused after a resume", async () => {
  const { broker, consumer, callsOfPoll } = await quietMember(2);
  const [first, second] = [0, 1].map((partition) => ({ topic: "t", partition }));
  broker.put("t", ["a"], 0);
  assertEquals(await valuesOf(consumer), ["a"]);
  assertEquals(await valuesOf(consumer), []);
  consumer.seek(first!, 0n);
  assertEquals(await valuesOf(consumer), ["a"]);
  consumer.pause([second!]);
  broker.put("t", ["b"], 1);
  assertEquals(await valuesOf(consumer), []);
  await callsOfPoll();
  assertEquals(await callsOfPoll(), "");
  consumer.resume([first!]);
  assertEquals(await callsOfPoll(), "", "it was not paused");
  consumer.resume([second!]);
  assertEquals(await valuesOf(consumer), ["b"]);
  await broker.close();
});

Deno.test("a quiet member takes part in a rebalance with its next poll", async () => {
  const { broker, consumer, told } = await quietMember();
  broker.rebalance("g");
  await consumer.poll(NOW);
  assertEquals(told.events, ["assigned 0", "revoked 0", "assigned 0"]);
  await broker.close();
});

Deno.test("wake() ends the wait of a quiet member, and so does a closed connection", async () => {
  const { broker, consumer } = await quietMember();
  const woken = consumer.poll({ ...NOW, timeoutMs: 60_000 });
  consumer.wake();
  assertEquals(await woken, []);
  const left = consumer.poll({ ...NOW, timeoutMs: 60_000 }).catch((error: Error) => error.name);
  await consumer.close();
  assertEquals(await left, []);
  await broker.close();
});
