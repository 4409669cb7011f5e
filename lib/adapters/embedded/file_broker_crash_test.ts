import { assert, assertEquals } from "@std/assert";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Broker } from "../../seams/broker.ts";
import { rowsOf } from "../../../testing/record_rows.ts";
import { SeededRandom } from "../../../testing/seeded_random.ts";
import { FileDisk } from "../file/file_disk.ts";
import { SystemClock } from "../system/system_clock.ts";
import { FileBroker } from "./file_broker.ts";
import { RecordingObserver } from "./journal_fixture_test.ts";

const KILLS = 15;
const CHILD = new URL("../../../tools/crash_lane/file_broker_child.ts", import.meta.url).pathname;

/** What the killed processes were told by the broker. */
interface Told {
  readonly produced: Set<number>;
  readonly transaction: Set<number>;
  readonly aborted: Set<number>;
  committed: bigint;
  /** Greatest value that anybody may have written. */
  last: number;
}

/** Runs a child for about `ms` after its first acknowledgement, kills it, and notes what it printed. */
async function runAndKill(directory: string, told: Told, ms: number): Promise<number> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      `--allow-read=${directory}`,
      `--allow-write=${directory}`,
      CHILD,
      directory,
      String(told.last + 1 + told.last % 2),
    ],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let text = "";
  const decoder = new TextDecoder();
  for await (const bytes of child.stdout) {
    text += decoder.decode(bytes, { stream: true });
    timer ??= setTimeout(() => child.kill("SIGKILL"), ms);
  }
  const status = await child.status;
  assertEquals(status.signal, "SIGKILL", "the child works until it is killed");
  // A last line without its end was never told.
  const lines = text.split("\n").slice(0, -1);
  for (const line of lines) note(told, line);
  return lines.length;
}

function note(told: Told, line: string): void {
  const [kind, value] = line.split(" ") as [string, string];
  if (kind === "committed") told.committed = BigInt(value);
  else if (kind === "produced" || kind === "transaction" || kind === "aborted") told[kind].add(Number(value));
  else throw new Error(`unexpected line of the child: ${line}`);
  if (kind !== "committed") told.last = Math.max(told.last, Number(value));
}

/** Values of a topic from its log start on; the greatest and the number of them. */
async function valuesOf(broker: Broker, topic: string): Promise<{ values: number[]; logStart: bigint }> {
  const admin = await broker.admin();
  const [offsets] = await admin.offsets([{ topic, partition: 0 }]);
  const consumer = await broker.consumer({ groupId: `reader of ${topic}` });
  await consumer.subscribe([topic], {
    assigned: (partitions) =>
      Promise.resolve(partitions.forEach((partition) => consumer.seek(partition, offsets!.logStart))),
    revoked: () => Promise.resolve(),
    lost: () => Promise.resolve(),
  });
  const values: number[] = [];
  for (let to = offsets!.logStart; to < offsets!.logEnd;) {
    for (const slab of await consumer.poll({ maxRecords: 10_000, maxBytes: 8 << 20, timeoutMs: 1_000 })) {
      to = slab.to;
      for (const { value } of rowsOf(slab)) {
        const [number, filler] = value!.split(":") as [string, string];
        values.push(Number(number));
        assertEquals(filler.length, values.at(-1)! % 7 === 0 ? 200_000 : values.at(-1)! % 50, "whole record");
      }
    }
  }
  await consumer.close();
  await admin.close();
  return { values, logStart: offsets!.logStart };
}

/** Opens the directory as the next process would, and compares it with what was told. */
async function check(directory: string, told: Told): Promise<void> {
  const observer = new RecordingObserver();
  const environment = { clock: new SystemClock(), random: new SeededRandom(1), observer };
  const broker = new FileBroker(new FileDisk(directory), environment, { cluster: { retentionBytes: 2 << 20 } });
  const successor = await broker.transactionalProducer({ transactionalId: "lane" });
  assertEquals((await successor.initialize()).kind, "applied"); // ends what the dead process left open
  for (const [topic, acknowledged] of [["plain", told.produced], ["transactional", told.transaction]] as const) {
    const { values } = await valuesOf(broker, topic);
    const seen = new Set(values);
    assertEquals(seen.size, values.length, `${topic}: nothing is there twice`);
    const kept = values[0] ?? 0; // retention took what is before
    for (const value of acknowledged) assert(value < kept || seen.has(value), `${topic}: ${value} was acknowledged`);
    if (topic === "transactional") {
      for (const value of told.aborted) assert(!seen.has(value), `${value} was aborted`);
    }
    for (const value of values) told.last = Math.max(told.last, value);
  }
  const admin = await broker.admin();
  const [committed] = await admin.groupOffsets("lane", [{ topic: "plain", partition: 0 }]);
  assert((committed?.offset ?? 0n) >= told.committed, `offset ${committed?.offset}, told ${told.committed}`);
  await broker.close();
}

Deno.test({
  name: `FileBroker loses nothing acknowledged over ${KILLS} processes killed with SIGKILL`,
  fn: async () => {
    const directory = await mkdtemp(join(tmpdir(), "crash-"));
    const random = new SeededRandom(11);
    const told: Told = { produced: new Set(), transaction: new Set(), aborted: new Set(), committed: 0n, last: 0 };
    try {
      for (let kill = 0; kill < KILLS; kill++) {
        const lines = await runAndKill(directory, told, random.integer(0, 250));
        assert(lines > 0, "the child got something done before it was killed");
        await check(directory, told);
      }
      assert(told.produced.size > 2 * KILLS && told.aborted.size > 0);
    } finally {
      await rm(directory, { recursive: true });
    }
  },
});
