import assert from "node:assert/strict";
import { AssignmentLostError, FencedError } from "../../lib/base/errors.ts";
import { recordsOf } from "../record_rows.ts";
import type { BrokerCase } from "./broker_contract.ts";
import { appliedValue, positionAt, refusedError, Witness } from "./broker_contract_kit.ts";

/** Rules of brokers that restart, members that are expelled, and producers whose epochs are used up. */
export const RESTART_CASES: Readonly<Record<string, BrokerCase>> = {
  "a static member keeps its partitions when the broker restarts": {
    needs: ["restart", "hasStaticMembers"],
    async run(kit) {
      const topic = await kit.topic();
      const witness = new Witness();
      const consumer = await kit.member(topic, { instanceId: "mine", witness });
      await kit.harness.restart!();
      await kit.put(topic, ["a"]);
      assert.deepEqual(await kit.values(consumer, 1), ["a"]);
      appliedValue(await consumer.commit([positionAt({ topic, partition: 0 }, 1)], consumer.groupMetadata()));
      assert.deepEqual(witness.events, ["assigned 0"]);
    },
  },
  "a group goes on where it was when the broker restarts": {
    needs: ["restart"],
    async run(kit) {
      const topic = await kit.topic();
      await kit.put(topic, ["a", "b"]);
      const consumer = await kit.member(topic);
      assert.deepEqual(await kit.values(consumer, 2), ["a", "b"]);
      appliedValue(await consumer.commit([positionAt({ topic, partition: 0 }, 2, "m")], consumer.groupMetadata()));
      await kit.harness.restart!();
      await kit.put(topic, ["c"]);
      assert.deepEqual(await kit.values(consumer, 1), ["c"]);
      appliedValue(await consumer.commit([positionAt({ topic, partition: 0 }, 3, "n")], consumer.groupMetadata()));
      const [committed] = await consumer.committed([{ topic, partition: 0 }], { isStable: true });
      assert.deepEqual([committed!.offset, committed!.metadata], [3n, "n"]);
    },
  },
  "a transaction that was open when the broker restarted can be committed": {
    needs: ["restart", "isTransactional"],
    async run(kit) {
      const topic = await kit.topic();
      const producer = await kit.transactional();
      producer.begin();
      appliedValue(await producer.produce({ topic, records: recordsOf(["a"]), partitions: 0 }));
      await kit.harness.restart!();
      appliedValue(await producer.produce({ topic, records: recordsOf(["b"]), partitions: 0 }));
      appliedValue(await producer.commit());
      assert.deepEqual((await kit.readAll(topic, 2)).map(({ value }) => value), ["a", "b"]);
    },
  },
  "an idempotent producer goes on when the broker restarts": {
    needs: ["restart"],
    async run(kit) {
      const topic = await kit.topic();
      const producer = await kit.producer();
      for (const value of ["a", "b"]) {
        appliedValue(await producer.produce({ topic, records: recordsOf([value]), partitions: 0 }));
        await kit.harness.restart!();
      }
      assert.deepEqual((await kit.readAll(topic, 2)).map(({ value }) => value), ["a", "b"]);
    },
  },
  "a member that was expelled while its heartbeats went on has lost its partitions, and joins again": {
    needs: ["expireMember"],
    async run(kit) {
      const topic = await kit.topic();
      const groupId = kit.name("group");
      const witness = new Witness();
      const consumer = await kit.member(topic, { groupId, witness });
      const old = consumer.groupMetadata();
      await kit.harness.expireMember!(groupId, old.memberId);
      const error = refusedError(await consumer.commit([positionAt({ topic, partition: 0 }, 1)], old));
      assert.ok(error instanceof AssignmentLostError, error.message);
      await kit.until(() => witness.count("assigned") === 2, [consumer]);
      assert.deepEqual(witness.events, ["assigned 0", "lost 0", "assigned 0"]);
      appliedValue(await consumer.commit([positionAt({ topic, partition: 0 }, 1)], consumer.groupMetadata()));
    },
  },
  "a producer whose epochs are used up goes on": {
    needs: ["exhaustEpochs", "isTransactional"],
    async run(kit) {
      const topic = await kit.topic();
      const id = kit.name("tx");
      const producer = await kit.transactional(id);
      for (const value of ["a", "b", "c"]) {
        producer.begin();
        appliedValue(await producer.produce({ topic, records: recordsOf([value]), partitions: 0 }));
        await kit.harness.exhaustEpochs!(id);
        appliedValue(await producer.commit());
      }
      assert.deepEqual((await kit.readAll(topic, 3)).map(({ value }) => value), ["a", "b", "c"]);
    },
  },
  "initialize() fences the older producer also when its epochs are used up": {
    needs: ["exhaustEpochs", "isTransactional"],
    async run(kit) {
      const topic = await kit.topic();
      const id = kit.name("tx");
      const older = await kit.transactional(id);
      older.begin();
      appliedValue(await older.produce({ topic, records: recordsOf(["no"]), partitions: 0 }));
      await kit.harness.exhaustEpochs!(id);
      const newer = await kit.transactional(id, { broker: await kit.connect() });
      const error = refusedError(await older.produce({ topic, records: recordsOf(["no"]), partitions: 0 }));
      assert.ok(error instanceof FencedError, error.message);
      newer.begin();
      appliedValue(await newer.produce({ topic, records: recordsOf(["yes"]), partitions: 0 }));
      appliedValue(await newer.commit());
      assert.deepEqual((await kit.readAll(topic, 1)).map(({ value }) => value), ["yes"]);
    },
  },
};
