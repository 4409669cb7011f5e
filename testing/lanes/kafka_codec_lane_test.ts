/**
 * Record batches against the Java client: what it writes is read here and what is written here it reads, for each
 * compression. Runs when TURBINE_TEST_KAFKA names a cluster (`host:port`) and the Java client is installed, both for example
 * after `deno task services up kafka`.
 */
import { assert, assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { RecordTooLargeError, SerializationError } from "../../lib/base/errors.ts";
import type { Outcome } from "../../lib/base/outcome.ts";
import { kafkaBroker } from "../../lib/adapters/kafka/kafka.ts";
import type { KafkaBroker } from "../../lib/adapters/kafka/kafka_broker.ts";
import { COMPRESSIONS } from "../../lib/adapters/kafka/record_batch.ts";
import { partitionRows } from "../../lib/columns/partition_rows.ts";
import { appliedValue } from "../contracts/broker_contract_kit.ts";
import { recordsOf } from "../record_rows.ts";
import { SeededRandom } from "../seeded_random.ts";
import { holdingEnvironment, testKafka } from "./kafka_brokers.ts";
import { JavaPeer, lineOf, linesOf, type PeerRow } from "./kafka_java_peer.ts";

const ADDRESS = testKafka();
const REASON = ADDRESS === undefined ? "TURBINE_TEST_KAFKA is not set to host:port" : await JavaPeer.whyNot();
const encoder = new TextEncoder();

let nextName = 0;
const uniqueName = (what: string) => `codec-${Date.now().toString(36)}-${what}-${nextName++}`;

/** Rows with everything that a record may have: nulls, empty bytes, headers of every kind, times in any order. */
function anyRows(count: number, seed: number): PeerRow[] {
  const random = new SeededRandom(seed);
  const below = (bound: number) => random.uint32() % bound;
  const noise = (length: number) => Uint8Array.from({ length }, () => below(256));
  return Array.from({ length: count }, (_, i) => ({
    timestampMs: 1_500_000_000_000 + below(4) * 40_000_000_000 - below(1_000),
    key: i % 5 === 0 ? null : encoder.encode(`key-${below(40)}`),
    value: [
      null,
      new Uint8Array(0),
      noise(below(90)),
      encoder.encode(`{"id":${i},"name":"${"name ".repeat(below(60))}"}`),
    ][
      Math.min(3, below(12))
    ]!,
    headers: i % 4 !== 1 ? [] : [["trace", noise(16)], ["ünïcode", null], ["trace", new Uint8Array(0)]],
  }));
}

async function withBroker<T>(options: object, use: (broker: KafkaBroker) => Promise<T>): Promise<T> {
  const broker = kafkaBroker({ brokers: [ADDRESS!], fetchWaitMs: 20, ...options }, holdingEnvironment());
  try {
    await broker.open();
    return await use(broker);
  } finally {
    await broker.close();
  }
}

/** Reads so many rows of a topic in polls of a few kilobytes, so that its batches come in many replies. */
function readLines(topic: string, count: number): Promise<{ lines: string[]; polls: number }> {
  return withBroker({}, async (broker) => {
    const consumer = await broker.consumer({ groupId: uniqueName("group") });
    const nothing = () => Promise.resolve();
    await consumer.subscribe([topic], { assigned: nothing, revoked: nothing, lost: nothing });
    const lines: string[] = [];
    let polls = 0;
    for (const until = Date.now() + 30_000; lines.length < count;) {
      assert(Date.now() < until, `${lines.length} of ${count} rows`);
      for (const slab of await consumer.poll({ maxRecords: 1_000, maxBytes: 3_000, timeoutMs: 200 })) {
        polls += 1;
        lines.push(...linesOf(slab));
      }
    }
    await consumer.close();
    return { lines, polls };
  });
}

/** Reads all that a topic holds. */
function readToEnd(topic: string): Promise<string[]> {
  return withBroker({}, async (broker) => {
    const admin = await broker.admin();
    const { logEnd } = (await admin.offsets([{ topic, partition: 0 }]))[0]!;
    const consumer = await broker.consumer({ groupId: uniqueName("group") });
    const nothing = () => Promise.resolve();
    await consumer.subscribe([topic], { assigned: nothing, revoked: nothing, lost: nothing });
    const lines: string[] = [];
    const until = Date.now() + 30_000;
    for (let position = 0n; position < logEnd;) {
      assert(Date.now() < until, `at ${position} of ${logEnd}`);
      for (const slab of await consumer.poll({ maxRecords: 1_000, maxBytes: 3_000, timeoutMs: 200 })) {
        lines.push(...linesOf(slab));
        position = slab.to;
      }
    }
    await consumer.close();
    return lines;
  });
}

function produce(topic: string, rows: readonly PeerRow[], options: object): Promise<void> {
  return withBroker(options, async (broker) => {
    const producer = await broker.producer();
    const records = recordsOf(
      rows.map(({ headers, ...row }) => ({ ...row, ...headers.length === 0 ? {} : { headers } })),
    );
    appliedValue(await producer.produce({ topic, records, partitions: 0 }));
    await producer.close();
  });
}

/** The row that an outcome calls too large. */
function tooLargeRow(outcome: Outcome<unknown>): unknown {
  return outcome.kind !== "applied" && outcome.error instanceof RecordTooLargeError ? outcome.error.context.row : null;
}

/** Rows of partition 0 as both sides tell them. */
const expectedLines = (rows: readonly PeerRow[]) => rows.map((row, i) => `0 ${i} ${lineOf(row)}`);

if (REASON !== null) {
  console.log(`cannot: record batches against the Java client: ${REASON}`);
} else {
  const peer = JavaPeer.start(ADDRESS!);
  globalThis.addEventListener("unload", () => peer.kill());
  const lane = (name: string, fn: () => Promise<void>) =>
    Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });

  for (const [number, compression] of COMPRESSIONS.entries()) {
    lane(`records that Java writes with ${compression} are read as they are`, async () => {
      const [topic, writer] = [uniqueName("topic"), uniqueName("writer")];
      const rows = anyRows(1_000, number + 1);
      await peer.run(`topic ${topic} 1 -`);
      await peer.run(`producer ${writer} ${compression} 6000 -`);
      await peer.run(`send ${writer} ${topic} 0 ${rows.length}`, rows.map(lineOf));
      const { lines, polls } = await readLines(topic, rows.length);
      assertEquals(lines, expectedLines(rows));
      assert(polls > 5, `${polls} polls`);
    });

    lane(`records that are written with ${compression} Java reads as they are`, async () => {
      const topic = uniqueName("topic");
      const rows = anyRows(2_000, number + 11);
      await peer.run(`topic ${topic} 1 -`);
      // The first part as one batch, the second as many.
      await produce(topic, rows.slice(0, 1_000), { compression });
      await produce(topic, rows.slice(1_000), { compression, batchBytesMax: 5_000 });
      assertEquals(await peer.run(`consume ${topic} 1 ${rows.length}`), expectedLines(rows));
      assertEquals((await readLines(topic, rows.length)).lines, expectedLines(rows));
    });
  }

  lane("records of megabytes go both ways with each compression", async () => {
    const topic = uniqueName("topic");
    await peer.run(`topic ${topic} 1 max.message.bytes=4000000`);
    const rows = COMPRESSIONS.map((_, i): PeerRow => ({
      ...anyRows(1, i)[0]!,
      timestampMs: 1_700_000_000_000 + i,
      value: Uint8Array.from({ length: 700_000 }, (_, at) => Math.imul(at >> (i + 1), 2_654_435_761) >>> (24 + i % 3)),
    }));
    for (const [i, compression] of COMPRESSIONS.entries()) {
      await produce(topic, [rows[i]!], { compression, batchBytesMax: 2_000_000 });
    }
    assertEquals(await peer.run(`consume ${topic} 1 ${rows.length}`), expectedLines(rows));
    assertEquals((await readLines(topic, rows.length)).lines, expectedLines(rows));
  });

  lane("the broker's own time stands on all records of a topic that asks for it", async () => {
    const [topic, writer] = [uniqueName("topic"), uniqueName("writer")];
    await peer.run(`topic ${topic} 1 message.timestamp.type=LogAppendTime`);
    await peer.run(`producer ${writer} lz4 6000 -`);
    const rows = anyRows(200, 5);
    await peer.run(`send ${writer} ${topic} 0 100`, rows.slice(0, 100).map(lineOf));
    await produce(topic, rows.slice(100), { compression: "zstd" });
    const found = (await readLines(topic, rows.length)).lines;
    assertEquals(found, await peer.run(`consume ${topic} 1 ${rows.length}`));
    for (const line of found) assert(Math.abs(Number(line.split(" ")[2]) - Date.now()) < 120_000, line);
  });

  lane("aborted transactions stay hidden however the replies cut them", async () => {
    const topic = uniqueName("topic");
    await peer.run(`topic ${topic} 1 -`);
    const writers = ["one", "two"].map(uniqueName);
    for (const writer of writers) await peer.run(`producer ${writer} none 1500 ${writer}`);
    await peer.run(`producer ${topic} lz4 1500 -`);
    const rows = anyRows(1_300, 77);
    const expected: string[] = [];
    let next = 0;
    const send = async (writer: string, count: number, isSeen: boolean) => {
      const part = rows.slice(next, next += count);
      await peer.run(`send ${writer} ${topic} 0 ${count}`, part.map(lineOf));
      if (isSeen) expected.push(...part.map(lineOf));
    };
    // Transactions that overlap, each longer than a reply, with plain records between them.
    for (const [first, second] of [["abort", "commit"], ["abort", "abort"], ["commit", "abort"]] as const) {
      await peer.run(`begin ${writers[0]}`);
      await send(writers[0]!, 100, first === "commit");
      await peer.run(`begin ${writers[1]}`);
      await send(writers[1]!, 100, second === "commit");
      await send(topic, 100, true);
      await send(writers[0]!, 100, first === "commit");
      await peer.run(`${first} ${writers[0]}`);
      await peer.run(`${second} ${writers[1]}`);
    }
    await send(topic, 100, true);
    const { lines, polls } = await readLines(topic, expected.length);
    assertEquals(lines.map((line) => line.split(" ").slice(2).join(" ")), expected);
    assertEquals(lines, await peer.run(`consume ${topic} 1 ${expected.length}`));
    assert(polls > 20, `${polls} polls`);
  });

  lane("what compaction leaves is read with its offsets, past batches that it emptied", async () => {
    const [topic, writer] = [uniqueName("topic"), uniqueName("writer")];
    await peer.run(
      `topic ${topic} 1 cleanup.policy=compact,segment.ms=100,min.cleanable.dirty.ratio=0.001`,
    );
    await peer.run(`producer ${writer} zstd 2000 ${writer}`);
    // Most keys come again and again, the first ones only once; the last segment is never compacted. Batches with
    // tombstones are written anew with another base of their timestamps: the time when those may go.
    const rows = anyRows(1_200, 3).map((row, i): PeerRow => ({
      ...row,
      timestampMs: Date.now() - 1_000 * i,
      key: encoder.encode(i < 100 && i % 7 === 0 ? `once-${i}` : `key-${i % 13}`),
      value: i % 14 === 0 ? null : encoder.encode(`value ${i}`),
    }));
    for (let first = 0; first < rows.length; first += 300) {
      await peer.run(`begin ${writer}`);
      await peer.run(`send ${writer} ${topic} 0 300`, rows.slice(first, first + 300).map(lineOf));
      await peer.run(`commit ${writer}`);
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    for (const until = Date.now() + 60_000;;) {
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      assert(Date.now() < until, "compaction has come to rest within a minute");
      const lines = await readToEnd(topic);
      if (lines.length > 700) continue;
      const byJava = await peer.run(`consume ${topic} 1 ${lines.length}`);
      // Compaction may have gone on between the readings.
      if ((await readToEnd(topic)).join() !== lines.join()) continue;
      assertEquals(lines, byJava);
      const offsets = lines.map((line) => Number(line.split(" ")[1]));
      assert(offsets.some((offset, i) => i > 0 && offset > offsets[i - 1]! + 100), "whole batches are gone");
      assertEquals(offsets[0], 0, "what came only once is kept");
      break;
    }
  });

  lane("what a topic does not take is told as an error of the record, and the producer goes on", async () => {
    const topic = uniqueName("topic");
    await peer.run(
      `topic ${topic} 1 cleanup.policy=compact,max.message.bytes=20000,message.timestamp.after.max.ms=1000`,
    );
    const row: PeerRow = { timestampMs: 1_700_000_000_000, key: encoder.encode("k"), value: null, headers: [] };
    const refused: readonly (readonly [PeerRow, typeof SerializationError | typeof RecordTooLargeError, string])[] = [
      [{ ...row, key: null }, SerializationError, "INVALID_RECORD"],
      [{ ...row, timestampMs: Date.now() + 86_400_000 }, SerializationError, "INVALID_TIMESTAMP"],
      [{ ...row, value: new Uint8Array(25_000) }, RecordTooLargeError, "the topic's max.message.bytes allows 20000"],
      [{ ...row, value: new Uint8Array(950_000) }, RecordTooLargeError, `record 0 to '${topic}' as it takes 9500`],
    ];
    await withBroker({}, async (broker) => {
      const producer = await broker.producer();
      const send = ({ headers: _, ...rest }: PeerRow) =>
        producer.produce({ topic, records: recordsOf([rest]), partitions: 0 });
      for (const [wrong, errorClass, words] of refused) {
        const outcome = await send(wrong);
        assert(outcome.kind === "not-applied", outcome.kind);
        assertInstanceOf(outcome.error, errorClass);
        assertStringIncludes(outcome.error.message, words);
        appliedValue(await send(row));
      }
      await producer.close();
    });
    assertEquals(await peer.run(`consume ${topic} 1 4`), expectedLines([row, row, row, row]));
  });

  lane("a record that is too large for one partition keeps its whole request back, and leaves no gap", async () => {
    const topic = uniqueName("topic");
    await peer.run(`topic ${topic} 2 -`);
    const small = { value: "small", timestampMs: 1_700_000_000_000 };
    const large = { ...small, value: new Uint8Array(1_000_000) };
    const row: PeerRow = { ...small, key: null, value: encoder.encode("small"), headers: [] };
    await withBroker({ compression: "lz4" }, async (broker) => {
      const producer = await broker.producer();
      const partitions = Int32Array.of(0, 1);
      for (const values of [[small, small], [small, large], [large, small], [small, small]]) {
        const outcome = await producer.produce({ topic, records: recordsOf(values), partitions });
        if (values.includes(large)) {
          assertEquals([outcome.kind, values.indexOf(large)], ["not-applied", tooLargeRow(outcome)]);
        } else appliedValue(outcome);
      }
      await producer.close();
    });
    const expected = [0, 1].flatMap((partition) => [0, 1].map((offset) => `${partition} ${offset} ${lineOf(row)}`));
    assertEquals((await peer.run(`consume ${topic} 2 4`)).sort(), expected);
  });

  lane("keys go to the partitions that Java's default partitioner chooses", async () => {
    const [topic, writer] = [uniqueName("topic"), uniqueName("writer")];
    await peer.run(`topic ${topic} 7 -`);
    await peer.run(`producer ${writer} none 6000 -`);
    const random = new SeededRandom(9);
    const rows = Array.from({ length: 1_000 }, (_, i): PeerRow => ({
      timestampMs: 1_700_000_000_000,
      key: Uint8Array.from({ length: i % 23 }, () => random.uint32() % 256),
      value: encoder.encode(String(i)),
      headers: [],
    }));
    const chosen = (await peer.run(`send ${writer} ${topic} -1 ${rows.length}`, rows.map(lineOf)))
      .map((line) => Number(line.split(" ")[0]));
    const records = recordsOf(rows);
    const found = new Array<number>(rows.length);
    for (const { partition, rows: of } of partitionRows({ records }, { count: 7, nullPartition: 0 })) {
      for (const row of of!) found[row] = partition;
    }
    assertEquals(found, chosen);
  });
}
