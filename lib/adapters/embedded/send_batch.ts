import { applied, notApplied, type Outcome, unknown } from "../../base/outcome.ts";
import { type PartitionRows, partitionRows } from "../../columns/partition_rows.ts";
import type { PartitionEntry } from "../../embedded/change.ts";
import type { Times } from "../../embedded/cluster.ts";
import { partitionKey } from "../../embedded/cluster_state.ts";
import { done, type Refusal, type Reply } from "../../embedded/reply.ts";
import type { ProducedRange, ProduceRequest } from "../../seams/broker.ts";
import type { Client } from "./client.ts";
import { createMissingTopics } from "./create_topics.ts";
import type { PartitionSequences } from "./partition_sequences.ts";
import { PASSING_REFUSALS } from "./passing_refusals.ts";
import { outcomeOfError, refusalError } from "./refusal_error.ts";

/** Who sends, and the sequence numbers of each partition. */
export interface Sender {
  /** Producer id. */
  readonly producerId: number;
  /** Producer epoch. */
  readonly producerEpoch: number;
  /** `transactional.id`, or `null`. */
  readonly transactionalId: string | null;
  /** Sequence numbers by partition key. */
  readonly sequences: PartitionSequences;
}

/** Pause before what was refused for now is sent again, if nothing happens in the cluster before, in milliseconds. */
const RETRY_MS = 100;

interface Part extends PartitionRows {
  readonly key: string;
  readonly sequence: number;
  readonly count: number;
}

/** What became of each part that was sent. */
interface Sent {
  readonly ranges: readonly ProducedRange[];
  readonly refused: readonly { readonly part: Part; readonly refusal: Refusal }[];
}

interface Sending {
  readonly client: Client;
  readonly request: ProduceRequest;
  readonly sender: Sender;
}

/**
 * Sends records, a part to each partition. Sequence numbers are taken when the request leaves, so that what is sent
 * next while this one is under way carries on behind it. Parts that are refused for now (their partition has no leader,
 * too few replicas) are sent again until `requestTimeoutMs` has passed.
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
  let parts: readonly Part[];
  try {
    // Only a missing topic costs a turn: otherwise requests take effect in the order of the calls.
    if (!client.server.cluster.state.topics.has(topic)) await createMissingTopics(client, [topic]);
    const partitions = client.server.cluster.state.topics.get(topic)?.logs.length ?? client.options.defaultPartitions;
    parts = takeSequences(sender, partitionRows(request, { count: partitions, nullPartition }), request);
  } catch (error) {
    return outcomeOfError(error);
  }
  return await sendParts({ client, request, sender }, parts);
}

function takeSequences(
  { sequences }: Sender,
  rows: readonly PartitionRows[],
  { topic, records }: ProduceRequest,
): Part[] {
  return rows.map((part) => {
    const key = partitionKey(topic, part.partition);
    const count = part.rows?.length ?? records.count;
    return { ...part, key, sequence: sequences.take(key, count), count };
  });
}

async function sendParts(sending: Sending, parts: readonly Part[]): Promise<Outcome<readonly ProducedRange[]>> {
  const { client, request, sender: { sequences } } = sending;
  const endMs = client.monotonicMs() + client.options.requestTimeoutMs;
  const ranges: ProducedRange[] = [];
  let left = parts;
  try {
    for (;;) {
      const seen = client.server.activity.count;
      const sent = await sendOnce(sending, left);
      const refusedNow = new Set(sent.refused.map(({ part }) => part));
      for (const part of left) if (!refusedNow.has(part)) sequences.end(part.key, part.sequence, part.count);
      ranges.push(...sent.ranges);
      if (refusedNow.size === 0) return applied(inOrder(ranges, parts));
      left = [...refusedNow];
      const leftMs = endMs - client.monotonicMs();
      const final = sent.refused.find(({ part, refusal }) => !isPassing(refusal, part, sequences)) ??
        (leftMs > 0 ? undefined : sent.refused[0]);
      if (final !== undefined) {
        for (const { key, sequence } of left) sequences.giveBack(key, sequence);
        left = [];
        if (ranges.length === 0) return notApplied(refusalError(`produce to '${request.topic}'`, final.refusal));
        return unknown(refusalError(`produce to all partitions of '${request.topic}'`, final.refusal));
      }
      await client.wait(seen, Math.min(leftMs, RETRY_MS));
    }
  } catch (error) {
    const outcome = outcomeOfError(error);
    for (const { key, sequence, count } of left) {
      if (outcome.kind === "unknown") sequences.end(key, sequence, count);
      else sequences.giveBack(key, sequence);
    }
    return outcome.kind === "not-applied" && ranges.length > 0 ? unknown(outcome.error) : outcome;
  }
}

/** Whether the same part may be taken in a moment. */
function isPassing({ code }: Refusal, { key, sequence }: Part, sequences: PartitionSequences): boolean {
  return PASSING_REFUSALS.has(code) || (code === "out-of-order-sequence" && sequences.isBehind(key, sequence));
}

function inOrder(ranges: readonly ProducedRange[], parts: readonly Part[]): ProducedRange[] {
  return parts.map(({ partition }) => ranges.find((range) => range.partition === partition)!);
}

async function sendOnce({ client, request, sender }: Sending, parts: readonly Part[]): Promise<Sent> {
  const { cluster } = client.server;
  const { producerId, producerEpoch, transactionalId } = sender;
  const { topic, records } = request;
  const places = parts.map(({ partition }): PartitionEntry => [topic, partition]);
  const reply = await client.request("produce", (times: Times): Reply<Sent> => {
    if (transactionalId !== null && cluster.state.transactionVersion === 1) {
      const identity = { transactionalId, producerId, producerEpoch };
      const added = cluster.addTransactionPartitions({ ...identity, partitions: places }, times);
      if (added.kind === "refused") return added;
    }
    const ranges: ProducedRange[] = [];
    const refused: { part: Part; refusal: Refusal }[] = [];
    for (const part of parts) {
      const { partition, rows, sequence, count } = part;
      const producer = { producerId, producerEpoch, transactionalId, sequence };
      const answer = cluster.produce({ topic, partition, records, rows, producer }, times);
      if (answer.kind === "refused") refused.push({ part, refusal: answer });
      else ranges.push({ topic, partition, firstOffset: BigInt(answer.value.firstOffset), count });
    }
    return done({ ranges, refused });
  });
  if (reply.kind === "done") return reply.value;
  return { ranges: [], refused: parts.map((part) => ({ part, refusal: reply })) };
}
