import assert from "node:assert/strict";
import { FencedError, StreamError } from "../../lib/base/errors.ts";
import { recordsOf, rowsOf } from "../record_rows.ts";
import type { BrokerCase } from "./broker_contract.ts";
import { appliedValue, PLENTY, refusedError } from "./broker_contract_kit.ts";
import type { TransactionalProducer } from "../../lib/seams/broker.ts";

async function send(producer: TransactionalProducer, topic: string, values: string[], partition = 0): Promise<void> {
  appliedValue(await producer.produce({ topic, records: recordsOf(values), partitions: partition }));
}

/** Rules of transactions over records. */
export const TRANSACTION_CASES: Readonly<Record<string, BrokerCase>> = {
  "records of a transaction come after its commit, not before": {
    needs: ["isTransactional"],
    async run(kit) {
      const topic = await kit.topic();
      const consumer = await kit.member(topic);
      const producer = await kit.transactional();
      producer.begin();
      await send(producer, topic, ["1", "2"]);
      await kit.nothing(consumer);
      appliedValue(await producer.commit());
      assert.deepEqual(await kit.values(consumer, 2), ["1", "2"]);
    },
  },
  "records of an aborted transaction never come": {
    needs: ["isTransactional"],
    async run(kit) {
      const topic = await kit.topic();
      const producer = await kit.transactional();
      producer.begin();
      await send(producer, topic, ["no"]);
      appliedValue(await producer.abort());
      await kit.put(topic, ["yes"]);
      const consumer = await kit.member(topic);
      assert.deepEqual(await kit.values(consumer, 1), ["yes"]);
      await kit.nothing(consumer);
    },
  },
  "the position passes aborted and control records": {
    needs: ["isTransactional"],
    async run(kit) {
      const topic = await kit.topic();
      const producer = await kit.transactional();
      producer.begin();
      await send(producer, topic, ["no", "no"]);
      appliedValue(await producer.abort());
      const consumer = await kit.member(topic);
      consumer.seek({ topic, partition: 0 }, 0n);
      let to = 0n;
      await kit.eventually(async () => {
        for (const slab of await consumer.poll({ ...PLENTY, timeoutMs: 50 })) {
          assert.deepEqual(rowsOf(slab), []);
          to = slab.to;
        }
        return to === 3n;
      }, () => `position 3, it is ${to}`);
    },
  },
  "the log's end counts control records, so that lag reaches zero": {
    needs: ["isTransactional"],
    async run(kit) {
      const topic = await kit.topic();
      const producer = await kit.transactional();
      producer.begin();
      await send(producer, topic, ["1"]);
      appliedValue(await producer.commit());
      const consumer = await kit.consumer();
      await consumer.subscribe([topic], {
        assigned: () => Promise.resolve(),
        revoked: () => Promise.resolve(),
        lost: () => Promise.resolve(),
      });
      let to = 0n;
      await kit.eventually(async () => {
        for (const slab of await consumer.poll({ ...PLENTY, timeoutMs: 50 })) to = slab.to;
        const [offsets] = await (await kit.admin()).offsets([{ topic, partition: 0 }]);
        return offsets!.logEnd === 2n && to === 2n;
      }, () => `position 2, it is ${to}`);
    },
  },
  "read_uncommitted sees records of open and aborted transactions": {
    needs: ["isTransactional"],
    async run(kit) {
      const topic = await kit.topic();
      const producer = await kit.transactional();
      producer.begin();
      await send(producer, topic, ["open"]);
      const consumer = await kit.member(topic, { isolation: "read_uncommitted" });
      consumer.seek({ topic, partition: 0 }, 0n);
      assert.deepEqual(await kit.values(consumer, 1), ["open"]);
      appliedValue(await producer.abort());
      const rows = await kit.readAll(topic, 1, { isolation: "read_uncommitted" });
      assert.deepEqual(rows.map(({ value }) => value), ["open"]);
    },
  },
  "an open transaction holds back what was written after it": {
    needs: ["isTransactional"],
    async run(kit) {
      const topic = await kit.topic();
      const consumer = await kit.member(topic);
      const producer = await kit.transactional();
      producer.begin();
      await send(producer, topic, ["first"]);
      await kit.put(topic, ["second"]);
      await kit.nothing(consumer);
      appliedValue(await producer.commit());
      assert.deepEqual(await kit.values(consumer, 2), ["first", "second"]);
    },
  },
  "aborted records between committed ones are left out, wherever the markers lie": {
    needs: ["isTransactional"],
    async run(kit) {
      const topic = await kit.topic();
      const [one, two] = [await kit.transactional(), await kit.transactional()];
      one.begin();
      two.begin();
      await send(one, topic, ["1a"]);
      await send(two, topic, ["2a"]);
      await send(one, topic, ["1b"]);
      await send(two, topic, ["2b"]);
      appliedValue(await two.commit());
      await kit.put(topic, ["plain"]);
      appliedValue(await one.abort());
      const consumer = await kit.member(topic);
      assert.deepEqual(await kit.values(consumer, 3), ["2a", "2b", "plain"]);
      await kit.nothing(consumer);
    },
  },
  "an aborted transaction does not hide later ones of the same producer": {
    needs: ["isTransactional"],
    async run(kit) {
      const topic = await kit.topic();
      const producer = await kit.transactional();
      for (const [value, isCommit] of [["a", true], ["b", false], ["c", true], ["d", false], ["e", true]] as const) {
        producer.begin();
        await send(producer, topic, [`${value}1`, `${value}2`]);
        appliedValue(isCommit ? await producer.commit() : await producer.abort());
      }
      const rows = await kit.readAll(topic, 6);
      assert.deepEqual(rows.map(({ value }) => value), ["a1", "a2", "c1", "c2", "e1", "e2"]);
    },
  },
  "a transaction over two topics becomes visible as a whole": {
    needs: ["isTransactional"],
    async run(kit) {
      const topics = [await kit.topic(), await kit.topic(2)];
      const producer = await kit.transactional();
      producer.begin();
      await send(producer, topics[0]!, ["0"]);
      await send(producer, topics[1]!, ["1"], 0);
      await send(producer, topics[1]!, ["2"], 1);
      const consumer = await kit.consumer();
      const quiet = {
        assigned: () => Promise.resolve(),
        revoked: () => Promise.resolve(),
        lost: () => Promise.resolve(),
      };
      await consumer.subscribe(topics, quiet);
      await kit.nothing(consumer);
      appliedValue(await producer.commit());
      assert.deepEqual((await kit.values(consumer, 3)).sort(), ["0", "1", "2"]);
    },
  },
  "an abort over two partitions hides both": {
    needs: ["isTransactional"],
    async run(kit) {
      const topic = await kit.topic(2);
      const producer = await kit.transactional();
      producer.begin();
      for (const partition of [0, 1]) await send(producer, topic, ["no"], partition);
      appliedValue(await producer.abort());
      producer.begin();
      for (const partition of [0, 1]) await send(producer, topic, [`yes${partition}`], partition);
      appliedValue(await producer.commit());
      assert.deepEqual((await kit.readAll(topic, 2)).map(({ value }) => value).sort(), ["yes0", "yes1"]);
    },
  },
  "records of one transaction keep their order over several calls": {
    needs: ["isTransactional"],
    async run(kit) {
      const topic = await kit.topic();
      const producer = await kit.transactional();
      producer.begin();
      for (let i = 0; i < 5; i++) await send(producer, topic, [`${i}`]);
      appliedValue(await producer.commit());
      assert.deepEqual((await kit.readAll(topic, 5)).map(({ value }) => value), ["0", "1", "2", "3", "4"]);
    },
  },
  "an empty transaction can be committed and aborted": {
    needs: ["isTransactional"],
    async run(kit) {
      const topic = await kit.topic();
      const producer = await kit.transactional();
      producer.begin();
      appliedValue(await producer.commit());
      producer.begin();
      appliedValue(await producer.abort());
      producer.begin();
      await send(producer, topic, ["1"]);
      appliedValue(await producer.commit());
      assert.deepEqual((await kit.readAll(topic, 1)).map(({ value }) => value), ["1"]);
    },
  },
  "a newer producer of the same id fences the older one": {
    needs: ["isTransactional"],
    async run(kit) {
      const topic = await kit.topic();
      const id = kit.name("tx");
      const older = await kit.transactional(id);
      older.begin();
      await send(older, topic, ["old"]);
      const newer = await kit.transactional(id, { broker: await kit.connect() });
      const error = refusedError(await older.commit());
      assert.ok(error instanceof FencedError, error.message);
      newer.begin();
      await send(newer, topic, ["new"]);
      appliedValue(await newer.commit());
      const consumer = await kit.member(topic);
      assert.deepEqual(await kit.values(consumer, 1), ["new"]);
      await kit.nothing(consumer);
    },
  },
  "a fenced producer cannot write": {
    needs: ["isTransactional"],
    async run(kit) {
      const topic = await kit.topic();
      const id = kit.name("tx");
      const older = await kit.transactional(id);
      older.begin();
      await send(older, topic, ["old"]);
      await kit.transactional(id, { broker: await kit.connect() });
      const error = refusedError(await older.produce({ topic, records: recordsOf(["zombie"]), partitions: 0 }));
      assert.ok(error instanceof FencedError, error.message);
      const consumer = await kit.member(topic);
      await kit.nothing(consumer);
    },
  },
  "initialize() ends the open transaction of a predecessor": {
    needs: ["isTransactional", "crash"],
    async run(kit) {
      const topic = await kit.topic();
      const id = kit.name("tx");
      const broker = await kit.connect();
      const crashed = await kit.transactional(id, { broker });
      crashed.begin();
      await send(crashed, topic, ["no"]);
      await kit.harness.crash!(broker);
      await kit.put(topic, ["yes"]);
      await kit.transactional(id);
      const consumer = await kit.member(topic);
      assert.deepEqual(await kit.values(consumer, 1), ["yes"]);
    },
  },
  "a transaction that is open for too long is aborted by the broker": {
    needs: ["isTransactional"],
    async run(kit) {
      const topic = await kit.topic();
      const { transactionTimeoutMs } = kit.harness.timings;
      const producer = await kit.transactional(kit.name("tx"), { timeoutMs: transactionTimeoutMs });
      producer.begin();
      await send(producer, topic, ["no"]);
      await kit.put(topic, ["yes"]);
      const consumer = await kit.member(topic);
      assert.deepEqual(await kit.values(consumer, 1), ["yes"]);
      const error = refusedError(await producer.commit());
      assert.ok(error instanceof StreamError, error.message);
    },
  },
  "transactional ids do not disturb each other": {
    needs: ["isTransactional"],
    async run(kit) {
      const topics = [await kit.topic(), await kit.topic()];
      const producers = [await kit.transactional(), await kit.transactional()];
      for (let round = 0; round < 3; round++) {
        for (const [i, producer] of producers.entries()) {
          producer.begin();
          await send(producer, topics[i]!, [`${i}${round}`]);
        }
        for (const producer of producers) appliedValue(await producer.commit());
      }
      for (const [i, topic] of topics.entries()) {
        assert.deepEqual((await kit.readAll(topic, 3)).map(({ value }) => value), [`${i}0`, `${i}1`, `${i}2`]);
      }
    },
  },
  "begin() before initialize() is a TypeError": {
    needs: ["isTransactional"],
    async run(kit) {
      const producer = await kit.broker.transactionalProducer({ transactionalId: kit.name("tx") });
      assert.throws(() => producer.begin(), TypeError);
      await producer.close();
    },
  },
};
