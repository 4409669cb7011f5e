import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { Outcome } from "../../base/outcome.ts";
import { recordsOf } from "../../../testing/record_rows.ts";
import { SeededRandom } from "../../../testing/seeded_random.ts";
import { FakeCoordinator, type Fate } from "./fake_coordinator_test.ts";
import { KafkaTransactionalProducer } from "./kafka_transactional_producer.ts";

const GROUP = { groupId: "g", generation: -1, memberId: "", instanceId: null };
const TRANSACTIONS = 12;
/** What may happen to a request; those of look-ups pass. */
const FATES: readonly Fate[] = ["request-lost", "reply-lost", "late", "late", "moved", "refused", 51, 14, 16, 15];
const LOOK_UPS = ["Metadata", "FindCoordinator"];
/** Where each number goes, at once. */
const PLACES = [["t", 0], ["u", 0], ["t", 1]] as const;
/** What one of these places may be refused with: for now, for lack of rights, as a batch is missing. */
const REFUSALS: readonly number[] = [19, 29, 45];

/**
 * Moves numbers as a job does: one a transaction to several places, its offset with it; after any doubt the group's offset
 * decides.
 */
class Mover {
  readonly #fake: FakeCoordinator;
  readonly #random: SeededRandom;
  #producer: KafkaTransactionalProducer | null = null;
  /** Next number, as far as is known. */
  #at = 0;

  constructor(fake: FakeCoordinator, random: SeededRandom) {
    this.#fake = fake;
    this.#random = random;
  }

  /** Moves on until all is done. */
  async run(): Promise<void> {
    for (let step = 0; this.#at < TRANSACTIONS; step++) {
      assert(step < 2_000, "it comes to an end");
      this.#landLate();
      const producer = this.#producer ??= await this.#opened();
      const isAborted = this.#random.uint32() % 5 === 0;
      const outcome = await this.#transaction(producer, isAborted);
      if (outcome.kind === "applied") {
        if (!isAborted) this.#at++;
        this.#fake.settle();
        assertEquals(this.#fake.offset() ?? 0, this.#at, "what is acknowledged has happened");
      } else {
        const before = this.#at;
        await producer.close();
        this.#producer = null;
        // What is decided by the offset is decided for good: nothing that is late changes it once the epoch is bumped.
        this.#producer = await this.#opened();
        this.#fake.settle();
        this.#at = this.#fake.offset() ?? 0;
        assert(this.#at === before || this.#at === before + 1 && !isAborted);
        if (outcome.kind === "not-applied") assertEquals(this.#at, before, "what is refused has not happened");
      }
      for (const [topic, partition] of PLACES) assertEquals(this.#fake.visible(partition, topic), numbers(this.#at));
    }
  }

  async #transaction(producer: KafkaTransactionalProducer, isAborted: boolean): Promise<Outcome<unknown>> {
    producer.begin();
    const value = numbers(this.#at + 1).at(-1)!;
    const group = { topic: "t", partition: 0, offset: BigInt(this.#at + 1), leaderEpoch: -1, metadata: "" };
    const sends = [
      () => this.#produce(producer, value),
      () => producer.sendOffsets([group], GROUP),
    ];
    if (this.#random.uint32() % 2 === 0) sends.reverse();
    // One after the other, or without waiting.
    const isPatient = this.#random.uint32() % 2 === 0;
    const told = isPatient ? sends : (await Promise.all(sends.map((send) => send()))).map((each) => () => each);
    for (const tell of told) {
      const outcome: Outcome<unknown> = await tell();
      if (outcome.kind === "unknown") return outcome;
      if (outcome.kind === "not-applied") {
        const aborted = await producer.abort();
        return aborted.kind === "applied" ? outcome : aborted.kind === "unknown" ? aborted : outcome;
      }
      this.#landLate();
    }
    return isAborted ? await producer.abort() : await producer.commit();
  }

  /** Calls that share requests; the worst outcome counts. */
  async #produce(producer: KafkaTransactionalProducer, value: string): Promise<Outcome<unknown>> {
    const outcomes = await Promise.all(PLACES.map(([topic, partition]) => {
      return producer.produce({ topic, records: recordsOf([value]), partitions: partition });
    }));
    const failed = outcomes.filter(({ kind }) => kind !== "applied");
    return failed.find(({ kind }) => kind === "unknown") ?? failed[0] ?? outcomes[0]!;
  }

  async #opened(): Promise<KafkaTransactionalProducer> {
    for (let attempt = 0;; attempt++) {
      assert(attempt < 200, "it can be initialized");
      const producer = new KafkaTransactionalProducer(this.#fake.client, { transactionalId: "x" });
      if ((await producer.initialize()).kind === "applied") return producer;
      await producer.close();
      this.#landLate();
    }
  }

  /** Some of what was late comes now. */
  #landLate(): void {
    const { late } = this.#fake;
    for (let at = late.length - 1; at >= 0; at--) if (this.#random.uint32() % 4 === 0) late.splice(at, 1)[0]!();
  }
}

function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, at) => `${at}`.padStart(4, "0"));
}

async function runSeed(generation: 1 | 2, seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const fake = new FakeCoordinator(generation, random);
  const oneIn = 4 + random.uint32() % 12;
  let outage: Fate = "pass";
  fake.fate = (name) => {
    fake.cluster.holdMarkers(random.uint32() % 3 === 0);
    // Now and then every attempt at an end fails, until the producer gives it up.
    if (name !== "EndTxn") outage = "pass";
    else if (outage === "pass" && random.uint32() % 20 === 0) outage = FATES[random.uint32() % FATES.length]!;
    if (outage !== "pass") return random.uint32() % 10 === 0 ? "moved" : outage;
    if (LOOK_UPS.includes(name) || random.uint32() % oneIn !== 0) return "pass";
    return FATES[random.uint32() % FATES.length]!;
  };
  fake.refusal = () => random.uint32() % (4 * oneIn) === 0 ? REFUSALS[random.uint32() % REFUSALS.length]! : 0;
  await new Mover(fake, random).run();
}

for (const generation of [1, 2] as const) {
  Deno.test(`generation ${generation}: whatever is lost or late, outcomes are true and each number is moved once`, async () => {
    await fc.assert(fc.asyncProperty(fc.nat(), (seed) => runSeed(generation, seed)), { numRuns: 150 });
  });
}
