import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { setImmediate } from "node:timers";
import type { Broker } from "../../seams/broker.ts";
import { FakeClock } from "../../../testing/fake_clock.ts";
import { recordsOf, rowsOf } from "../../../testing/record_rows.ts";
import { SeededRandom } from "../../../testing/seeded_random.ts";
import { MemoryDisk } from "../memory/memory_disk.ts";
import { FileBroker } from "./file_broker.ts";
import { RecordingObserver } from "./journal_fixture_test.ts";

const turn = () => new Promise<void>((resolve) => void setImmediate(resolve));
const PARTITION = { topic: "orders", partition: 0 };

/** What the clients of all processes so far were told. */
interface Told {
  /** Values of produced records and of committed transactions. */
  readonly values: Set<string>;
  /** Values of transactions that were never committed. */
  readonly hidden: Set<string>;
  /** Greatest offset whose commit was acknowledged. */
  offset: bigint;
}

function openBroker(disk: MemoryDisk, seed: number): FileBroker {
  return new FileBroker(
    disk,
    { clock: new FakeClock(), random: new SeededRandom(seed), observer: new RecordingObserver() },
    { journal: { segmentBytesMax: 2_000, compactBytesMin: 4_000, compactRatio: 2 } },
  );
}

/** One process: produces, commits offsets and transactions until it is done or its disk dies. */
async function work(broker: Broker, told: Told, random: SeededRandom): Promise<void> {
  const producer = await broker.producer();
  const admin = await broker.admin();
  await admin.createTopics([{ topic: "orders", partitions: 1 }]);
  const transactional = await broker.transactionalProducer({ transactionalId: "id" });
  await transactional.initialize();
  for (let step = 0; step < 25; step++) {
    const value = `${random.uint32()}`;
    const request = { topic: "orders", records: recordsOf([value]), partitions: 0 };
    const action = random.pick(["produce", "produce", "commit offset", "transaction"]);
    if (action === "produce") {
      if ((await producer.produce(request)).kind === "applied") told.values.add(value);
    } else if (action === "commit offset") {
      const offset = told.offset + 1n;
      await admin.setGroupOffsets("group", [{ ...PARTITION, offset, leaderEpoch: -1, metadata: "" }]);
      told.offset = offset;
    } else {
      transactional.begin();
      await transactional.produce(request);
      if (random.isHit(0.3)) {
        told.hidden.add(value);
        await transactional.abort();
      } else if ((await transactional.commit()).kind === "applied") told.values.add(value);
    }
  }
}

async function check(disk: MemoryDisk, told: Told, seed: number): Promise<void> {
  const broker = openBroker(disk, seed);
  const admin = await broker.admin();
  await admin.createTopics([{ topic: "orders", partitions: 1 }]);
  const [committed] = await admin.groupOffsets("group", [PARTITION]);
  assert((committed?.offset ?? 0n) >= told.offset, `committed ${committed?.offset}, told ${told.offset}`);
  const successor = await broker.transactionalProducer({ transactionalId: "id" });
  await successor.initialize(); // ends what the dead process left open
  const seen: string[] = [];
  const consumer = await broker.consumer({ groupId: "reader" });
  await consumer.subscribe(["orders"], {
    assigned: (partitions) => Promise.resolve(partitions.forEach((partition) => consumer.seek(partition, 0n))),
    revoked: () => Promise.resolve(),
    lost: () => Promise.resolve(),
  });
  const { logEnd } = (await admin.offsets([PARTITION]))[0]!;
  for (let to = 0n; to < logEnd;) {
    for (const slab of await consumer.poll({ maxRecords: 1_000, maxBytes: 1 << 20, timeoutMs: 0 })) {
      to = slab.to;
      seen.push(...rowsOf(slab).map((row) => row.value!));
    }
  }
  assertEquals(seen.length, new Set(seen).size, "nothing is there twice");
  for (const value of told.values) assert(seen.includes(value), "what was acknowledged is there");
  for (const value of told.hidden) assert(!seen.includes(value), "what was not committed is not there");
  await broker.close();
}

Deno.test("FileBroker loses nothing acknowledged over crashes at any operation, compactions among them", async () => {
  let compactions = 0;
  await fc.assert(
    fc.asyncProperty(fc.integer(), fc.array(fc.nat(150), { minLength: 1, maxLength: 4 }), async (seed, crashes) => {
      const random = new SeededRandom(seed);
      const told: Told = { values: new Set(), hidden: new Set(), offset: 0n };
      let disk = new MemoryDisk();
      for (const [life, crashAt] of crashes.entries()) {
        disk.inject = ({ index, kind }) => {
          if (kind === "replace") compactions++;
          return index === crashAt ? "crash" : undefined;
        };
        const running = work(openBroker(disk, life), told, random).then(() => true);
        let isDone: boolean | undefined;
        for (let turns = 0; turns < 400 && !isDone && !disk.isDead; turns++) {
          isDone = await Promise.race([running, turn().then(() => undefined)]);
        }
        assert(isDone || disk.isDead, "the process works until its disk dies");
        disk = disk.crash((_, unsynced) => random.integer(0, unsynced.length));
        const copy = disk.crash();
        await check(copy, told, life);
      }
    }),
    { numRuns: 200 },
  );
  assert(compactions > 200, `format files written: ${compactions}`);
});
