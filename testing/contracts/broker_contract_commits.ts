import assert from "node:assert/strict";
import type { BrokerCase } from "./broker_contract.ts";
import { appliedValue, positionAt, refusedError } from "./broker_contract_kit.ts";

/** Rules of committed offsets. */
export const COMMIT_CASES: Readonly<Record<string, BrokerCase>> = {
  "committed() tells offset and metadata as they were committed": {
    async run(kit) {
      const topic = await kit.topic(2);
      await kit.put(topic, ["0", "1", "2"], 1);
      const consumer = await kit.member(topic);
      const metadata = '{"lineage":"l","sequence":17,"text":"äöü ∑"}';
      appliedValue(await consumer.commit([positionAt({ topic, partition: 1 }, 3, metadata)], consumer.groupMetadata()));
      const [found] = await consumer.committed([{ topic, partition: 1 }], { isStable: true });
      assert.equal(found!.offset, 3n);
      assert.equal(found!.metadata, metadata);
      assert.deepEqual([found!.topic, found!.partition], [topic, 1]);
    },
  },
  "committed() tells the leader epoch as it was committed": {
    async run(kit) {
      const topic = await kit.topic();
      await kit.put(topic, ["0"]);
      const consumer = await kit.member(topic);
      const position = { ...positionAt({ topic, partition: 0 }, 1), leaderEpoch: 0 };
      appliedValue(await consumer.commit([position], consumer.groupMetadata()));
      const [found] = await consumer.committed([{ topic, partition: 0 }], { isStable: true });
      assert.equal(found!.leaderEpoch, 0);
    },
  },
  "committed() has no entry for a partition without a commit": {
    async run(kit) {
      const topic = await kit.topic(3);
      const consumer = await kit.member(topic);
      appliedValue(await consumer.commit([positionAt({ topic, partition: 1 }, 0)], consumer.groupMetadata()));
      const all = [0, 1, 2].map((partition) => ({ topic, partition }));
      const found = await consumer.committed(all, { isStable: true });
      assert.deepEqual(found.map(({ partition }) => partition), [1]);
    },
  },
  "commit() overwrites, also with a smaller offset": {
    async run(kit) {
      const topic = await kit.topic();
      const consumer = await kit.member(topic);
      for (const offset of [5, 9, 2]) {
        appliedValue(
          await consumer.commit([positionAt({ topic, partition: 0 }, offset, `m${offset}`)], consumer.groupMetadata()),
        );
      }
      const [found] = await consumer.committed([{ topic, partition: 0 }], { isStable: true });
      assert.deepEqual([found!.offset, found!.metadata], [2n, "m2"]);
    },
  },
  "commit() takes several partitions at once": {
    async run(kit) {
      const topic = await kit.topic(3);
      const consumer = await kit.member(topic);
      const positions = [0, 1, 2].map((partition) => positionAt({ topic, partition }, partition * 10, `m${partition}`));
      appliedValue(await consumer.commit(positions, consumer.groupMetadata()));
      const found = await consumer.committed(positions, { isStable: true });
      const plain = [...found].sort((a, b) => a.partition - b.partition).map((
        { offset, metadata },
      ) => [offset, metadata]);
      assert.deepEqual(plain, [[0n, "m0"], [10n, "m1"], [20n, "m2"]]);
    },
  },
  "commit() without metadata reads back as empty": {
    async run(kit) {
      const topic = await kit.topic();
      const consumer = await kit.member(topic);
      appliedValue(await consumer.commit([positionAt({ topic, partition: 0 }, 1)], consumer.groupMetadata()));
      const [found] = await consumer.committed([{ topic, partition: 0 }], { isStable: true });
      assert.equal(found!.metadata, "");
    },
  },
  "commit() takes metadata of 4,096 bytes": {
    async run(kit) {
      const topic = await kit.topic();
      const consumer = await kit.member(topic);
      const metadata = "m".repeat(4_096);
      appliedValue(await consumer.commit([positionAt({ topic, partition: 0 }, 1, metadata)], consumer.groupMetadata()));
      const [found] = await consumer.committed([{ topic, partition: 0 }], { isStable: true });
      assert.equal(found!.metadata.length, 4_096);
    },
  },
  "commit() refuses metadata of more than 4,096 bytes": {
    async run(kit) {
      const topic = await kit.topic();
      const consumer = await kit.member(topic);
      refusedError(
        await consumer.commit([positionAt({ topic, partition: 0 }, 1, "m".repeat(4_097))], consumer.groupMetadata()),
      );
      assert.deepEqual(await consumer.committed([{ topic, partition: 0 }], { isStable: true }), []);
    },
  },
  "committed() of another member sees the commit": {
    async run(kit) {
      const topic = await kit.topic(2);
      const groupId = kit.name("group");
      const one = await kit.member(topic, { groupId });
      const two = await kit.member(topic, { groupId, broker: await kit.connect(), among: [one] });
      await kit.until(() => one.assignment().length === 1 && two.assignment().length === 1, [one, two]);
      const { partition } = one.assignment()[0]!;
      appliedValue(await one.commit([positionAt({ topic, partition }, 4, "by one")], one.groupMetadata()));
      const [found] = await two.committed([{ topic, partition }], { isStable: true });
      assert.deepEqual([found!.offset, found!.metadata], [4n, "by one"]);
    },
  },
  "commit() does not move the position of polling": {
    async run(kit) {
      const topic = await kit.topic();
      await kit.put(topic, ["0", "1", "2"]);
      const consumer = await kit.member(topic);
      assert.deepEqual(await kit.values(consumer, 3), ["0", "1", "2"]);
      appliedValue(await consumer.commit([positionAt({ topic, partition: 0 }, 1)], consumer.groupMetadata()));
      await kit.put(topic, ["3"]);
      assert.deepEqual(await kit.values(consumer, 1), ["3"]);
    },
  },
};
