import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { spansOf } from "../../columns/spans.ts";
import type { Records } from "../../columns/records.ts";
import { type Answering, FakeKafka, metadataReply, producedReply, producerIdReply } from "./fake_kafka_test.ts";
import { kafkaBroker } from "./kafka.ts";

const [PRODUCE, METADATA, INIT_PRODUCER_ID] = [0, 3, 22] as const;
const TOO_LARGE = 10;

function recordsOf(values: readonly string[]): Records {
  return { count: values.length, keys: null, values: spansOf(values), timestamps: null, headers: null };
}

/** A broker with one topic; `produce` answers each request to produce by its number. */
function answering(produce: (count: number) => ReturnType<Answering>): Answering {
  let [producerId, count] = [0n, 0];
  return ({ apiKey, address }) => {
    if (apiKey === METADATA) return metadataReply(address, [{ topic: "t" }]);
    if (apiKey === INIT_PRODUCER_ID) return producerIdReply(producerId++);
    return apiKey === PRODUCE ? produce(count++) : null;
  };
}

for (
  const [what, answer, kind] of [["refused", producedReply(TOO_LARGE), "not-applied"], [
    "cut off",
    "hang-up",
    "unknown",
  ]] as const
) {
  Deno.test(`KafkaProducer.produce() does not let records overtake others whose request is ${what}`, async () => {
    const answers = answering((count) => count === 0 ? answer : producedReply(0));
    await FakeKafka.with(answers, async ({ address, requests }) => {
      const broker = kafkaBroker({ brokers: [address] });
      const producer = await broker.producer();
      const [first, second] = await Promise.all(
        [["a"], ["b"]].map((values) => producer.produce({ topic: "t", records: recordsOf(values) })),
      );
      assertEquals(first!.kind, kind);
      assert(second?.kind === "not-applied");
      assertStringIncludes(second.error.message, "produce all again");
      assertEquals(requests.filter(({ apiKey }) => apiKey === PRODUCE).length, 1);
      // What is produced after both are told goes on.
      assertEquals((await producer.produce({ topic: "t", records: recordsOf(["a", "b"]) })).kind, "applied");
      await broker.close();
    });
  });
}
