import { EmbeddedBroker, type EmbeddedBrokerOptions } from "../lib/adapters/embedded/embedded_broker.ts";
import { valueOf } from "../lib/adapters/embedded/refusal_error.ts";
import { partitionRows } from "../lib/columns/partition_rows.ts";
import { holdProcess } from "../lib/adapters/system/hold_process.ts";
import { SystemClock } from "../lib/adapters/system/system_clock.ts";
import type { OffsetEntry } from "../lib/embedded/change.ts";
import { EmbeddedCluster, type EmbeddedClusterOptions, type Times } from "../lib/embedded/cluster.ts";
import type { TransactionStatus } from "../lib/embedded/cluster_state.ts";
import { readLog } from "../lib/embedded/read_log.ts";
import type { Environment } from "../lib/seams/adapter.ts";
import type { TopicPartition } from "../lib/seams/broker.ts";
import { randomId } from "../lib/seams/random.ts";
import { CallFaultPlan } from "./call_fault_plan.ts";
import { type ReadRow, type RecordRow, recordsOf, rowsOf } from "./record_rows.ts";
import { SeededRandom } from "./seeded_random.ts";

/** Options of {@linkcode MemoryBroker}. */
export interface MemoryBrokerOptions extends Omit<EmbeddedBrokerOptions, "faults" | "journal">, EmbeddedClusterOptions {
  /** Time and randomness. @default {the system's clock, randomness of seed 0, no log} */
  environment?: Environment;
  /** Generation of the transaction protocol. @default {2} */
  transactionVersion?: 1 | 2;
  /** State machines to stand on, for example recovered ones. @default {a new cluster} */
  cluster?: EmbeddedCluster;
}

/** A member of a group, as a test sees it. */
export interface GroupMember {
  /** Member id. */
  memberId: string;
  /** `group.instance.id`, or `null`. */
  instanceId: string | null;
  /** Partitions of the last generation. */
  assignment: TopicPartition[];
}

/**
 * The embedded broker with handles for tests: what the library runs on a single machine, in memory, plus faults, forced
 * rebalances and a view of everything. It is strict where real brokers are lax.
 *
 * @example Produce, commit, and lose the reply
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { MemoryBroker } from "@turbine/turbine/testing";
 *
 * const broker = new MemoryBroker();
 * broker.createTopic("orders", 2);
 * broker.put("orders", [{ key: "a", value: "1" }, { key: "b", value: "2" }]);
 * assertEquals(broker.read("orders").map(({ key }) => key).sort(), ["a", "b"]);
 *
 * const consumer = await broker.consumer({ groupId: "copy" });
 * const quiet = { assigned: async () => {}, revoked: async () => {}, lost: async () => {} };
 * await consumer.subscribe(["orders"], quiet);
 * broker.faults.next("commit", "reply-lost");
 * const position = { topic: "orders", partition: 0, offset: 1n, leaderEpoch: -1, metadata: "" };
 * const outcome = await consumer.commit([position], consumer.groupMetadata());
 *
 * // A lost reply is not a failure: the commit took effect.
 * assertEquals(outcome.kind, "unknown");
 * assertEquals(broker.committedOffsets("copy").map(({ offset }) => offset), [1]);
 * await broker.close();
 * ```
 */
export class MemoryBroker extends EmbeddedBroker {
  /** Plans what goes wrong with calls of clients. */
  readonly faults: CallFaultPlan;
  readonly #environment: Environment;

  /**
   * An empty broker.
   *
   * @param options Environment, bounds and defaults.
   */
  constructor(options: MemoryBrokerOptions = {}) {
    const faults = new CallFaultPlan();
    const environment = options.environment ?? {
      clock: new HoldingClock(),
      random: new SeededRandom(0),
      observer: { step: () => {}, log: () => {} },
    };
    const cluster = options.cluster ?? new EmbeddedCluster(options);
    if (options.transactionVersion !== undefined) {
      valueOf("set transaction version", cluster.setTransactionVersion(options.transactionVersion));
    }
    super(cluster, environment, { ...options, faults });
    this.faults = faults;
    this.#environment = environment;
  }

