/** A proxy that knows requests by their names and cuts the connection of one that it is told. */
import { type Fate, KafkaProxy } from "./kafka_proxy.ts";

/** Before the broker gets the request; after it has answered, when the answer is not told. */
export const CUT_FATES = ["request-lost", "reply-lost"] as const satisfies readonly Fate[];

/** One cut. */
export interface Cut {
  /** Name of the request. */
  readonly name: string;
  /** When the connection is cut. */
  readonly fate: typeof CUT_FATES[number];
}

const CLIENT_ID_AT = 8;
const MEMBER_HEARTBEAT = 68;
const NAMES: Readonly<Record<number, string>> = {
  0: "Produce",
  1: "Fetch",
  2: "ListOffsets",
  3: "Metadata",
  8: "OffsetCommit",
  9: "OffsetFetch",
  10: "FindCoordinator",
  11: "JoinGroup",
  12: "Heartbeat",
  13: "LeaveGroup",
  14: "SyncGroup",
  18: "ApiVersions",
  19: "CreateTopics",
  22: "InitProducerId",
  24: "AddPartitionsToTxn",
  25: "AddOffsetsToTxn",
  26: "EndTxn",
  28: "TxnOffsetCommit",
  32: "DescribeConfigs",
  44: "IncrementalAlterConfigs",
  [MEMBER_HEARTBEAT]: "ConsumerGroupHeartbeat",
};

/** Name of a request; a request that does three things has three names. */
function nameOf(apiKey: number, request: DataView): string {
  const name = NAMES[apiKey] ?? `request ${apiKey}`;
  if (apiKey !== MEMBER_HEARTBEAT) return name;
  let at = CLIENT_ID_AT + 2 + Math.max(0, request.getInt16(CLIENT_ID_AT)) + 1;
  // Group and member: short texts, their lengths plus one in a byte each.
  for (let text = 0; text < 2; text++) at += request.getUint8(at);
  const epoch = request.getInt32(at);
  return epoch === 0 ? `${name} to join` : epoch < 0 ? `${name} to leave` : name;
}

/** The proxy. */
export class CuttingProxy extends KafkaProxy {
  /** Names of all requests so far. */
  readonly names = new Set<string>();
  /** Cuts that have happened. */
  readonly struck: Cut[] = [];
  #armed: Cut | null = null;
  #isTaken = false;

  /** @param target `host:port` of the broker. */
  constructor(target: string) {
    super(target);
    this.fate = (apiKey, request) => {
      const name = nameOf(apiKey, request);
      this.names.add(name);
      if (this.#isTaken || name !== this.#armed?.name) return "pass";
      this.#isTaken = true;
      return this.#armed.fate;
    };
    this.onLoss = (apiKey, fate) => {
      // One that was armed twice may strike twice: it is not the next one.
      if (this.#armed?.fate !== fate || !this.#armed.name.startsWith(NAMES[apiKey]!)) return;
      this.struck.push(this.#armed);
      this.disarm();
    };
  }

  /** Whether the last cut that was wanted has happened. */
  get isStruck(): boolean {
    return this.#armed === null;
  }

  /** What has happened so far, for the report of a failure. */
  get story(): string {
    const wanted = this.#armed === null ? "" : `, and is to cut ${this.#armed.name} (${this.#armed.fate})`;
    return `the proxy has cut ${this.struck.map(({ name, fate }) => `${name} (${fate})`).join(", ")}${wanted}`;
  }

  /** Cuts the connection of the next such request; again if the last one came to nothing, as its connection ended before. */
  arm(cut: Cut): void {
    this.#armed = cut;
    this.#isTaken = false;
  }

  /** Cuts nothing more. */
  disarm(): void {
    this.#armed = null;
    this.#isTaken = false;
  }
}
