/** A Kafka cluster of one broker without sockets: requests of transactions go to the embedded cluster, as bytes. */
import { assertEquals } from "@std/assert";
import { BrokerUnavailableError } from "../../base/errors.ts";
import { spansOf } from "../../columns/spans.ts";
import { EmbeddedCluster } from "../../embedded/cluster.ts";
import type { RefusalCode, Reply } from "../../embedded/reply.ts";
import type { Environment } from "../../seams/adapter.ts";
import type { KafkaConnection } from "./connection.ts";
import { KafkaClient } from "./kafka_client.ts";
import { resolveOptions } from "./kafka_options.ts";
import { ByteReader } from "./protocol/byte_reader.ts";
import { ByteWriter } from "./protocol/byte_writer.ts";
import type { Call } from "./protocol/call.ts";

/**
 * What becomes of one request: it is refused with an error code, or not even sent; it or its reply is lost; `late`: it is
 * lost, and applied later; `moved`: it is applied by a coordinator that answers that it is none any more.
 */
export type Fate = "pass" | "request-lost" | "reply-lost" | "late" | "moved" | "refused" | number;

/** A request as it was sent. */
export interface Seen {
  readonly name: string;
  readonly version: number;
  readonly producerId?: bigint;
  readonly producerEpoch?: number;
  readonly isCommit?: boolean;
  readonly sequence?: number;
  /** Topic and partition of a batch. */
  readonly place?: string;
  /** Counts requests with batches. */
  readonly request?: number;
}

const CODES: Partial<Readonly<Record<RefusalCode, number>>> = {
  "unknown-topic": 3,
  "out-of-order-sequence": 45,
  "invalid-producer-epoch": 47,
  "producer-fenced": 90,
  "unknown-producer": 49,
  "invalid-transaction-state": 48,
  "invalid-transaction-timeout": 50,
  "concurrent-transactions": 51,
  "illegal-generation": 22,
  "unknown-member": 25,
  "fenced-instance": 82,
};

const TOPICS = ["t", "u"];

interface Identity {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** The cluster, and what its clients sent. */
export class FakeCoordinator {
  readonly cluster = new EmbeddedCluster();
  readonly seen: Seen[] = [];
  readonly client: KafkaClient;
  /** Decides about each request. */
  fate: (name: string) => Fate = () => "pass";
  /** Error code for the batch of one place, whatever becomes of the others of its request; 0 for none. */
  refusal: (place: string) => number = () => 0;
  /** What was lost on its way and comes later. */
  readonly late: (() => unknown)[] = [];
  readonly #generation: 1 | 2;
  #nowMs = 0;
  #requests = 0;

