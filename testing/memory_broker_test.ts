import { assert, assertEquals } from "@std/assert";
import { MemoryBroker } from "./memory_broker.ts";
import { recordsOf, rowsOf } from "./record_rows.ts";
import type { RebalanceListener } from "../lib/seams/broker.ts";

const quiet: RebalanceListener = {
  assigned: () => Promise.resolve(),
  revoked: () => Promise.resolve(),
  lost: () => Promise.resolve(),
};

Deno.test("MemoryBroker: what a transaction wrote is read after its commit only", async () => {
  const broker = new MemoryBroker();
  broker.createTopic("t", 1);
  const consumer = await broker.consumer({ groupId: "g" });
  await consumer.subscribe(["t"], quiet);
  const producer = await broker.transactionalProducer({ transactionalId: "x" });
  assertEquals((await producer.initialize()).kind, "applied");
  producer.begin();
  assertEquals((await producer.produce({ topic: "t", records: recordsOf(["a", "b"]) })).kind, "applied");
  assertEquals(await consumer.poll({ maxRecords: 10, maxBytes: 1000, timeoutMs: 10 }), []);
  assertEquals((await producer.commit()).kind, "applied");
  const slabs = await consumer.poll({ maxRecords: 10, maxBytes: 1000, timeoutMs: 1000 });
  assertEquals(slabs.flatMap(rowsOf).map(({ value }) => value), ["a", "b"]);
  assertEquals(slabs[0]!.to, 3n);
  await consumer.close();
  assert(broker.members("g").length === 0);
  await broker.close();
});
