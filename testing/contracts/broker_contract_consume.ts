import assert from "node:assert/strict";
import { OffsetOutOfRangeError } from "../../lib/base/errors.ts";
import type { RecordSlab } from "../../lib/columns/records.ts";
import { rowsOf } from "../record_rows.ts";
import type { BrokerCase } from "./broker_contract.ts";
import { appliedValue, type Kit, PLENTY, positionAt } from "./broker_contract_kit.ts";
import type { Consumer } from "../../lib/seams/broker.ts";

const numbers = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => `${from + i}`);

/** Polls until the broker tells that a position is out of range. */
async function outOfRange(kit: Kit, consumer: Consumer): Promise<OffsetOutOfRangeError> {
  let found: unknown;
  await kit.eventually(async () => {
    try {
      await consumer.poll({ ...PLENTY, timeoutMs: 50 });
    } catch (error) {
      found = error;
    }
    return found !== undefined;
  }, () => "OffsetOutOfRangeError");
  assert.ok(found instanceof OffsetOutOfRangeError, String(found));
  return found;
}

/** Polls until `count` records came, and returns all slabs. */
async function slabsOf(
  kit: Kit,
  consumer: Consumer,
  options: { count: number; maxRecords?: number; maxBytes?: number },
): Promise<RecordSlab[]> {
  const { count, ...bounds } = options;
  const slabs: RecordSlab[] = [];
  await kit.eventually(async () => {
    slabs.push(...await consumer.poll({ ...PLENTY, ...bounds, timeoutMs: 100 }));
    return slabs.reduce((sum, { records }) => sum + records.count, 0) >= count;
  }, () => `${count} records`);
  return slabs;
}

