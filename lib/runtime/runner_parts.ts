import type { ValueCodec } from "../codecs/value_codec.ts";
import type { Topic } from "../operator/operator.ts";
import type { Environment } from "../seams/adapter.ts";
import type { BlobStore } from "../seams/blob_store.ts";
import type { Broker, BrokerAdmin, TopicDescription } from "../seams/broker.ts";
import type { StateStoreProvider } from "../seams/state_store.ts";

/** Settings of the app that its runners need. */
export interface RunnerOptions {
  /** Static member id, or `undefined` for a dynamic member. */
  readonly instanceId: string | undefined;
  /** Part of the transactional id: unique among running instances. */
  readonly transactionInstance: string;
  /** Time between checkpoints, in milliseconds. */
  readonly checkpointIntervalMs: number;
  /** Intact checkpoints kept for each task. */
  readonly retainedCheckpoints: number;
  /** Time between flushes, in milliseconds. */
  readonly stateFlushIntervalMs: number;
  /** Where a subscription starts that never committed. */
  readonly startFrom: "earliest" | "latest" | { readonly atMs: number };
  /** Session timeout, in milliseconds. */
  readonly failoverGraceMs: number;
  /** Bound on retries while the broker cannot be reached, in milliseconds. */
  readonly taskTimeoutMs: number;
  /** Bound of the encoded decisions of a task, in bytes: what a commit's metadata has room for, less in tests. */
  readonly journalBytesMax: number;
}

/** What an app lends to the runners of its subscriptions. */
export interface RunnerParts {
  /** Records in and out. */
  readonly broker: Broker;
  /** Look-ups; shared by the runners. */
  readonly admin: BrokerAdmin;
  /** Identity of the cluster. */
  readonly clusterId: string;
  /** The topics of the subscriptions, as they were when the app started. */
  readonly topics: ReadonlyMap<string, TopicDescription>;
  /** Local state. */
  readonly state: StateStoreProvider;
  /** Checkpoints. */
  readonly blobs: BlobStore;
  /** Clock, randomness, observer. */
  readonly environment: Environment;
  /** Codec of free-form state. */
  readonly valueCodec: ValueCodec;
  /** Creates a topic that is not one of `topics`, where that may be done: the broker or the topic says so. */
  readonly ensureTopic: (topic: Topic) => Promise<void>;
  /** Settings. */
  readonly options: RunnerOptions;
}

/** What a task is doing, for people and health checks. */
export interface TaskStatus {
  /** Topic name. */
  readonly topic: string;
  /** Partition number. */
  readonly partition: number;
  /** Where the task is in its life. */
  readonly lifecycle: string;
  /** Next offset to process. */
  readonly position: bigint;
  /** Next offset that is not committed. */
  readonly committed: bigint;
  /** High watermark at the last fetch. */
  readonly highWatermark: bigint;
  /** Task time, epoch ms. */
  readonly taskTimeMs: number | undefined;
  /** Rows handed to the record-error policy. */
  readonly rejectedRows: number;
  /** Commits so far. */
  readonly commits: number;
  /** Position of the last checkpoint, if there is one. */
  readonly checkpointed: bigint | undefined;
}
