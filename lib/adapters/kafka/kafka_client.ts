import { BrokerUnavailableError, UnknownTopicError } from "../../base/errors.ts";
import type { Environment } from "../../seams/adapter.ts";
import type { TopicPartition } from "../../seams/broker.ts";
import { BatchLimits } from "./batch_limits.ts";
import { CODE, codeError, isStaleCoordinator } from "./broker_codes.ts";
import type { CallFor, KafkaConnection, MakeConnection, SendMore } from "./connection.ts";
import { ConnectionPool, type Place } from "./connection_pool.ts";
import { GroupMembers } from "./group_members.ts";
import { parseAddress, type ResolvedKafkaOptions } from "./kafka_options.ts";
import { newestLeaders } from "./newest_leaders.ts";
import type { Call } from "./protocol/call.ts";
import {
  type ApiVersions,
  type ClusterMetadata,
  type CoordinatorKind,
  findCoordinatorCall,
  metadataCall,
  type NodeAddress,
  type TopicMetadata,
} from "./protocol/metadata_calls.ts";

/**
 * Who uses connections. A broker serves the requests of one connection one after the other, so what must not wait
 * (heartbeats, commits) has another channel than what does (fetches, joins).
 */
export interface Channel {
  /** Name, unique in a client. */
  readonly name: string;
  /** Names it in the broker's logs. */
  readonly clientId: string;
}

/** How a call is sent. */
export interface Sending extends SendMore {
  /** Whose connection is used. */
  readonly channel: Channel;
}

/** How a call is sent to a coordinator. */
export interface CoordinatorSending extends Sending {
  /** What it coordinates. @default {"group"} */
  readonly kind?: CoordinatorKind;
}

const SEED = -1;
/** Wait before a cluster that is not ready is asked again, in milliseconds. */
const RETRY_MS = 100;
/** Attempts at a cluster that is not ready. */
const ATTEMPTS = 50;

/** Connections to the brokers of a cluster, and what is known about it. */
export class KafkaClient {
  /** Options with their defaults. */
  readonly options: ResolvedKafkaOptions;
  /** Time, randomness and log. */
  readonly environment: Environment;
  /** Members of groups that commit through this client. */
  readonly members: GroupMembers = new GroupMembers();
  /** What topics are known to take in one batch. */
  readonly batchLimits: BatchLimits;
  readonly #main: Channel;
  readonly #pool: ConnectionPool;
  readonly #nodes = new Map<number, NodeAddress>();
  readonly #topics = new Map<string, { readonly metadata: TopicMetadata; readonly atMs: number }>();
  /** The highest leader epochs that were heard of, also of topics that are to be asked for again. */
  readonly #newest = new Map<string, TopicMetadata>();
  /** Error codes of topics in the last metadata of them. */
  readonly #refusals = new Map<string, number>();
  readonly #coordinators = new Map<string, NodeAddress>();
  #clusterId = "";
  #isClosed = false;
  #count = 0;
  /** Which broker is asked first: another one after each trouble, as one may be cut off from the cluster. */
  #turn = 0;

  /**
   * @param options Addresses and bounds.
   * @param more Time, randomness and log; what makes connections.
   */
  constructor(
    options: ResolvedKafkaOptions,
    more: { readonly environment: Environment; readonly makeConnection: MakeConnection },
  ) {
    this.options = options;
    this.environment = more.environment;
    this.batchLimits = new BatchLimits(options.metadataMaxAgeMs, () => more.environment.clock.monotonicMs());
    this.#pool = new ConnectionPool(more.makeConnection, more.environment, options);
    this.#main = { name: "main", clientId: options.clientId };
  }

  /** Identity of the cluster; known after {@linkcode KafkaClient.open}. */
  get clusterId(): string {
    return this.#clusterId;
  }

  /** Connects to one of the addresses. @throws {BrokerUnavailableError} when none answers. */
  async open(): Promise<void> {
    await this.metadata([]);
  }

  /** A channel that nobody else uses. */
  channel(purpose: string, clientId: string = this.options.clientId): Channel {
    return { name: `${purpose}-${++this.#count}`, clientId };
  }

