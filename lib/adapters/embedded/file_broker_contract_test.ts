import { assertInstanceOf } from "@std/assert";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EmbeddedCluster, Times } from "../../embedded/cluster.ts";
import type { Reply } from "../../embedded/reply.ts";
import type { Environment } from "../../seams/adapter.ts";
import type { Broker } from "../../seams/broker.ts";
import type { LocalDisk } from "../../seams/local_disk.ts";
import { brokerContract, type BrokerHarness, type ClusterHandles } from "../../../testing/contracts/broker_contract.ts";
import { SeededRandom } from "../../../testing/seeded_random.ts";
import { FileDisk } from "../file/file_disk.ts";
import { MemoryDisk } from "../memory/memory_disk.ts";
import { holdProcess } from "../system/hold_process.ts";
import { SystemClock } from "../system/system_clock.ts";
import { EmbeddedBroker } from "./embedded_broker.ts";
import { FileBroker } from "./file_broker.ts";
import { RecordingObserver } from "./journal_fixture_test.ts";
import { valueOf } from "./refusal_error.ts";

const TIMINGS = { patienceMs: 10_000, quietMs: 30, sessionTimeoutMs: 250, transactionTimeoutMs: 250 };

/** Small files, so that segments roll and compactions happen within the cases. */
const JOURNAL = { segmentBytesMax: 2_000, compactBytesMin: 5_000, compactRatio: 2 };

/** Handles on the state machines: what they do is journaled as what clients do. */
function handlesOf(broker: FileBroker, { clock }: Environment): Omit<ClusterHandles, "crash"> {
  const act = async (run: (cluster: EmbeddedCluster, times: Times) => Reply<unknown> | void) => {
    const client = await broker.connect();
    assertInstanceOf(client, EmbeddedBroker);
    const reply = run(client.cluster, { wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() });
    if (reply !== undefined) valueOf("use handle", reply);
    await client.close();
  };
  return {
    deleteRecordsBefore: (topic, partition, offset) =>
      act((cluster) => cluster.deleteRecordsBefore({ topic, partition }, offset)),
    compact: (place) => act((cluster) => cluster.compact(place)),
    truncate: (place, offset) => act((cluster) => cluster.truncate(place, offset)),
    setLeaderless: (place, isLeaderless) => act((cluster) => cluster.setLeaderless(place, isLeaderless)),
    setReplicasShort: (place, isShort) => act((cluster) => cluster.setReplicasShort(place, isShort)),
    moveCoordinator: (groupId, forMs) => act((cluster, times) => cluster.moveCoordinator(groupId, forMs, times)),
    restart: () => act((cluster, times) => cluster.restart(times)),
    expireMember: (groupId, memberId) => act((cluster, times) => cluster.expireMember({ groupId, memberId }, times)),
    exhaustEpochs: (transactionalId) => act((cluster) => cluster.exhaustEpochs(transactionalId)),
  };
}

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
      ...handlesOf(broker, environment),
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
