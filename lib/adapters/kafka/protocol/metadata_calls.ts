import type { ByteReader } from "./byte_reader.ts";
import type { Call } from "./call.ts";

/** Where a broker listens. */
export interface NodeAddress {
  /** Number of the broker. */
  readonly nodeId: number;
  /** Host name or address. */
  readonly host: string;
  /** Port. */
  readonly port: number;
}

/** A topic as the metadata show it. */
export interface TopicMetadata {
  /** Error code; 0 for none. */
  readonly errorCode: number;
  /** Topic name. */
  readonly topic: string;
  /** The broker's id of this incarnation, as 32 hexadecimal digits. */
  readonly topicId: string;
  /** Leader of each partition by its number; -1 for none. */
  readonly leaders: readonly number[];
}

/** What brokers tell about the cluster. */
export interface ClusterMetadata {
  /** Brokers. */
  readonly nodes: readonly NodeAddress[];
  /** Identity of the cluster. */
  readonly clusterId: string;
  /** The topics that were asked for. */
  readonly topics: readonly TopicMetadata[];
}

const NO_UUID = new Uint8Array(16);

/** Metadata of topics; none are created. */
export function metadataCall(topics: readonly string[]): Call<ClusterMetadata> {
  return {
    apiKey: 3,
    version: 10,
    name: "Metadata",
    isFlexible: true,
    write: (w) => {
      w.compactArray(topics, (topic) => w.raw(NO_UUID).compactString(topic).noTags());
      w.boolean(false).boolean(false).boolean(false).noTags();
    },
    read: readMetadata,
  };
}

function readMetadata(r: ByteReader): ClusterMetadata {
  r.int32();
  const nodes = r.compactArray(() => {
    const node = { nodeId: r.int32(), host: r.compactString() ?? "", port: r.int32() };
    r.compactString();
    r.tags();
    return node;
  });
  const clusterId = r.compactString() ?? "";
  r.int32();
  const topics = r.compactArray(() => readTopic(r));
  return { nodes, clusterId, topics };
}

function readTopic(r: ByteReader): TopicMetadata {
  const errorCode = r.int16();
  const topic = r.compactString() ?? "";
  const topicId = Array.from(r.raw(16), (byte) => byte.toString(16).padStart(2, "0")).join("");
  r.boolean();
  const leaders: number[] = [];
  r.compactArray(() => {
    r.int16();
    const partition = r.int32();
    leaders[partition] = r.int32();
    r.int32();
    for (let list = 0; list < 3; list++) r.compactArray(() => r.int32());
    r.tags();
  });
  r.int32();
  r.tags();
  return { errorCode, topic, topicId, leaders: Array.from(leaders, (leader) => leader ?? -1) };
}

/** Lowest and highest version of each API that a broker speaks, by API number. */
export type ApiVersions = Readonly<Record<number, { readonly minVersion: number; readonly maxVersion: number }>>;

/** Which versions a broker speaks. */
export const API_VERSIONS_CALL: Call<ApiVersions> = {
  apiKey: 18,
  version: 0,
  name: "ApiVersions",
  write: () => {},
  read: (r) => {
    r.int16();
    const entries = r.array(() => [r.int16(), { minVersion: r.int16(), maxVersion: r.int16() }] as const);
    return Object.fromEntries(entries);
  },
};

/** What became of one topic that was to be created. */
export interface CreatedTopic {
  /** Topic name. */
  readonly topic: string;
  /** Error code; 0 for none. */
  readonly errorCode: number;
  /** What the broker says. */
  readonly message: string | null;
}

/** Creates topics with the broker's default replication. */
export function createTopicsCall(
  topics: readonly { readonly topic: string; readonly partitions: number }[],
  timeoutMs: number,
): Call<CreatedTopic[]> {
  return {
    apiKey: 19,
    version: 4,
    name: "CreateTopics",
    write: (w) => {
      w.array(topics, ({ topic, partitions }) => w.string(topic).int32(partitions).int16(-1).int32(0).int32(0));
      w.int32(timeoutMs).boolean(false);
    },
    read: (r) => {
      r.int32();
      return r.array(() => ({ topic: r.string(), errorCode: r.int16(), message: r.nullableString() }));
    },
  };
}

/** The broker that coordinates a group. */
export function findCoordinatorCall(
  groupId: string,
): Call<{ readonly errorCode: number; readonly node: NodeAddress }> {
  return {
    apiKey: 10,
    version: 2,
    name: "FindCoordinator",
    write: (w) => void w.string(groupId).int8(0),
    read: (r) => {
      r.int32();
      const errorCode = r.int16();
      r.nullableString();
      return { errorCode, node: { nodeId: r.int32(), host: r.string(), port: r.int32() } };
    },
  };
}
