import { BrokerUnavailableError } from "../../base/errors.ts";
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
import { KafkaClient } from "./kafka_client.ts";
import { KafkaAdmin } from "./kafka_admin.ts";
import { KafkaConsumer } from "./kafka_consumer.ts";
import type { MakeConnection } from "./connection.ts";
import type { ResolvedKafkaOptions } from "./kafka_options.ts";
import { KafkaProducer } from "./kafka_producer.ts";
import { KafkaTransactionalProducer } from "./kafka_transactional_producer.ts";

const CAPABILITIES: BrokerCapabilities = Object.freeze({
  isTransactional: true,
  hasStaticMembers: true,
  hasStableOffsets: true,
  createsTopics: false,
});

/** A Kafka cluster. */
export class KafkaBroker implements Broker {
  /** Scheme and addresses. */
  readonly location: string;
  /** What it can do. */
  readonly capabilities: BrokerCapabilities = CAPABILITIES;
  readonly #client: KafkaClient;
  readonly #consumers = new Set<KafkaConsumer>();
  readonly #producers = new Set<KafkaProducer | KafkaTransactionalProducer>();
  #isClosed = false;

  /**
   * Nothing is connected yet.
   *
   * @param options Addresses and bounds.
   * @param more Scheme; what makes connections; time, randomness and log.
   */
  constructor(
    options: ResolvedKafkaOptions,
    more: { readonly scheme: string; readonly makeConnection: MakeConnection; readonly environment: Environment },
  ) {
    this.location = `${more.scheme}://${options.brokers.join(",")}`;
    this.#client = new KafkaClient(options, more);
  }

  /** Connects. @throws {BrokerUnavailableError} naming the address. @throws {AuthorizationError} when it refuses us. */
  async open(): Promise<void> {
    if (this.#isClosed) {
      throw new BrokerUnavailableError(`Cannot open broker '${this.location}' as it was closed, make a new one`);
    }
    if (this.#client.clusterId === "") await this.#client.open();
  }

  /** A new member of a group. */
  async consumer(options: ConsumerOptions): Promise<Consumer> {
    await this.open();
    for (const each of this.#consumers) if (each.isClosed) this.#consumers.delete(each);
    const consumer = new KafkaConsumer(this.#client, options);
    this.#consumers.add(consumer);
    return consumer;
  }

  /** A new idempotent producer. */
  async producer(): Promise<Producer> {
    await this.open();
    for (const each of this.#producers) if (each.isClosed) this.#producers.delete(each);
    const producer = new KafkaProducer(this.#client);
    await producer.open();
    this.#producers.add(producer);
    return producer;
  }

  /**
   * A new transactional producer; nothing is asked before it is initialized.
   *
   * @param options Transactional id, and how long a transaction may be open.
   * @throws {TypeError} when the transactional id is empty.
   */
  async transactionalProducer(options: TransactionalProducerOptions): Promise<TransactionalProducer> {
    await this.open();
    for (const each of this.#producers) if (each.isClosed) this.#producers.delete(each);
    const producer = new KafkaTransactionalProducer(this.#client, options);
    this.#producers.add(producer);
    return producer;
  }

  /** Administration. */
  async admin(): Promise<BrokerAdmin> {
    await this.open();
    return new KafkaAdmin(this.#client);
  }

  /** Closes everything that was opened through it; listeners are not called. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await Promise.all([...this.#consumers].map((consumer) => consumer.close({ isDirty: true })));
    await Promise.all([...this.#producers].map((producer) => producer.close()));
    await this.#client.close();
  }

  /**
   * The client process is gone without a goodbye: its members go silent and lose their partitions when their sessions
   * end.
   */
  async crash(): Promise<void> {
    this.#isClosed = true;
    for (const consumer of this.#consumers) consumer.abandon();
    await this.#client.close();
  }
}
