/** A cluster of one broker with one topic, inside this process, whose group answers as a test tells it to. */
import type { CommittedPosition } from "../../seams/broker.ts";
import type { KafkaConnection } from "./connection.ts";
import { KafkaClient } from "./kafka_client.ts";
import { resolveOptions } from "./kafka_options.ts";
import { processEnvironment } from "./process_environment.ts";
import { ByteReader } from "./protocol/byte_reader.ts";
import { ByteWriter } from "./protocol/byte_writer.ts";
import type { Call } from "./protocol/call.ts";
import type { DescribedMember, MemberReply, PartitionsById } from "./protocol/member_calls.ts";
import { readTopicId } from "./protocol/topic_id.ts";

/** Id of a topic in its n-th incarnation. */
export function topicIdOf(incarnation: number): string {
  return `${incarnation}`.padStart(32, "0");
}

/** A heartbeat as the group sees it. */
export interface SeenHeartbeat {
  readonly memberId: string;
  readonly epoch: number;
  readonly instanceId: string | null;
  /** Topics, or `null` when nothing new was told. */
  readonly topics: readonly string[] | null;
  /** Partition numbers, or `null` in a goodbye. */
  readonly owned: readonly number[] | null;
}

/** What the group answers to a heartbeat: a code, or what changes. */
export type HeartbeatAnswer =
  | { readonly code: number }
  | { readonly epoch: number; readonly partitions?: readonly number[]; readonly topicId?: string };

/** The cluster. */
export class FakeGroup {
  /** All heartbeats so far. */
  readonly heartbeats: SeenHeartbeat[] = [];
  /** Generations of all commits so far. */
  readonly commits: number[] = [];
  /** Highest version of heartbeats that it speaks. */
  heartbeatVersion = 1;
  /** Incarnation of the topic `t`. */
  incarnation = 1;
  /** Answers a heartbeat; an error is what the connection fails with. */
  onHeartbeat: (beat: SeenHeartbeat) => HeartbeatAnswer | Error | Promise<HeartbeatAnswer> = () => ({ epoch: 1 });
  /** The error code of a commit under a generation. */
  onCommit: (generation: number) => number = () => 0;
  /** Who is in the group. */
  members: readonly DescribedMember[] = [];
  /** What was set of the group's configuration. */
  readonly config = new Map([["consumer.session.timeout.ms", "45000"], ["consumer.heartbeat.interval.ms", "5000"]]);

  /** A client of the cluster. */
  client(): KafkaClient {
    const options = resolveOptions({ brokers: ["fake:1"], heartbeatIntervalMs: 5, groupProtocol: "consumer" });
    return new KafkaClient(options, {
      environment: processEnvironment(),
      makeConnection: (): KafkaConnection => ({
        address: "fake:1",
        isOpen: true,
        versions: { 8: { minVersion: 2, maxVersion: 9 }, 68: { minVersion: 0, maxVersion: this.heartbeatVersion } },
        features: {},
        open: () => Promise.resolve(),
        send: async <T>(call: Call<T>) => await this.#answer(call) as T,
        destroy: () => {},
      }),
    });
  }

  async #answer(call: Call<unknown>): Promise<unknown> {
    const writer = new ByteWriter();
    call.write(writer);
    const body = new ByteReader(writer.finish());
    const node = { nodeId: 1, host: "fake", port: 1 };
    switch (call.apiKey) {
      case 3:
        return { nodes: [node], clusterId: "c", topics: [this.#topic()] };
      case 10:
        return { errorCode: 0, message: null, node };
      case 8:
        return this.#commit(body);
      case 32:
      case 44:
        if (call.apiKey === 44) this.config.set("consumer.session.timeout.ms", "set");
        return { errorCode: 0, message: null, values: this.config };
      case 68:
        return await this.#heartbeat(body, call.version);
      case 69:
        return { errorCode: 0, message: null, members: this.members };
      default:
        throw new Error(`${call.name} was not expected`);
    }
  }

  #topic() {
    return {
      errorCode: 0,
      topic: "t",
      topicId: topicIdOf(this.incarnation),
      leaders: [1, 1, 1],
      leaderEpochs: [0, 0, 0],
    };
  }

  #commit(body: ByteReader) {
    body.compactString();
    const generation = body.int32();
    this.commits.push(generation);
    return [{ topic: "t", partition: 0, errorCode: this.onCommit(generation) }];
  }

  async #heartbeat(body: ByteReader, version: number): Promise<MemberReply> {
    body.compactString();
    const [memberId, epoch, instanceId] = [body.compactString()!, body.int32(), body.compactString()];
    body.compactString();
    body.int32();
    const topics = listOf(body, () => body.compactString()!);
    if (version > 0) body.compactString();
    body.compactString();
    const owned = listOf(body, () => {
      readTopicId(body);
      const partitions = body.compactArray(() => body.int32());
      body.tags();
      return partitions;
    })?.flat() ?? null;
    const beat = { memberId, epoch, instanceId, topics, owned };
    this.heartbeats.push(beat);
    const answer = await this.onHeartbeat(beat);
    if (answer instanceof Error) throw answer;
    const base = {
      errorCode: 0,
      message: null,
      memberId: memberId === "" ? "given" : memberId,
      heartbeatIntervalMs: 5_000,
    };
    if ("code" in answer) return { ...base, errorCode: answer.code, epoch: 0, assignment: null };
    const { partitions, topicId = topicIdOf(this.incarnation) } = answer;
    const assignment: PartitionsById[] | null = partitions === undefined ? null : [{ topicId, partitions }];
    return { ...base, epoch: answer.epoch, assignment };
  }
}

function listOf<T>(body: ByteReader, read: () => T): T[] | null {
  const count = body.unsignedVarint() - 1;
  return count < 0 ? null : Array.from({ length: count }, read);
}

/** A position of the topic `t`. */
export function positionIn(partition: number): CommittedPosition {
  return { topic: "t", partition, offset: 1n, leaderEpoch: -1, metadata: "" };
}
