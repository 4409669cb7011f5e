import type { RecordSlab } from "../lib/columns/records.ts";
import type { EmbeddedCluster } from "../lib/embedded/cluster.ts";

/**
 * All that a reader of committed records sees of a topic, by partition and offset.
 *
 * @param cluster The broker's state machines.
 * @param topic Name of the topic; one that does not exist has no records.
 */
export function* committedSlabs(cluster: EmbeddedCluster, topic: string): Iterable<RecordSlab> {
  for (const [partition, log] of cluster.state.topics.get(topic)?.logs.entries() ?? []) {
    for (let from = log.logStart;;) {
      const bounds = { from, maxRecords: Infinity, maxBytes: Infinity, isCommitted: true };
      const reply = cluster.fetch({ topic, partition }, bounds);
      if (reply.kind !== "done" || reply.value === null) break;
      yield reply.value;
      from = Number(reply.value.to);
    }
  }
}
