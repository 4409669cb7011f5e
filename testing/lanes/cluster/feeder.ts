/** Puts the verifier's records into its input topic while everything else breaks: each exactly once and in order. */
import { encodeRows } from "../../../lib/app/encode_rows.ts";
import type { Outcome } from "../../../lib/base/outcome.ts";
import { kafkaBroker } from "../../../lib/adapters/kafka/kafka.ts";
import type { Broker, GroupMetadata, TransactionalProducer } from "../../../lib/seams/broker.ts";
import { SeededRandom } from "../../seeded_random.ts";
import { type InputRow, topicsOf, TRANSACTION_ROWS } from "./verifier_data.ts";

/** One transaction in so many is full of rows that count for nothing, and is aborted. */
const ABORTED_ONE_IN = 8;

/**
 * A transactional producer that keeps how far it came as an offset in its own transactions: after a transaction whose end
 * nobody knows a new producer asks the group, and goes on from there.
 */
export class Feeder {
  readonly #broker: Broker;
  readonly #rows: readonly InputRow[];
  readonly #name: string;
  readonly #group: GroupMetadata;
  readonly #random = new SeededRandom(3);
  readonly #note: (text: string) => void;
  #producer: TransactionalProducer | undefined;
  #fed = 0;
  #troubles = 0;
  #isClosed = false;

  /**
   * @param name Name of the app.
   * @param options Addresses of the cluster, what to feed, how many rows another one has fed, and who is told of troubles.
   */
  constructor(
    name: string,
    { brokers, rows, fed, note }: {
      readonly brokers: readonly string[];
      readonly rows: readonly InputRow[];
      readonly fed: number;
      readonly note: (text: string) => void;
    },
  ) {
    this.#note = note;
    this.#broker = kafkaBroker({ brokers, requestTimeoutMs: 10_000 });
    this.#name = name;
    this.#rows = rows;
    this.#fed = fed;
    const groupId = `${name}-feeder`;
    this.#group = { groupId, generation: -1, memberId: "", instanceId: null };
  }

  /** Rows that are in the topic for sure. */
  get fed(): number {
    return this.#fed;
  }

  /** How often a transaction did not end as it should. */
  get troubles(): number {
    return this.#troubles;
  }

  /**
   * Feeds up to a row.
   *
   * @param end Which row is the first that is not fed.
   * @param rowsPerSecond About how fast.
   */
  async feedTo(end: number, rowsPerSecond: number): Promise<void> {
    const startMs = performance.now(), start = this.#fed;
    while (this.#fed < end && !this.#isClosed) {
      const dueMs = startMs + (this.#fed - start) / rowsPerSecond * 1_000;
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueMs - performance.now())));
      const beginMs = performance.now();
      const afterMs = () => Math.round(performance.now() - beginMs);
      try {
        await this.#transaction(end);
        if (afterMs() > 2_000) this.#note(`a transaction of the input took ${afterMs()} ms`);
      } catch (error) {
        this.#troubles += 1;
        this.#note(`a transaction of the input failed after ${afterMs()} ms: ${(error as Error).message}`);
        await this.#producer?.close();
        this.#producer = undefined;
        if (this.#troubles > 1_000) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  /** Closes its connections. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#broker.close();
  }

  async #transaction(end: number): Promise<void> {
    const producer = this.#producer ??= await this.#takeOver();
    const { input } = topicsOf(this.#name);
    const isAborted = this.#random.uint32() % ABORTED_ONE_IN === 0;
    const until = Math.min(end, this.#fed + TRANSACTION_ROWS);
    const rows = this.#rows.slice(this.#fed, until);
    const put = isAborted ? rows.map(({ key }) => ({ key, seq: -1, value: -1 })) : rows;
    producer.begin();
    applied(await producer.produce(encodeRows(put, { topic: input, wallMs: Date.now() })!));
    if (isAborted) return applied(await producer.abort());
    const position = { topic: input.name, partition: 0, offset: BigInt(until), leaderEpoch: -1, metadata: "" };
    applied(await producer.sendOffsets([position], this.#group));
    applied(await producer.commit());
    this.#fed = until;
  }

  /** A new producer, and the truth about how far the one before came. */
  async #takeOver(): Promise<TransactionalProducer> {
    const producer = await this.#broker.transactionalProducer({ transactionalId: this.#group.groupId });
    applied(await producer.initialize());
    const consumer = await this.#broker.consumer({ groupId: this.#group.groupId });
    const place = { topic: topicsOf(this.#name).input.name, partition: 0 };
    const [committed] = await consumer.committed([place], { isStable: true });
    await consumer.close();
    this.#fed = Number(committed?.offset ?? 0n);
    return producer;
  }
}

function applied<T>(outcome: Outcome<T>): T {
  if (outcome.kind !== "applied") throw outcome.error;
  return outcome.value;
}
