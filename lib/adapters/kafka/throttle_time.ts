/** Calls whose replies have a throttle time, and the version since which they do. It stands first, but for Produce. */
const SINCE: Readonly<Record<number, number>> = {
  0: 1, // Produce
  1: 1, // Fetch
  2: 2, // ListOffsets
  3: 3, // Metadata
  8: 3, // OffsetCommit
  9: 3, // OffsetFetch
  10: 1, // FindCoordinator
  11: 2, // JoinGroup
  12: 1, // Heartbeat
  13: 1, // LeaveGroup
  14: 1, // SyncGroup
  15: 1, // DescribeGroups
  16: 1, // ListGroups
  19: 2, // CreateTopics
  20: 1, // DeleteTopics
  21: 0, // DeleteRecords
  22: 0, // InitProducerId
  23: 2, // OffsetForLeaderEpoch
  24: 0, // AddPartitionsToTxn
  25: 0, // AddOffsetsToTxn
  26: 0, // EndTxn
  28: 0, // TxnOffsetCommit
  32: 0, // DescribeConfigs
  37: 0, // CreatePartitions
  42: 0, // DeleteGroups
  60: 0, // DescribeCluster
  61: 0, // DescribeProducers
  65: 0, // DescribeTransactions
  66: 0, // ListTransactions
  68: 0, // ConsumerGroupHeartbeat
  69: 0, // ConsumerGroupDescribe
};

const PRODUCE = 0;
/** Longest throttle time that is believed, in milliseconds. */
const MS_MAX = 60_000;

/**
 * How long a broker asks its client to wait before the next request on the same connection.
 *
 * @param call API and version of the request.
 * @param bytes The reply.
 * @param places Where its body begins, and how far the call has read it: what Produce reads ends at the throttle time.
 * @returns Milliseconds; 0 when it does not ask.
 */
export function throttleMsOf(
  call: { readonly apiKey: number; readonly version: number },
  bytes: Uint8Array,
  places: { readonly body: number; readonly read: number },
): number {
  const at = call.apiKey === PRODUCE ? places.read : places.body;
  if (call.version < (SINCE[call.apiKey] ?? Infinity) || at + 4 > bytes.length) return 0;
  const ms = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getInt32(at);
  return Math.min(Math.max(0, ms), MS_MAX);
}
