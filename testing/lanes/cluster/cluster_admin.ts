/** Calls to a cluster that the adapter has no use for itself: who is who, what is open, what grows or shrinks. */
import { assert } from "@std/assert";
import { codeError } from "../../../lib/adapters/kafka/broker_codes.ts";
import { fetchGroupOffsets } from "../../../lib/adapters/kafka/group_offsets.ts";
import { KafkaClient } from "../../../lib/adapters/kafka/kafka_client.ts";
import { resolveOptions } from "../../../lib/adapters/kafka/kafka_options.ts";
import { logBounds } from "../../../lib/adapters/kafka/log_bounds.ts";
import { processEnvironment } from "../../../lib/adapters/kafka/process_environment.ts";
import type { ByteReader } from "../../../lib/adapters/kafka/protocol/byte_reader.ts";
import type { Call } from "../../../lib/adapters/kafka/protocol/call.ts";
import { SocketConnection } from "../../../lib/adapters/kafka/socket_connection.ts";
import type { PartitionOffsets, TopicPartition } from "../../../lib/seams/broker.ts";

/** A transaction as its coordinator tells it. */
export interface ListedTransaction {
  /** Transactional id. */
  readonly transactionalId: string;
  /** `Empty`, `Ongoing`, `PrepareCommit`, `PrepareAbort`, `CompleteCommit`, `CompleteAbort` ... */
  readonly state: string;
}

/** How long a call is tried again while the cluster is not ready, in milliseconds. */
const PATIENCE_MS = 60_000;

/** Administration of a test cluster. */
export class ClusterAdmin {
  readonly #brokers: readonly string[];
  #clients: KafkaClient[] = [];

  /** @param brokers Addresses of its nodes. */
  constructor(brokers: readonly string[]) {
    this.#brokers = brokers;
  }

