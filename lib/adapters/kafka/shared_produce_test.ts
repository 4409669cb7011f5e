import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { AuthorizationError, BrokerTimeoutError, TransactionAbortedError } from "../../base/errors.ts";
import type { Outcome } from "../../base/outcome.ts";
import type { ProducedRange, ProduceRequest } from "../../seams/broker.ts";
import { recordsOf } from "../../../testing/record_rows.ts";
import { FakeCoordinator } from "./fake_coordinator_test.ts";
import { KafkaTransactionalProducer } from "./kafka_transactional_producer.ts";

const GROUP = { groupId: "g", generation: -1, memberId: "", instanceId: null };
const TOPIC_REFUSED = 29;
const TOO_LARGE = 10;

/** A record for `topic/partition`. */
function requestOf(place: string, values: readonly string[] = ["aaaa"]): ProduceRequest {
  const [topic, partition] = place.split("/");
  return { topic: topic!, records: recordsOf(values), partitions: Number(partition) };
}

/** Calls that do not wait for each other. */
async function produceAll(producer: KafkaTransactionalProducer, places: readonly string[]): Promise<string[]> {
  const outcomes = await Promise.all(places.map((place) => producer.produce(requestOf(place))));
  return outcomes.map(textOf);
}

function textOf(outcome: Outcome<readonly ProducedRange[]>): string {
  if (outcome.kind !== "applied") return `${outcome.kind} ${outcome.error.name}`;
  return outcome.value.map(({ topic, partition, firstOffset }) => `${topic}/${partition} at ${firstOffset}`).join();
}

async function begun(fake: FakeCoordinator): Promise<KafkaTransactionalProducer> {
  const producer = new KafkaTransactionalProducer(fake.client, { transactionalId: "x" });
  assertEquals((await producer.initialize()).kind, "applied");
  producer.begin();
  fake.taken();
  return producer;
}

/** The transaction cannot be committed; the next one can, and begins with new sequence numbers. */
async function assertSpoiled(fake: FakeCoordinator, producer: KafkaTransactionalProducer): Promise<void> {
  const outcome = await producer.commit();
  assert(outcome.kind === "not-applied");
  assertInstanceOf(outcome.error, TransactionAbortedError);
  assertEquals((await producer.abort()).kind, "applied");
  fake.refusal = () => 0;
  fake.fate = () => "pass";
  fake.taken();
  producer.begin();
  const outcomes = await Promise.all(["t/0", "u/0"].map((place) => producer.produce(requestOf(place, ["next"]))));
  assertEquals(outcomes.map(({ kind }) => kind), ["applied", "applied"]);
  assertEquals(fake.takenRequests(), [["t/0 #0", "u/0 #0"]]);
  assertEquals((await producer.commit()).kind, "applied");
  assertEquals([fake.visible(0, "t"), fake.visible(0, "u")], [["next"], ["next"]]);
}

/** A test of each generation. */
function each(name: string, run: (fake: FakeCoordinator, generation: 1 | 2) => Promise<void>): void {
  for (const generation of [1, 2] as const) {
    Deno.test(`generation ${generation}: ${name}`, () => run(new FakeCoordinator(generation), generation));
  }
}

each("calls that do not wait share requests, and each is told of its own records", async (fake, generation) => {
  const producer = await begun(fake);
  const told = await produceAll(producer, ["t/1", "u/0", "t/0", "t/1", "u/0"]);
  assertEquals(told, ["t/1 at 0", "u/0 at 0", "t/0 at 0", "t/1 at 1", "u/0 at 1"]);
  assertEquals(fake.seen.filter(({ name }) => name === "AddPartitionsToTxn").length, generation === 1 ? 1 : 0);
  assertEquals(fake.takenRequests(), [["t/1 #0", "t/0 #0", "u/0 #0"], ["t/1 #1", "u/0 #1"]]);
  assertEquals(await produceAll(producer, ["t/1"]), ["t/1 at 2"]);
  assertEquals((await producer.commit()).kind, "applied");
  assertEquals([fake.visible(1, "t").length, fake.visible(0, "u").length], [3, 2]);
});