  /**
   * Creates a topic.
   *
   * @param topic Name.
   * @param partitions Number of partitions.
   */
  createTopic(topic: string, partitions = 1): void {
    const topicId = randomId(this.#environment.random) + randomId(this.#environment.random);
    valueOf("create topic", this.cluster.createTopic({ topic, partitions, topicId }, this.times()));
  }

  /** Deletes a topic, and creates it again, empty and with another id. */
  recreateTopic(topic: string, partitions?: number): void {
    const count = partitions ?? this.cluster.state.topics.get(topic)?.logs.length ?? 1;
    this.deleteTopic(topic);
    this.createTopic(topic, count);
  }

  /** Deletes a topic with its records and what groups committed for it. */
  deleteTopic(topic: string): void {
    valueOf("delete topic", this.cluster.deleteTopic(topic, this.times()));
  }

  /** Raises the number of partitions of a topic. */
  addPartitions(topic: string, partitions: number): void {
    valueOf("add partitions", this.cluster.addPartitions({ topic, partitions }, this.times()));
  }

  /**
   * Appends records as a producer without transactions; a row may be just the text of its value.
   *
   * @param topic Topic; it must exist.
   * @param rows Records.
   * @param partition Where all of them go. @default {by the key, as Kafka's default partitioner}
   */
  put(topic: string, rows: readonly (RecordRow | string)[], partition?: number): void {
    const records = recordsOf(rows);
    const count = this.cluster.state.topics.get(topic)?.logs.length ?? 1;
    const request = partition === undefined ? { topic, records } : { topic, records, partitions: partition };
    for (const part of partitionRows(request, { count, nullPartition: 0 })) {
      valueOf("put records", this.cluster.produce({ topic, records, ...part, producer: null }, this.times()));
    }
  }

  /**
   * All records of a topic that a reader sees, by partition and offset.
   *
   * @param topic Topic.
   * @param options `isolation`, as for consumers.
   */
  read(
    topic: string,
    options: { readonly isolation?: "read_committed" | "read_uncommitted" } = {},
  ): ReadRow[] {
    const isCommitted = (options.isolation ?? "read_committed") === "read_committed";
    const rows: ReadRow[] = [];
    // What is there is there, whether a reader can reach it now or not: the logs are asked, not the broker.
    for (const [partition, log] of this.cluster.state.topics.get(topic)?.logs.entries() ?? []) {
      let from = log.logStart;
      for (;;) {
        const bounds = { from, maxRecords: Infinity, maxBytes: 64 * 1024 * 1024, isCommitted };
        const slab = readLog(log, { topic, partition }, bounds);
        if (slab === null) break;
        rows.push(...rowsOf(slab));
        from = Number(slab.to);
      }
    }
    return rows;
  }

  /** What a group committed. */
  committedOffsets(groupId: string): OffsetEntry[] {
    return [...this.cluster.state.groups.get(groupId)?.offsets.values() ?? []];
  }

  /** Deletes all that a group without members committed, as expiry does. */
  expireOffsets(groupId: string): void {
    const partitions = this.committedOffsets(groupId).map(({ topic, partition }) => [topic, partition] as const);
    valueOf("expire offsets", this.cluster.deleteOffsets({ groupId, partitions }, this.times()));
  }

  /** Members of a group. */
  members(groupId: string): GroupMember[] {
    const members = [...this.cluster.state.groups.get(groupId)?.members.values() ?? []];
    return members.map(({ memberId, instanceId, assignment }) => ({
      memberId,
      instanceId,
      assignment: assignment.map(([topic, partition]) => ({ topic, partition })),
    }));
  }

  /** Generation of a group. */
  generation(groupId: string): number {
    return this.cluster.state.groups.get(groupId)?.generation ?? 0;
  }

  /** Makes all members of a group join again. */
  rebalance(groupId: string): void {
    this.cluster.rebalance(groupId, this.times());
  }

  /** Drops a member as if its session had expired; it hears of it at its next poll. */
  expireMember(groupId: string, memberId: string): void {
    this.cluster.expireMember({ groupId, memberId }, this.times());
  }

  /** Retention: gives up the records before an offset. */
  deleteRecordsBefore(topic: string, partition: number, offset: number): void {
    valueOf("delete records", this.cluster.deleteRecordsBefore({ topic, partition }, offset));
  }

  /** A new leader takes over a partition. Returns its epoch. */
  bumpLeaderEpoch(topic: string, partition: number): number {
    return valueOf("bump leader epoch", this.cluster.bumpLeaderEpoch({ topic, partition }));
  }

  /**
   * Log compaction, as a topic with `cleanup.policy=compact` has it: below a clean point the newest record of each key
   * stays, offsets stay, the log has gaps.
   *
   * @param place Which partition.
   * @param options `upTo`: the clean point. @default {all but the newest batch, below the last stable offset}
   * @returns How many records went.
   */
  compact(place: TopicPartition, options: { readonly upTo?: number } = {}): number {
    return valueOf("compact", this.cluster.compact(place, options));
  }

  /**
   * An unclean leader election: acknowledged records from `offset` on are lost, a new leader goes on from there under the
   * next leader epoch. Batches go whole. What groups committed stays, beyond the new end too.
   *
   * @param place Which partition.
   * @param offset First offset that is lost.
   * @returns The log's new end.
   */
  truncate(place: TopicPartition, offset: number): number {
    return valueOf("truncate", this.cluster.truncate(place, offset));
  }

  /**
   * Aborts transactions that are open in a partition and unknown to their coordinators, as `kafka-transactions.sh abort`
   * does: what a lost control record left holds back readers for ever otherwise.
   *
   * @param place Which partition.
   * @returns How many there were.
   */
  abortHanging(place: TopicPartition): number {
    return valueOf("abort hanging transactions", this.cluster.abortHanging(place, this.times()));
  }

  /**
   * A partition has no leader: fetching skips it, producing to it is refused (and tried again by clients), transactions
   * that wrote to it cannot complete. The leader that comes back has the next leader epoch.
   *
   * @param place Which partition.
   * @param isLeaderless Whether it is without a leader from now on.
   */
  setLeaderless(place: TopicPartition, isLeaderless: boolean): void {
    valueOf("set leaderless", this.cluster.setLeaderless(place, isLeaderless));
    if (!isLeaderless) this.tick();
  }

  /**
   * A topic takes only small records, as one with a low `max.message.bytes`: larger ones are refused for good.
   *
   * @param topic Topic name.
   * @param recordBytesMax Greatest size of key, value and headers in bytes; `null`: what the cluster takes.
   */
  setRecordBytesMax(topic: string, recordBytesMax: number | null): void {
    valueOf("set the size of records", this.cluster.setRecordBytesMax(topic, recordBytesMax));
  }

  /**
   * A partition has too few replicas in sync: it is read, but takes no records and no ends of transactions.
   *
   * @param place Which partition.
   * @param isShort Whether replicas are missing from now on.
   */
  setReplicasShort(place: TopicPartition, isShort: boolean): void {
    valueOf("set replicas", this.cluster.setReplicasShort(place, isShort));
    if (!isShort) this.tick();
  }

  /**
   * The coordinator of a group moves to another broker: members keep their seats and their sessions stand still, but all
   * requests to the coordinator are refused for a while.
   *
   * @param groupId Consumer group.
   * @param options `forMs`: how long, in milliseconds. @default {1_000}
   */
  moveCoordinator(groupId: string, options: { readonly forMs?: number } = {}): void {
    this.cluster.moveCoordinator(groupId, options.forMs ?? 1_000, this.times());
  }

  /**
   * The coordinator of a transactional id moves to another broker: requests to it are refused for a while.
   *
   * @param transactionalId `transactional.id`.
   * @param options `forMs`: how long, in milliseconds. @default {1_000}
   */
  moveTransactionCoordinator(transactionalId: string, options: { readonly forMs?: number } = {}): void {
    this.cluster.moveTransactionCoordinator(transactionalId, options.forMs ?? 1_000, this.times());
  }

  /**
   * Uses up the epochs of a producer: the one it has now is the last, the next initialization, or the next end of a
   * transaction of the second generation, gives it a new producer id.
   *
   * @param transactionalId `transactional.id`; it must be initialized.
   */
  exhaustEpochs(transactionalId: string): void {
    valueOf("exhaust epochs", this.cluster.exhaustEpochs(transactionalId));
  }

  /** Forgets a transactional id that has no open transaction, as its expiry does. */
  expireTransactionalId(transactionalId: string): void {
    valueOf("expire transactional id", this.cluster.expireTransactionalId(transactionalId));
  }

  /**
   * The broker restarts: dynamic members are gone and must join again, static ones have their seats with a fresh session,
   * open transactions are as old as the restart. What is durable stays; so do troubles that a test has set.
   */
  restart(): void {
    this.cluster.restart(this.times());
  }

  /** Where a transactional id stands. */
  transactionStatus(transactionalId: string): TransactionStatus {
    return this.cluster.transactionStatus(transactionalId);
  }

  /** Keeps ended transactions waiting for their markers, as a slow coordinator does, until released. */
  holdMarkers(isHeld: boolean): void {
    this.cluster.holdMarkers(isHeld);
    if (!isHeld) this.tick();
  }

  /** Lets timeouts happen that are due by the environment's clock. */
  tick(): void {
    this.cluster.tick(this.times());
  }

  /** Times as the environment's clock tells them. */
  times(): Times {
    return { wallMs: this.#environment.clock.wallMs(), monotonicMs: this.#environment.clock.monotonicMs() };
  }
}

/** The system's clock for tests: a sleep holds the process, so that a test which waits for one is not cut off. */
class HoldingClock extends SystemClock {
  override async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const letGo = holdProcess();
    try {
      await super.sleep(ms, signal);
    } finally {
      letGo();
    }
  }
}
