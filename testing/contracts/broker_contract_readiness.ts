import assert from "node:assert/strict";
import { BrokerUnavailableError } from "../../lib/base/errors.ts";
import { recordsOf, rowsOf } from "../record_rows.ts";
import type { BrokerCase } from "./broker_contract.ts";
import { appliedValue, PLENTY, positionAt, Witness } from "./broker_contract_kit.ts";

/** Rules of a cluster that is not ready for a moment: what is refused then is not applied, and tried again. */
export const READINESS_CASES: Readonly<Record<string, BrokerCase>> = {
  "produce() waits for a leader, then is applied once and in order": {
    needs: ["setLeaderless"],
    async run(kit) {
      const topic = await kit.topic();
      const producer = await kit.producer();
      await kit.harness.setLeaderless!({ topic, partition: 0 }, true);
      const sent = ["a", "b", "c"].map((value) =>
        producer.produce({ topic, records: recordsOf([value]), partitions: 0 })
      );
      await kit.pause(kit.harness.timings.quietMs);
      await kit.harness.setLeaderless!({ topic, partition: 0 }, false);
      for (const outcome of await Promise.all(sent)) appliedValue(outcome);
      assert.deepEqual((await kit.readAll(topic, 3)).map(({ value }) => value), ["a", "b", "c"]);
    },
  },
  "poll() goes on with the partitions that have a leader": {
    needs: ["setLeaderless"],
    async run(kit) {
      const topic = await kit.topic(2);
      await kit.put(topic, ["a"], 0);
      await kit.put(topic, ["b"], 1);
      const consumer = await kit.member(topic);
      await kit.harness.setLeaderless!({ topic, partition: 0 }, true);
      const values: (string | null)[] = [];
      const poll = async () => {
        try {
          const slabs = await consumer.poll({ ...PLENTY, timeoutMs: 20 });
          values.push(...slabs.flatMap(rowsOf).map(({ value }) => value));
        } catch (error) {
          assert.ok(error instanceof BrokerUnavailableError, String(error));
        }
      };
      await kit.eventually(async () => (await poll(), values.length === 1), () => "the partition that has a leader");
      assert.deepEqual(values, ["b"]);
      await kit.harness.setLeaderless!({ topic, partition: 0 }, false);
      await kit.eventually(async () => (await poll(), values.length === 2), () => "the other one");
      assert.deepEqual(values, ["b", "a"]);
    },
  },
  "produce() waits for replicas, reading goes on": {
    needs: ["setReplicasShort"],
    async run(kit) {
      const topic = await kit.topic();
      await kit.put(topic, ["a"]);
      const producer = await kit.producer();
      await kit.harness.setReplicasShort!({ topic, partition: 0 }, true);
      const sent = producer.produce({ topic, records: recordsOf(["b"]), partitions: 0 });
      const consumer = await kit.member(topic);
      assert.deepEqual(await kit.values(consumer, 1), ["a"]);
      await kit.nothing(consumer);
      await kit.harness.setReplicasShort!({ topic, partition: 0 }, false);
      appliedValue(await sent);
      assert.deepEqual(await kit.values(consumer, 1), ["b"]);
    },
  },
  "a transaction is committed although a control record must wait for replicas": {
    needs: ["setReplicasShort", "isTransactional"],
    async run(kit) {
      const topic = await kit.topic();
      const consumer = await kit.member(topic);
      const producer = await kit.transactional();
      producer.begin();
      appliedValue(await producer.produce({ topic, records: recordsOf(["a"]), partitions: 0 }));
      await kit.harness.setReplicasShort!({ topic, partition: 0 }, true);
      appliedValue(await producer.commit());
      await kit.nothing(consumer);
      await kit.harness.setReplicasShort!({ topic, partition: 0 }, false);
      assert.deepEqual(await kit.values(consumer, 1), ["a"]);
      producer.begin();
      appliedValue(await producer.produce({ topic, records: recordsOf(["b"]), partitions: 0 }));
      appliedValue(await producer.commit());
      assert.deepEqual(await kit.values(consumer, 1), ["b"]);
    },
  },
  "commit() waits for a coordinator that moves, and the member keeps its partitions": {
    needs: ["moveCoordinator"],
    async run(kit) {
      const topic = await kit.topic();
      const groupId = kit.name("group");
      const witness = new Witness();
      const consumer = await kit.member(topic, { groupId, witness });
      await kit.drain(consumer);
      await kit.harness.moveCoordinator!(groupId, 100);
      appliedValue(await consumer.commit([positionAt({ topic, partition: 0 }, 2)], consumer.groupMetadata()));
      const [committed] = await consumer.committed([{ topic, partition: 0 }], { isStable: true });
      assert.equal(committed!.offset, 2n);
      await kit.drain(consumer);
      assert.deepEqual(witness.events, ["assigned 0"]);
    },
  },
  "sendOffsets() waits for a group coordinator that moves": {
    needs: ["moveCoordinator", "isTransactional"],
    async run(kit) {
      const topic = await kit.topic();
      const groupId = kit.name("group");
      const consumer = await kit.member(topic, { groupId });
      const producer = await kit.transactional();
      await kit.harness.moveCoordinator!(groupId, 100);
      producer.begin();
      appliedValue(await producer.sendOffsets([positionAt({ topic, partition: 0 }, 4)], consumer.groupMetadata()));
      await kit.harness.moveCoordinator!(groupId, 100);
      appliedValue(await producer.commit());
      const [committed] = await consumer.committed([{ topic, partition: 0 }], { isStable: true });
      assert.equal(committed!.offset, 4n);
    },
  },
  "a member joins while the coordinator moves": {
    needs: ["moveCoordinator"],
    async run(kit) {
      const topic = await kit.topic();
      const groupId = kit.name("group");
      await kit.put(topic, ["a"]);
      await kit.harness.moveCoordinator!(groupId, 100);
      const consumer = await kit.member(topic, { groupId });
      assert.deepEqual(await kit.values(consumer, 1), ["a"]);
    },
  },
};