each("calls on both sides of another call do not share a turn", async (fake, generation) => {
  const producer = await begun(fake);
  const position = { topic: "t", partition: 0, offset: 1n, leaderEpoch: -1, metadata: "" };
  const outcomes = await Promise.all([
    producer.produce(requestOf("t/0")),
    producer.sendOffsets([position], GROUP),
    producer.produce(requestOf("t/1")),
  ]);
  assertEquals(outcomes.map(({ kind }) => kind), ["applied", "applied", "applied"]);
  const names = fake.seen.map(({ name, place }) => place ?? name).filter((name) => !/^(Add|Find|Meta)/.test(name));
  // Generation 2 learns by the offsets that the transaction before is done.
  const first = ["t/0", "TxnOffsetCommit"];
  assertEquals(names, [...generation === 1 ? first : first.reverse(), "t/1"]);
});

for (const end of ["commit", "abort"] as const) {
  each(`a call behind ${end}() is refused, and is not sent with the ones before it`, async (fake) => {
    const producer = await begun(fake);
    const before = producer.produce(requestOf("t/0"));
    const ended = producer[end]();
    const behind = assertRejects(() => producer.produce(requestOf("t/1")), TypeError, "'begin' must be called first");
    assertEquals([(await before).kind, (await ended).kind], ["applied", "applied"]);
    await behind;
    assertEquals(fake.takenRequests(), [["t/0 #0"]]);
    assertEquals([fake.visible(0).length, fake.visible(1)], [end === "commit" ? 1 : 0, []]);
  });
}

each("a call before begin() is refused, and is not sent later", async (fake) => {
  const producer = new KafkaTransactionalProducer(fake.client, { transactionalId: "x" });
  await producer.initialize();
  await assertRejects(() => producer.produce(requestOf("t/0", ["lost"])), TypeError, "'begin' must be called first");
  producer.begin();
  assertEquals(await produceAll(producer, ["t/0"]), ["t/0 at 0"]);
  await producer.commit();
  assertEquals(fake.visible(), ["aaaa"]);
});

each("a call that names no partition of its topic does not keep the others back", async (fake) => {
  const producer = await begun(fake);
  assertEquals(await produceAll(producer, ["t/0", "t/7", "t/0"]), ["t/0 at 0", "not-applied RangeError", "t/0 at 1"]);
  assertEquals(fake.takenRequests(), [["t/0 #0"], ["t/0 #1"]]);
  await assertSpoiled(fake, producer);
});

each("a call that nobody can read is refused alone, and spoils the transaction", async (fake) => {
  const producer = await begun(fake);
  const broken = { ...requestOf("t/0"), records: { ...recordsOf(["aaaa"]), values: null as never } };
  const calls = [requestOf("t/0"), broken, requestOf("u/0")].map((request) => producer.produce(request));
  const settled = await Promise.allSettled(calls);
  assertEquals(settled.map((call) => call.status === "fulfilled" ? textOf(call.value) : "rejected"), [
    "t/0 at 0",
    "rejected",
    "u/0 at 0",
  ]);
  await assertSpoiled(fake, producer);
});

each("a topic that is refused does not make the outcome of others unknown", async (fake) => {
  const producer = await begun(fake);
  fake.refusal = (place) => place.startsWith("u/") ? TOPIC_REFUSED : 0;
  const outcomes = await Promise.all(["t/0", "u/0", "t/1"].map((place) => producer.produce(requestOf(place))));
  assertEquals(outcomes.map(textOf), ["t/0 at 0", "not-applied AuthorizationError", "t/1 at 0"]);
  const [, refused] = outcomes;
  assert(refused!.kind === "not-applied");
  assertInstanceOf(refused!.error, AuthorizationError);
  await assertSpoiled(fake, producer);
});

each("nothing is sent behind a batch that failed, and the calls of what was kept back are told why", async (fake) => {
  const producer = await begun(fake);
  fake.refusal = (place) => place === "t/0" ? TOO_LARGE : 0;
  assertEquals(await produceAll(producer, ["t/0", "u/0", "t/0", "u/0"]), [
    "not-applied RecordTooLargeError",
    "u/0 at 0",
    "not-applied RecordTooLargeError",
    "not-applied RecordTooLargeError",
  ]);
  assertEquals(fake.takenRequests(), [["t/0 #0", "u/0 #0"]]);
  await assertSpoiled(fake, producer);
});

