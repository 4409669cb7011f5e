import { assert } from "@std/assert";
import { spanBytes, spansOf } from "../columns/spans.ts";
import { EmbeddedCluster, type EmbeddedClusterOptions } from "./cluster.ts";
import type { Reply } from "./reply.ts";
import { snapshotChanges } from "./snapshot_changes.ts";
import type { ProducerSession } from "./transaction_requests.ts";

/** Partition 0 of topic `t`. */
export const PLACE = { topic: "t", partition: 0 };
/** A transactional id. */
export const ID = "app.copy.0.0";

/** Times at a monotonic time. */
export function at(monotonicMs: number) {
  return { wallMs: 1_000 + monotonicMs, monotonicMs };
}

/** A cluster with topic `t`. */
export function made(options: EmbeddedClusterOptions & { version?: 1 | 2; partitions?: number } = {}): EmbeddedCluster {
  const { version = 2, partitions = 1, ...rest } = options;
  const cluster = new EmbeddedCluster(rest);
  cluster.setTransactionVersion(version);
  cluster.createTopic({ topic: "t", partitions, topicId: "id" }, at(0));
  return cluster;
}

/** The same cluster after its process ended and its journal was read. */
export function reopened(cluster: EmbeddedCluster): EmbeddedCluster {
  const other = new EmbeddedCluster();
  for (const change of snapshotChanges(cluster)) other.apply(change);
  return other;
}

/** The value of a reply that must be a good one. */
export function valueOf<T>(reply: Reply<T>): T {
  assert(reply.kind === "done", reply.kind === "refused" ? reply.message : "");
  return reply.value;
}

/** The code of a reply that must be a refusal. */
export function codeOf(reply: Reply<unknown>): string {
  assert(reply.kind === "refused", "expected a refusal");
  return reply.code;
}

/** Appends `key=value` rows; `key=` is a tombstone, `=value` has no key. */
export function put(
  cluster: EmbeddedCluster,
  rows: readonly string[],
  producer: (ProducerSession & { sequence: number; transactionalId?: string }) | null = null,
) {
  const pairs = rows.map((row) => row.split("="));
  const records = {
    count: rows.length,
    keys: spansOf(pairs.map(([key]) => key === "" ? null : key!)),
    values: spansOf(pairs.map(([, value]) => value === "" ? null : value!)),
    timestamps: null,
    headers: null,
  };
  const identity = producer === null ? null : { transactionalId: null, ...producer };
  if (identity !== null && identity.transactionalId !== null && cluster.state.transactionVersion === 1) {
    const transaction = { ...identity, transactionalId: identity.transactionalId, partitions: [["t", 0] as const] };
    const added = cluster.addTransactionPartitions(transaction, at(0));
    if (added.kind === "refused") return added;
  }
  return cluster.produce({ ...PLACE, records, rows: null, producer: identity }, at(0));
}

/** The producer of {@linkcode ID}. */
export function initialized(cluster: EmbeddedCluster, timeoutMs = 1_000): ProducerSession {
  return valueOf(cluster.initializeTransactions({ transactionalId: ID, timeoutMs }, at(0)));
}

/** Ends the transaction of {@linkcode ID}. */
export function end(cluster: EmbeddedCluster, session: ProducerSession, isCommit: boolean): Reply<ProducerSession> {
  return cluster.endTransaction({ transactionalId: ID, ...session, isCommit }, at(0));
}

/** What a reader of committed records sees from an offset on, as `offset:key=value`, and where it stands then. */
export function seen(cluster: EmbeddedCluster, from = 0): { rows: string[]; to: number } {
  const rows: string[] = [];
  let to = from;
  for (;;) {
    const options = { from: to, maxRecords: 100, maxBytes: 10_000, isCommitted: true };
    const slab = valueOf(cluster.fetch(PLACE, options));
    if (slab === null) return { rows, to };
    const { keys, values, count } = slab.records;
    const text = (bytes: Uint8Array | null) => bytes === null ? "" : new TextDecoder().decode(bytes);
    for (let row = 0; row < count; row++) {
      const key = keys === null ? "" : text(spanBytes(keys, row));
      rows.push(`${slab.offsets[row]}:${key}=${text(spanBytes(values, row))}`);
    }
    to = Number(slab.to);
  }
}
