import { assert } from "@std/assert";
import fc from "fast-check";
import { EmbeddedCluster } from "./cluster.ts";

Deno.test("a tick at a deadline does what was due, whatever clock readings add up to", () => {
  // Sums that pass a power of two are rounded.
  const readings = fc.double({ min: 2 ** 19 - 60_000, max: 2 ** 19, noNaN: true });
  fc.assert(
    fc.property(readings, fc.integer({ min: 1_000, max: 60_000 }), (seenMs, sessionTimeoutMs) => {
      const cluster = new EmbeddedCluster();
      cluster.createTopic({ topic: "t", partitions: 1, topicId: "id" }, { wallMs: 0, monotonicMs: 0 });
      const times = { wallMs: 0, monotonicMs: seenMs };
      const member = { groupId: "g", memberId: "m", instanceId: null, topics: ["t"], isRejoin: false };
      cluster.join({ ...member, sessionTimeoutMs, rebalanceTimeoutMs: 60_000 }, times);
      const transactional = cluster.initializeTransactions(
        { transactionalId: "x", timeoutMs: sessionTimeoutMs },
        times,
      );
      assert(transactional.kind === "done");
      const { producerId, producerEpoch } = transactional.value;
      const identity = { transactionalId: "x", producerId, producerEpoch };
      cluster.addTransactionPartitions({ ...identity, partitions: [["t", 0]] }, times);
      const deadlineMs = cluster.nextDeadlineMs();
      assert(deadlineMs < Infinity);
      cluster.tick({ wallMs: 0, monotonicMs: deadlineMs });
      assert(cluster.nextDeadlineMs() > deadlineMs);
    }),
    { numRuns: 500 },
  );
});
