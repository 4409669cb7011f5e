import assert from "node:assert/strict";
import { recordsOf, rowsOf } from "../record_rows.ts";
import type { TransactionalProducer } from "../../lib/seams/broker.ts";
import type { BrokerCase } from "./broker_contract.ts";
import { appliedValue, PLENTY } from "./broker_contract_kit.ts";

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
  "produce() calls that do not wait for each other keep their order from the first record of a transaction on": {
    needs: ["isTransactional"],
    async run(kit) {
      const topic = await kit.topic(2);
      const producer = await kit.transactional();
      for (const isCommit of [true, false, true]) {
        producer.begin();
        const calls = Array.from({ length: 10 }, (_, i) => send(producer, topic, [`${i}`], i % 2));
        await Promise.all(calls);
        appliedValue(isCommit ? await producer.commit() : await producer.abort());
      }
      const rows = await kit.readAll(topic, 20);
      for (const partition of [0, 1]) {
        const values = rows.filter((row) => row.partition === partition).map(({ value }) => Number(value));
        const once = [0, 2, 4, 6, 8].map((even) => even + partition);
        assert.deepEqual(values, [...once, ...once]);
      }
    },
  },
  "a transaction takes more than one batch holds": {
    needs: ["isTransactional"],
    async run(kit) {
      const topic = await kit.topic();
      const producer = await kit.transactional();
      const count = 300;
      const wide = Array.from({ length: count }, (_, i) => `${i} ${"x".repeat(10_000)}`);
      producer.begin();
      await send(producer, topic, wide);
      await send(producer, topic, ["last"]);
      appliedValue(await producer.commit());
      const values = (await kit.readAll(topic, count + 1)).map(({ value }) => value!.split(" ")[0]);
      assert.deepEqual(values, [...wide.map((_, i) => `${i}`), "last"]);
    },
  },
  "transactions follow each other without a pause": {
    needs: ["isTransactional"],
    async run(kit) {
      const topic = await kit.topic(3);
      const producer = await kit.transactional();
      for (let round = 0; round < 15; round++) {
        producer.begin();
        await send(producer, topic, [`${round}`], round % 3);
        await send(producer, topic, [`${round}`], (round + 1) % 3);
        appliedValue(round % 4 === 3 ? await producer.abort() : await producer.commit());
      }
      const seen = (await kit.readAll(topic, 24)).map(({ value }) => Number(value)).sort((a, b) => a - b);
      const committed = Array.from({ length: 15 }, (_, round) => round).filter((round) => round % 4 !== 3);
      assert.deepEqual(seen, committed.flatMap((round) => [round, round]));
    },
  },
};
