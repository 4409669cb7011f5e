import assert from "node:assert/strict";
import { FencedError, StreamError } from "../../lib/base/errors.ts";
import { recordsOf } from "../record_rows.ts";
import type { TransactionalProducer } from "../../lib/seams/broker.ts";
import type { BrokerCase } from "./broker_contract.ts";
import { appliedValue, refusedError } from "./broker_contract_kit.ts";

async function send(producer: TransactionalProducer, topic: string, values: string[], partition = 0): Promise<void> {
  appliedValue(await producer.produce({ topic, records: recordsOf(values), partitions: partition }));
}

/** Rules of producers that are fenced, and of transactions that their producer does not end. */
export const FENCED_TRANSACTION_CASES: Readonly<Record<string, BrokerCase>> = {
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
  "what a fenced producer ends is not the transaction of the newer one": {
    needs: ["isTransactional"],
    async run(kit) {
      const topic = await kit.topic();
      const id = kit.name("tx");
      const older = await kit.transactional(id);
      older.begin();
      await send(older, topic, ["old"]);
      const newer = await kit.transactional(id, { broker: await kit.connect() });
      newer.begin();
      await send(newer, topic, ["new"]);
      const error = refusedError(await older.abort());
      assert.ok(error instanceof FencedError, error.message);
      await send(newer, topic, ["newer"]);
      appliedValue(await newer.commit());
      assert.deepEqual((await kit.readAll(topic, 2)).map(({ value }) => value), ["new", "newer"]);
    },
  },
  "initialize() fences a producer that has no transaction open": {
    needs: ["isTransactional"],
    async run(kit) {
      const topic = await kit.topic();
      const id = kit.name("tx");
      const older = await kit.transactional(id);
      older.begin();
      await send(older, topic, ["old"]);
      appliedValue(await older.commit());
      await kit.transactional(id, { broker: await kit.connect() });
      older.begin();
      const error = refusedError(await older.produce({ topic, records: recordsOf(["zombie"]), partitions: 0 }));
      assert.ok(error instanceof FencedError, error.message);
      const consumer = await kit.member(topic, { isolation: "read_uncommitted" });
      assert.deepEqual(await kit.values(consumer, 1), ["old"]);
      await kit.nothing(consumer);
    },
  },
  "a producer whose transaction timed out can write again after initialize()": {
    needs: ["isTransactional"],
    async run(kit) {
      const topic = await kit.topic();
      const id = kit.name("tx");
      const producer = await kit.transactional(id, { timeoutMs: kit.harness.timings.transactionTimeoutMs });
      producer.begin();
      await send(producer, topic, ["no"]);
      await kit.put(topic, ["yes"]);
      assert.deepEqual((await kit.readAll(topic, 1)).map(({ value }) => value), ["yes"]);
      const outcome = await producer.produce({ topic, records: recordsOf(["late"]), partitions: 0 });
      assert.ok(refusedError(outcome) instanceof StreamError);
      appliedValue(await producer.initialize());
      producer.begin();
      await send(producer, topic, ["again"]);
      appliedValue(await producer.commit());
      assert.deepEqual((await kit.readAll(topic, 2)).map(({ value }) => value), ["yes", "again"]);
    },
  },
  "a transaction timeout that the broker does not take is a RangeError": {
    needs: ["isTransactional"],
    async run(kit) {
      const producer = await kit.broker.transactionalProducer({
        transactionalId: kit.name("tx"),
        transactionTimeoutMs: 2 ** 31 - 1,
      });
      const error = refusedError(await producer.initialize());
      assert.ok(error instanceof RangeError, error.message);
      await producer.close();
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
