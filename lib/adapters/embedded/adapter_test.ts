import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import type { Environment } from "../../seams/adapter.ts";
import { FakeClock } from "../../../testing/fake_clock.ts";
import { SeededRandom } from "../../../testing/seeded_random.ts";
import { fileBlobs } from "../file/adapter.ts";
import { memoryStores } from "../memory/adapter.ts";
import { MemoryDisk } from "../memory/memory_disk.ts";
import { fileBrokerOn, memoryBroker } from "./adapter.ts";
import { EmbeddedBroker } from "./embedded_broker.ts";
import { RecordingObserver } from "./journal_fixture_test.ts";

const environment: Environment = {
  clock: new FakeClock(),
  random: new SeededRandom(1),
  observer: new RecordingObserver(),
};

Deno.test("fileBrokerOn() opens the broker of a directory under the location that the user wrote", async () => {
  const directories: string[] = [];
  const adapter = fileBrokerOn((directory) => (directories.push(directory), new MemoryDisk({ root: directory })));
  const broker = adapter.broker!("file:./.turbine/broker", environment);
  await broker.open();
  assertEquals([adapter.scheme, directories, broker.location], [
    "file",
    ["./.turbine/broker"],
    "file:./.turbine/broker",
  ]);
  await broker.close();
  assertThrows(() => adapter.broker!("file:", environment), TypeError, "current value is 'file:'");
});

Deno.test("memoryBroker opens a broker of its own each time, and takes no name", async () => {
  const brokers = [memoryBroker.broker!("memory:", environment), memoryBroker.broker!("memory:", environment)];
  for (const broker of brokers) assertInstanceOf(broker, EmbeddedBroker);
  const admin = await brokers[0]!.admin();
  await admin.createTopics([{ topic: "t", partitions: 1 }]);
  assertEquals((await (await brokers[1]!.admin()).describeTopics(["t"])).length, 0);
  for (const broker of brokers) await broker.close();
  assertThrows(() => memoryBroker.broker!("memory:x", environment), TypeError, "current value is 'memory:x'");
});

Deno.test("fileBlobs and memoryStores open stores of their schemes and refuse other forms", () => {
  assertEquals(fileBlobs.blobs!("file:/var/checkpoints", environment).location, "file:/var/checkpoints");
  assertThrows(() => fileBlobs.blobs!("file:", environment), TypeError, "'checkpoints'");
  assertEquals(memoryStores.blobs!("memory:", environment).location, "memory:");
  assertEquals(memoryStores.state!("memory:", environment).location, "memory:");
  assertThrows(() => memoryStores.blobs!("memory:x", environment), TypeError, "current value is 'memory:x'");
});
