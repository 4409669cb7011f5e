import { VERSION } from "../../../base/version.ts";
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
  /** Leader epoch of each partition by its number; -1 when it is not known. */
  readonly leaderEpochs: readonly number[];
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
  const leaderEpochs: number[] = [];
  r.compactArray(() => {
    r.int16();
    const partition = r.int32();
    leaders[partition] = r.int32();
    leaderEpochs[partition] = r.int32();
    for (let list = 0; list < 3; list++) r.compactArray(() => r.int32());
    r.tags();
  });
  r.int32();
  r.tags();
  const dense = (numbers: readonly number[]) => Array.from(numbers, (number) => number ?? -1);
  return { errorCode, topic, topicId, leaders: dense(leaders), leaderEpochs: dense(leaderEpochs) };
}

/** Lowest and highest version of each API that a broker speaks, by API number. */
export type ApiVersions = Readonly<Record<number, { readonly minVersion: number; readonly maxVersion: number }>>;

/** What a broker tells about itself when a connection begins. */
export interface BrokerVersions {
  /** Error code; 35 when it does not speak the version that was asked with. */
  readonly errorCode: number;
  /** What it speaks. */
  readonly versions: ApiVersions;
  /** Levels of the features that the whole cluster has finalized: `transaction.version`, `group.version` ... */
  readonly features: Readonly<Record<string, number>>;
}

/** Number of the API that tells versions; its reply has no tagged fields in the header, whatever its version. */
export const API_VERSIONS = 18;

/** Which versions a broker speaks, as every broker can be asked. */
export const API_VERSIONS_CALL: Call<BrokerVersions> = {
  apiKey: API_VERSIONS,
  version: 0,
  name: "ApiVersions",
  write: () => {},
  read: readOldVersions,
};

function readOldVersions(r: ByteReader): BrokerVersions {
  const errorCode = r.int16();
  const entries = r.array(() => [r.int16(), { minVersion: r.int16(), maxVersion: r.int16() }] as const);
  return { errorCode, versions: Object.fromEntries(entries), features: {} };
}

/** Tag of the finalized features in a reply. */
const FINALIZED_FEATURES = 2;

/**
 * Which versions a broker speaks and which features its cluster has, and names this client's software in the broker's
 * metrics. A broker that does not know this version of the call answers with code 35 in the form of the first version.
 */
export const API_VERSIONS_3_CALL: Call<BrokerVersions> = {
  apiKey: API_VERSIONS,
  version: 3,
  name: "ApiVersions",
  isFlexible: true,
  write: (w) => void w.compactString("turbine").compactString(VERSION).noTags(),
  read: (r) => {
    if (r.int16() !== 0) {
      r.at -= 2;
      return readOldVersions(r);
    }
    const entries = r.compactArray(() => {
      const entry = [r.int16(), { minVersion: r.int16(), maxVersion: r.int16() }] as const;
      r.tags();
      return entry;
    });
    r.int32();
    return { errorCode: 0, versions: Object.fromEntries(entries), features: readFeatures(r) };
  },
};

function readFeatures(r: ByteReader): Record<string, number> {
  const features: Record<string, number> = {};
  for (let left = r.unsignedVarint(); left > 0; left--) {
    const tag = r.unsignedVarint();
    const end = r.unsignedVarint() + r.at;
    if (tag === FINALIZED_FEATURES) {
      r.compactArray(() => {
        const name = r.compactString() ?? "";
        features[name] = r.int16();
        r.int16();
        r.tags();
      });
    }
    r.raw(end - r.at);
  }
  return features;
}

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

/** What a coordinator takes care of, as the protocol numbers it. */
export const COORDINATOR = { group: 0, transaction: 1 } as const;

/** Kinds of coordinators. */
export type CoordinatorKind = keyof typeof COORDINATOR;

/** The broker that coordinates a group, or the transactions of a transactional id. */
export function findCoordinatorCall(
  id: string,
  kind: CoordinatorKind = "group",
): Call<{ readonly errorCode: number; readonly message: string | null; readonly node: NodeAddress }> {
  return {
    apiKey: 10,
    version: 2,
    name: "FindCoordinator",
    write: (w) => void w.string(id).int8(COORDINATOR[kind]),
    read: (r) => {
      r.int32();
      const [errorCode, message] = [r.int16(), r.nullableString()];
      return { errorCode, message, node: { nodeId: r.int32(), host: r.string(), port: r.int32() } };
    },
  };
}
