import { ByteReader } from "./protocol/byte_reader.ts";

/** Calls whose replies begin with the throttle time, and the version since which they do. */
const FIRST_SINCE: Readonly<Record<number, number>> = {
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
/** Bytes of one partition in a reply to Produce, up to what is refused in it. */
const PRODUCED_SIZE = 30;
/** Longest throttle time that is believed, in milliseconds. */
const MS_MAX = 60_000;

/**
 * How long a broker asks its client to wait before the next request on the same connection.
 *
 * @param call API and version of the request.
 * @param body Body of the reply, behind its header.
 * @returns Milliseconds; 0 when it does not ask.
 */
export function throttleMsOf(
  call: { readonly apiKey: number; readonly version: number },
  body: Uint8Array,
): number {
  const at = positionOf(call, body);
  if (at < 0 || at + 4 > body.length) return 0;
  const ms = new DataView(body.buffer, body.byteOffset, body.byteLength).getInt32(at);
  return Math.min(Math.max(0, ms), MS_MAX);
}

function positionOf({ apiKey, version }: { readonly apiKey: number; readonly version: number }, body: Uint8Array) {
  if (apiKey === PRODUCE) {
    if (version < 1) return -1;
    return version < 9 ? body.length - 4 : behindPartitions(body);
  }
  const since = FIRST_SINCE[apiKey];
  return since === undefined || version < since ? -1 : 0;
}

/** Tagged fields (where a leader has moved to) may stand behind the time, so what comes before it is passed over. */
function behindPartitions(body: Uint8Array): number {
  const r = new ByteReader(body);
  try {
    r.compactArray(() => {
      r.compactString();
      r.compactArray(() => {
        r.raw(PRODUCED_SIZE);
        r.compactArray(() => {
          r.int32();
          r.compactString();
          r.tags();
        });
        r.compactString();
        r.tags();
      });
      r.tags();
    });
    return r.at;
  } catch {
    return -1;
  }
}
