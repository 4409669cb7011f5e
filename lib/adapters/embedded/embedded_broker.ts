import { BrokerUnavailableError } from "../../base/errors.ts";
import type { EmbeddedCluster } from "../../embedded/cluster.ts";
import type { Environment } from "../../seams/adapter.ts";
import type {
  Broker,
  BrokerAdmin,
  BrokerCapabilities,
  Consumer,
  ConsumerOptions,
  Producer,
  TransactionalProducer,
  TransactionalProducerOptions,
} from "../../seams/broker.ts";
import { Client, type ClientOptions } from "./client.ts";
import type { CallFaults } from "./client_calls.ts";
import { EmbeddedAdmin } from "./embedded_admin.ts";
import { EmbeddedConsumer } from "./embedded_consumer.ts";
import { EmbeddedProducer } from "./embedded_producer.ts";
import { EmbeddedServer } from "./embedded_server.ts";
import { EmbeddedTransactionalProducer } from "./embedded_transactional_producer.ts";
import type { ChangeJournal } from "./journal_gate.ts";
import type { ServerLink } from "./server_link.ts";

/** Options of {@linkcode EmbeddedBroker}. */
export interface EmbeddedBrokerOptions {
  /** What users wrote. @default {"memory:"} */
  location?: string;
  /** Keeps changes durable; replies wait for it. @default {memory only} */
  journal?: ChangeJournal;
  /** Decides about the fate of calls, in tests. @default {undefined} */
  faults?: CallFaults;
  /** Partitions of a topic that is created because somebody uses it. @default {4} */
  defaultPartitions?: number;
  /** How long a client goes on trying while a transaction is still ending, in milliseconds. @default {30_000} */
  requestTimeoutMs?: number;
  /** How long `committed` waits for stable offsets, in milliseconds. @default {60_000} */
  stableTimeoutMs?: number;
  /** A rebalance waits for a member at least this long, in milliseconds. @default {60_000} */
  rebalanceTimeoutMs?: number;
  /**
   * A member that does not poll for so long leaves its group although its heartbeats go on (`max.poll.interval.ms`), in
   * milliseconds. @default {Infinity}
   */
  pollIntervalMsMax?: number;
}

const CAPABILITIES: BrokerCapabilities = Object.freeze({
  isTransactional: true,
  hasStaticMembers: true,
  hasStableOffsets: true,
  createsTopics: true,
});

/**
 * A broker inside this process: the embedded state machines behind the `Broker` seam. Each instance is one client
 * process; {@linkcode EmbeddedBroker.connect} opens further ones to the same cluster.
 */
export class EmbeddedBroker implements Broker {
  /** What users wrote. */
  readonly location: string;
  /** What it can do: everything. */
  readonly capabilities: BrokerCapabilities = CAPABILITIES;
  /** The state machines. */
  readonly cluster: EmbeddedCluster;
  readonly #server: EmbeddedServer;
  readonly #client: Client;
  readonly #ownsServer: boolean;
  readonly #consumers = new Set<EmbeddedConsumer>();

  /**
   * A client of a cluster, with the server that carries out its requests.
   *
   * @param cluster The state machines, recovered already; a new cluster by default.
   * @param environment Time, randomness and log.
   * @param options Journal and defaults.
   * @throws {RangeError} when an option is out of its range.
   */
  constructor(cluster: EmbeddedCluster, environment: Environment, options: EmbeddedBrokerOptions = {}) {
    const link = linkOf(options);
    this.cluster = cluster;
    this.location = options.location ?? "memory:";
    this.#ownsServer = link === null;
    const { journal, faults } = options;
    this.#server = link?.server ?? new EmbeddedServer(cluster, environment, {
      ...journal === undefined ? {} : { journal },
      ...faults === undefined ? {} : { faults },
    });
    this.#client = new Client(link?.via ?? this.#server, environment, link?.options ?? resolved(options));
  }

  /** Connects; there is nothing to connect to. */
  open(): Promise<void> {
    if (!this.#server.isClosed) return Promise.resolve();
    return Promise.reject(
      new BrokerUnavailableError(`Cannot open broker '${this.location}' as it was closed, make a new one`),
    );
  }

  /**
   * Another client process of the same cluster. Closing it closes only what was opened through it.
   *
   * @param environment Time and randomness of that process. @default {as this one's}
   * @param through What lies between that process and the broker: a simulated network. @default {nothing}
   */
  connect(
    environment: Environment = this.#client.environment,
    through: (server: ServerLink) => ServerLink = (server) => server,
  ): EmbeddedBroker {
    const options: EmbeddedBrokerOptions & { [LINK]: Link } = {
      location: this.location,
      [LINK]: { server: this.#server, via: through(this.#server), options: this.#client.options },
    };
    return new EmbeddedBroker(this.cluster, environment, options);
  }

  /** A new member of a group. */
  async consumer(options: ConsumerOptions): Promise<Consumer> {
    await this.open();
    const consumer = new EmbeddedConsumer(this.#client, options, (closed) => this.#consumers.delete(closed));
    this.#consumers.add(consumer);
    return consumer;
  }

  /** A new idempotent producer. */
  async producer(): Promise<Producer> {
    const producer = new EmbeddedProducer(this.#client);
    await producer.open();
    return producer;
  }

  /** A new transactional producer. */
  async transactionalProducer(options: TransactionalProducerOptions): Promise<TransactionalProducer> {
    await this.open();
    return new EmbeddedTransactionalProducer(this.#client, options);
  }

  /** Administration. */
  async admin(): Promise<BrokerAdmin> {
    await this.open();
    return new EmbeddedAdmin(this.#client);
  }

  /** Closes everything that was opened through it; listeners are not called. */
  async close(): Promise<void> {
    if (this.#client.isClosed) return;
    await Promise.all([...this.#consumers].map((consumer) => consumer.close({ isDirty: true })));
    this.crash();
    if (this.#ownsServer) await this.#server.close();
  }

  /**
   * The client process is gone without a goodbye: its members go silent and lose their partitions when their sessions
   * end, its open transaction waits for its timeout or for a successor.
   */
  crash(): void {
    for (const consumer of this.#consumers) consumer.abandon();
    this.#consumers.clear();
    this.#client.cut();
  }
}

/** What a further connection shares with the first one. */
interface Link {
  readonly server: EmbeddedServer;
  readonly via: ServerLink;
  readonly options: ClientOptions;
}

const LINK: unique symbol = Symbol("link");

function linkOf(options: EmbeddedBrokerOptions): Link | null {
  return (options as { [LINK]?: Link })[LINK] ?? null;
}

function resolved(options: EmbeddedBrokerOptions): ClientOptions {
  const clientOptions = Object.freeze({
    defaultPartitions: options.defaultPartitions ?? 4,
    requestTimeoutMs: options.requestTimeoutMs ?? 30_000,
    stableTimeoutMs: options.stableTimeoutMs ?? 60_000,
    rebalanceTimeoutMs: options.rebalanceTimeoutMs ?? 60_000,
    pollIntervalMsMax: options.pollIntervalMsMax ?? Infinity,
  });
  for (const [name, value] of Object.entries(clientOptions)) {
    const isGood = name === "defaultPartitions" ? Number.isSafeInteger(value) && value > 0 : value >= 0;
    if (isGood) continue;
    const rule = name === "defaultPartitions" ? "an integer > 0" : "a number >= 0";
    throw new RangeError(`Cannot create embedded broker as '${name}' must be ${rule}: current value is ${value}`);
  }
  return clientOptions;
}