  /** The node that leads the controllers. */
  controller(): Promise<number> {
    return this.#patiently(async (client) => {
      const leader = await client.sendAnywhere(DESCRIBE_QUORUM);
      if (leader <= 0) throw new Error("There is no controller now");
      return leader;
    });
  }

  /** The node that leads a partition. */
  leaderOf(place: TopicPartition): Promise<number> {
    return this.#patiently((client) => client.leaderOf(place));
  }

  /** The node that coordinates a group or the transactions of an id. */
  coordinatorOf(id: string, kind: "group" | "transaction"): Promise<number> {
    return this.#patiently((client) => client.coordinatorOf(id, kind));
  }

  /** First and next offset of partitions: the next one is the last stable offset, or else the high watermark. */
  bounds(places: readonly TopicPartition[], isCommitted: boolean): Promise<PartitionOffsets[]> {
    return this.#patiently((client) => logBounds(client, places, { isCommitted, channel: client.channel("bounds") }));
  }

  /** Committed offset of each partition that has one, by its number. */
  committed(groupId: string, places: readonly TopicPartition[]): Promise<Map<number, bigint>> {
    return this.#patiently(async (client) => {
      const how = { partitions: places, isStable: false, timeoutMs: 0, channel: client.channel("offsets") };
      const found = await fetchGroupOffsets(client, groupId, how);
      return new Map(found.map(({ partition, offset }) => [partition, offset]));
    });
  }

  /** All transactions that the coordinators know. */
  transactions(): Promise<ListedTransaction[]> {
    return this.#patiently(async (client) => {
      const channel = client.channel("transactions");
      const { nodes } = await client.metadata([]);
      const lists = await Promise.all(nodes.map(({ nodeId }) => client.send(nodeId, LIST_TRANSACTIONS, { channel })));
      return lists.flat();
    });
  }

  /** Partitions of topics that lack replicas, as the leaders see it. */
  isWhole(topics: readonly string[]): Promise<boolean> {
    return this.#patiently((client) => client.sendAnywhere(isWholeCall(topics)));
  }

  /** Adds partitions to a topic. */
  async grow(topic: string, partitions: number): Promise<void> {
    await this.#patiently((client) =>
      client.sendAnywhere({
        apiKey: 37,
        version: 1,
        name: "CreatePartitions",
        write: (w) => void w.int32(1).string(topic).int32(partitions).int32(-1).int32(10_000).boolean(false),
        read: (r) => {
          r.int32();
          r.array(() => {
            r.string();
            refuse("add partitions", r.int16());
            r.nullableString();
          });
        },
      })
    );
  }

  /** Retention: records below an offset are gone. */
  async deleteRecords({ topic, partition }: TopicPartition, before: bigint): Promise<void> {
    await this.#patiently(async (client) =>
      client.send(await client.leaderOf({ topic, partition }), {
        apiKey: 21,
        version: 1,
        name: "DeleteRecords",
        write: (w) => void w.int32(1).string(topic).int32(1).int32(partition).int64(before).int32(10_000),
        read: (r) => {
          r.int32();
          r.array(() => {
            r.string();
            r.array(() => {
              r.int32();
              r.int64();
              refuse("delete records", r.int16());
            });
          });
        },
      }, { channel: client.channel("retention") })
    );
  }

  /** A group without members is forgotten, with all that it committed: what the expiry of its offsets comes to. */
  async deleteGroup(groupId: string): Promise<void> {
    await this.#patiently((client) =>
      client.sendToCoordinator(groupId, {
        apiKey: 42,
        version: 1,
        name: "DeleteGroups",
        write: (w) => void w.array([groupId], (id) => w.string(id)),
        read: (r) => {
          r.int32();
          r.array(() => {
            r.string();
            refuse("delete group", r.int16());
          });
        },
      }, { channel: client.channel("groups") })
    );
  }

  /** Closes all connections. */
  async close(): Promise<void> {
    for (const client of this.#clients.splice(0)) await client.close();
  }

  /** Every try has a client of its own, so that nothing stale is known. */
  async #patiently<T>(run: (client: KafkaClient) => Promise<T>): Promise<T> {
    const endMs = performance.now() + PATIENCE_MS;
    for (;;) {
      const environment = processEnvironment();
      const options = resolveOptions({ brokers: this.#brokers, requestTimeoutMs: 10_000 });
      const client = new KafkaClient(options, {
        environment,
        makeConnection: (place, clientId) =>
          new SocketConnection(place, clientId, { options: { ssl: false, sasl: undefined, ...options }, environment }),
      });
      this.#clients.push(client);
      try {
        return await run(client);
      } catch (error) {
        if (performance.now() > endMs) throw error;
      } finally {
        this.#clients = this.#clients.filter((each) => each !== client);
        await client.close();
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

function refuse(tried: string, code: number): void {
  if (code !== 0) throw codeError(tried, code, { context: {} });
}

/** Leader of the partition that the controllers keep the cluster's metadata in. */
const DESCRIBE_QUORUM: Call<number> = {
  apiKey: 55,
  version: 0,
  name: "DescribeQuorum",
  isFlexible: true,
  write: (w) => {
    w.compactArray(["__cluster_metadata"], (topic) => {
      w.compactString(topic).compactArray([0], (partition) => w.int32(partition).noTags()).noTags();
    }).noTags();
  },
  read: (r) => {
    refuse("describe the quorum", r.int16());
    let leader = -1;
    r.compactArray(() => {
      r.compactString();
      r.compactArray(() => {
        r.int32();
        refuse("describe the quorum", r.int16());
        leader = r.int32();
        r.int32();
        r.int64();
        for (const _list of ["voters", "observers"]) {
          r.compactArray(() => {
            r.int32();
            r.int64();
            r.tags();
          });
        }
        r.tags();
      });
      r.tags();
    });
    return leader;
  },
};

const LIST_TRANSACTIONS: Call<ListedTransaction[]> = {
  apiKey: 66,
  version: 0,
  name: "ListTransactions",
  isFlexible: true,
  write: (w) => void w.compactArray([], () => {}).compactArray([], () => {}).noTags(),
  read: (r) => {
    r.int32();
    refuse("list transactions", r.int16());
    r.compactArray(() => r.compactString());
    return r.compactArray(() => {
      const transactionalId = r.compactString() ?? "";
      r.int64();
      const state = r.compactString() ?? "";
      r.tags();
      return { transactionalId, state };
    });
  },
};

function isWholeCall(topics: readonly string[]): Call<boolean> {
  return {
    apiKey: 3,
    version: 10,
    name: "Metadata",
    isFlexible: true,
    write: (w) => {
      w.compactArray(topics, (topic) => w.raw(new Uint8Array(16)).compactString(topic).noTags());
      w.boolean(false).boolean(false).boolean(false).noTags();
    },
    read: (r) => {
      r.int32();
      r.compactArray(() => {
        r.int32();
        r.compactString();
        r.int32();
        r.compactString();
        r.tags();
      });
      r.compactString();
      r.int32();
      const topicsRead = r.compactArray(() => readReplicas(r));
      assert(topicsRead.length === topics.length);
      return topicsRead.every((isWhole) => isWhole);
    },
  };
}

/** Whether each partition of a topic has a leader and all replicas in sync. */
function readReplicas(r: ByteReader): boolean {
  let isWhole = r.int16() === 0;
  r.compactString();
  r.raw(16);
  r.boolean();
  r.compactArray(() => {
    const code = r.int16();
    r.int32();
    const leader = r.int32();
    r.int32();
    const [replicas, inSync] = [r.compactArray(() => r.int32()), r.compactArray(() => r.int32())];
    isWhole &&= code === 0 && leader >= 0 && inSync.length === replicas.length;
    r.compactArray(() => r.int32());
    r.tags();
  });
  r.int32();
  r.tags();
  return isWhole;
}
