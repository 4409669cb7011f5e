/** Tells of every call of the broker seam, as the library makes it. */
import type {
  Broker,
  BrokerAdmin,
  BrokerCapabilities,
  CommittedPosition,
  Consumer,
  ConsumerOptions,
  GroupMetadata,
  PartitionOffsets,
  PollOptions,
  ProducedRange,
  Producer,
  ProduceRequest,
  RebalanceListener,
  TopicDescription,
  TopicPartition,
  TransactionalProducer,
  TransactionalProducerOptions,
} from "../../lib/seams/broker.ts";
import type { Outcome } from "../../lib/base/outcome.ts";
import type { RecordSlab } from "../../lib/columns/records.ts";
import type { SeamCall } from "./contracts.ts";

/** A call as the wrappers tell it; the world adds which process it is of. */
export type WatchedCall = Omit<SeamCall, "process" | "incarnation">;

/** Is told of each call and of its settlement, at once. Must not throw. */
export type TellCall = (call: WatchedCall) => void;

/**
 * A broker that tells of every call made through it, and of what becomes of it.
 *
 * - A call that returns a promise is told twice: `called` with its arguments before it is made, `settled` with its value
 *   or error in the turn in which it settles. One that returns at once (`seek`, `pause`, `resume`, `wake`, `begin`) is told
 *   once, as `called`. `assignment` and `groupMetadata` only look and are not told.
 * - A new handle is told as `open`, settled, with the options that it was opened with. Its listener has its number.
 *
 * To be put around the handles of a process, so that it tells what the library does, not what reaches the broker.
 *
 * @param broker The broker of one process.
 * @param tell Is told.
 * @param options `nextHandle` numbers the handles of a run. @default {from 1, for this broker alone}
 * @returns A broker that does the same.
 */
export function watchBroker(
  broker: Broker,
  tell: TellCall,
  options: { readonly nextHandle?: () => number } = {},
): Broker {
  let last = 0;
  return new WatchedBroker(broker, tell, options.nextHandle ?? (() => ++last));
}

/** Tells a call that returns a promise. */
async function told<T>(
  tell: TellCall,
  what: Pick<WatchedCall, "handle" | "kind" | "method" | "args">,
  run: () => Promise<T>,
): Promise<T> {
  const { handle, kind, method, args } = what;
  tell({ handle, kind, method, phase: "called", args });
  try {
    const value = await run();
    tell({ handle, kind, method, phase: "settled", args, value });
    return value;
  } catch (error) {
    tell({ handle, kind, method, phase: "settled", args, error });
    throw error;
  }
}

class WatchedBroker implements Broker {
  readonly #broker: Broker;
  readonly #tell: TellCall;
  readonly #nextHandle: () => number;

  constructor(broker: Broker, tell: TellCall, nextHandle: () => number) {
    this.#broker = broker;
    this.#tell = tell;
    this.#nextHandle = nextHandle;
  }

  get location(): string {
    return this.#broker.location;
  }

  get capabilities(): BrokerCapabilities {
    return this.#broker.capabilities;
  }

  open(): Promise<void> {
    return this.#broker.open();
  }

