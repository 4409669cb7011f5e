import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import {
  AssignmentLostError,
  BrokerTimeoutError,
  BrokerUnavailableError,
  FencedError,
  TransactionAbortedError,
} from "../../base/errors.ts";
import type { Outcome } from "../../base/outcome.ts";
import { recordsOf } from "../../../testing/record_rows.ts";
import { FakeCoordinator, type Fate } from "./fake_coordinator_test.ts";
import { KafkaTransactionalProducer } from "./kafka_transactional_producer.ts";

const GROUP = { groupId: "g", generation: -1, memberId: "", instanceId: null };

function send(producer: KafkaTransactionalProducer, value: string, partition = 0): Promise<Outcome<unknown>> {
  return producer.produce({ topic: "t", records: recordsOf([value]), partitions: partition });
}

function sendOffset(producer: KafkaTransactionalProducer, offset: bigint): Promise<Outcome<void>> {
  return producer.sendOffsets([{ topic: "t", partition: 0, offset, leaderEpoch: -1, metadata: "m" }], GROUP);
}

function kindOf(outcome: Outcome<unknown>): string {
  return outcome.kind === "applied" ? "applied" : `${outcome.kind} ${outcome.error.name}`;
}

async function opened(fake: FakeCoordinator): Promise<KafkaTransactionalProducer> {
  const producer = new KafkaTransactionalProducer(fake.client, { transactionalId: "x" });
  assertEquals(kindOf(await producer.initialize()), "applied");
  fake.taken();
  return producer;
}

/** The next requests of one kind have these fates. */
function next(fake: FakeCoordinator, name: string, fates: readonly Fate[]): void {
  const left = [...fates];
  fake.fate = (found) => found === name ? left.shift() ?? "pass" : "pass";
}

/** A test of each generation. */
function each(name: string, run: (fake: FakeCoordinator, generation: 1 | 2) => Promise<void>): void {
  for (const generation of [1, 2] as const) {
    Deno.test(`generation ${generation}: ${name}`, () => run(new FakeCoordinator(generation), generation));
  }
}

each("partitions and groups join once in a transaction, and each transaction in full", async (fake, generation) => {
  const producer = await opened(fake);
  const sent: string[][] = [];
  for (const value of ["aaaa", "bbbb"]) {
    producer.begin();
    assertEquals(kindOf(await send(producer, value)), "applied");
    assertEquals(kindOf(await send(producer, value)), "applied");
    assertEquals(kindOf(await sendOffset(producer, 1n)), "applied");
    assertEquals(kindOf(await sendOffset(producer, 2n)), "applied");
    assertEquals(kindOf(await producer.commit()), "applied");
    sent.push(fake.taken());
  }
  const offsets = ["TxnOffsetCommit 0", "TxnOffsetCommit 0"];
  if (generation === 1) {
    const transaction = (first: number) => [
      "AddPartitionsToTxn 0",
      `Produce 0 #${first}`,
      `Produce 0 #${first + 1}`,
      "AddOffsetsToTxn 0",
      ...offsets,
      "EndTxn 0 true",
    ];
    assertEquals(sent, [transaction(0), transaction(2)]);
  } else {
    // The end has bumped the epoch, and sequence numbers begin anew.
    const transaction = ["Produce 0 #0", "Produce 0 #1", ...offsets, "EndTxn 0 true"];
    assertEquals(sent, [transaction, transaction.map((line) => line.replace(" 0", " 1"))]);
  }
  assertEquals([fake.visible(), fake.offset()], [["aaaa", "aaaa", "bbbb", "bbbb"], 2]);
});

each("an empty transaction sends nothing", async (fake) => {
  const producer = await opened(fake);
  producer.begin();
  assertEquals(kindOf(await producer.produce({ topic: "t", records: recordsOf([]), partitions: 0 })), "applied");
  assertEquals(kindOf(await producer.sendOffsets([], GROUP)), "applied");
  assertEquals(kindOf(await producer.commit()), "applied");
  producer.begin();
  assertEquals(kindOf(await producer.abort()), "applied");
  assertEquals(fake.taken(), []);
});

each("brokers that are not ready are asked again, soon at first", async (fake) => {
  const producer = await opened(fake);
  producer.begin();
  next(fake, "Produce", [19, 51, 6]);
  assertEquals(kindOf(await send(producer, "aaaa")), "applied");
  next(fake, "TxnOffsetCommit", [14, 51, 16]);
  assertEquals(kindOf(await sendOffset(producer, 1n)), "applied");
  next(fake, "EndTxn", [14, 51, 16, 15]);
  assertEquals(kindOf(await producer.commit()), "applied");
  next(fake, "InitProducerId", [51, 51, 16]);
  assertEquals(kindOf(await producer.initialize()), "applied");
  assertEquals([fake.visible(), fake.offset()], [["aaaa"], 1]);
});

