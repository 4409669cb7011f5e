import { BrokerTimeoutError, StreamError } from "../../base/errors.ts";
import { applied, type Outcome, unknown } from "../../base/outcome.ts";
import type { CommittedPosition, GroupMetadata, TopicPartition } from "../../seams/broker.ts";
import { CODE, codeError, isStaleCoordinator, lostReply, outcomeOfError } from "./broker_codes.ts";
import { bestVersion, type CallFor } from "./connection.ts";
import type { Channel, KafkaClient } from "./kafka_client.ts";
import {
  OFFSET_COMMIT,
  OFFSET_COMMIT_VERSIONS,
  OFFSET_FETCH,
  OFFSET_FETCH_VERSIONS,
  offsetCommitCall,
  offsetFetchCall,
  type OffsetFetchReply,
  type PartitionCode,
} from "./protocol/offset_calls.ts";

/** Wait before offsets that are not stable, or a coordinator that moves, are asked again, in milliseconds. */
const RETRY_MS = 50;
/** Attempts at a coordinator that moves or loads. */
const ATTEMPTS = 100;

/**
 * What a group committed.
 *
 * @param client Connections.
 * @param groupId The group.
 * @param options Which partitions; `isStable`: wait, bounded by `timeoutMs`, for open transactions that hold offsets;
 * `fence`: the member that reads, if only a member may.
 * @returns One entry for each partition that has a committed offset.
 * @throws {BrokerTimeoutError} when offsets stay unstable past the bound.
 * @throws {AssignmentLostError} when `fence` does not hold, or not any more.
 */
export async function fetchGroupOffsets(
  client: KafkaClient,
  groupId: string,
  options: {
    readonly partitions: readonly TopicPartition[];
    readonly isStable: boolean;
    readonly timeoutMs: number;
    readonly channel: Channel;
    readonly fence?: GroupMetadata | null;
  },
): Promise<CommittedPosition[]> {
  const { partitions, isStable, timeoutMs, channel, fence = null } = options;
  if (partitions.length === 0) return [];
  const { clock } = client.environment;
  const endMs = clock.monotonicMs() + timeoutMs;
  const call: CallFor<OffsetFetchReply> = ({ versions }) => {
    const version = bestVersion(versions, OFFSET_FETCH, OFFSET_FETCH_VERSIONS);
    return offsetFetchCall(groupId, partitions, { isStable, fence, version });
  };
  const tried = `read committed offsets of group '${groupId}'`;
  for (let attempt = 1;; attempt++) {
    const reply = await client.sendToCoordinator(groupId, call, { channel });
    const code = reply.errorCode !== 0
      ? reply.errorCode
      : reply.partitions.find(({ errorCode }) => errorCode !== 0 && errorCode !== CODE.unknownTopic)?.errorCode ?? 0;
    if (code === 0) {
      return reply.partitions.filter(({ offset, errorCode }) => errorCode === 0 && offset >= 0n)
        .map(({ topic, partition, offset, leaderEpoch, metadata }) => ({
          topic,
          partition,
          offset,
          leaderEpoch,
          metadata,
        }));
    }
    if (isStaleCoordinator(code) && attempt < ATTEMPTS) client.forgetCoordinator(groupId);
    else if (code !== CODE.unstableOffsets) throw codeError(tried, code, { context: { groupId } });
    else if (clock.monotonicMs() >= endMs) {
      throw new BrokerTimeoutError(
        `Offsets of group '${groupId}' stayed unstable for ${timeoutMs} ms: a transaction holds them, its producer must ` +
          "end it or its timeout must pass",
        { context: { groupId, timeoutMs } },
      );
    }
    await client.sleep(RETRY_MS);
  }
}

/**
 * Commits offsets under a fence.
 *
 * @param client Connections.
 * @param positions What to commit.
 * @param options The fence, and the channel to use.
 */
export async function commitGroupOffsets(
  client: KafkaClient,
  positions: readonly CommittedPosition[],
  options: { readonly group: GroupMetadata; readonly channel: Channel },
): Promise<Outcome<void>> {
  const { group, channel } = options;
  const { groupId } = group;
  if (positions.length === 0) return applied();
  const call: CallFor<PartitionCode[]> = ({ versions }) =>
    offsetCommitCall(positions, group, bestVersion(versions, OFFSET_COMMIT, OFFSET_COMMIT_VERSIONS));
  try {
    for (let attempt = 1;; attempt++) {
      const codes = await client.sendToCoordinator(groupId, call, { channel });
      const failed = codes.filter(({ errorCode }) => errorCode !== 0);
      const code = failed[0]?.errorCode ?? 0;
      if (!isStaleCoordinator(code) || attempt === ATTEMPTS) {
        return commitOutcome(groupId, codes, failed);
      }
      // The coordinator refused before it wrote anything.
      client.forgetCoordinator(groupId);
      await client.sleep(RETRY_MS);
    }
  } catch (error) {
    if (!(error instanceof StreamError) || error.outcome !== "unknown") {
      return outcomeOfError(error);
    }
    return unknown(lostReply(`commit offsets of group '${groupId}'`, error));
  }
}

function commitOutcome(
  groupId: string,
  codes: readonly PartitionCode[],
  failed: readonly PartitionCode[],
): Outcome<void> {
  const [first] = failed;
  if (first === undefined) return applied();
  const { topic, partition, errorCode } = first;
  const error = codeError(`commit offsets of group '${groupId}'`, errorCode, {
    context: { groupId, topic, partition },
  });
  return failed.length === codes.length ? outcomeOfError(error) : unknown(error);
}
