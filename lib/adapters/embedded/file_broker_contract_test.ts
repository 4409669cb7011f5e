import { assertInstanceOf } from "@std/assert";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Broker } from "../../seams/broker.ts";
import type { LocalDisk } from "../../seams/local_disk.ts";
import { brokerContract, type BrokerHarness } from "../../../testing/contracts/broker_contract.ts";
import { SeededRandom } from "../../../testing/seeded_random.ts";
import { FileDisk } from "../file/file_disk.ts";
import { MemoryDisk } from "../memory/memory_disk.ts";
import { holdProcess } from "../system/hold_process.ts";
import { SystemClock } from "../system/system_clock.ts";
import { EmbeddedBroker } from "./embedded_broker.ts";
import { FileBroker } from "./file_broker.ts";
import { RecordingObserver } from "./journal_fixture_test.ts";

const TIMINGS = { patienceMs: 10_000, quietMs: 30, sessionTimeoutMs: 250, transactionTimeoutMs: 250 };

/** Small files, so that segments roll and compactions happen within the cases. */
const JOURNAL = { segmentBytesMax: 2_000, compactBytesMin: 5_000, compactRatio: 2 };

function harnessOn(openDisk: () => Promise<LocalDisk>, dispose: (disk: LocalDisk) => Promise<void>) {
  return async (): Promise<BrokerHarness> => {
    const disk = await openDisk();
    // Sleeps of the system clock do not hold the process.
    const release = holdProcess();
    const environment = {
      clock: new SystemClock(),
      random: new SeededRandom(1),
      observer: new RecordingObserver(),
    };
    const broker = new FileBroker(disk, environment, { journal: JOURNAL });
    return {
      broker,
      timings: TIMINGS,
      prefix: "case",
      connect: () => broker.connect(),
      crash: (client: Broker) => {
        assertInstanceOf(client, EmbeddedBroker);
        client.crash();
        return Promise.resolve();
      },
      deleteRecordsBefore: async (topic, partition, offset) => {
        const client = await broker.connect();
        assertInstanceOf(client, EmbeddedBroker);
        client.cluster.deleteRecordsBefore({ topic, partition }, offset);
        await client.close();
      },
      close: async () => {
        await broker.close();
        await dispose(disk);
        release();
      },
    };
  };
}

brokerContract("FileBroker in memory", harnessOn(() => Promise.resolve(new MemoryDisk()), () => Promise.resolve()));

brokerContract(
  "FileBroker",
  harnessOn(
    async () => new FileDisk(await mkdtemp(join(tmpdir(), "broker-"))),
    (disk) => rm(disk.root, { recursive: true }),
  ),
);