  async consumer(options: ConsumerOptions): Promise<Consumer> {
    const consumer = await this.#broker.consumer(options);
    return new WatchedConsumer(consumer, this.#tell, this.#opened("consumer", options));
  }

  async producer(): Promise<Producer> {
    const producer = await this.#broker.producer();
    return new WatchedProducer(producer, this.#tell, this.#opened("producer"));
  }

  async transactionalProducer(options: TransactionalProducerOptions): Promise<TransactionalProducer> {
    const producer = await this.#broker.transactionalProducer(options);
    return new WatchedTransactionalProducer(producer, this.#tell, this.#opened("transactional", options));
  }

  async admin(): Promise<BrokerAdmin> {
    return new WatchedAdmin(await this.#broker.admin(), this.#tell, this.#opened("admin"));
  }

  close(): Promise<void> {
    return this.#broker.close();
  }

  #opened(kind: SeamCall["kind"], ...args: readonly unknown[]): number {
    const handle = this.#nextHandle();
    this.#tell({ handle, kind, method: "open", phase: "settled", args });
    return handle;
  }
}

class WatchedListener implements RebalanceListener {
  readonly #listener: RebalanceListener;
  readonly #tell: TellCall;
  readonly #handle: number;

  constructor(listener: RebalanceListener, tell: TellCall, handle: number) {
    this.#listener = listener;
    this.#tell = tell;
    this.#handle = handle;
  }

  assigned(partitions: readonly TopicPartition[]): Promise<void> {
    return this.#told("assigned", partitions);
  }

  revoked(partitions: readonly TopicPartition[]): Promise<void> {
    return this.#told("revoked", partitions);
  }

  lost(partitions: readonly TopicPartition[]): Promise<void> {
    return this.#told("lost", partitions);
  }

  #told(method: "assigned" | "revoked" | "lost", partitions: readonly TopicPartition[]): Promise<void> {
    const what = { handle: this.#handle, kind: "listener", method, args: [partitions] } as const;
    return told(this.#tell, what, () => this.#listener[method](partitions));
  }
}

class WatchedConsumer implements Consumer {
  readonly #consumer: Consumer;
  readonly #tell: TellCall;
  readonly #handle: number;

  constructor(consumer: Consumer, tell: TellCall, handle: number) {
    this.#consumer = consumer;
    this.#tell = tell;
    this.#handle = handle;
  }

  subscribe(topics: readonly string[], listener: RebalanceListener): Promise<void> {
    const watched = new WatchedListener(listener, this.#tell, this.#handle);
    return this.#told("subscribe", [topics], () => this.#consumer.subscribe(topics, watched));
  }

  poll(options: PollOptions): Promise<readonly RecordSlab[]> {
    return this.#told("poll", [options], () => this.#consumer.poll(options));
  }

  wake(): void {
    this.#note("wake", []);
    this.#consumer.wake();
  }

  seek(partition: TopicPartition, offset: bigint, leaderEpoch?: number): void {
    this.#note("seek", [partition, offset]);
    this.#consumer.seek(partition, offset, leaderEpoch);
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.#note("pause", [partitions]);
    this.#consumer.pause(partitions);
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.#note("resume", [partitions]);
    this.#consumer.resume(partitions);
  }

  assignment(): readonly TopicPartition[] {
    return this.#consumer.assignment();
  }

  committed(
    partitions: readonly TopicPartition[],
    options: { readonly isStable: boolean },
  ): Promise<readonly CommittedPosition[]> {
    return this.#told("committed", [partitions, options], () => this.#consumer.committed(partitions, options));
  }

  commit(positions: readonly CommittedPosition[], group: GroupMetadata): Promise<Outcome<void>> {
    return this.#told("commit", [positions, group], () => this.#consumer.commit(positions, group));
  }

  groupMetadata(): GroupMetadata {
    return this.#consumer.groupMetadata();
  }

  close(options?: { readonly isDirty?: boolean }): Promise<void> {
    return this.#told("close", options === undefined ? [] : [options], () => this.#consumer.close(options));
  }

  #note(method: string, args: readonly unknown[]): void {
    this.#tell({ handle: this.#handle, kind: "consumer", method, phase: "called", args });
  }

  #told<T>(method: string, args: readonly unknown[], run: () => Promise<T>): Promise<T> {
    return told(this.#tell, { handle: this.#handle, kind: "consumer", method, args }, run);
  }
}

class WatchedProducer implements Producer {
  readonly #producer: Producer;
  readonly #tell: TellCall;
  readonly #handle: number;

  constructor(producer: Producer, tell: TellCall, handle: number) {
    this.#producer = producer;
    this.#tell = tell;
    this.#handle = handle;
  }

  produce(request: ProduceRequest): Promise<Outcome<readonly ProducedRange[]>> {
    return this.#told("produce", [request], () => this.#producer.produce(request));
  }

  close(): Promise<void> {
    return this.#told("close", [], () => this.#producer.close());
  }

  #told<T>(method: string, args: readonly unknown[], run: () => Promise<T>): Promise<T> {
    return told(this.#tell, { handle: this.#handle, kind: "producer", method, args }, run);
  }
}

class WatchedTransactionalProducer implements TransactionalProducer {
  readonly #producer: TransactionalProducer;
  readonly #tell: TellCall;
  readonly #handle: number;

  constructor(producer: TransactionalProducer, tell: TellCall, handle: number) {
    this.#producer = producer;
    this.#tell = tell;
    this.#handle = handle;
  }

  initialize(): Promise<Outcome<void>> {
    return this.#told("initialize", [], () => this.#producer.initialize());
  }

  begin(): void {
    this.#tell({ handle: this.#handle, kind: "transactional", method: "begin", phase: "called", args: [] });
    this.#producer.begin();
  }

  produce(request: ProduceRequest): Promise<Outcome<readonly ProducedRange[]>> {
    return this.#told("produce", [request], () => this.#producer.produce(request));
  }

  sendOffsets(positions: readonly CommittedPosition[], group: GroupMetadata): Promise<Outcome<void>> {
    return this.#told("sendOffsets", [positions, group], () => this.#producer.sendOffsets(positions, group));
  }

  commit(): Promise<Outcome<void>> {
    return this.#told("commit", [], () => this.#producer.commit());
  }

  abort(): Promise<Outcome<void>> {
    return this.#told("abort", [], () => this.#producer.abort());
  }

  close(): Promise<void> {
    return this.#told("close", [], () => this.#producer.close());
  }

  #told<T>(method: string, args: readonly unknown[], run: () => Promise<T>): Promise<T> {
    return told(this.#tell, { handle: this.#handle, kind: "transactional", method, args }, run);
  }
}

class WatchedAdmin implements BrokerAdmin {
  readonly #admin: BrokerAdmin;
  readonly #tell: TellCall;
  readonly #handle: number;

  constructor(admin: BrokerAdmin, tell: TellCall, handle: number) {
    this.#admin = admin;
    this.#tell = tell;
    this.#handle = handle;
  }

  clusterId(): Promise<string> {
    return this.#told("clusterId", [], () => this.#admin.clusterId());
  }

  createTopics(topics: readonly { readonly topic: string; readonly partitions: number }[]): Promise<void> {
    return this.#told("createTopics", [topics], () => this.#admin.createTopics(topics));
  }

  describeTopics(topics: readonly string[]): Promise<readonly TopicDescription[]> {
    return this.#told("describeTopics", [topics], () => this.#admin.describeTopics(topics));
  }

  offsets(partitions: readonly TopicPartition[]): Promise<readonly PartitionOffsets[]> {
    return this.#told("offsets", [partitions], () => this.#admin.offsets(partitions));
  }

  offsetsAt(
    partitions: readonly TopicPartition[],
    atMs: number,
  ): Promise<readonly (TopicPartition & { offset: bigint })[]> {
    return this.#told("offsetsAt", [partitions, atMs], () => this.#admin.offsetsAt(partitions, atMs));
  }

  groupOffsets(groupId: string, partitions: readonly TopicPartition[]): Promise<readonly CommittedPosition[]> {
    return this.#told("groupOffsets", [groupId, partitions], () => this.#admin.groupOffsets(groupId, partitions));
  }

  setGroupOffsets(groupId: string, positions: readonly CommittedPosition[]): Promise<void> {
    return this.#told("setGroupOffsets", [groupId, positions], () => this.#admin.setGroupOffsets(groupId, positions));
  }

  close(): Promise<void> {
    return this.#told("close", [], () => this.#admin.close());
  }

  #told<T>(method: string, args: readonly unknown[], run: () => Promise<T>): Promise<T> {
    return told(this.#tell, { handle: this.#handle, kind: "admin", method, args }, run);
  }
}
