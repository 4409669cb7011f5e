import type { Outcome } from "../../base/outcome.ts";
import type { Consumer, RebalanceListener, TopicPartition } from "../../seams/broker.ts";
import { FakeClock } from "../../../testing/fake_clock.ts";
import { MemoryBroker, type MemoryBrokerOptions } from "../../../testing/memory_broker.ts";
import { recordsOf, rowsOf } from "../../../testing/record_rows.ts";
import { SeededRandom } from "../../../testing/seeded_random.ts";

/** Bounds of a poll that takes what there is and does not wait. */
export const NOW = { maxRecords: 1_000, maxBytes: 1_000_000, timeoutMs: 0 };

/** A broker whose time stands still, and its clock. */
export function stillBroker(options: MemoryBrokerOptions = {}): { broker: MemoryBroker; clock: FakeClock } {
  const clock = new FakeClock();
  const environment = { clock, random: new SeededRandom(1), observer: { step: () => {}, log: () => {} } };
  return { broker: new MemoryBroker({ ...options, environment }), clock };
}

/** Remembers what it is told. */
export class Told implements RebalanceListener {
  readonly events: string[] = [];
  onRevoked: () => Promise<void> = () => Promise.resolve();

  assigned(partitions: readonly TopicPartition[]): Promise<void> {
    return this.#note("assigned", partitions);
  }

  async revoked(partitions: readonly TopicPartition[]): Promise<void> {
    await this.onRevoked();
    await this.#note("revoked", partitions);
  }

  lost(partitions: readonly TopicPartition[]): Promise<void> {
    return this.#note("lost", partitions);
  }

  #note(what: string, partitions: readonly TopicPartition[]): Promise<void> {
    this.events.push(`${what} ${partitions.map(({ partition }) => partition).join()}`);
    return Promise.resolve();
  }
}

/** Values that a poll without waiting gives. */
export async function valuesOf(consumer: Consumer): Promise<(string | null)[]> {
  return (await consumer.poll(NOW)).flatMap(rowsOf).map(({ value }) => value);
}

/** A request to produce text to partition 0 of topic `t`. */
export function text(
  ...values: string[]
): { topic: string; records: ReturnType<typeof recordsOf>; partitions: number } {
  return { topic: "t", records: recordsOf(values), partitions: 0 };
}

/** The kind of an outcome, with the name of its error. */
export function kindOf(outcome: Outcome<unknown>): string {
  return outcome.kind === "applied" ? "applied" : `${outcome.kind} ${outcome.error.name}`;
}

/** A position of topic `t`. */
export function position(offset: number, metadata = "", partition = 0) {
  return { topic: "t", partition, offset: BigInt(offset), leaderEpoch: -1, metadata };
}

/** A broker whose time stands still, with topic `t`, and all that is visible in it. */
export function made(options: MemoryBrokerOptions = {}, partitions = 1) {
  const { broker, clock } = stillBroker(options);
  broker.createTopic("t", partitions);
  const values = () => broker.read("t").map(({ value }) => value);
  return { broker, clock, values };
}

/** A member of group `g` that reads topic `t`, and what it was told. */
export async function member(broker: MemoryBroker, instanceId?: string): Promise<{ consumer: Consumer; told: Told }> {
  const told = new Told();
  const consumer = await broker.consumer({ groupId: "g", ...instanceId === undefined ? {} : { instanceId } });
  await consumer.subscribe(["t"], told);
  return { consumer, told };
}