each("a broker that never gets ready ends the wait with the client's time limit", async (fake) => {
  const producer = await opened(fake);
  producer.begin();
  fake.fate = (name) => name === "Produce" ? 19 : "pass";
  assertEquals(kindOf(await send(producer, "aaaa")), "not-applied BrokerUnavailableError");
  fake.fate = (name) => name === "EndTxn" ? 51 : "pass";
  assertEquals(kindOf(await producer.abort()), "not-applied BrokerUnavailableError");
});

each("initialize() takes over whoever had the id", async (fake) => {
  const producer = new KafkaTransactionalProducer(fake.client, { transactionalId: "x", transactionTimeoutMs: 5 });
  assertEquals(kindOf(await producer.initialize()), "applied");
  assertEquals(fake.taken(), ["InitProducerId -1"]);
  assertEquals(fake.cluster.state.transactions.get("x")!.timeoutMs, 5);
});

each(
  "an end that is lost is sent again under the same epoch, and a late copy has no effect",
  async (fake, generation) => {
    for (const fate of ["request-lost", "reply-lost", "late"] as const) {
      const producer = await opened(fake);
      producer.begin();
      await send(producer, "aaaa");
      const epoch = fake.cluster.state.transactions.get("x")!.producerEpoch;
      fake.taken();
      next(fake, "EndTxn", [fate, "pass"]);
      assertEquals(kindOf(await producer.commit()), "applied");
      const sent = [`EndTxn ${epoch} true`, `EndTxn ${epoch} true`];
      assertEquals(fake.taken(), generation === 1 ? [...sent, `InitProducerId ${epoch}`] : sent);
      producer.begin();
      await send(producer, "bbbb");
      for (const land of fake.late.splice(0)) land();
      assertEquals(kindOf(await producer.abort()), "applied");
    }
    assertEquals(fake.visible(), ["aaaa", "aaaa", "aaaa"]);
  },
);

each("a commit that stays without a reply is unknown, and is never turned into an abort", async (fake) => {
  for (const fate of ["request-lost", "reply-lost"] as const) {
    const producer = await opened(fake);
    producer.begin();
    await send(producer, "aaaa");
    fake.taken();
    fake.fate = (name) => name === "EndTxn" ? fate : "pass";
    const outcome = await producer.commit();
    fake.fate = () => "pass";
    assert(outcome.kind === "unknown");
    assertInstanceOf(outcome.error, BrokerTimeoutError);
    const sent = fake.taken();
    assert(sent.length > 3 && sent.every((line) => line.startsWith("EndTxn") && line.endsWith("true")));
    await producer.close();
    assertEquals(fake.taken(), []);
    await opened(fake);
  }
  assertEquals(fake.visible(), ["aaaa"]);
});

each("a commit is not applied when it never left, unknown when a copy may have", async (fake) => {
  for (
    const [fates, kind] of [
      [["refused", 90], "not-applied FencedError"],
      [[48], "not-applied TransactionAbortedError"],
      [[49], "not-applied FencedError"],
      [["request-lost", 90], "unknown BrokerTimeoutError"],
      [["reply-lost", 48], "unknown BrokerTimeoutError"],
      [[16, 90], "unknown BrokerTimeoutError"],
      [[-1], "unknown BrokerTimeoutError"],
    ] as const
  ) {
    const producer = await opened(fake);
    producer.begin();
    await send(producer, "aaaa");
    next(fake, "EndTxn", fates);
    assertEquals(kindOf(await producer.commit()), kind, fates.join());
    await producer.close();
  }
});

each("a send that is lost is unknown, is not sent again, and spoils the transaction", async (fake) => {
  for (const name of ["Produce", "TxnOffsetCommit"]) {
    const producer = await opened(fake);
    producer.begin();
    next(fake, name, ["reply-lost"]);
    const outcome = name === "Produce" ? await send(producer, "aaaa") : await sendOffset(producer, 1n);
    assertEquals(kindOf(outcome), "unknown BrokerTimeoutError");
    assertEquals(fake.taken().filter((line) => line.startsWith(name)).length, 1);
    assertEquals(kindOf(await producer.commit()), "not-applied TransactionAbortedError");
    assertEquals(fake.taken(), []);
    assertEquals(kindOf(await producer.abort()), "applied");
  }
  assertEquals([fake.visible(), fake.offset()], [[], undefined]);
});