  /**
   * @param generation Generation of transactions that the cluster has finalized.
   * @param random Randomness of the client.
   */
  constructor(generation: 1 | 2, random: { uint32(): number } = { uint32: () => 0x8000_0000 }) {
    this.#generation = generation;
    this.cluster.setTransactionVersion(generation);
    for (const [topicId, topic] of TOPICS.entries()) {
      this.cluster.createTopic({ topic, partitions: 2, topicId: `id ${topicId}` }, this.#times());
    }
    const environment: Environment = {
      clock: {
        wallMs: () => 1_000,
        monotonicMs: () => this.#nowMs,
        sleep: (ms) => {
          this.#nowMs += ms;
          this.cluster.tick(this.#times());
          return Promise.resolve();
        },
      },
      random,
      observer: { step: () => {}, log: () => {} },
    };
    const options = resolveOptions({ brokers: ["a:1"], requestTimeoutMs: 1_000 });
    this.client = new KafkaClient(options, { environment, makeConnection: () => this.#connection() });
  }

  /** Names and epochs of what was sent since the last call, without look-ups. */
  taken(): string[] {
    const names = this.seen.splice(0).filter(({ name }) => name !== "Metadata" && name !== "FindCoordinator");
    return names.map(({ name, producerEpoch, isCommit, sequence }) =>
      [name, producerEpoch, sequence === undefined ? isCommit : `#${sequence}`].filter((part) => part !== undefined)
        .join(" ")
    );
  }

  /** Places of the batches of each request with batches since the last call. */
  takenRequests(): string[][] {
    const requests = new Map<number, string[]>();
    for (const { request, place, sequence } of this.seen.splice(0)) {
      if (request === undefined) continue;
      requests.set(request, [...requests.get(request) ?? [], `${place} #${sequence}`]);
    }
    return [...requests.values()];
  }

  /** Values of one partition that readers of committed records see. */
  visible(partition = 0, topic = "t"): string[] {
    const options = { from: 0, maxRecords: 10_000, maxBytes: 10_000_000, isCommitted: true };
    const reply = this.cluster.fetch({ topic, partition }, options);
    if (reply.kind !== "done") throw new Error("the topic is there");
    if (reply.value === null) return [];
    const { count, values } = reply.value.records;
    const decoder = new TextDecoder();
    return Array.from({ length: count }, (_, row) => {
      return decoder.decode(values.bytes.subarray(values.starts[row]!, values.ends[row]!));
    });
  }

  /** Offset that the group `g` committed for partition 0. */
  offset(): number | undefined {
    const reply = this.cluster.committedOffsets(
      { groupId: "g", partitions: [["t", 0]], isStable: true },
      this.#times(),
    );
    return reply.kind === "done" ? reply.value[0]?.offset : undefined;
  }

  /** What is decided is written down. */
  settle(): void {
    this.cluster.holdMarkers(false);
    this.cluster.tick(this.#times());
  }

  #times(): { wallMs: number; monotonicMs: number } {
    return { wallMs: 1_000 + this.#nowMs, monotonicMs: this.#nowMs };
  }

  #connection(): KafkaConnection {
    const range = { minVersion: 0, maxVersion: 20 };
    let isOpen = true;
    const send = <T>(call: Call<T>): Promise<T> => {
      const writer = new ByteWriter();
      call.write(writer);
      const perform = this.#performer(call.name, call.version, new ByteReader(writer.finish()));
      const fate = this.fate(call.name);
      if (typeof fate === "number") return Promise.resolve(perform(fate) as T);
      const reply = fate === "pass" || fate === "reply-lost" || fate === "moved" ? perform() : undefined;
      if (fate === "moved") return Promise.resolve(perform(16) as T);
      if (fate === "late") this.late.push(perform);
      if (fate === "pass") return Promise.resolve(reply as T);
      if (fate === "refused") return Promise.reject(new BrokerUnavailableError("not connected"));
      isOpen = false;
      return Promise.reject(new BrokerUnavailableError(`${call.name} was lost`, { outcome: "unknown" }));
    };
    return {
      address: "a:1",
      get isOpen() {
        return isOpen;
      },
      versions: Object.fromEntries([0, 3, 10, 22, 24, 25, 26, 28].map((apiKey) => [apiKey, range])),
      features: { "transaction.version": this.#generation },
      open: () => Promise.resolve(),
      send,
      destroy: () => void (isOpen = false),
    };
  }

  /** Reads a request; what is returned performs it, or refuses it with a code. */
  #performer(name: string, version: number, r: ByteReader): (code?: number) => unknown {
    const note = (more: Partial<Seen> = {}) => void this.seen.push({ name, version, ...more });
    switch (name) {
      case "Metadata":
        note();
        return () => ({
          nodes: [{ nodeId: 1, host: "a", port: 1 }],
          clusterId: "fake",
          topics: TOPICS.map((topic, at) => {
            return { errorCode: 0, topic, topicId: `id ${at}`, leaders: [1, 1], leaderEpochs: [0, 0] };
          }),
        });
      case "DescribeConfigs":
        return () => ({ errorCode: 29, message: "not allowed", values: new Map() });
      case "FindCoordinator":
        note();
        return () => ({ errorCode: 0, message: null, node: { nodeId: 1, host: "a", port: 1 } });
      case "InitProducerId": {
        const [transactionalId, timeoutMs] = [r.compactString()!, r.int32()];
        const [producerId, producerEpoch] = [r.int64(), r.int16()];
        note({ producerId, producerEpoch });
        return (code) => this.#initialize({ transactionalId, timeoutMs, producerId, producerEpoch }, code);
      }
      case "Produce":
        return this.#producer(r, note);
      default:
        return this.#ender(name, r, note);
    }
  }

  #initialize(
    request: { transactionalId: string; timeoutMs: number; producerId: bigint; producerEpoch: number },
    code = 0,
  ): unknown {
    const { transactionalId, producerId, producerEpoch } = request;
    const none = { producerId: -1n, producerEpoch: -1 };
    if (code !== 0) return { errorCode: code, ...none };
    const found = this.cluster.state.transactions.get(transactionalId);
    const isStale = producerId >= 0n && found !== undefined && !found.status.startsWith("Prepare") &&
      (BigInt(found.producerId) !== producerId || found.producerEpoch !== producerEpoch);
    if (isStale) return { errorCode: 90, ...none };
    return sessionReply(this.cluster.initializeTransactions(request, this.#times()));
  }

  #ender(name: string, r: ByteReader, note: (more: Partial<Seen>) => void): (code?: number) => unknown {
    const transactionalId = r.compactString()!;
    const groupId = name === "TxnOffsetCommit" ? r.compactString()! : "";
    const session = { producerId: r.int64(), producerEpoch: r.int16() };
    const identity = { transactionalId, ...session, producerId: Number(session.producerId) };
    switch (name) {
      case "AddPartitionsToTxn": {
        note(session);
        const places = r.compactArray(() => {
          const topic = r.compactString()!;
          const partitions = r.compactArray(() => r.int32());
          r.tags();
          return partitions.map((partition) => [topic, partition] as const);
        }).flat();
        return (code) => codesOf(places, code ?? this.#add(identity, places));
      }
      case "AddOffsetsToTxn":
        note(session);
        return (code) => ({ errorCode: code ?? this.#add(identity, []) });
      case "TxnOffsetCommit": {
        note(session);
        const group = { generation: r.int32(), memberId: r.compactString()!, instanceId: r.compactString() };
        const offsets = r.compactArray(() => {
          const topic = r.compactString()!;
          const found = r.compactArray(() => {
            const place = { topic, partition: r.int32(), offset: Number(r.int64()), leaderEpoch: r.int32() };
            const metadata = r.compactString() ?? "";
            r.tags();
            return { ...place, metadata };
          });
          r.tags();
          return found;
        }).flat();
        const request = { ...identity, fence: { groupId, ...group }, offsets };
        const places = offsets.map(({ topic, partition }) => [topic, partition] as const);
        return (code) => {
          const found = code ?? codeOf(this.cluster.stageOffsets(request, this.#times()));
          // So a group's coordinator tells that the transaction before is still ending.
          return codesOf(places, found === 51 ? 14 : found);
        };
      }
      default: {
        const isCommit = r.boolean();
        note({ ...session, isCommit });
        return (code) => {
          if (code !== undefined) return { errorCode: code, producerId: -1n, producerEpoch: -1 };
          return sessionReply(this.cluster.endTransaction({ ...identity, isCommit }, this.#times()));
        };
      }
    }
  }

  #add(identity: Identity, partitions: readonly (readonly [string, number])[]): number {
    return codeOf(this.cluster.addTransactionPartitions({ ...identity, partitions }, this.#times()));
  }

  /** Batches of one record each, with a value of four bytes; behind it stands the count of headers. */
  #producer(r: ByteReader, note: (more: Partial<Seen>) => void): (code?: number) => unknown {
    const transactionalId = r.compactString();
    r.int16();
    r.int32();
    const sent = r.compactArray(() => {
      const topic = r.compactString()!;
      const batches = r.compactArray(() => {
        const partition = r.int32();
        const bytes = r.raw(r.unsignedVarint() - 1);
        r.tags();
        return { topic, partition, bytes };
      });
      r.tags();
      return batches;
    }).flat();
    const requestNumber = this.#requests++;
    const parsed = sent.map(({ topic, partition, bytes }) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      assertEquals([view.getInt16(21) & 16, view.getInt32(57)], [16, 1], "one record of a transaction");
      const value = new TextDecoder().decode(bytes.subarray(bytes.length - 5, bytes.length - 1));
      const producer = {
        producerId: Number(view.getBigInt64(43)),
        producerEpoch: view.getInt16(51),
        sequence: view.getInt32(53),
        transactionalId,
      };
      const { producerEpoch, sequence } = producer;
      note({ producerEpoch, sequence, place: `${topic}/${partition}`, request: requestNumber });
      const records = { count: 1, keys: null, values: spansOf([value]), timestamps: null, headers: null };
      return { topic, partition, records, rows: null, producer };
    });
    return (code) =>
      parsed.map((request) => {
        const { topic, partition } = request;
        const refusal = code ?? this.refusal(`${topic}/${partition}`);
        if (refusal !== 0) return { topic, partition, errorCode: refusal, firstOffset: -1n, message: null };
        const reply = this.cluster.produce(request, this.#times());
        const found = codeOf(reply);
        const firstOffset = reply.kind === "done" ? BigInt(reply.value.firstOffset) : -1n;
        // So a partition's leader tells that the transaction before is still ending, or that the epoch is an old one.
        const errorCode = found === 51 ? 19 : found === 90 ? 47 : found;
        return { topic, partition, errorCode, firstOffset, message: null };
      });
  }
}

function codeOf(reply: Reply<unknown>): number {
  if (reply.kind === "done") return 0;
  const code = CODES[reply.code];
  if (code === undefined) throw new Error(`refused with ${reply.code}: ${reply.message}`);
  return code;
}

function codesOf(places: readonly (readonly [string, number])[], errorCode: number): unknown {
  return places.map(([topic, partition]) => ({ topic, partition, errorCode }));
}

function sessionReply(reply: Reply<{ readonly producerId: number; readonly producerEpoch: number }>): unknown {
  if (reply.kind === "refused") return { errorCode: codeOf(reply), producerId: -1n, producerEpoch: -1 };
  return {
    errorCode: 0,
    producerId: BigInt(reply.value.producerId),
    producerEpoch: reply.value.producerEpoch,
  };
}
