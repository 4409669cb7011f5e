import { StreamError } from "../../base/errors.ts";
import type { KafkaClient } from "./kafka_client.ts";
import { describeTopicConfigCall } from "./protocol/group_config_calls.ts";

/** What a topic takes in one batch. */
export interface BatchLimit {
  /** Bound of a batch as it is sent, in bytes. */
  readonly bytesMax: number;
  /** Whether what is larger is refused for certain, also when it is a single record; else it is a guess. */
  readonly isExact: boolean;
}

const NAME = "max.message.bytes";

/**
 * What topics take in one batch, as far as refusals made us ask: a topic that takes what is sent costs nothing. What is known
 * is forgotten after a while, as a topic's configuration may change.
 */
export class BatchLimits {
  readonly #limits = new Map<string, BatchLimit & { readonly atMs: number }>();
  readonly #ageMsMax: number;
  readonly #nowMs: () => number;

  /**
   * @param ageMsMax How long what is known counts, in milliseconds.
   * @param nowMs Monotonic time, in milliseconds.
   */
  constructor(ageMsMax: number, nowMs: () => number) {
    this.#ageMsMax = ageMsMax;
    this.#nowMs = nowMs;
  }

  /** What is known of a topic, if anything. */
  get(topic: string): BatchLimit | undefined {
    const known = this.#limits.get(topic);
    if (known === undefined || this.#nowMs() - known.atMs < this.#ageMsMax) return known;
    this.#limits.delete(topic);
    return undefined;
  }

  /**
   * A batch was refused as too large: the topic's configuration tells what is not, or, where it may not be read, half of it
   * is tried.
   *
   * @param client Connections.
   * @param refused Topic and size of the batch, in bytes.
   * @returns A bound below the size.
   */
  async learn(
    client: KafkaClient,
    refused: { readonly topic: string; readonly bytes: number },
  ): Promise<BatchLimit> {
    const { topic, bytes } = refused;
    const configured = await configuredLimit(client, topic);
    const isExact = configured !== undefined && configured < bytes;
    const limit = { bytesMax: isExact ? configured : Math.floor(bytes / 2), isExact };
    this.#limits.set(topic, { ...limit, atMs: this.#nowMs() });
    return limit;
  }
}

/** Who may write to a topic need not be allowed to read its configuration. */
async function configuredLimit(client: KafkaClient, topic: string): Promise<number | undefined> {
  try {
    const { errorCode, values } = await client.sendAnywhere(describeTopicConfigCall(topic, [NAME]));
    const limit = Number(values.get(NAME));
    return errorCode === 0 && limit > 0 ? limit : undefined;
  } catch (error) {
    if (error instanceof StreamError) return undefined;
    throw error;
  }
}