  /** Fresh metadata of topics; the reply has an entry for each, with an error code when it does not exist. */
  async metadata(topics: readonly string[]): Promise<ClusterMetadata> {
    const metadata = await this.sendAnywhere(metadataCall(topics));
    this.#clusterId = metadata.clusterId;
    this.#nodes.clear();
    for (const node of metadata.nodes) this.#nodes.set(node.nodeId, node);
    const atMs = this.environment.clock.monotonicMs();
    const found = metadata.topics.map((fresh) => {
      const { topic, errorCode } = fresh;
      if (errorCode !== 0) {
        this.#topics.delete(topic);
        this.#refusals.set(topic, errorCode);
        return fresh;
      }
      const newest = newestLeaders(this.#newest.get(topic), fresh);
      this.#newest.set(topic, newest);
      this.#refusals.delete(topic);
      this.#topics.set(topic, { metadata: newest, atMs });
      return newest;
    });
    return { ...metadata, topics: found };
  }

  /**
   * A topic, from what is known or, after a while, fresh: it may have grown.
   *
   * @throws {UnknownTopicError} when it does not exist.
   */
  async topic(name: string): Promise<TopicMetadata> {
    const known = this.#topics.get(name);
    const ageMs = known === undefined ? Infinity : this.environment.clock.monotonicMs() - known.atMs;
    if (known !== undefined && ageMs < this.options.metadataMaxAgeMs) return known.metadata;
    const found = (await this.metadata([name])).topics.find(({ topic }) => topic === name);
    if (found !== undefined && found.errorCode === 0) return found;
    throw this.topicError(name, found?.errorCode);
  }

  /**
   * The error of a topic that metadata do not have.
   *
   * @param topic Its name.
   * @param code What the cluster told of it; when not given, what it told last.
   */
  topicError(topic: string, code: number = this.#refusals.get(topic) ?? CODE.unknownTopic): Error {
    if (code !== CODE.unknownTopic) return codeError(`use topic '${topic}'`, code, { context: { topic } });
    return new UnknownTopicError(
      `Cannot use topic '${topic}': it does not exist at ${this.options.brokers[0]}, create it: kafka-topics.sh ` +
        `--bootstrap-server ${this.options.brokers[0]} --create --topic ${topic}`,
      { context: { topic } },
    );
  }

  /** Forgets what is known about a topic: its leaders have moved, or it is gone. */
  forgetTopic(topic: string): void {
    this.#topics.delete(topic);
    this.#turn++;
  }

  /**
   * The broker that leads a partition.
   *
   * @throws {UnknownTopicError} when topic or partition do not exist.
   * @throws {BrokerUnavailableError} when it has no leader now.
   */
  async leaderOf({ topic, partition }: TopicPartition): Promise<number> {
    let { leaders } = await this.topic(topic);
    if (partition >= leaders.length) {
      // Somebody who knows the partition has heard of it before us.
      this.forgetTopic(topic);
      ({ leaders } = await this.topic(topic));
    }
    const leader = leaders[partition];
    if (leader !== undefined && this.#nodes.has(leader)) return leader;
    this.forgetTopic(topic);
    const context = { topic, partition };
    if (leader === undefined) {
      const found = leaders.length === 1 ? "partition 0 only" : `partitions 0 to ${leaders.length - 1}`;
      throw new UnknownTopicError(
        `Cannot use partition ${partition} of topic '${topic}': it has ${found}, add partitions or use what is there`,
        { context },
      );
    }
    throw new BrokerUnavailableError(
      `Cannot use partition ${partition} of topic '${topic}': it has no leader now, try again`,
      { context },
    );
  }

  /** Partitions by the broker that leads them. */
  async byLeader<T extends TopicPartition>(partitions: readonly T[]): Promise<Map<number, T[]>> {
    const groups = new Map<number, T[]>();
    for (const place of partitions) {
      const leader = await this.leaderOf(place);
      const group = groups.get(leader);
      if (group === undefined) groups.set(leader, [place]);
      else group.push(place);
    }
    return groups;
  }

  /**
   * Sends a call to the coordinator of a group, or of the transactions of a transactional id.
   *
   * @param id The group, or the transactional id.
   * @param call What to send; a function makes it for the versions that this coordinator speaks.
   * @param more Channel, a longer time limit, and which kind of coordinator: a group's when not told.
   * @throws {BrokerUnavailableError} with outcome `unknown` when the call may have been sent.
   */
  async sendToCoordinator<T>(id: string, call: Call<T> | CallFor<T>, more: CoordinatorSending): Promise<T> {
    const nodeId = await this.coordinatorOf(id, more.kind);
    try {
      return await this.send(nodeId, call, more);
    } catch (error) {
      if (error instanceof BrokerUnavailableError) this.forgetCoordinator(id, more.kind);
      throw error;
    }
  }

  /** The broker that coordinates a group, or the transactions of a transactional id. */
  async coordinatorOf(id: string, kind: CoordinatorKind = "group"): Promise<number> {
    return (this.#coordinators.get(`${kind} ${id}`) ?? await this.#findCoordinator(id, kind)).nodeId;
  }

  /** Forgets who coordinates. */
  forgetCoordinator(id: string, kind: CoordinatorKind = "group"): void {
    this.#coordinators.delete(`${kind} ${id}`);
  }

  /**
   * What a broker speaks: lowest and highest version by API number.
   *
   * @param nodeId Number of the broker.
   * @param channel Whose connection is asked; it is opened when it is not.
   */
  async versionsOf(nodeId: number, channel: Channel = this.#main): Promise<ApiVersions> {
    return (await this.#connection(nodeId, channel)).versions;
  }

  /**
   * Levels of the features that the cluster has finalized, as a broker knows them: `transaction.version` 2 stands for
   * transactions whose epoch is bumped by each end, `group.version` 1 for the consumer group protocol. A broker may speak
   * versions of calls that its cluster has not finalized yet.
   *
   * @param nodeId Number of the broker.
   * @param channel Whose connection is asked; it is opened when it is not.
   */
  async featuresOf(nodeId: number, channel: Channel = this.#main): Promise<Readonly<Record<string, number>>> {
    return (await this.#connection(nodeId, channel)).features;
  }

  /**
   * Sends a call to a broker.
   *
   * @param nodeId Number of the broker.
   * @param call What to send; a function makes it for the versions that this broker speaks.
   * @param more Channel, and a longer time limit.
   */
  async send<T>(nodeId: number, call: Call<T> | CallFor<T>, more: Sending): Promise<T> {
    try {
      const connection = await this.#connection(nodeId, more.channel);
      return await connection.send(typeof call === "function" ? call(connection) : call, more);
    } catch (error) {
      if (error instanceof BrokerUnavailableError) this.#suspect(nodeId);
      throw error;
    }
  }

  /** Closes the connections of a channel at once. */
  closeChannel(channel: Channel): void {
    this.#pool.closeChannel(channel.name);
  }

  /** Closes everything; calls under way fail. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#pool.close();
  }

  /** Waits in the environment's time. */
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.environment.clock.sleep(ms, signal);
  }

  /** A cluster whose first group or transaction this is makes its coordinators now. */
  async #findCoordinator(id: string, kind: CoordinatorKind): Promise<NodeAddress> {
    for (let attempt = 1;; attempt++) {
      const { errorCode, message, node } = await this.sendAnywhere(findCoordinatorCall(id, kind));
      if (errorCode === 0) {
        this.#coordinators.set(`${kind} ${id}`, node);
        this.#nodes.set(node.nodeId, node);
        return node;
      }
      if (!isStaleCoordinator(errorCode) || attempt === ATTEMPTS) {
        const [tried, context] = kind === "group"
          ? [`find the coordinator of group '${id}'`, { groupId: id }]
          : [`find the coordinator of transactional id '${id}'`, { transactionalId: id }];
        throw codeError(tried, errorCode, { message, context });
      }
      await this.sleep(RETRY_MS);
    }
  }

  /** Asks any broker: those that are known, then the addresses that were given; those that failed just now come last. */
  async sendAnywhere<T>(call: Call<T> | CallFor<T>, channel: Channel = this.#main): Promise<T> {
    let failure: unknown;
    for (const nodeId of this.#inTurn()) {
      try {
        return await this.send(nodeId, call, { channel });
      } catch (error) {
        if (!(error instanceof BrokerUnavailableError) || this.#isClosed) throw error;
        failure = error;
      }
    }
    if (this.options.brokers.length === 1) throw failure;
    throw new BrokerUnavailableError(
      `Cannot reach any broker of ${this.options.brokers.join(", ")}: ${(failure as Error).message}`,
      { cause: failure, context: { brokers: this.options.brokers.join(",") } },
    );
  }

  #inTurn(): number[] {
    const known = [...this.#nodes.keys()];
    const first = known.length === 0 ? 0 : this.#turn % known.length;
    const all = [
      ...known.slice(first),
      ...known.slice(0, first),
      ...this.options.brokers.keys().map((index) => SEED - index),
    ];
    const isResting = (nodeId: number) => this.#pool.isResting(this.#placeOf(nodeId));
    return [...all.filter((nodeId) => !isResting(nodeId)), ...all.filter(isResting)];
  }

  #placeOf(nodeId: number): Place {
    const place = nodeId < 0 ? parseAddress(this.options.brokers[SEED - nodeId]!) : this.#nodes.get(nodeId);
    if (place !== undefined) return place;
    throw new BrokerUnavailableError(`Cannot find broker ${nodeId} in the cluster's metadata, try again`);
  }

  /** A connection of a channel to a broker; numbers below zero stand for the addresses that were given. */
  async #connection(nodeId: number, channel: Channel): Promise<KafkaConnection> {
    return await this.#pool.get(channel, this.#placeOf(nodeId));
  }

  /** A broker that cannot be reached may have lost what it led and coordinated: the cluster is asked before the next call. */
  #suspect(nodeId: number): void {
    this.#turn++;
    for (const [topic, { metadata }] of this.#topics) {
      if (metadata.leaders.includes(nodeId)) this.#topics.delete(topic);
    }
    for (const [id, node] of this.#coordinators) if (node.nodeId === nodeId) this.#coordinators.delete(id);
  }
}