/** Rules of polling and positions. */
export const CONSUME_CASES: Readonly<Record<string, BrokerCase>> = {
  "poll() of an empty partition returns nothing when its time is over": {
    async run(kit) {
      const consumer = await kit.member(await kit.topic());
      assert.deepEqual(await consumer.poll({ ...PLENTY, timeoutMs: 20 }), []);
    },
  },
  "poll() waits for records that come later": {
    async run(kit) {
      const topic = await kit.topic();
      const consumer = await kit.member(topic);
      const polled = consumer.poll({ ...PLENTY, timeoutMs: kit.harness.timings.patienceMs });
      await kit.put(topic, ["late"]);
      assert.deepEqual((await polled).flatMap(rowsOf).map(({ value }) => value), ["late"]);
    },
  },
  "wake() lets a running poll return early": {
    async run(kit) {
      const consumer = await kit.member(await kit.topic());
      const polled = consumer.poll({ ...PLENTY, timeoutMs: kit.harness.timings.patienceMs * 100 });
      await kit.pause(10);
      consumer.wake();
      assert.deepEqual(await polled, []);
    },
  },
  "poll() goes on where the poll before ended": {
    async run(kit) {
      const topic = await kit.topic();
      await kit.put(topic, numbers(50));
      const consumer = await kit.member(topic);
      const slabs = await slabsOf(kit, consumer, { count: 50, maxRecords: 7 });
      let position = 0n;
      for (const { from, to } of slabs) {
        assert.equal(from, position);
        assert.ok(to > from);
        position = to;
      }
      assert.deepEqual(slabs.flatMap(rowsOf).map(({ value }) => value), numbers(50));
    },
  },
  "poll() keeps 'maxRecords' over many records": {
    async run(kit) {
      const topic = await kit.topic();
      for (const from of [0, 10, 20]) await kit.put(topic, numbers(10, from));
      const consumer = await kit.member(topic);
      for (const slab of await slabsOf(kit, consumer, { count: 30, maxRecords: 4 })) {
        assert.ok(slab.records.count <= 4, `${slab.records.count} records`);
      }
    },
  },
  "poll() makes progress with a record that is larger than 'maxBytes'": {
    async run(kit) {
      const topic = await kit.topic();
      await kit.put(topic, ["x".repeat(10_000), "y".repeat(10_000)]);
      const consumer = await kit.member(topic);
      assert.equal((await kit.take(consumer, 2, { maxBytes: 100 as never })).length, 2);
    },
  },
  "poll() tells high watermark and log start": {
    async run(kit) {
      const topic = await kit.topic();
      await kit.put(topic, numbers(5));
      const consumer = await kit.member(topic);
      const [slab] = await slabsOf(kit, consumer, { count: 1, maxRecords: 1 });
      assert.equal(slab!.highWatermark, 5n);
      assert.equal(slab!.logStart, 0n);
      assert.ok(slab!.leaderEpoch >= -1);
    },
  },
  "poll() serves all partitions": {
    async run(kit) {
      const topic = await kit.topic(4);
      for (const partition of [0, 1, 2, 3]) await kit.put(topic, numbers(20), partition);
      const consumer = await kit.member(topic);
      const slabs = await slabsOf(kit, consumer, { count: 80, maxRecords: 5 });
      assert.equal(new Set(slabs.slice(0, 8).map(({ partition }) => partition)).size, 4);
    },
  },
  "poll() returns at most one slab for each partition": {
    async run(kit) {
      const topic = await kit.topic(2);
      for (const from of [0, 3, 6]) for (const partition of [0, 1]) await kit.put(topic, numbers(3, from), partition);
      const consumer = await kit.member(topic);
      let rows = 0;
      await kit.eventually(async () => {
        const slabs = await consumer.poll({ ...PLENTY, timeoutMs: 100 });
        assert.equal(new Set(slabs.map(({ partition }) => partition)).size, slabs.length);
        for (const slab of slabs) rows += slab.records.count;
        return rows === 18;
      }, () => "all records");
    },
  },
  "slabs stay as they are while polling goes on": {
    async run(kit) {
      const topic = await kit.topic();
      await kit.put(topic, numbers(20));
      const consumer = await kit.member(topic);
      const slabs = await slabsOf(kit, consumer, { count: 20, maxRecords: 3 });
      await kit.put(topic, numbers(20, 20));
      await slabsOf(kit, consumer, { count: 20 });
      assert.deepEqual(slabs.flatMap(rowsOf).map(({ value }) => value), numbers(20));
    },
  },
  "a new group begins at the start of the log": {
    async run(kit) {
      const topic = await kit.topic();
      await kit.put(topic, numbers(3));
      const consumer = await kit.member(topic);
      assert.deepEqual(await kit.values(consumer, 3), numbers(3));
    },
  },
  "a group goes on at what it committed": {
    async run(kit) {
      const topic = await kit.topic();
      const groupId = kit.name("group");
      await kit.put(topic, numbers(6));
      const first = await kit.member(topic, { groupId });
      await kit.take(first, 6);
      appliedValue(await first.commit([positionAt({ topic, partition: 0 }, 4)], first.groupMetadata()));
      await first.close();
      const second = await kit.member(topic, { groupId });
      assert.deepEqual(await kit.values(second, 2), ["4", "5"]);
    },
  },
  "two groups read the same topic independently": {
    async run(kit) {
      const topic = await kit.topic();
      await kit.put(topic, numbers(4));
      const [one, two] = [await kit.member(topic), await kit.member(topic)];
      assert.deepEqual(await kit.values(one, 4), numbers(4));
      assert.deepEqual(await kit.values(two, 4), numbers(4));
    },
  },
  "seek() back reads records again": {
    async run(kit) {
      const topic = await kit.topic();
      await kit.put(topic, numbers(6));
      const consumer = await kit.member(topic);
      await kit.take(consumer, 6);
      consumer.seek({ topic, partition: 0 }, 2n);
      assert.deepEqual(await kit.values(consumer, 4), numbers(4, 2));
    },
  },
  "seek() forward passes over records": {
    async run(kit) {
      const topic = await kit.topic();
      await kit.put(topic, numbers(6));
      const consumer = await kit.member(topic);
      consumer.seek({ topic, partition: 0 }, 4n);
      assert.deepEqual(await kit.values(consumer, 2), ["4", "5"]);
    },
  },
  "seek() within assigned() decides where reading begins": {
    async run(kit) {
      const topic = await kit.topic();
      await kit.put(topic, numbers(6));
      const consumer = await kit.consumer();
      await consumer.subscribe([topic], {
        assigned: (partitions) => {
          for (const partition of partitions) consumer.seek(partition, 3n);
          return Promise.resolve();
        },
        revoked: () => Promise.resolve(),
        lost: () => Promise.resolve(),
      });
      assert.deepEqual(await kit.values(consumer, 3), numbers(3, 3));
    },
  },
  "seek() to the end waits for new records": {
    async run(kit) {
      const topic = await kit.topic();
      await kit.put(topic, numbers(3));
      const consumer = await kit.member(topic);
      consumer.seek({ topic, partition: 0 }, 3n);
      await kit.nothing(consumer);
      await kit.put(topic, ["new"]);
      assert.deepEqual(await kit.values(consumer, 1), ["new"]);
    },
  },
  "a position past the end is an error with the log's bounds, never a silent reset": {
    async run(kit) {
      const topic = await kit.topic();
      await kit.put(topic, numbers(3));
      const consumer = await kit.member(topic);
      consumer.seek({ topic, partition: 0 }, 1_000n);
      const { context } = await outOfRange(kit, consumer);
      assert.equal(context.topic, topic);
      assert.equal(context.partition, 0);
      assert.equal(Number(context.position), 1_000);
      assert.equal(Number(context.logStart), 0);
      assert.equal(Number(context.logEnd), 3);
    },
  },
  "a position read under a leader epoch that the log never had is an error, although the log has the offset": {
    async run(kit) {
      const topic = await kit.topic();
      await kit.put(topic, numbers(3));
      const consumer = await kit.member(topic);
      consumer.seek({ topic, partition: 0 }, 2n, 1_000);
      const { context } = await outOfRange(kit, consumer);
      assert.deepEqual([Number(context.position), Number(context.logStart), Number(context.logEnd)], [2, 0, 3]);
      consumer.seek({ topic, partition: 0 }, 2n);
      assert.deepEqual(await kit.values(consumer, 1), ["2"]);
    },
  },
  "a position is read on under the leader epoch that its slab told": {
    async run(kit) {
      const topic = await kit.topic();
      await kit.put(topic, numbers(4));
      const consumer = await kit.member(topic);
      const [slab] = await slabsOf(kit, consumer, { count: 1, maxRecords: 2 });
      consumer.seek({ topic, partition: 0 }, slab!.to, slab!.leaderEpoch);
      const rest = numbers(4).slice(Number(slab!.to));
      assert.deepEqual(await kit.values(consumer, rest.length), rest);
    },
  },
  "a leader epoch that the log never had is refused when it is committed, or when it is read from": {
    async run(kit) {
      const topic = await kit.topic();
      const groupId = kit.name("group");
      await kit.put(topic, numbers(3));
      const position = { ...positionAt({ topic, partition: 0 }, 2), leaderEpoch: 1_000 };
      const admin = await kit.admin();
      const refusal = await admin.setGroupOffsets(groupId, [position]).then(() => null, (error: unknown) => error);
      assert.ok(refusal === null || refusal instanceof OffsetOutOfRangeError, String(refusal));
      if (refusal !== null) return;
      const consumer = await kit.member(topic, { groupId });
      const { context } = await outOfRange(kit, consumer);
      assert.equal(Number(context.position), 2);
    },
  },
  "seek() drops what is under way, also when it goes where the consumer was": {
    async run(kit) {
      const topic = await kit.topic();
      await kit.put(topic, numbers(4));
      const consumer = await kit.member(topic);
      const place = { topic, partition: 0 };
      for (const offset of [1n, 3n, 1n, 0n, 2n, 1n]) {
        consumer.seek(place, offset);
        const polled = consumer.poll({ ...PLENTY, timeoutMs: 5 });
        consumer.seek(place, 2n);
        consumer.seek(place, offset);
        await polled;
        consumer.seek(place, offset);
        assert.deepEqual(await kit.values(consumer, 4 - Number(offset)), numbers(4 - Number(offset), Number(offset)));
      }
    },
  },
  "a consumer goes on after an error of its position, when it is sent elsewhere": {
    async run(kit) {
      const topic = await kit.topic();
      await kit.put(topic, numbers(3));
      const consumer = await kit.member(topic);
      consumer.seek({ topic, partition: 0 }, 1_000n);
      await outOfRange(kit, consumer);
      consumer.seek({ topic, partition: 0 }, 1n);
      assert.deepEqual(await kit.values(consumer, 2), ["1", "2"]);
    },
  },
  "a position that retention has passed is an error with the log's bounds": {
    needs: ["deleteRecordsBefore"],
    async run(kit) {
      const topic = await kit.topic();
      await kit.put(topic, numbers(6));
      await kit.harness.deleteRecordsBefore!(topic, 0, 4);
      const consumer = await kit.member(topic);
      consumer.seek({ topic, partition: 0 }, 1n);
      const { context } = await outOfRange(kit, consumer);
      assert.equal(Number(context.logStart), 4);
      consumer.seek({ topic, partition: 0 }, 4n);
      assert.deepEqual(await kit.values(consumer, 2), ["4", "5"]);
    },
  },
  "pause() stops a partition and resume() loses nothing": {
    async run(kit) {
      const topic = await kit.topic(2);
      const consumer = await kit.member(topic);
      consumer.pause([{ topic, partition: 0 }]);
      await kit.put(topic, ["a"], 0);
      await kit.put(topic, ["b"], 1);
      assert.deepEqual(await kit.values(consumer, 1), ["b"]);
      await kit.nothing(consumer);
      consumer.resume([{ topic, partition: 0 }]);
      assert.deepEqual(await kit.values(consumer, 1), ["a"]);
    },
  },
  "poll() after close() is an error": {
    async run(kit) {
      const consumer = await kit.member(await kit.topic());
      await consumer.close();
      await assert.rejects(() => consumer.poll({ ...PLENTY, timeoutMs: 1 }));
    },
  },
};
