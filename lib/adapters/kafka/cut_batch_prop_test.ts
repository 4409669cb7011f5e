import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import fc from "fast-check";
import { FakeClock } from "../../../testing/fake_clock.ts";
import { recordsOf, rowsOf } from "../../../testing/record_rows.ts";
import { RecordTooLargeError } from "../../base/errors.ts";
import type { Outcome } from "../../base/outcome.ts";
import type { Records } from "../../columns/records.ts";
import type { ProducedRange, ProduceRequest } from "../../seams/broker.ts";
import type { KafkaConnection } from "./connection.ts";
import { decodeBatches } from "./decode_batches.ts";
import { nextSequence } from "./encode_batches.ts";
import { KafkaClient } from "./kafka_client.ts";
import { KafkaProducer } from "./kafka_producer.ts";
import { resolveOptions } from "./kafka_options.ts";
import { processEnvironment } from "./process_environment.ts";
import { ByteReader } from "./protocol/byte_reader.ts";
import { ByteWriter } from "./protocol/byte_writer.ts";
import type { Call } from "./protocol/call.ts";
import type { ProducedPartition } from "./protocol/produce_calls.ts";
import { type Compression, COMPRESSIONS } from "./record_batch.ts";

const [TOO_LARGE, OUT_OF_ORDER, TOPIC_REFUSED] = [10, 45, 29] as const;
const TOPIC = "t";
const PARTITIONS = 2;

/** What a batch takes beside its records' bytes, and more. */
const ROOM = 100;

interface Sent {
  readonly partition: number;
  readonly bytes: Uint8Array;
}

/** A broker that takes batches up to a bound, and no sequence number but the next one. */
class TightBroker {
  /** What was taken, by partition. */
  readonly logs: Uint8Array[][] = Array.from({ length: PARTITIONS }, () => []);
  /** How often it was asked for the bound. */
  described = 0;
  /** How many batches it refused. */
  refused = 0;
  /** Its bound. */
  bytesMax: number;
  readonly clock = new FakeClock();
  readonly #mayBeDescribed: boolean;
  readonly #sequences = Array<number>(PARTITIONS).fill(0);
  readonly #ends = Array<bigint>(PARTITIONS).fill(0n);

  constructor(bytesMax: number, mayBeDescribed: boolean) {
    this.bytesMax = bytesMax;
    this.#mayBeDescribed = mayBeDescribed;
  }