each("after a send that was refused the next transaction has a new epoch", async (fake) => {
  const producer = await opened(fake);
  producer.begin();
  await send(producer, "aaaa");
  next(fake, "Produce", [45]);
  assertEquals(kindOf(await send(producer, "bbbb")), "not-applied TransactionAbortedError");
  assertEquals(kindOf(await producer.abort()), "applied");
  fake.taken();
  producer.begin();
  assertEquals(kindOf(await send(producer, "cccc")), "applied");
  assertEquals(fake.taken().at(-1), "Produce 1 #0");
  assertEquals(kindOf(await producer.commit()), "applied");
  assertEquals(fake.visible(), ["cccc"]);
});

each("who is fenced is told from who has lost its partitions", async (fake) => {
  for (
    const [code, error] of [
      [22, AssignmentLostError],
      [25, AssignmentLostError],
      [82, FencedError],
      [47, FencedError],
      [90, FencedError],
      [120, TransactionAbortedError],
      [24, RangeError],
      [12, RangeError],
    ] as const
  ) {
    const producer = await opened(fake);
    producer.begin();
    next(fake, "TxnOffsetCommit", [code]);
    const outcome = await sendOffset(producer, 1n);
    assert(outcome.kind === "not-applied");
    assertInstanceOf(outcome.error, error, `${code}`);
    await producer.close();
  }
});

each("a producer that knows that it is fenced does not ask for an epoch", async (fake) => {
  const older = await opened(fake);
  older.begin();
  await send(older, "aaaa");
  const newer = await opened(fake);
  assertEquals(kindOf(await send(older, "aaaa")), "not-applied FencedError");
  assertEquals(kindOf(await older.abort()), "not-applied FencedError");
  newer.begin();
  await send(newer, "bbbb");
  fake.taken();
  older.begin();
  assertEquals(kindOf(await send(older, "aaaa")), "not-applied FencedError");
  assertEquals(fake.taken(), []);
  assertEquals(kindOf(await newer.commit()), "applied");
  assertEquals(fake.visible(), ["bbbb"]);
});

each("the next batch of a partition is sent when the one before is answered", async (fake, generation) => {
  const producer = await opened(fake);
  producer.begin();
  next(fake, "Produce", [19, 19]);
  const outcomes = await Promise.all(["aaaa", "bbbb", "cccc"].map((value) => send(producer, value)));
  assertEquals(outcomes.map(kindOf), ["applied", "applied", "applied"]);
  const sent = fake.taken().filter((line) => line.startsWith("Produce"));
  assertEquals(sent, ["Produce 0 #0", "Produce 0 #0", "Produce 0 #0", "Produce 0 #1", "Produce 0 #2"]);
  assertEquals(kindOf(await producer.commit()), "applied");
  assertEquals([fake.visible().length, generation > 0], [3, true]);
});

each("close() ends what is asked again and again, and sends nothing", async (fake) => {
  const producer = await opened(fake);
  producer.begin();
  await send(producer, "aaaa");
  let closed: Promise<void> | undefined;
  fake.fate = (name) => {
    if (name === "EndTxn") closed ??= producer.close();
    return name === "EndTxn" ? 51 : "pass";
  };
  assertEquals(kindOf(await producer.commit()), "not-applied BrokerUnavailableError");
  await closed;
  fake.taken();
  assertEquals(producer.isClosed, true);
  for (const outcome of [await producer.initialize(), await producer.abort(), await send(producer, "bbbb")]) {
    assert(outcome.kind === "not-applied");
    assertInstanceOf(outcome.error, BrokerUnavailableError);
  }
  assertEquals(fake.taken(), []);
});

Deno.test("calls out of order are TypeErrors", async () => {
  const fake = new FakeCoordinator(2);
  assertThrows(
    () => new KafkaTransactionalProducer(fake.client, { transactionalId: "" }),
    TypeError,
    "transactionalId",
  );
  const producer = new KafkaTransactionalProducer(fake.client, { transactionalId: "x" });
  assertThrows(() => producer.begin(), TypeError, "initialize");
  await producer.initialize();
  for (const call of [() => producer.commit(), () => producer.abort(), () => send(producer, "aaaa")]) {
    await assertRejects(call, TypeError, "'begin' must be called first");
  }
  await assertRejects(() => sendOffset(producer, 1n), TypeError, "'begin' must be called first");
  producer.begin();
  assertThrows(() => producer.begin(), TypeError, "one is open");
});
