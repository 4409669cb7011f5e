import { assertEquals, assertInstanceOf } from "@std/assert";
import { FencedError } from "../../base/errors.ts";
import { kindOf, made, member, NOW, position, text, valuesOf } from "./embedded_fixture_test.ts";

Deno.test("restart(): a dynamic member has lost its partitions and joins again, a static one keeps them", async () => {
  const { broker } = made();
  const { consumer: dynamic, told } = await member(broker);
  const before = dynamic.groupMetadata();
  broker.restart();
  assertEquals(kindOf(await dynamic.commit([position(0)], before)), "not-applied AssignmentLostError");
  await valuesOf(dynamic);
  assertEquals(told.events, ["assigned 0", "lost 0", "assigned 0"]);
  await dynamic.close();
  const { consumer, told: staticTold } = await member(broker, "i");
  broker.restart();
  await valuesOf(consumer);
  assertEquals(kindOf(await consumer.commit([position(0)], consumer.groupMetadata())), "applied");
  assertEquals(staticTold.events, ["assigned 0"]);
  await broker.close();
});

Deno.test("restart(): an open transaction can be committed", async () => {
  const { broker, values } = made();
  const producer = await broker.transactionalProducer({ transactionalId: "x" });
  await producer.initialize();
  producer.begin();
  await producer.produce(text("a"));
  broker.restart();
  assertEquals(kindOf(await producer.produce(text("b"))), "applied");
  assertEquals(kindOf(await producer.commit()), "applied");
  assertEquals(values(), ["a", "b"]);
  await broker.close();
});

Deno.test("a member that polls too late leaves although its heartbeats went on, and loses what it held", async () => {
  const { broker, clock } = made({ pollIntervalMsMax: 10_000 });
  const { consumer: slow, told } = await member(broker);
  const old = slow.groupMetadata();
  await clock.advance(9_000);
  assertEquals(broker.members("g").length, 1);
  await clock.advance(4_000);
  assertEquals(broker.members("g").length, 0);
  const { consumer: next } = await member(broker);
  assertEquals(next.assignment().length, 1);
  assertEquals(kindOf(await slow.commit([position(1)], old)), "not-applied AssignmentLostError");
  const polled = slow.poll({ ...NOW, timeoutMs: 1_000 });
  await clock.advance(1_000);
  await polled;
  assertEquals(told.events, ["assigned 0", "lost 0"]);
  await broker.close();
});

Deno.test("a static member that polls too late falls silent, and has its seat until its session is over", async () => {
  const { broker, clock } = made({ pollIntervalMsMax: 10_000 });
  const { consumer, told } = await member(broker, "i");
  await clock.advance(30_000);
  assertEquals(broker.members("g").length, 1);
  await clock.advance(50_000);
  assertEquals(broker.members("g").length, 0);
  await valuesOf(consumer);
  assertEquals(told.events, ["assigned 0", "lost 0", "assigned 0"]);
  await broker.close();
});

Deno.test("a member that waits in a poll is not late", async () => {
  const { broker, clock } = made({ pollIntervalMsMax: 10_000 });
  const { consumer } = await member(broker);
  const polled = consumer.poll({ ...NOW, timeoutMs: 60_000 });
  await clock.advance(60_000);
  assertEquals([await polled, broker.members("g").length], [[], 1]);
  await broker.close();
});

Deno.test("a newer member with the same instance id fences the older one, moved coordinator or not", async () => {
  const { broker, clock } = made();
  const { consumer: older, told } = await member(broker, "i");
  assertEquals(await valuesOf(older), []);
  broker.moveCoordinator("g", { forMs: 1_000 });
  const { consumer: newer } = await member(broker, "i");
  await valuesOf(older);
  assertEquals(told.events, ["assigned 0"]);
  await clock.advance(1_000);
  await valuesOf(newer);
  assertInstanceOf(await older.poll(NOW).catch((error) => error), FencedError);
  assertEquals(told.events, ["assigned 0", "lost 0"]);
  await broker.close();
});