  producer(compression: Compression = "none", batchBytesMax = 20_000): KafkaProducer {
    const client = new KafkaClient(resolveOptions({ brokers: ["tight:9"], compression, batchBytesMax }), {
      environment: { ...processEnvironment(), clock: this.clock },
      makeConnection: (): KafkaConnection => ({
        address: "tight:9",
        isOpen: true,
        versions: {},
        features: {},
        open: () => Promise.resolve(),
        send: <T>(call: Call<T>) => Promise.resolve(this.#answer(call) as T),
        destroy: () => {},
      }),
    });
    return new KafkaProducer(client);
  }

  /** Records of a partition. */
  read(partition: number): ReturnType<typeof rowsOf> {
    const size = this.logs[partition]!.reduce((sum, { length }) => sum + length, 0);
    const log = new Uint8Array(size);
    let at = 0;
    for (const batch of this.logs[partition]!) {
      log.set(batch, at);
      at += batch.length;
    }
    return rowsOf({ partition, ...decodeBatches(log, { from: 0, aborted: [] }) });
  }

  #answer(call: Call<unknown>): unknown {
    const writer = new ByteWriter();
    call.write(writer);
    switch (call.name) {
      case "Metadata": {
        const leaders = Array(PARTITIONS).fill(1);
        const topic = { errorCode: 0, topic: TOPIC, topicId: "1", leaders, leaderEpochs: leaders };
        return { nodes: [{ nodeId: 1, host: "tight", port: 9 }], clusterId: "c", topics: [topic] };
      }
      case "InitProducerId":
        this.#sequences.fill(0);
        return { errorCode: 0, producerId: 7n, producerEpoch: 0 };
      case "DescribeConfigs":
        this.described += 1;
        if (!this.#mayBeDescribed) return { errorCode: TOPIC_REFUSED, message: null, values: new Map() };
        return { errorCode: 0, message: null, values: new Map([["max.message.bytes", `${this.bytesMax}`]]) };
      case "Produce":
        return sentIn(new ByteReader(writer.finish())).map((sent) => this.#append(sent));
    }
    throw new Error(`${call.name} was not expected`);
  }

  #append({ partition, bytes }: Sent): ProducedPartition {
    const place = { topic: TOPIC, partition, message: null };
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const [sequence, count] = [view.getInt32(53), view.getInt32(57)];
    if (bytes.length > this.bytesMax) {
      this.refused += 1;
      return { ...place, errorCode: TOO_LARGE, firstOffset: -1n };
    }
    if (sequence !== this.#sequences[partition]) return { ...place, errorCode: OUT_OF_ORDER, firstOffset: -1n };
    this.#sequences[partition] = nextSequence(sequence, count);
    const firstOffset = this.#ends[partition]!;
    this.#ends[partition] = firstOffset + BigInt(count);
    const batch = bytes.slice();
    new DataView(batch.buffer).setBigInt64(0, firstOffset);
    this.logs[partition]!.push(batch);
    return { ...place, errorCode: 0, firstOffset };
  }
}

function sentIn(body: ByteReader): Sent[] {
  body.compactString();
  body.int16();
  body.int32();
  return body.compactArray(() => {
    body.compactString();
    const sent = body.compactArray((): Sent => {
      const partition = body.int32();
      const bytes = body.raw(body.unsignedVarint() - 1);
      body.tags();
      return { partition, bytes };
    });
    body.tags();
    return sent;
  }).flat();
}

/** Values that compress, and values that do not. */
function valueOf(row: number, { size, isNoise }: { readonly size: number; readonly isNoise: boolean }): Uint8Array {
  let state = row + 1;
  return new Uint8Array(size).map(() => {
    if (isNoise) state = Math.imul(state, 1_664_525) + 1_013_904_223 >>> 0;
    return state >>> 24;
  });
}

async function produce(producer: KafkaProducer, request: Omit<ProduceRequest, "topic">) {
  return await producer.produce({ topic: TOPIC, ...request });
}

function tooLargeError(outcome: Outcome<readonly ProducedRange[]>): RecordTooLargeError {
  assert(outcome.kind !== "applied");
  assertInstanceOf(outcome.error, RecordTooLargeError);
  return outcome.error;
}

const rowsArb = fc.array(
  fc.record({ size: fc.integer({ min: 0, max: 900 }), isNoise: fc.boolean(), partition: fc.nat(PARTITIONS - 1) }),
  { minLength: 1, maxLength: 80 },
);

Deno.test("batches that a topic refuses as too large arrive in smaller ones: in order, once, without a gap", async () => {
  const wish = fc.record({
    calls: fc.array(rowsArb, { minLength: 1, maxLength: 3 }),
    bytesMax: fc.integer({ min: 900 + ROOM, max: 8_000 }),
    compression: fc.constantFrom(...COMPRESSIONS),
    mayBeDescribed: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(wish, async ({ calls, bytesMax, compression, mayBeDescribed }) => {
      const broker = new TightBroker(bytesMax, mayBeDescribed);
      const producer = broker.producer(compression);
      const expected: string[][] = [[], []];
      const isOf = (partition: number) => (row: { readonly partition: number }) => row.partition === partition;
      for (const rows of calls) {
        const before = expected.map(({ length }) => length);
        const values = rows.map((row, at) => ({ value: valueOf(at, row) }));
        const partitions = Int32Array.from(rows, ({ partition }) => partition);
        const outcome = await produce(producer, { records: recordsOf(values), partitions });
        assert(outcome.kind === "applied", outcome.kind !== "applied" ? outcome.error.message : "");
        const decoder = new TextDecoder();
        for (const [at, { value }] of values.entries()) expected[partitions[at]!]!.push(decoder.decode(value));
        for (const { partition, firstOffset, count } of outcome.value) {
          assertEquals([firstOffset, count], [BigInt(before[partition]!), rows.filter(isOf(partition)).length]);
        }
      }
      for (const partition of broker.logs.keys()) {
        assertEquals(broker.read(partition).map(({ value }) => value), expected[partition]);
      }
      // A topic that takes what is sent costs no question.
      if (broker.refused === 0) assertEquals(broker.described, 0);
    }),
    { numRuns: 150 },
  );
});

Deno.test("what a topic takes is kept in mind: the next batches are not refused", async () => {
  const broker = new TightBroker(3_000, true);
  const producer = broker.producer();
  const records = recordsOf(Array.from({ length: 60 }, () => "x".repeat(500)));
  for (let call = 0; call < 3; call++) {
    assertEquals((await produce(producer, { records, partitions: 0 })).kind, "applied");
    assertEquals([broker.refused, broker.described], [2, 2]);
  }
});

Deno.test("where the limit may not be read, halves are tried", async () => {
  const broker = new TightBroker(3_000, false);
  const producer = broker.producer();
  const records = recordsOf(Array.from({ length: 60 }, () => "x".repeat(500)));
  assertEquals((await produce(producer, { records, partitions: 0 })).kind, "applied");
  const before = broker.refused;
  assertEquals((await produce(producer, { records, partitions: 0 })).kind, "applied");
  assertEquals(broker.refused, before);
  assertEquals(broker.read(0).length, 120);
});

/** One record too large for the topic among small ones. */
function withLarge(): Records {
  return recordsOf(["a", "b", "x".repeat(5_000), "c"]);
}

Deno.test("a record that is too large for the topic is named, and nothing of its request is written", async () => {
  const broker = new TightBroker(3_000, true);
  const producer = broker.producer();
  const outcome = await produce(producer, { records: withLarge(), partitions: 0 });
  assertEquals(outcome.kind, "not-applied");
  const { message, context } = tooLargeError(outcome);
  assertEquals(
    message,
    "Cannot produce record 2 to 't' as it takes 5070 bytes in a batch of its own and the topic's max.message.bytes allows " +
      "3000, split the record, or raise it",
  );
  assertEquals(context, { topic: "t", row: 2, size: 5070, bytesMax: 3000 });
  assertEquals(broker.read(0), []);
  // The next time nothing is sent in vain.
  assertEquals((await produce(producer, { records: withLarge(), partitions: 0 })).kind, "not-applied");
  assertEquals([broker.refused, broker.described], [1, 1]);
  assertEquals((await produce(producer, { records: recordsOf(["d"]), partitions: 0 })).kind, "applied");
  assertEquals(broker.read(0).map(({ value }) => value), ["d"]);
});

Deno.test("a record that is too large is named too where the limit may not be read", async () => {
  const broker = new TightBroker(3_000, false);
  const outcome = await produce(broker.producer(), { records: withLarge(), partitions: 0 });
  // The records before it were taken alone.
  assertEquals(outcome.kind, "unknown");
  assertEquals(
    tooLargeError(outcome).message,
    "Cannot produce record 2 to 't' as it takes 5070 bytes in a batch of its own and the topic's max.message.bytes allows " +
      "less, split the record, or raise it",
  );
});

Deno.test("a record that is small enough once it is compressed is written", async () => {
  for (const mayBeDescribed of [true, false]) {
    const broker = new TightBroker(3_000, mayBeDescribed);
    const producer = broker.producer("gzip");
    const noise = Array.from({ length: 10 }, (_, row) => ({ value: valueOf(row, { size: 600, isNoise: true }) }));
    assertEquals((await produce(producer, { records: recordsOf(noise), partitions: 0 })).kind, "applied");
    assert(broker.refused > 0);
    assertEquals((await produce(producer, { records: withLarge(), partitions: 0 })).kind, "applied");
    assertEquals(broker.read(0).slice(10).map(({ value }) => value!.length), [1, 1, 5_000, 1]);
  }
});

Deno.test("a limit that was raised is noticed after a while", async () => {
  const broker = new TightBroker(3_000, true);
  const producer = broker.producer();
  const records = recordsOf(Array.from({ length: 4 }, () => "x".repeat(1_000)));
  const batchesOfCall = async () => {
    const before = broker.logs[0]!.length;
    assertEquals((await produce(producer, { records, partitions: 0 })).kind, "applied");
    return broker.logs[0]!.length - before;
  };
  assertEquals(await batchesOfCall(), 2);
  broker.bytesMax = 10_000;
  assertEquals(await batchesOfCall(), 2);
  await broker.clock.advance(60_000);
  assertEquals(await batchesOfCall(), 1);
});
