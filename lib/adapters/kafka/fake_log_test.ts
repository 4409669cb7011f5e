/** A cluster of two brokers with one topic of three partitions, inside this process, that answers fetches as told. */
import { recordsOf } from "../../../testing/record_rows.ts";
import type { KafkaConnection } from "./connection.ts";
import { encodeBatches } from "./encode_batches.ts";
import { KafkaClient } from "./kafka_client.ts";
import { resolveOptions } from "./kafka_options.ts";
import { processEnvironment } from "./process_environment.ts";
import { ByteReader } from "./protocol/byte_reader.ts";
import { ByteWriter } from "./protocol/byte_writer.ts";
import type { Call } from "./protocol/call.ts";
import type { FetchedPartition, FetchReply } from "./protocol/fetch_calls.ts";
import { readTopicId } from "./protocol/topic_id.ts";

/** One partition of a fetch as a broker sees it. */
export interface SeenPlace {
  readonly partition: number;
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly lastEpoch: number;
}

/** A fetch as a broker sees it. */
export interface SeenFetch {
  readonly broker: number;
  readonly version: number;
  /** Id of the topic, or its name before version 13. */
  readonly topic: string;
  readonly bytesMax: number;
  readonly places: readonly SeenPlace[];
}

/** What a partition is answered with, beside nothing. */
export type PlaceAnswer = Partial<Omit<FetchedPartition, "topic" | "partition">>;

/** Record batches: each has a first offset, a leader epoch, and values. */
export function batchesOf(
  ...batches: readonly { readonly from: number; readonly epoch: number; readonly values: readonly string[] }[]
): Uint8Array {
  const parts = batches.map(({ from, epoch, values }) => {
    const producer = { producerId: -1n, producerEpoch: -1, sequence: -1 };
    const [batch] = encodeBatches(recordsOf(values), null, { wallMs: 1, bytesMax: 100_000, producer });
    const view = new DataView(batch!.bytes.buffer, batch!.bytes.byteOffset);
    view.setBigInt64(0, BigInt(from));
    view.setInt32(12, epoch);
    return batch!.bytes;
  });
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** The cluster. */
export class FakeLog {
  /** All fetches so far. */
  readonly fetches: SeenFetch[] = [];
  /** How often metadata were asked for. */
  metadataCount = 0;
  /** Highest version of fetches that the brokers speak. */
  fetchVersion = 13;
  /** Id of the topic. */
  topicId = "1".padStart(32, "0");
  /** Leaders of the partitions, and their epochs. */
  leaders = [1, 1, 2];
  leaderEpochs = [3, 3, 3];
  /** Bounds of each log. */
  bounds = { start: 0n, end: 100n };
  /** Answers a fetch for one partition. */
  onFetch: (place: SeenPlace, fetch: SeenFetch) => PlaceAnswer | Promise<PlaceAnswer> = () => ({});
  /** Awaited before metadata are answered. */
  beforeMetadata: () => Promise<void> = () => Promise.resolve();

  /** A client of the cluster. */
  client(): KafkaClient {
    return new KafkaClient(resolveOptions({ brokers: ["fake:9"] }), {
      environment: processEnvironment(),
      makeConnection: ({ port }): KafkaConnection => ({
        address: `fake:${port}`,
        isOpen: true,
        versions: { 1: { minVersion: 4, maxVersion: this.fetchVersion } },
        features: {},
        open: () => Promise.resolve(),
        send: async <T>(call: Call<T>) => await this.#answer(port, call) as T,
        destroy: () => {},
      }),
    });
  }

  async #answer(broker: number, call: Call<unknown>): Promise<unknown> {
    const writer = new ByteWriter();
    call.write(writer);
    const body = new ByteReader(writer.finish());
    if (call.apiKey === 3) return await this.#metadata();
    if (call.apiKey === 1) return await this.#fetch(broker, call.version, body);
    if (call.apiKey === 2) return this.#bounds(body);
    throw new Error(`${call.name} was not expected`);
  }

  async #metadata() {
    await this.beforeMetadata();
    this.metadataCount += 1;
    const nodes = [1, 2].map((nodeId) => ({ nodeId, host: "fake", port: nodeId }));
    const { topicId, leaders, leaderEpochs } = this;
    return { nodes, clusterId: "c", topics: [{ errorCode: 0, topic: "t", topicId, leaders, leaderEpochs }] };
  }

  /** Every partition has the same bounds. */
  #bounds(body: ByteReader) {
    body.int32();
    body.int8();
    return body.array(() => {
      const topic = body.string();
      return body.array(() => {
        const [partition, time] = [body.int32(), body.int64()];
        return { topic, partition, errorCode: 0, offset: time === -1n ? this.bounds.end : this.bounds.start };
      });
    }).flat();
  }

  async #fetch(broker: number, version: number, body: ByteReader): Promise<FetchReply> {
    body.raw(12);
    const bytesMax = body.int32();
    body.raw(9);
    let topic = "";
    const places = body.compactArray(() => {
      topic = version >= 13 ? readTopicId(body) : body.compactString()!;
      const found = body.compactArray(() => {
        const [partition, leaderEpoch] = [body.int32(), body.int32()];
        const [offset, lastEpoch] = [Number(body.int64()), body.int32()];
        body.raw(12);
        body.tags();
        return { partition, offset, leaderEpoch, lastEpoch };
      });
      body.tags();
      return found;
    }).flat();
    const fetch = { broker, version, topic, bytesMax, places };
    this.fetches.push(fetch);
    const partitions = await Promise.all(places.map(async (place): Promise<FetchedPartition> => ({
      topic: "t",
      partition: place.partition,
      errorCode: 0,
      highWatermark: this.bounds.end,
      logStart: this.bounds.start,
      aborted: [],
      records: new Uint8Array(0),
      diverging: null,
      ...await this.onFetch(place, fetch),
    })));
    return { errorCode: 0, partitions };
  }
}
