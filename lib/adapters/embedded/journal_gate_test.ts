import { assert, assertEquals, assertRejects } from "@std/assert";
import { BrokerUnavailableError, DiskFullError } from "../../base/errors.ts";
import type { Change } from "../../embedded/change.ts";
import { EmbeddedCluster } from "../../embedded/cluster.ts";
import { FakeClock } from "../../../testing/fake_clock.ts";
import { SeededRandom } from "../../../testing/seeded_random.ts";
import { EmbeddedBroker } from "./embedded_broker.ts";
import { kindOf, NOW, text, Told, valuesOf } from "./embedded_fixture_test.ts";
import type { ChangeJournal } from "./journal_gate.ts";

/** A journal whose syncs end when a test says so. */
class SlowJournal implements ChangeJournal {
  readonly kinds: string[] = [];
  isSlow = false;
  failure: Error | null = null;
  syncs = 0;
  #waiting: (() => void)[] = [];

  append(change: Change): void {
    this.kinds.push(change.kind);
  }

  async sync(): Promise<void> {
    this.syncs++;
    if (this.isSlow) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.failure !== null) throw this.failure;
  }

  /** Ends all syncs that are under way. */
  release(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

async function made() {
  const journal = new SlowJournal();
  const clock = new FakeClock();
  const environment = { clock, random: new SeededRandom(1), observer: { step: () => {}, log: () => {} } };
  const broker = new EmbeddedBroker(new EmbeddedCluster(), environment, { journal, defaultPartitions: 1 });
  await (await broker.admin()).createTopics([{ topic: "t", partitions: 1 }]);
  const producer = await broker.producer();
  return { broker, producer, journal, clock };
}

Deno.test("journal: a reply waits for the sync that covers its changes", async () => {
  const { broker, producer, journal, clock } = await made();
  journal.isSlow = true;
  let isAnswered = false;
  const produced = producer.produce(text("a")).finally(() => isAnswered = true);
  await clock.advance(0);
  assertEquals([isAnswered, journal.kinds.at(-1)], [false, "batch-appended"]);
  journal.release();
  assertEquals(kindOf(await produced), "applied");
  journal.isSlow = false;
  await broker.close();
});

Deno.test("journal: nobody reads what is not durable", async () => {
  const { broker, producer, journal, clock } = await made();
  const consumer = await broker.connect().consumer({ groupId: "g" });
  await consumer.subscribe(["t"], new Told());
  journal.isSlow = true;
  const produced = producer.produce(text("a"));
  let isRead = false;
  const read = valuesOf(consumer).finally(() => isRead = true);
  await clock.advance(0);
  assertEquals(isRead, false);
  journal.release();
  assertEquals(await read, ["a"]);
  await produced;
  journal.isSlow = false;
  await broker.close();
});

Deno.test("journal: what comes during a sync shares the next one", async () => {
  const { broker, producer, journal, clock } = await made();
  journal.isSlow = true;
  const before = journal.syncs;
  const all = Array.from({ length: 20 }, (_, i) => producer.produce(text(`${i}`)));
  await clock.advance(0);
  journal.release();
  await clock.advance(0);
  journal.release();
  for (const outcome of await Promise.all(all)) assertEquals(outcome.kind, "applied");
  assert(journal.syncs - before <= 2, `${journal.syncs - before} syncs`);
  journal.isSlow = false;
  await broker.close();
});

Deno.test("journal: after a failed sync outcomes are unknown, and the broker stays closed for good", async () => {
  const { broker, producer, journal } = await made();
  journal.failure = new Error("no space left on device");
  const outcome = await producer.produce(text("a"));
  assert(outcome.kind === "unknown" && outcome.error instanceof BrokerUnavailableError);
  assertEquals((outcome.error.cause as Error).message, "no space left on device");
  journal.failure = null;
  const consumer = await broker.consumer({ groupId: "g" });
  await assertRejects(() => consumer.subscribe(["t"], new Told()), BrokerUnavailableError);
  await assertRejects(() => consumer.poll(NOW).then(() => broker.producer()), BrokerUnavailableError);
  await assertRejects(() => broker.close(), BrokerUnavailableError);
});

Deno.test("journal: a full disk is heard as one, so that nobody tries again in vain", async () => {
  const { broker, producer, journal } = await made();
  journal.failure = new DiskFullError("No space in /var/broker");
  const outcome = await producer.produce(text("a"));
  assert(outcome.kind === "unknown" && outcome.error instanceof DiskFullError);
  assertEquals(outcome.error.message.includes("No space in /var/broker"), true);
  await assertRejects(() => broker.close(), DiskFullError);
});

Deno.test("journal: replayed into another cluster it gives the same records", async () => {
  const { broker, producer } = await made();
  const cluster = new EmbeddedCluster();
  const changes: Change[] = [];
  broker.cluster.onChange((change) => changes.push(change));
  const earlier = [...broker.cluster.state.topics.values()];
  cluster.apply({ kind: "topic-created", topic: "t", topicId: earlier[0]!.topicId, partitions: 1 });
  await producer.produce(text("a", "b"));
  for (const change of changes) cluster.apply(change);
  assertEquals(cluster.state.topics.get("t")!.logs[0]!.logEnd, 2);
  await broker.close();
});
