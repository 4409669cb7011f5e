import { assert, assertEquals, assertRejects } from "@std/assert";
import { UnknownTopicError } from "../../lib/base/errors.ts";
import type { Consumer, RebalanceListener, TopicPartition } from "../../lib/seams/broker.ts";
import { MemoryBroker } from "../memory_broker.ts";
import { recordsOf } from "../record_rows.ts";
import { watchBroker, type WatchedCall } from "./watched_broker.ts";

const PARTITION: TopicPartition = { topic: "in", partition: 0 };

function played() {
  const broker = new MemoryBroker();
  broker.createTopic("in", 1);
  broker.put("in", ["a", "b"]);
  const calls: WatchedCall[] = [];
  return { broker, calls, watched: watchBroker(broker, (call) => calls.push(call)) };
}

const quiet: RebalanceListener = { assigned: async () => {}, revoked: async () => {}, lost: async () => {} };
const brief = (calls: readonly WatchedCall[]) =>
  calls.map(({ handle, kind, method, phase }) => `${handle} ${kind} ${method} ${phase}`);

async function subscribed(watched: ReturnType<typeof watchBroker>): Promise<Consumer> {
  const consumer = await watched.consumer({ groupId: "g" });
  await consumer.subscribe(["in"], quiet);
  return consumer;
}

Deno.test("watchBroker() tells each call of a consumer and its listener, with arguments and value, and changes nothing", async () => {
  const { broker, calls, watched } = played();
  const consumer = await subscribed(watched);
  consumer.pause([PARTITION]);
  consumer.resume([PARTITION]);
  consumer.seek(PARTITION, 1n);
  consumer.wake();
  const slabs = await consumer.poll({ maxRecords: 10, maxBytes: 1_000, timeoutMs: 0 });
  const positions = [{ ...PARTITION, offset: 2n, leaderEpoch: -1, metadata: "" }];
  assertEquals((await consumer.commit(positions, consumer.groupMetadata())).kind, "applied");
  assertEquals((await consumer.committed([PARTITION], { isStable: true }))[0]!.offset, 2n);
  assertEquals(consumer.assignment(), [PARTITION]);
  await consumer.close();
  assertEquals(brief(calls), [
    "1 consumer open settled",
    "1 consumer subscribe called",
    "1 listener assigned called",
    "1 listener assigned settled",
    "1 consumer subscribe settled",
    "1 consumer pause called",
    "1 consumer resume called",
    "1 consumer seek called",
    "1 consumer wake called",
    "1 consumer poll called",
    "1 consumer poll settled",
    "1 consumer commit called",
    "1 consumer commit settled",
    "1 consumer committed called",
    "1 consumer committed settled",
    "1 consumer close called",
    "1 listener revoked called",
    "1 listener revoked settled",
    "1 consumer close settled",
  ]);
  const told = (method: string, phase = "settled") =>
    calls.find((each) => each.method === method && each.phase === phase)!;
  assertEquals(told("open").args, [{ groupId: "g" }]);
  assertEquals(told("seek", "called").args, [PARTITION, 1n]);
  assert(told("poll").value === slabs);
  assert(told("commit", "called").args[0] === positions);
  await broker.close();
});

Deno.test("watchBroker() tells what producers do, and numbers the handles", async () => {
  const { broker, calls, watched } = played();
  const plain = await watched.producer();
  const transactional = await watched.transactionalProducer({ transactionalId: "t" });
  const request = { topic: "in", records: recordsOf(["c"]), partitions: 0 };
  await plain.produce(request);
  await transactional.initialize();
  transactional.begin();
  await transactional.produce(request);
  const group = { groupId: "g", memberId: "", generation: -1, instanceId: null };
  await transactional.sendOffsets([{ ...PARTITION, offset: 1n, leaderEpoch: -1, metadata: "" }], group);
  await transactional.commit();
  transactional.begin();
  await transactional.abort();
  await transactional.close();
  await plain.close();
  const settled = calls.filter(({ phase, method }) => phase === "settled" || method === "begin");
  assertEquals(brief(settled).map((line) => line.replace(/ (called|settled)$/, "")), [
    "1 producer open",
    "2 transactional open",
    "1 producer produce",
    "2 transactional initialize",
    "2 transactional begin",
    "2 transactional produce",
    "2 transactional sendOffsets",
    "2 transactional commit",
    "2 transactional begin",
    "2 transactional abort",
    "2 transactional close",
    "1 producer close",
  ]);
  assertEquals((settled[2]!.value as { kind: string }).kind, "applied");
  assertEquals(broker.read("in").length, 4);
  await broker.close();
});

Deno.test("watchBroker() tells what a call was rejected with, and rejects with the same", async () => {
  const { broker, calls, watched } = played();
  const admin = await watched.admin();
  const error = await assertRejects(() => admin.offsets([{ topic: "none", partition: 0 }]), UnknownTopicError);
  assert(calls.at(-1)!.error === error);
  assertEquals(brief(calls).slice(-2), ["1 admin offsets called", "1 admin offsets settled"]);
  await broker.close();
});

Deno.test("watchBroker() takes the numbers of handles from whoever gives them", async () => {
  const { broker } = played();
  const calls: WatchedCall[] = [];
  let last = 40;
  const watched = watchBroker(broker, (call) => calls.push(call), { nextHandle: () => ++last });
  await watched.producer();
  await watched.admin();
  assertEquals(calls.map(({ handle }) => handle), [41, 42]);
  assertEquals([watched.location, watched.capabilities], [broker.location, broker.capabilities]);
  await watched.close();
});

Deno.test("watchBroker() costs a poll one turn of the microtask queue at most", async () => {
  const { broker, watched } = played();
  const turns = async (consumer: Consumer): Promise<number> => {
    let count = 0, isOver = false;
    const polled = consumer.poll({ maxRecords: 1, maxBytes: 1, timeoutMs: 0 }).then(() => isOver = true);
    while (!isOver) {
      count++;
      await null;
    }
    await polled;
    return count;
  };
  const direct = await broker.consumer({ groupId: "direct" });
  await direct.subscribe(["in"], quiet);
  const watching = await subscribed(watched);
  const [plain, told] = [await turns(direct), await turns(watching)];
  assert(told <= plain + 1, `${told} turns instead of ${plain}`);
  await broker.close();
});
