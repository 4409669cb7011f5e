import assert from "node:assert/strict";
import { UnknownTopicError } from "../../lib/base/errors.ts";
import type { BrokerCase } from "./broker_contract.ts";
import { appliedValue, positionAt } from "./broker_contract_kit.ts";

/** Rules of administration. */
export const ADMIN_CASES: Readonly<Record<string, BrokerCase>> = {
  "createTopics() makes topics with their partitions": {
    async run(kit) {
      const admin = await kit.admin();
      const [one, two] = [kit.name("topic"), kit.name("topic")];
      await admin.createTopics([{ topic: one, partitions: 1 }, { topic: two, partitions: 3 }]);
      const found = await admin.describeTopics([one, two]);
      const counts = new Map(found.map(({ topic, partitions }) => [topic, partitions]));
      assert.deepEqual([counts.get(one), counts.get(two)], [1, 3]);
    },
  },
  "createTopics() leaves an existing topic alone": {
    async run(kit) {
      const admin = await kit.admin();
      const topic = await kit.topic(2);
      await kit.put(topic, ["1"]);
      const [before] = await admin.describeTopics([topic]);
      await admin.createTopics([{ topic, partitions: 5 }]);
      assert.deepEqual(await admin.describeTopics([topic]), [before]);
      assert.equal((await kit.readAll(topic, 1)).length, 1);
    },
  },
  "describeTopics() leaves out topics that do not exist": {
    async run(kit) {
      const topic = await kit.topic();
      const found = await (await kit.admin()).describeTopics([kit.name("absent"), topic]);
      assert.deepEqual(found.map((entry) => entry.topic), [topic]);
    },
  },
  "describeTopics() tells an id that is the topic's own": {
    async run(kit) {
      const topics = [await kit.topic(), await kit.topic()];
      const admin = await kit.admin();
      const ids = (await admin.describeTopics(topics)).map(({ topicId }) => topicId);
      assert.equal(new Set(ids).size, 2);
      assert.deepEqual((await admin.describeTopics(topics)).map(({ topicId }) => topicId), ids);
    },
  },
  "clusterId() is the same for all clients": {
    async run(kit) {
      const other = await (await kit.connect()).admin();
      const id = await (await kit.admin()).clusterId();
      assert.ok(id.length > 0);
      assert.equal(await other.clusterId(), id);
      await other.close();
    },
  },
  "offsets() tells first and next offset": {
    async run(kit) {
      const topic = await kit.topic(2);
      await kit.put(topic, ["0", "1", "2"], 1);
      const found = await (await kit.admin()).offsets([{ topic, partition: 0 }, { topic, partition: 1 }]);
      assert.deepEqual(found.map(({ partition, logStart, logEnd }) => [partition, logStart, logEnd]), [
        [0, 0n, 0n],
        [1, 0n, 3n],
      ]);
    },
  },
  "offsets() tells where retention left the log": {
    needs: ["deleteRecordsBefore"],
    async run(kit) {
      const topic = await kit.topic();
      await kit.put(topic, ["0", "1", "2"]);
      await kit.harness.deleteRecordsBefore!(topic, 0, 2);
      const [found] = await (await kit.admin()).offsets([{ topic, partition: 0 }]);
      assert.deepEqual([found!.logStart, found!.logEnd], [2n, 3n]);
    },
  },
  "offsets() of a topic that does not exist is an UnknownTopicError": {
    async run(kit) {
      const admin = await kit.admin();
      const places = [{ topic: kit.name("absent"), partition: 0 }];
      await assert.rejects(() => admin.offsets(places), UnknownTopicError);
    },
  },
  "offsetsAt() finds the first record at or after a time": {
    async run(kit) {
      const topic = await kit.topic();
      const base = 1_700_000_000_000;
      await kit.put(topic, [0, 100, 200].map((after) => ({ value: "v", timestampMs: base + after })));
      await kit.put(topic, [300, 400].map((after) => ({ value: "v", timestampMs: base + after })));
      const admin = await kit.admin();
      for (const [after, offset] of [[0, 0n], [1, 1n], [200, 2n], [250, 3n], [400, 4n], [401, 5n]] as const) {
        const [found] = await admin.offsetsAt([{ topic, partition: 0 }], base + after);
        assert.equal(found!.offset, offset, `at ${after} ms`);
      }
    },
  },
  "groupOffsets() tells what a group committed without being a member": {
    async run(kit) {
      const topic = await kit.topic(2);
      const groupId = kit.name("group");
      const consumer = await kit.member(topic, { groupId });
      appliedValue(await consumer.commit([positionAt({ topic, partition: 1 }, 6, "m")], consumer.groupMetadata()));
      const places = [{ topic, partition: 0 }, { topic, partition: 1 }];
      const found = await (await kit.admin()).groupOffsets(groupId, places);
      assert.deepEqual(found.map(({ partition, offset, metadata }) => [partition, offset, metadata]), [[1, 6n, "m"]]);
    },
  },
  "groupOffsets() of an unknown group is empty": {
    async run(kit) {
      const topic = await kit.topic();
      const found = await (await kit.admin()).groupOffsets(kit.name("group"), [{ topic, partition: 0 }]);
      assert.deepEqual(found, []);
    },
  },
  "setGroupOffsets() decides where a group begins": {
    async run(kit) {
      const topic = await kit.topic();
      const groupId = kit.name("group");
      await kit.put(topic, ["0", "1", "2", "3"]);
      await (await kit.admin()).setGroupOffsets(groupId, [positionAt({ topic, partition: 0 }, 2)]);
      const consumer = await kit.member(topic, { groupId });
      assert.deepEqual(await kit.values(consumer, 2), ["2", "3"]);
    },
  },
  "setGroupOffsets() of a group with members is refused": {
    async run(kit) {
      const topic = await kit.topic();
      const groupId = kit.name("group");
      const consumer = await kit.member(topic, { groupId });
      appliedValue(await consumer.commit([positionAt({ topic, partition: 0 }, 1)], consumer.groupMetadata()));
      const admin = await kit.admin();
      await assert.rejects(() => admin.setGroupOffsets(groupId, [positionAt({ topic, partition: 0 }, 0)]));
      assert.equal((await admin.groupOffsets(groupId, [{ topic, partition: 0 }]))[0]!.offset, 1n);
    },
  },
  "subscribe() to a topic that does not exist creates it where the broker does that": {
    needs: ["createsTopics"],
    async run(kit) {
      const topic = kit.name("missing");
      const consumer = await kit.member(topic);
      assert.ok(consumer.assignment().length > 0);
      assert.equal((await (await kit.admin()).describeTopics([topic])).length, 1);
    },
  },
  "produce() to a topic that does not exist creates it where the broker does that": {
    needs: ["createsTopics"],
    async run(kit) {
      const topic = kit.name("missing");
      await kit.put(topic, ["1"]);
      assert.deepEqual((await kit.readAll(topic, 1)).map(({ value }) => value), ["1"]);
    },
  },
};
