import { applied, notApplied, type Outcome, unknown } from "../../base/outcome.ts";
import { type PartitionRows, partitionRows } from "../../columns/partition_rows.ts";
import type { Times } from "../../embedded/cluster.ts";
import type { PartitionEntry } from "../../embedded/change.ts";
import { partitionKey } from "../../embedded/cluster_state.ts";
import { done, type Refusal, type Reply } from "../../embedded/reply.ts";
import type { ProducedRange, ProduceRequest } from "../../seams/broker.ts";
import type { Client } from "./client.ts";
import { createMissingTopics } from "./create_topics.ts";
import { outcomeOfError, refusalError } from "./refusal_error.ts";

/** Who sends, and the next sequence number of each partition. */
export interface Sender {
  /** Producer id. */
  readonly producerId: number;
  /** Producer epoch. */
  readonly producerEpoch: number;
  /** `transactional.id`, or `null`. */
  readonly transactionalId: string | null;
  /** Next sequence number by partition key. */
  readonly sequences: Map<string, number>;
}

/** What a request to produce came to: all parts, or the parts before a refusal. */
type Sent = { readonly ranges: ProducedRange[]; readonly refusal: Refusal | null };

interface Part extends PartitionRows {
  readonly key: string;
  readonly sequence: number;
  readonly count: number;
}

/**
 * Sends records, a part to each partition. Sequence numbers are taken when the request leaves, so that what is sent
 * next while this one is under way carries on behind it.
 *
 * @param client The connection.
 * @param request What to produce.
 * @param options Who sends, and where records without a key go.
 * @returns `unknown` also when only some parts were taken.
 */
export async function sendBatch(
  client: Client,
  request: ProduceRequest,
  options: { readonly sender: Sender; readonly nullPartition: number },
): Promise<Outcome<readonly ProducedRange[]>> {
  const { sender, nullPartition } = options;
  const { topic } = request;
  try {
    // Only a missing topic costs a turn: otherwise requests take effect in the order of the calls.
    if (!client.server.cluster.state.topics.has(topic)) await createMissingTopics(client, [topic]);
    const partitions = client.server.cluster.state.topics.get(topic)?.logs.length ?? client.options.defaultPartitions;
    const parts = takeSequences(sender, topic, partitionRows(request, { count: partitions, nullPartition }), request);
    const places = parts.map(({ partition }): PartitionEntry => [topic, partition]);
    const run = (times: Times) => send(client, { request, sender, parts, places }, times);
    const reply = await client.requestPatiently("produce", run, {
      code: "concurrent-transactions",
      timeoutMs: client.options.requestTimeoutMs,
    });
    if (reply.kind === "refused") {
      giveBack(sender, parts);
      return notApplied(refusalError(`produce to '${topic}'`, reply));
    }
    const { ranges, refusal } = reply.value;
    if (refusal === null) return applied(ranges);
    return unknown(refusalError(`produce to all partitions of '${topic}'`, refusal));
  } catch (error) {
    return outcomeOfError(error);
  }
}

function takeSequences(
  sender: Sender,
  topic: string,
  rows: readonly PartitionRows[],
  { records }: ProduceRequest,
): Part[] {
  return rows.map((part) => {
    const key = partitionKey(topic, part.partition);
    const sequence = sender.sequences.get(key) ?? 0;
    const count = part.rows?.length ?? records.count;
    sender.sequences.set(key, sequence + count);
    return { ...part, key, sequence, count };
  });
}

/** A refused request used no sequence numbers, unless others were sent behind it meanwhile. */
function giveBack(sender: Sender, parts: readonly Part[]): void {
  for (const { key, sequence, count } of parts) {
    if (sender.sequences.get(key) === sequence + count) sender.sequences.set(key, sequence);
  }
}

interface Sending {
  readonly request: ProduceRequest;
  readonly sender: Sender;
  readonly parts: readonly Part[];
  readonly places: readonly PartitionEntry[];
}

function send(client: Client, { request, sender, parts, places }: Sending, times: Times): Reply<Sent> {
  const { cluster } = client.server;
  const { producerId, producerEpoch, transactionalId } = sender;
  if (transactionalId !== null && cluster.state.transactionVersion === 1) {
    const identity = { transactionalId, producerId, producerEpoch };
    const added = cluster.addTransactionPartitions({ ...identity, partitions: places }, times);
    if (added.kind === "refused") return added;
  }
  const ranges: ProducedRange[] = [];
  for (const { partition, rows, sequence, count } of parts) {
    const { topic, records } = request;
    const producer = { producerId, producerEpoch, transactionalId, sequence };
    const reply = cluster.produce({ topic, partition, records, rows, producer }, times);
    if (reply.kind === "refused") return ranges.length === 0 ? reply : done({ ranges, refusal: reply });
    ranges.push({ topic, partition, firstOffset: BigInt(reply.value.firstOffset), count });
  }
  return done({ ranges, refusal: null });
}
