import { assert, assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { recordsOf, rowsOf } from "../../../testing/record_rows.ts";
import { BrokerUnavailableError, OffsetOutOfRangeError } from "../../base/errors.ts";
import { encodeBatches } from "./encode_batches.ts";
import { batchesOf, FakeLog, type PlaceAnswer } from "./fake_log_test.ts";
import { Fetcher } from "./fetcher.ts";
import { Notice } from "./notice.ts";
import { PartitionFeed } from "./partition_feed.ts";

const NOT_LEADER = 6;
const FENCED_LEADER_EPOCH = 74;
const UNKNOWN_TOPIC_ID = 100;
const OUT_OF_RANGE = 1;
const BYTES_MAX = 10_000;

/** Three partitions, read from offset 10 on. */
class Scene {
  readonly log = new FakeLog();
  readonly client = this.log.client();
  readonly notice = new Notice(this.client.environment.clock);
  readonly fetcher = new Fetcher(this.client, this.notice, { isCommitted: true, clientId: "test" });
  readonly feeds: PartitionFeed[];

  constructor(partitions = 3) {
    this.feeds = Array.from({ length: partitions }, (_, partition) => new PartitionFeed({ topic: "t", partition }));
    for (const feed of this.feeds) feed.seek(10n);
  }

  start(): Promise<void> {
    return this.fetcher.start(this.feeds, BYTES_MAX);
  }

  /** Fetches until something holds. */
  async until(isTrue: () => boolean): Promise<void> {
    const endMs = performance.now() + 5_000;
    while (!isTrue()) {
      assert(performance.now() < endMs, "waited in vain");
      await this.start();
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  /** The failure of the first partition. */
  async failure(): Promise<Error> {
    await this.until(() => this.feeds[0]!.failure !== null);
    return this.feeds[0]!.failure!;
  }
}

function fetchTest(name: string, run: (scene: Scene) => Promise<void>, partitions = 3): void {
  Deno.test(`Fetcher ${name}`, async () => {
    const scene = new Scene(partitions);
    try {
      await run(scene);
    } finally {
      scene.log.onFetch = () => ({});
      await scene.client.close();
    }
  });
}

fetchTest("asks all leaders at once, and none a second time before it has answered", async (scene) => {
  const { log, feeds } = scene;
  const held = [Promise.withResolvers<PlaceAnswer>(), Promise.withResolvers<PlaceAnswer>()];
  log.onFetch = (_, { broker }) => held[broker - 1]!.promise;
  await scene.until(() => log.fetches.length === 2);
  for (let turn = 0; turn < 5; turn++) await scene.start();
  assertEquals(log.fetches.map(({ broker, places }) => [broker, places.length]), [[1, 2], [2, 1]]);
  held[1]!.resolve({ records: batchesOf({ from: 10, epoch: 3, values: ["a"] }) });
  await scene.until(() => feeds[2]!.isFull);
  assertEquals([feeds[0]!.isFull, feeds[1]!.isFull], [false, false]);
  held[0]!.resolve({});
});

fetchTest("names topics by id, and tells the leader's epoch and that of the record before", async (scene) => {
  const { log, feeds } = scene;
  feeds[0]!.seek(10n, 2);
  await scene.until(() => log.fetches.length >= 2);
  const [first] = log.fetches;
  assertEquals([first!.version, first!.topic, first!.bytesMax], [13, log.topicId, BYTES_MAX]);
  assertEquals(first!.places, [
    { partition: 0, offset: 10, leaderEpoch: 3, lastEpoch: 2 },
    { partition: 1, offset: 10, leaderEpoch: 3, lastEpoch: -1 },
  ]);
});

fetchTest("names topics by name where brokers, or topics, have no ids", async (scene) => {
  scene.log.topicId = "0".repeat(32);
  await scene.until(() => scene.log.fetches.length > 0);
  assertEquals([scene.log.fetches[0]!.version, scene.log.fetches[0]!.topic], [12, "t"]);
});

fetchTest("drops an answer when the partition was sent elsewhere meanwhile, and back", async (scene) => {
  const { log, feeds: [feed] } = scene;
  const held = Promise.withResolvers<PlaceAnswer>();
  log.onFetch = () => held.promise;
  await scene.until(() => log.fetches.length === 1);
  feed!.seek(50n);
  feed!.seek(10n);
  log.onFetch = () => ({ records: batchesOf({ from: 10, epoch: 3, values: ["new"] }) });
  held.resolve({ records: batchesOf({ from: 10, epoch: 3, values: ["old"] }) });
  await scene.until(() => feed!.isFull);
  assertEquals(rowsOf(feed!.take(9)!).map(({ value }) => value), ["new"]);
}, 1);

fetchTest("hands nothing out twice when an answer comes while the next fetch is prepared", async (scene) => {
  const { log, client, feeds: [feed] } = scene;
  const held = Promise.withResolvers<PlaceAnswer>();
  log.onFetch = () => held.promise;
  await scene.until(() => log.fetches.length === 1);
  // The next one looks for the leader while the first answer comes.
  client.forgetTopic("t");
  const asked = Promise.withResolvers<void>();
  log.beforeMetadata = () => asked.promise;
  const preparing = scene.start();
  held.resolve({ records: batchesOf({ from: 10, epoch: 3, values: ["a", "b"] }) });
  while (!feed!.isFull) await new Promise((resolve) => setTimeout(resolve, 1));
  log.onFetch = ({ offset }) => ({ records: batchesOf({ from: offset, epoch: 3, values: ["x", "y", "z"] }) });
  asked.resolve();
  await preparing;
  const slabs = [feed!.take(9)!];
  await scene.until(() => feed!.isFull);
  slabs.push(feed!.take(9)!);
  assertEquals(slabs.map(({ from, to }) => [from, to]), [[10n, 12n], [12n, 15n]]);
}, 1);

fetchTest("ends a slab where the leader epoch changes, and goes on behind it", async (scene) => {
  const { log, feeds: [feed] } = scene;
  const all = [
    { from: 10, epoch: 1, values: ["a", "b"] },
    { from: 12, epoch: 3, values: ["c"] },
  ];
  log.onFetch = ({ offset }) => ({ records: batchesOf(...all.filter(({ from }) => from >= offset)) });
  const slabs = [];
  for (let turn = 0; turn < 2; turn++) {
    await scene.until(() => feed!.isFull);
    slabs.push(feed!.take(9)!);
  }
  assertEquals(slabs.map(({ to, leaderEpoch }) => [to, leaderEpoch]), [[12n, 1], [13n, 3]]);
  assertEquals(log.fetches.slice(0, 2).map(({ places: [place] }) => place!.lastEpoch), [-1, 1]);
}, 1);

for (const code of [NOT_LEADER, FENCED_LEADER_EPOCH, UNKNOWN_TOPIC_ID]) {
  fetchTest(`looks the leader up again after code ${code}, and says nothing when that helps`, async (scene) => {
    const { log, feeds: [feed] } = scene;
    log.onFetch = ({ leaderEpoch }, { broker }) => {
      if (leaderEpoch === 4 && broker === 2) return { records: batchesOf({ from: 10, epoch: 4, values: ["a"] }) };
      log.leaders = [2, 1, 2];
      log.leaderEpochs = [4, 3, 3];
      return { errorCode: code };
    };
    await scene.until(() => feed!.isFull);
    assertEquals([feed!.failure, scene.fetcher.failure], [null, null]);
  }, 1);
}

fetchTest("tells when a leader is not found for long", async (scene) => {
  scene.log.onFetch = () => ({ errorCode: NOT_LEADER });
  assertInstanceOf(await scene.failure(), BrokerUnavailableError);
  assert(scene.log.metadataCount > 3);
}, 1);

fetchTest("tells where the log parts from what was read before", async (scene) => {
  const { log, feeds: [feed] } = scene;
  feed!.seek(10n, 2);
  log.onFetch = () => ({ diverging: { epoch: 1, endOffset: 7n } });
  const error = await scene.failure();
  assertInstanceOf(error, OffsetOutOfRangeError);
  assertStringIncludes(error.message, "truncated");
  const { position, logStart, logEnd, lastEpoch, divergedAt } = error.context;
  assertEquals([position, logStart, logEnd, lastEpoch, divergedAt], [10n, 0n, 100n, 2, 7n]);
}, 1);

fetchTest("tells the bounds of a log that does not have the position", async (scene) => {
  scene.log.bounds = { start: 20n, end: 30n };
  scene.log.onFetch = () => ({ errorCode: OUT_OF_RANGE });
  const error = await scene.failure();
  assertInstanceOf(error, OffsetOutOfRangeError);
  assertEquals([error.context.position, error.context.logStart, error.context.logEnd], [10n, 20n, 30n]);
}, 1);

fetchTest("does not read on in a topic that was created again, until it is sent there", async (scene) => {
  const { log, client, feeds: [feed] } = scene;
  const records = batchesOf({ from: 10, epoch: 3, values: ["a"] });
  log.onFetch = ({ offset }, { topic }) =>
    topic !== log.topicId ? { errorCode: UNKNOWN_TOPIC_ID } : offset === 10 ? { records } : {};
  await scene.until(() => feed!.isFull);
  feed!.take(9);
  log.topicId = "2".padStart(32, "0");
  client.forgetTopic("t");
  const error = await scene.failure();
  assertInstanceOf(error, OffsetOutOfRangeError);
  assertStringIncludes(error.message, "created again");
  assertEquals([error.context.position, error.context.logEnd], [11n, 100n]);
  feed!.seek(10n);
  await scene.until(() => feed!.isFull);
}, 1);

fetchTest("does not ask a leader for more while a whole reply waits to be handed out", async (scene) => {
  const { log, feeds } = scene;
  const value = "x".repeat(BYTES_MAX);
  log.onFetch = ({ partition, offset }) =>
    partition === 0 ? { records: batchesOf({ from: offset, epoch: 3, values: [value] }) } : {};
  await scene.until(() => feeds[0]!.isFull);
  await scene.until(() => log.fetches.some(({ broker }) => broker === 2));
  const asked = log.fetches.filter(({ broker }) => broker === 1).length;
  for (let turn = 0; turn < 5; turn++) await scene.start();
  assertEquals(log.fetches.filter(({ broker }) => broker === 1).length, asked);
  feeds[0]!.isPaused = true;
  await scene.until(() => log.fetches.filter(({ broker }) => broker === 1).length > asked);
});

fetchTest("finds partitions that the topic got after its metadata were read", async (scene) => {
  const { log, client, feeds } = scene;
  [log.leaders, log.leaderEpochs] = [[1, 1], [3, 3]];
  await client.topic("t");
  [log.leaders, log.leaderEpochs] = [[1, 1, 2], [3, 3, 3]];
  log.onFetch = ({ offset }) => ({ records: batchesOf({ from: offset, epoch: 3, values: ["a"] }) });
  await scene.until(() => feeds.every((feed) => feed.isFull));
});

fetchTest(
  "sends the next fetch before it hands anything out, and stops with more than one reply held",
  async (scene) => {
    const { log, feeds: [feed], notice } = scene;
    const value = "x".repeat(BYTES_MAX / 2 + 100);
    log.onFetch = ({ offset }) => ({ records: batchesOf({ from: offset, epoch: 3, values: [value] }) });
    await scene.start();
    await scene.until(() => feed!.isFull);
    for (let turn = 0; turn < 5; turn++) await scene.start();
    assertEquals(log.fetches.map(({ places: [place] }) => place!.offset), [10, 11]);
    const slabs = [feed!.take(9)!, feed!.take(9)!];
    assertEquals(slabs.map(({ from, to }) => [from, to]), [[10n, 11n], [11n, 12n]]);
    await notice.wait(1);
    await scene.until(() => feed!.isFull);
    assertEquals(feed!.take(9)!.from, 12n);
  },
  1,
);

fetchTest("lets partitions take turns, however much one of them has", async (scene) => {
  const { log, feeds } = scene;
  log.leaders = [1, 1, 1];
  const value = "x".repeat(BYTES_MAX);
  // As brokers do: the first partition that has something fills the reply.
  log.onFetch = ({ partition, offset }, { places }) =>
    partition === places[0]!.partition ? { records: batchesOf({ from: offset, epoch: 3, values: [value] }) } : {};
  const taken = [0, 0, 0];
  await scene.until(() => {
    for (const feed of feeds) if (feed.take(1) !== null) taken[feed.partition]! += 1;
    return taken.reduce((sum, count) => sum + count) >= 30;
  });
  assert(taken.every((count) => count >= 9), `taken: ${taken}`);
});

fetchTest("hands out what stands before damage, drops what was fetched behind it, and then tells", async (scene) => {
  const { log, feeds: [feed] } = scene;
  const damaged = batchesOf({ from: 11, epoch: 3, values: ["b"] }, { from: 12, epoch: 3, values: ["c"] });
  damaged[damaged.length - 1]! ^= 1;
  const held = Promise.withResolvers<PlaceAnswer>();
  log.onFetch = ({ offset }) =>
    offset === 11 ? held.promise : { records: offset === 12 ? damaged.subarray(damaged.length / 2) : batchOf(offset) };
  const batchOf = (from: number) => batchesOf({ from, epoch: 3, values: [`at ${from}`] });
  await scene.until(() => log.fetches.length >= 2 && feed!.isFull);
  assertEquals(rowsOf(feed!.take(9)!).map(({ value }) => value), ["at 10"]);
  held.resolve({ records: damaged });
  await scene.until(() => log.fetches.length >= 4);
  assertEquals(log.fetches.slice(0, 4).map(({ places: [place] }) => place!.offset), [10, 11, 13, 12]);
  assertEquals([feed!.failure, rowsOf(feed!.take(9)!).map(({ value }) => value)], [null, ["b"]]);
  assertStringIncludes((await scene.failure()).message, "offset 12");
  assertEquals([feed!.isFull, feed!.position], [false, 12n]);
}, 1);

fetchTest("goes on by itself only when something came, and not after its end", async (scene) => {
  const { log, fetcher, feeds: [feed] } = scene;
  await scene.until(() => log.fetches.length === 1);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assertEquals(log.fetches.length, 1);
  const held = Promise.withResolvers<PlaceAnswer>();
  log.onFetch = () => held.promise;
  await scene.start();
  fetcher.close();
  held.resolve({ records: batchesOf({ from: 10, epoch: 3, values: ["a"] }) });
  while (!feed!.isFull) await new Promise((resolve) => setTimeout(resolve, 1));
  await scene.start();
  assertEquals(log.fetches.length, 2);
}, 1);

fetchTest("counts what compressed records hold, not what came", async (scene) => {
  const { log, feeds: [feed] } = scene;
  const value = "x".repeat(BYTES_MAX);
  const producer = { producerId: -1n, producerEpoch: -1, sequence: -1 };
  const bounds = { wallMs: 1, bytesMax: 100_000, compression: "gzip" } as const;
  const [batch] = encodeBatches(recordsOf([value]), null, { producer, ...bounds });
  log.onFetch = ({ offset }) => {
    const records = batch!.bytes.slice();
    new DataView(records.buffer).setBigInt64(0, BigInt(offset));
    return { records };
  };
  await scene.until(() => feed!.isFull);
  assert(batch!.bytes.length < 1_000 && feed!.bytesHeld > BYTES_MAX, `${feed!.bytesHeld} bytes`);
}, 1);
