import assert from "node:assert/strict";
import { RecordTooLargeError } from "../../lib/base/errors.ts";
import { murmur2, partitionOf } from "../../lib/columns/murmur2.ts";
import { spansOf } from "../../lib/columns/spans.ts";
import { recordsOf } from "../record_rows.ts";
import type { BrokerCase } from "./broker_contract.ts";
import { appliedValue, refusedError } from "./broker_contract_kit.ts";

const encoder = new TextEncoder();
const numbers = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => `${from + i}`);

/** Rules of producing and of what comes back. */
export const PRODUCE_CASES: Readonly<Record<string, BrokerCase>> = {
  "produce() keeps keys, values and order of one partition": {
    async run(kit) {
      const topic = await kit.topic();
      await kit.put(topic, [{ key: "a", value: "1" }, { key: "b", value: "2" }, { key: "a", value: "3" }]);
      const rows = await kit.readAll(topic, 3);
      assert.deepEqual(rows.map(({ key, value }) => [key, value]), [["a", "1"], ["b", "2"], ["a", "3"]]);
      assert.deepEqual(rows.map(({ offset }) => offset), [0, 1, 2]);
    },
  },
  "produce() keeps null keys apart from empty ones": {
    async run(kit) {
      const topic = await kit.topic();
      await kit.put(topic, [{ key: null, value: "1" }, { key: "", value: "2" }, { key: "k", value: "3" }]);
      assert.deepEqual((await kit.readAll(topic, 3)).map(({ key }) => key), [null, "", "k"]);
    },
  },
  "produce() takes records of which none has a key": {
    async run(kit) {
      const topic = await kit.topic();
      await kit.put(topic, ["1", "2"]);
      assert.deepEqual((await kit.readAll(topic, 2)).map(({ key, value }) => [key, value]), [[null, "1"], [null, "2"]]);
    },
  },
  "produce() keeps a tombstone apart from an empty value": {
    async run(kit) {
      const topic = await kit.topic();
      await kit.put(topic, [{ key: "a", value: null }, { key: "b", value: "" }, { key: "c", value: null }]);
      assert.deepEqual((await kit.readAll(topic, 3)).map(({ value }) => value), [null, "", null]);
    },
  },
  "produce() keeps headers: names, order, repeated names, null and empty values": {
    async run(kit) {
      const topic = await kit.topic();
      const headers = [["x", encoder.encode("1")], ["x", null], ["ü", new Uint8Array(0)]] as const;
      await kit.put(topic, [{ value: "1", headers }, { value: "2", headers: [] }, { value: "3", headers }]);
      const rows = await kit.readAll(topic, 3);
      const plain = (index: number) =>
        rows[index]!.headers.map(([name, value]) => [name, value === null ? null : [...value]]);
      assert.deepEqual(plain(0), [["x", [49]], ["x", null], ["ü", []]]);
      assert.deepEqual(plain(1), []);
      assert.deepEqual(plain(2), plain(0));
    },
  },
  "produce() keeps the timestamps that it is given": {
    async run(kit) {
      const topic = await kit.topic();
      const stamps = [1_700_000_000_000, 1_699_999_999_999, 1_700_000_000_123];
      await kit.put(topic, stamps.map((timestampMs) => ({ value: "v", timestampMs })));
      assert.deepEqual((await kit.readAll(topic, 3)).map(({ timestampMs }) => timestampMs), stamps);
    },
  },
  "produce() stamps records that have no timestamp": {
    async run(kit) {
      const topic = await kit.topic();
      await kit.put(topic, ["1", "2"]);
      for (const { timestampMs } of await kit.readAll(topic, 2)) {
        assert.ok(timestampMs > Date.UTC(2020, 0, 1), `a stamp of ${timestampMs}`);
      }
    },
  },
  "produce() sends all records to the one partition that it is given": {
    async run(kit) {
      const topic = await kit.topic(3);
      await kit.put(topic, [{ key: "a", value: "1" }, { key: "b", value: "2" }, { key: "c", value: "3" }], 2);
      assert.deepEqual((await kit.readAll(topic, 3)).map(({ partition }) => partition), [2, 2, 2]);
    },
  },
  "produce() sends each record to its partition and keeps the order there": {
    async run(kit) {
      const topic = await kit.topic(3);
      const producer = await kit.producer();
      const records = recordsOf(numbers(9));
      const partitions = Int32Array.from({ length: 9 }, (_, i) => (i * 2) % 3);
      const ranges = appliedValue(await producer.produce({ topic, records, partitions }));
      assert.deepEqual(ranges.map(({ count }) => count), [3, 3, 3]);
      const rows = await kit.readAll(topic, 9);
      for (const partition of [0, 1, 2]) {
        const expected = numbers(9).filter((_, i) => partitions[i] === partition);
        assert.deepEqual(rows.filter((row) => row.partition === partition).map(({ value }) => value), expected);
      }
    },
  },
  "produce() chooses partitions by murmur2 of the key, as Kafka's default partitioner": {
    async run(kit) {
      const topic = await kit.topic(5);
      const producer = await kit.producer();
      const rows = Array.from({ length: 40 }, (_, i) => ({ key: `key-${i * 7}`, value: `${i}` }));
      appliedValue(await producer.produce({ topic, records: recordsOf(rows) }));
      for (const { key, partition } of await kit.readAll(topic, 40)) {
        assert.equal(partition, partitionOf(murmur2(encoder.encode(key!)), 5), key!);
      }
    },
  },
  "produce() sends the records without a key of one request to one partition": {
    async run(kit) {
      const topic = await kit.topic(4);
      const producer = await kit.producer();
      const ranges = appliedValue(await producer.produce({ topic, records: recordsOf(numbers(10)) }));
      assert.equal(ranges.length, 1);
      assert.equal(new Set((await kit.readAll(topic, 10)).map(({ partition }) => partition)).size, 1);
    },
  },
  "produce() tells where the records are": {
    async run(kit) {
      const topic = await kit.topic();
      const producer = await kit.producer();
      const first = appliedValue(await producer.produce({ topic, records: recordsOf(numbers(3)), partitions: 0 }));
      const second = appliedValue(await producer.produce({ topic, records: recordsOf(numbers(2)), partitions: 0 }));
      assert.deepEqual(first, [{ topic, partition: 0, firstOffset: 0n, count: 3 }]);
      assert.deepEqual(second, [{ topic, partition: 0, firstOffset: 3n, count: 2 }]);
    },
  },
  "produce() keeps the order of calls that are in flight together": {
    async run(kit) {
      const topic = await kit.topic();
      const producer = await kit.producer();
      const outcomes = await Promise.all(
        numbers(8).map((text) => producer.produce({ topic, records: recordsOf([text]), partitions: 0 })),
      );
      for (const outcome of outcomes) appliedValue(outcome);
      assert.deepEqual((await kit.readAll(topic, 8)).map(({ value }) => value), numbers(8));
    },
  },
  "produce() of no records is applied and writes nothing": {
    async run(kit) {
      const topic = await kit.topic();
      const producer = await kit.producer();
      assert.deepEqual(appliedValue(await producer.produce({ topic, records: recordsOf([]) })), []);
      const [offsets] = await (await kit.admin()).offsets([{ topic, partition: 0 }]);
      assert.equal(offsets!.logEnd, 0n);
    },
  },
  "produce() takes thousands of records at once": {
    async run(kit) {
      const topic = await kit.topic();
      await kit.put(topic, numbers(5_000));
      const rows = await kit.readAll(topic, 5_000);
      assert.deepEqual(rows.map(({ value }) => value), numbers(5_000));
      assert.deepEqual(rows.map(({ offset }) => offset), numbers(5_000).map(Number));
    },
  },
  "produce() keeps every byte value": {
    async run(kit) {
      const topic = await kit.topic();
      const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
      const consumer = await kit.member(topic);
      await kit.put(topic, [{ key: bytes, value: bytes }]);
      let slabs = await consumer.poll({ maxRecords: 1, maxBytes: 1_000, timeoutMs: 100 });
      await kit.eventually(async () => {
        if (slabs.length === 0) slabs = await consumer.poll({ maxRecords: 1, maxBytes: 1_000, timeoutMs: 100 });
        return slabs.length > 0;
      }, () => "the record");
      const { keys, values } = slabs[0]!.records;
      for (const spans of [keys!, values]) {
        assert.deepEqual([...spans.bytes.subarray(spans.starts[0], spans.ends[0])], [...bytes]);
      }
    },
  },
  "produce() takes values of hundreds of kilobytes": {
    async run(kit) {
      const topic = await kit.topic();
      const value = "0123456789".repeat(30_000);
      await kit.put(topic, [value, "small"]);
      assert.deepEqual((await kit.readAll(topic, 2)).map((row) => row.value), [value, "small"]);
    },
  },
  "produce() refuses a record that is too large and writes nothing of it": {
    async run(kit) {
      const topic = await kit.topic();
      const producer = await kit.producer();
      const records = { ...recordsOf(["x"]), values: spansOf([new Uint8Array(3 * 1024 * 1024)]) };
      const error = refusedError(await producer.produce({ topic, records, partitions: 0 }));
      assert.ok(error instanceof RecordTooLargeError, error.message);
      const [offsets] = await (await kit.admin()).offsets([{ topic, partition: 0 }]);
      assert.equal(offsets!.logEnd, 0n);
    },
  },
  "produce() goes on after a refused request": {
    async run(kit) {
      const topic = await kit.topic();
      const producer = await kit.producer();
      const records = { ...recordsOf(["x"]), values: spansOf([new Uint8Array(3 * 1024 * 1024)]) };
      appliedValue(await producer.produce({ topic, records: recordsOf(["1"]), partitions: 0 }));
      refusedError(await producer.produce({ topic, records, partitions: 0 }));
      appliedValue(await producer.produce({ topic, records: recordsOf(["2"]), partitions: 0 }));
      assert.deepEqual((await kit.readAll(topic, 2)).map(({ value }) => value), ["1", "2"]);
    },
  },
  "produce() has copied the records when it resolves": {
    async run(kit) {
      const topic = await kit.topic();
      const producer = await kit.producer();
      const records = recordsOf([{ key: "key", value: "value" }]);
      appliedValue(await producer.produce({ topic, records, partitions: 0 }));
      records.values.bytes.fill(0);
      records.keys!.bytes.fill(0);
      const [row] = await kit.readAll(topic, 1);
      assert.deepEqual([row!.key, row!.value], ["key", "value"]);
    },
  },
  "produce() reads spans that have gaps, share bytes and lie in any order": {
    async run(kit) {
      const topic = await kit.topic();
      const producer = await kit.producer();
      const bytes = encoder.encode("..abc..de");
      const values = { bytes, starts: Int32Array.of(7, 2, -1, 3), ends: Int32Array.of(9, 5, -1, 5) };
      const records = { count: 4, keys: null, values, timestamps: null, headers: null };
      appliedValue(await producer.produce({ topic, records, partitions: 0 }));
      assert.deepEqual((await kit.readAll(topic, 4)).map(({ value }) => value), ["de", "abc", null, "bc"]);
    },
  },
  "two producers write to one partition and nothing is lost": {
    async run(kit) {
      const topic = await kit.topic();
      const producers = [await kit.producer(), await kit.producer()];
      for (let round = 0; round < 5; round++) {
        const outcomes = await Promise.all(
          producers.map((producer, i) =>
            producer.produce({ topic, records: recordsOf([`${i}:${round}`]), partitions: 0 })
          ),
        );
        for (const outcome of outcomes) appliedValue(outcome);
      }
      const values = (await kit.readAll(topic, 10)).map(({ value }) => value!);
      for (const i of [0, 1]) {
        assert.deepEqual(values.filter((value) => value.startsWith(`${i}:`)), numbers(5).map((n) => `${i}:${n}`));
      }
    },
  },
};
