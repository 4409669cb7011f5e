import assert from "node:assert/strict";
import { OffsetOutOfRangeError } from "../../lib/base/errors.ts";
import type { Consumer } from "../../lib/seams/broker.ts";
import { rowsOf } from "../record_rows.ts";
import type { BrokerCase } from "./broker_contract.ts";
import { appliedValue, type Kit, PLENTY, positionAt } from "./broker_contract_kit.ts";

/** Polls until the broker says that the position is not in the log. */
async function outOfRange(kit: Kit, consumer: Consumer): Promise<OffsetOutOfRangeError> {
  let found: unknown;
  await kit.eventually(async () => {
    try {
      const slabs = await consumer.poll({ ...PLENTY, timeoutMs: 20 });
      assert.deepEqual(slabs.flatMap(rowsOf), [], "nothing is read behind a position that is not in the log");
    } catch (error) {
      found = error;
    }
    return found !== undefined;
  }, () => "OffsetOutOfRangeError");
  assert.ok(found instanceof OffsetOutOfRangeError, String(found));
  return found;
}

/** Rules of logs that compaction or an unclean election has rewritten. */
export const REWRITTEN_LOG_CASES: Readonly<Record<string, BrokerCase>> = {
  "records keep their offsets when compaction takes others": {
    needs: ["compact"],
    async run(kit) {
      const topic = await kit.topic();
      for (const value of ["1", "2", "3"]) await kit.put(topic, [{ key: "a", value }, { key: value, value: "x" }]);
      await kit.harness.compact!({ topic, partition: 0 });
      const rows = await kit.readAll(topic, 4);
      assert.deepEqual(rows.map(({ offset, key, value }) => [offset, key, value]), [
        [1, "1", "x"],
        [2, "a", "2"],
        [3, "2", "x"],
        [4, "a", "3"],
        [5, "3", "x"],
      ]);
    },
  },
  "a tombstone is kept by compaction": {
    needs: ["compact"],
    async run(kit) {
      const topic = await kit.topic();
      await kit.put(topic, [{ key: "a", value: "1" }]);
      await kit.put(topic, [{ key: "a", value: null }]);
      await kit.put(topic, [{ key: "end", value: "e" }]);
      await kit.harness.compact!({ topic, partition: 0 });
      const rows = await kit.readAll(topic, 2);
      assert.deepEqual(rows.map(({ offset, value }) => [offset, value]), [[1, null], [2, "e"]]);
    },
  },
  "a position inside a gap is read on behind it": {
    needs: ["compact"],
    async run(kit) {
      const topic = await kit.topic();
      await kit.put(topic, [{ key: "a", value: "1" }, { key: "a", value: "2" }, { key: "a", value: "3" }]);
      await kit.put(topic, [{ key: "a", value: "4" }]);
      await kit.put(topic, [{ key: "b", value: "5" }]);
      await kit.harness.compact!({ topic, partition: 0 });
      const consumer = await kit.member(topic);
      consumer.seek({ topic, partition: 0 }, 1n);
      assert.deepEqual(await kit.values(consumer, 2), ["4", "5"]);
      const [bounds] = await (await kit.admin()).offsets([{ topic, partition: 0 }]);
      assert.deepEqual([bounds!.logStart, bounds!.logEnd], [0n, 5n]);
    },
  },
  "a position past the end of a truncated log is an error, and what the group committed stays": {
    needs: ["truncate"],
    async run(kit) {
      const topic = await kit.topic();
      for (const value of ["a", "b", "c"]) await kit.put(topic, [value]);
      const consumer = await kit.member(topic);
      assert.deepEqual(await kit.values(consumer, 3), ["a", "b", "c"]);
      appliedValue(await consumer.commit([positionAt({ topic, partition: 0 }, 3)], consumer.groupMetadata()));
      await kit.harness.truncate!({ topic, partition: 0 }, 1);
      const { context } = await outOfRange(kit, consumer);
      assert.deepEqual([Number(context.position), Number(context.logEnd)], [3, 1]);
      const [committed] = await consumer.committed([{ topic, partition: 0 }], { isStable: true });
      assert.equal(committed!.offset, 3n);
      consumer.seek({ topic, partition: 0 }, 1n);
      await kit.put(topic, ["d"]);
      assert.deepEqual(await kit.values(consumer, 1), ["d"]);
    },
  },
  "a consumer that was ahead of a truncated log is told although the log has grown past its position": {
    needs: ["truncate"],
    async run(kit) {
      const topic = await kit.topic();
      for (const value of ["a", "b", "c"]) await kit.put(topic, [value]);
      const consumer = await kit.member(topic);
      assert.deepEqual(await kit.values(consumer, 3), ["a", "b", "c"]);
      await kit.harness.truncate!({ topic, partition: 0 }, 1);
      await kit.put(topic, ["x", "y", "z"]);
      const { message } = await outOfRange(kit, consumer);
      assert.match(message, /truncated/);
      consumer.seek({ topic, partition: 0 }, 1n);
      assert.deepEqual(await kit.values(consumer, 3), ["x", "y", "z"]);
    },
  },
};
