import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { recordsOf } from "../../../testing/record_rows.ts";
import { SeededRandom } from "../../../testing/seeded_random.ts";
import { spanBytes } from "../../columns/spans.ts";
import { decodeBatches } from "./decode_batches.ts";
import {
  type FakeAnswer,
  FakeKafka,
  type FakeRequest,
  metadataReply,
  producedReply,
  producerIdReply,
} from "./fake_kafka_test.ts";
import { kafkaBroker } from "./kafka.ts";

const [PRODUCE, METADATA, INIT_PRODUCER_ID] = [0, 3, 22] as const;
const [NOT_LEADER, TOO_LARGE, NOT_ENOUGH_REPLICAS, DENIED, OUT_OF_ORDER] = [6, 10, 19, 29, 45] as const;
const CODES = [NOT_LEADER, TOO_LARGE, NOT_ENOUGH_REPLICAS, DENIED] as const;
/** What one batch may hold: some rows of the usual ones, or a large one alone. */
const BATCH_BYTES_MAX = 20_000;
const VALUE_BYTES = 6_000;
const LARGE_BYTES = 19_000;

/**
 * A leader with one partition that checks sequence numbers as a Kafka broker does: of a producer that it does not know it
 * takes any number, else only the next one. It refuses, and loses requests and replies, at random.
 */
class MoodyBroker {
  /** Numbers of all records in the log. */
  readonly log: number[] = [];
  /** Sizes of all batches. */
  readonly sizes: number[] = [];
  /** Batches that followed one which was refused. */
  followed = 0;
  readonly #random: SeededRandom;
  readonly #badShare: number;
  readonly #next = new Map<bigint, number>();
  #producers = 0n;

  constructor(random: SeededRandom, badShare: number) {
    this.#random = random;
    this.#badShare = badShare;
  }

  answer({ apiKey, address, body }: FakeRequest): FakeAnswer {
    if (apiKey === METADATA) return metadataReply(address, [{ topic: "t" }]);
    if (apiKey === INIT_PRODUCER_ID) return producerIdReply(this.#producers++);
    if (apiKey !== PRODUCE) return null;
    const isBad = this.#random.isHit(this.#badShare);
    const fate = isBad ? this.#random.pick(["refused", "request-lost", "reply-lost"]) : "fine";
    if (fate === "request-lost") return "hang-up";
    const code = fate === "refused" ? this.#random.pick(CODES) : this.#append(batchOf(body));
    return fate === "reply-lost" ? "hang-up" : producedReply(code);
  }

  #append(batch: Uint8Array): number {
    this.sizes.push(batch.length);
    const view = new DataView(batch.buffer, batch.byteOffset);
    const [producer, sequence, count] = [view.getBigInt64(43), view.getInt32(53), view.getInt32(57)];
    if ((this.#next.get(producer) ?? sequence) !== sequence) {
      this.followed++;
      return OUT_OF_ORDER;
    }
    this.#next.set(producer, sequence + count);
    const { records: { values } } = decodeBatches(batch, { from: 0, aborted: [] });
    for (let row = 0; row < count; row++) {
      this.log.push(parseInt(new TextDecoder().decode(spanBytes(values, row)!), 10));
    }
    return 0;
  }
}

/** The batch in a request Produce v9 for one partition. */
function batchOf(body: FakeRequest["body"]): Uint8Array {
  body.compactString();
  body.raw(6);
  return body.compactArray(() => {
    body.compactString();
    return body.compactArray(() => {
      body.int32();
      return body.raw(body.unsignedVarint() - 1);
    })[0]!;
  })[0]!;
}

/** Calls of so many rows each, and how often something goes wrong. */
const PLANS = fc.record({
  seed: fc.nat(),
  calls: fc.array(fc.integer({ min: 1, max: 24 }), { minLength: 1, maxLength: 8 }),
  badShare: fc.constantFrom(0, 0.1, 0.3),
});

Deno.test("whatever is refused or lost, records stand in the log once, in order, and outcomes are true", async () => {
  let [most, followed] = [0, 0];
  await fc.assert(
    fc.asyncProperty(PLANS, async ({ seed, calls, badShare }) => {
      const random = new SeededRandom(seed);
      const leader = new MoodyBroker(random, badShare);
      await FakeKafka.with((request) => leader.answer(request), async ({ address }) => {
        const broker = kafkaBroker({ brokers: [address], batchBytesMax: BATCH_BYTES_MAX });
        const producer = await broker.producer();
        let first = 0;
        for (const count of calls) {
          const numbers = Array.from({ length: count }, (_, at) => first + at);
          first += count;
          const before = leader.log.length;
          const sizeOf = () => random.isHit(0.1) ? LARGE_BYTES : VALUE_BYTES;
          const records = recordsOf(numbers.map((number) => String(number).padEnd(sizeOf(), " ")));
          const outcome = await producer.produce({ topic: "t", records });
          const found = leader.log.slice(before);
          if (outcome.kind === "applied") assertEquals(found, numbers);
          else if (outcome.kind === "not-applied") assertEquals(found, []);
          else assertEquals(found, numbers.slice(0, found.length));
        }
        followed += leader.followed;
        most = Math.max(most, ...leader.sizes);
        await broker.close();
      });
    }),
    { numRuns: 60 },
  );
  assert(most > LARGE_BYTES, "large batches were among them");
  assert(followed > 0, "batches did not wait for those before them");
});
