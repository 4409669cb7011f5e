import assert from "node:assert/strict";
import { AssignmentLostError, FencedError } from "../../lib/base/errors.ts";
import { recordsOf } from "../record_rows.ts";
import type { BrokerCase } from "./broker_contract.ts";
import { appliedValue, positionAt, refusedError } from "./broker_contract_kit.ts";

/** Rules of offsets that are committed with a transaction. */
export const OFFSETS_IN_TRANSACTION_CASES: Readonly<Record<string, BrokerCase>> = {
  "offsets of a transaction are committed with it, metadata included": {
    needs: ["isTransactional"],
    async run(kit) {
      const topic = await kit.topic();
      const consumer = await kit.member(topic);
      const producer = await kit.transactional();
      producer.begin();
      appliedValue(await producer.produce({ topic, records: recordsOf(["out"]), partitions: 0 }));
      appliedValue(
        await producer.sendOffsets([positionAt({ topic, partition: 0 }, 5, "seq 9")], consumer.groupMetadata()),
      );
      assert.deepEqual(await consumer.committed([{ topic, partition: 0 }], { isStable: false }), []);
      appliedValue(await producer.commit());
      const [found] = await consumer.committed([{ topic, partition: 0 }], { isStable: true });
      assert.deepEqual([found!.offset, found!.metadata], [5n, "seq 9"]);
    },
  },
  "offsets of an aborted transaction leave what was committed before": {
    needs: ["isTransactional"],
    async run(kit) {
      const topic = await kit.topic();
      const consumer = await kit.member(topic);
      const producer = await kit.transactional();
      for (const [offset, isCommit] of [[3, true], [9, false]] as const) {
        producer.begin();
        appliedValue(
          await producer.sendOffsets([positionAt({ topic, partition: 0 }, offset)], consumer.groupMetadata()),
        );
        appliedValue(isCommit ? await producer.commit() : await producer.abort());
      }
      const [found] = await consumer.committed([{ topic, partition: 0 }], { isStable: true });
      assert.equal(found!.offset, 3n);
    },
  },
  "a transaction may hold offsets only": {
    needs: ["isTransactional"],
    async run(kit) {
      const topic = await kit.topic();
      const consumer = await kit.member(topic);
      const producer = await kit.transactional();
      producer.begin();
      appliedValue(await producer.sendOffsets([positionAt({ topic, partition: 0 }, 1)], consumer.groupMetadata()));
      appliedValue(await producer.commit());
      const [found] = await consumer.committed([{ topic, partition: 0 }], { isStable: true });
      assert.equal(found!.offset, 1n);
    },
  },
  "committed({ isStable }) waits for the transaction that holds offsets": {
    needs: ["isTransactional", "hasStableOffsets"],
    async run(kit) {
      const topic = await kit.topic();
      const consumer = await kit.member(topic);
      const producer = await kit.transactional();
      producer.begin();
      appliedValue(await producer.sendOffsets([positionAt({ topic, partition: 0 }, 4)], consumer.groupMetadata()));
      let isAnswered = false;
      const stable = consumer.committed([{ topic, partition: 0 }], { isStable: true }).then((found) => {
        isAnswered = true;
        return found;
      });
      await kit.pause(kit.harness.timings.quietMs);
      assert.ok(!isAnswered, "the answer waits");
      appliedValue(await producer.commit());
      assert.equal((await stable)[0]!.offset, 4n);
    },
  },
  "committed({ isStable }) waits until the broker ends a transaction that is open for too long": {
    needs: ["isTransactional", "hasStableOffsets"],
    async run(kit) {
      const topic = await kit.topic();
      const consumer = await kit.member(topic);
      appliedValue(await consumer.commit([positionAt({ topic, partition: 0 }, 2, "before")], consumer.groupMetadata()));
      const { transactionTimeoutMs } = kit.harness.timings;
      const producer = await kit.transactional(kit.name("tx"), { timeoutMs: transactionTimeoutMs });
      producer.begin();
      appliedValue(await producer.sendOffsets([positionAt({ topic, partition: 0 }, 7)], consumer.groupMetadata()));
      const [found] = await consumer.committed([{ topic, partition: 0 }], { isStable: true });
      assert.deepEqual([found!.offset, found!.metadata], [2n, "before"]);
      refusedError(await producer.commit());
    },
  },
  "initialize() ends the transaction that holds a group's offsets": {
    needs: ["isTransactional", "hasStableOffsets"],
    async run(kit) {
      const topic = await kit.topic();
      const consumer = await kit.member(topic);
      const id = kit.name("tx");
      const older = await kit.transactional(id);
      older.begin();
      appliedValue(await older.sendOffsets([positionAt({ topic, partition: 0 }, 7)], consumer.groupMetadata()));
      const newer = await kit.transactional(id, { broker: await kit.connect() });
      assert.deepEqual(await consumer.committed([{ topic, partition: 0 }], { isStable: true }), []);
      newer.begin();
      appliedValue(await newer.sendOffsets([positionAt({ topic, partition: 0 }, 3)], consumer.groupMetadata()));
      appliedValue(await newer.commit());
      assert.ok(refusedError(await older.commit()) instanceof FencedError);
      assert.equal((await consumer.committed([{ topic, partition: 0 }], { isStable: true }))[0]!.offset, 3n);
    },
  },
  "offsets of several partitions and groups belong to one transaction": {
    needs: ["isTransactional"],
    async run(kit) {
      const topic = await kit.topic(2);
      const consumers = [await kit.member(topic), await kit.member(topic)];
      const producer = await kit.transactional();
      for (const isCommit of [true, false]) {
        producer.begin();
        for (const [i, consumer] of consumers.entries()) {
          const offset = isCommit ? i + 1 : 9;
          const positions = [0, 1].map((partition) => positionAt({ topic, partition }, offset, `group ${i}`));
          appliedValue(await producer.sendOffsets(positions, consumer.groupMetadata()));
        }
        appliedValue(isCommit ? await producer.commit() : await producer.abort());
      }
      for (const [i, consumer] of consumers.entries()) {
        const places = [0, 1].map((partition) => ({ topic, partition }));
        const found = await consumer.committed(places, { isStable: true });
        const facts = found.map(({ partition, offset, metadata }) => [partition, offset, metadata]);
        assert.deepEqual(facts.sort(), [[0, BigInt(i + 1), `group ${i}`], [1, BigInt(i + 1), `group ${i}`]]);
      }
    },
  },
  "sendOffsets() of a position behind the last one is taken: who owns the partition decides": {
    needs: ["isTransactional"],
    async run(kit) {
      const topic = await kit.topic();
      const consumer = await kit.member(topic);
      const producer = await kit.transactional();
      for (const offset of [5, 3]) {
        producer.begin();
        appliedValue(
          await producer.sendOffsets([positionAt({ topic, partition: 0 }, offset)], consumer.groupMetadata()),
        );
        appliedValue(await producer.commit());
      }
      assert.equal((await consumer.committed([{ topic, partition: 0 }], { isStable: true }))[0]!.offset, 3n);
    },
  },
  "committed({ isStable }) answers at once when nothing is open": {
    needs: ["hasStableOffsets"],
    async run(kit) {
      const topic = await kit.topic();
      const consumer = await kit.member(topic);
      appliedValue(await consumer.commit([positionAt({ topic, partition: 0 }, 2)], consumer.groupMetadata()));
      assert.equal((await consumer.committed([{ topic, partition: 0 }], { isStable: true }))[0]!.offset, 2n);
    },
  },
  "sendOffsets() of an older generation is refused for a partition that was given away since": {
    needs: ["isTransactional"],
    async run(kit) {
      const topic = await kit.topic(2);
      const groupId = kit.name("group");
      const one = await kit.member(topic, { groupId });
      const old = one.groupMetadata();
      const two = await kit.member(topic, { groupId, broker: await kit.connect(), among: [one] });
      await kit.until(() => one.assignment().length === 1, [one, two]);
      const producer = await kit.transactional();
      producer.begin();
      const [given] = two.assignment();
      const error = refusedError(await producer.sendOffsets([positionAt(given!, 1)], old));
      assert.ok(error instanceof AssignmentLostError, error.message);
      appliedValue(await producer.abort());
      assert.deepEqual(await one.committed([given!], { isStable: true }), []);
    },
  },
  "a transaction in which a send was refused can be aborted, not committed": {
    needs: ["isTransactional"],
    async run(kit) {
      const topic = await kit.topic();
      const consumer = await kit.member(topic);
      const stranger = { ...consumer.groupMetadata(), memberId: "stranger" };
      const producer = await kit.transactional();
      producer.begin();
      appliedValue(await producer.produce({ topic, records: recordsOf(["no"]), partitions: 0 }));
      refusedError(await producer.sendOffsets([positionAt({ topic, partition: 0 }, 1)], stranger));
      refusedError(await producer.commit());
      appliedValue(await producer.abort());
      await kit.nothing(consumer);
    },
  },
  "sendOffsets() of somebody who is no member is refused": {
    needs: ["isTransactional"],
    async run(kit) {
      const topic = await kit.topic();
      const consumer = await kit.member(topic);
      const stranger = { ...consumer.groupMetadata(), memberId: "stranger" };
      const producer = await kit.transactional();
      producer.begin();
      const error = refusedError(await producer.sendOffsets([positionAt({ topic, partition: 0 }, 1)], stranger));
      assert.ok(error instanceof AssignmentLostError, error.message);
    },
  },
  "sendOffsets() of a fenced static member is refused": {
    needs: ["isTransactional", "hasStaticMembers"],
    async run(kit) {
      const topic = await kit.topic();
      const groupId = kit.name("group");
      const older = await kit.member(topic, { groupId, instanceId: "mine" });
      const old = older.groupMetadata();
      await kit.member(topic, { groupId, instanceId: "mine", broker: await kit.connect() });
      const producer = await kit.transactional();
      producer.begin();
      const error = refusedError(await producer.sendOffsets([positionAt({ topic, partition: 0 }, 1)], old));
      assert.ok(error instanceof FencedError, error.message);
    },
  },
  "sendOffsets() of a fenced producer is refused": {
    needs: ["isTransactional"],
    async run(kit) {
      const topic = await kit.topic();
      const consumer = await kit.member(topic);
      const id = kit.name("tx");
      const older = await kit.transactional(id);
      older.begin();
      await kit.transactional(id, { broker: await kit.connect() });
      const outcome = await older.sendOffsets([positionAt({ topic, partition: 0 }, 1)], consumer.groupMetadata());
      assert.ok(refusedError(outcome) instanceof FencedError);
      assert.deepEqual(await consumer.committed([{ topic, partition: 0 }], { isStable: true }), []);
    },
  },
  "consume, produce and commit offsets in one transaction moves each record once": {
    needs: ["isTransactional"],
    async run(kit) {
      const [input, output] = [await kit.topic(), await kit.topic()];
      const groupId = kit.name("group");
      await kit.put(input, ["0", "1", "2", "3", "4", "5"]);
      const consumer = await kit.member(input, { groupId });
      consumer.seek({ topic: input, partition: 0 }, 0n);
      const producer = await kit.transactional();
      for (const isCommit of [true, false, true]) {
        const [committed] = await consumer.committed([{ topic: input, partition: 0 }], { isStable: true });
        const from = committed?.offset ?? 0n;
        consumer.seek({ topic: input, partition: 0 }, from);
        const rows = await kit.take(consumer, 1, { maxRecords: 3 as never });
        producer.begin();
        const records = recordsOf(rows.map(({ value }) => ({ value: `${value}!` })));
        appliedValue(await producer.produce({ topic: output, records, partitions: 0 }));
        const next = positionAt({ topic: input, partition: 0 }, rows.at(-1)!.offset + 1);
        appliedValue(await producer.sendOffsets([next], consumer.groupMetadata()));
        appliedValue(isCommit ? await producer.commit() : await producer.abort());
      }
      const moved = (await kit.readAll(output, 6)).map(({ value }) => value);
      assert.deepEqual(moved, ["0!", "1!", "2!", "3!", "4!", "5!"]);
    },
  },
};