each("a call is unknown when some of its records were taken, and others not", async (fake) => {
  const producer = await begun(fake);
  fake.refusal = (place) => place === "t/1" ? TOO_LARGE : 0;
  const both = { topic: "t", records: recordsOf(["aaaa", "bbbb"]), partitions: Int32Array.of(0, 1) };
  const outcomes = await Promise.all([producer.produce(both), producer.produce(requestOf("u/0"))]);
  assertEquals(outcomes.map(textOf), ["unknown RecordTooLargeError", "u/0 at 0"]);
  await assertSpoiled(fake, producer);
});

each("only what was refused for now is sent again", async (fake) => {
  const producer = await begun(fake);
  let refusals = 2;
  fake.refusal = (place) => place === "u/0" && refusals-- > 0 ? 19 : 0;
  assertEquals(await produceAll(producer, ["t/0", "u/0", "t/0"]), ["t/0 at 0", "u/0 at 0", "t/0 at 1"]);
  assertEquals(fake.takenRequests(), [["t/0 #0", "u/0 #0"], ["t/0 #1", "u/0 #0"], ["u/0 #0"]]);
  assertEquals((await producer.commit()).kind, "applied");
});

each("what was refused for now is not sent again beside a batch that failed", async (fake) => {
  const producer = await begun(fake);
  fake.refusal = (place) => place === "u/0" ? 19 : place === "t/1" ? TOO_LARGE : 0;
  const told = await produceAll(producer, ["t/0", "u/0", "t/1"]);
  assertEquals(told, ["t/0 at 0", "not-applied RecordTooLargeError", "not-applied RecordTooLargeError"]);
  assertEquals(fake.takenRequests(), [["t/0 #0", "t/1 #0", "u/0 #0"]]);
  await assertSpoiled(fake, producer);
});

for (const fate of ["request-lost", "reply-lost"] as const) {
  each(`calls of a request that is ${fate} are unknown, those behind it are not applied`, async (fake) => {
    const producer = await begun(fake);
    fake.fate = (name) => name === "Produce" ? fate : "pass";
    const outcomes = await Promise.all(["t/0", "u/0", "t/0"].map((place) => producer.produce(requestOf(place))));
    assertEquals(outcomes.map(({ kind }) => kind), ["unknown", "unknown", "not-applied"]);
    for (const outcome of outcomes) {
      assert(outcome.kind !== "applied");
      assertInstanceOf(outcome.error, BrokerTimeoutError);
    }
    assertEquals(fake.takenRequests(), [["t/0 #0", "u/0 #0"]]);
    await assertSpoiled(fake, producer);
  });
}

each("when partitions cannot join the transaction nothing is sent", async (fake, generation) => {
  if (generation === 2) return;
  const producer = await begun(fake);
  fake.fate = (name) => name === "AddPartitionsToTxn" ? TOPIC_REFUSED : "pass";
  assertEquals(await produceAll(producer, ["t/0", "u/0"]), [
    "not-applied AuthorizationError",
    "not-applied AuthorizationError",
  ]);
  assertEquals(fake.takenRequests(), []);
  await assertSpoiled(fake, producer);
});

each("a call without records is applied beside calls with records, and sends nothing", async (fake) => {
  const producer = await begun(fake);
  const empty = { topic: "nowhere", records: recordsOf([]) };
  const outcomes = await Promise.all([empty, requestOf("t/0"), empty].map((request) => producer.produce(request)));
  assertEquals(outcomes.map(textOf), ["", "t/0 at 0", ""]);
  assertEquals((await producer.commit()).kind, "applied");
});

each("an end between two turns ends what was sent before it alone", async (fake) => {
  const producer = await begun(fake);
  fake.fate = (name) => name === "Produce" ? 19 : "pass";
  const first = produceAll(producer, ["t/0"]);
  const aborted = producer.abort();
  assertEquals(await first, ["not-applied BrokerUnavailableError"]);
  await aborted;
  fake.fate = () => "pass";
  producer.begin();
  const [told, committed] = await Promise.all([produceAll(producer, ["t/0", "u/0"]), producer.commit()]);
  assertEquals([told.length, committed.kind], [2, "applied"]);
  assertEquals([fake.visible(0, "t"), fake.visible(0, "u")], [["aaaa"], ["aaaa"]]);
});
