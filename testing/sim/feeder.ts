import type { ProducerSession } from "../../lib/embedded/transaction_requests.ts";
import { recordsOf } from "../record_rows.ts";
import type { SeededRandom } from "../seeded_random.ts";
import type { Feed } from "./contracts.ts";
import { noteFedData } from "./faults/user_faults.ts";
import type { SimWorld } from "./world.ts";

const TRANSACTIONAL_ID = "feeder";
/** A partition that takes nothing now is tried again after so long. */
const AGAIN_MS = 50;

/** Writes the input of a job: plainly, or in transactions that end a little later, some of them aborted. */
export class Feeder {
  readonly #world: SimWorld;
  readonly #random: SeededRandom;
  readonly #queue: Feed[] = [];
  #isBusy = false;
  #isOver = false;

  /**
   * @param world Where.
   * @param random Decides about the workload.
   */
  constructor(world: SimWorld, random: SeededRandom) {
    this.#world = world;
    this.#random = random;
  }

  /** Whether everything has been written. */
  get isDone(): boolean {
    return this.#isOver && this.#queue.length === 0 && !this.#isBusy;
  }

  /** Begins; the workload says when it is over, at the latest at `endMs`. */
  run(endMs: number): void {
    const { workload } = this.#world.job;
    const turn = () => {
      const next = this.#world.nowMs >= endMs ? null : workload.next(this.#random, this.#world.nowMs);
      if (next === null) {
        this.#isOver = true;
        return;
      }
      this.feed(next.feeds);
      this.#world.after(next.afterMs, turn);
    };
    turn();
  }

  /** Writes records behind those that wait. */
  feed(feeds: readonly Feed[]): void {
    noteFedData(this.#world, feeds);
    this.#queue.push(...feeds);
    this.#drain();
  }

  #drain(): void {
    while (!this.#isBusy && this.#queue.length > 0) {
      const feed = this.#queue[0]!;
      const { as = "plain" } = feed;
      const isWritten = as === "plain" ? this.#append(feed) : this.#appendInTransaction(feed, as === "committed");
      if (isWritten) {
        this.#queue.shift();
        continue;
      }
      this.#isBusy = true;
      this.#world.after(AGAIN_MS, () => {
        this.#isBusy = false;
        this.#drain();
      });
    }
  }

  #append({ topic, partition, rows }: Feed): boolean {
    const { cluster } = this.#world.broker;
    const request = { topic, partition, records: recordsOf(rows), rows: null, producer: null };
    return cluster.produce(request, this.#world.broker.times()).kind === "done";
  }

  /** One transaction for one feed; its end comes a little later, so that readers meet it open. */
  #appendInTransaction({ topic, partition, rows }: Feed, isCommit: boolean): boolean {
    const { broker } = this.#world;
    const { cluster } = broker;
    const times = broker.times();
    const opened = cluster.initializeTransactions({ transactionalId: TRANSACTIONAL_ID, timeoutMs: 30_000 }, times);
    if (opened.kind === "refused") return false;
    const identity = { transactionalId: TRANSACTIONAL_ID, ...sessionOf(opened.value) };
    if (cluster.state.transactionVersion === 1) {
      const added = cluster.addTransactionPartitions({ ...identity, partitions: [[topic, partition]] }, times);
      if (added.kind === "refused") return false;
    }
    const producer = { ...identity, sequence: 0 };
    const request = { topic, partition, records: recordsOf(rows), rows: null, producer };
    if (cluster.produce(request, times).kind === "refused") return false;
    this.#isBusy = true;
    this.#world.after(1 + 100 * this.#random.float(), () => this.#end(identity, isCommit));
    return true;
  }

  #end(identity: { transactionalId: string } & ProducerSession, isCommit: boolean): void {
    const { broker } = this.#world;
    const reply = broker.cluster.endTransaction({ ...identity, isCommit }, broker.times());
    if (reply.kind === "refused" && reply.code === "concurrent-transactions") {
      return this.#world.after(AGAIN_MS, () => this.#end(identity, isCommit));
    }
    this.#isBusy = false;
    this.#drain();
  }
}

function sessionOf({ producerId, producerEpoch }: ProducerSession): ProducerSession {
  return { producerId, producerEpoch };
}
