/**
 * A process to be killed: opens the file broker of a directory, then produces, commits offsets and transactions for ever,
 * and prints a line for each thing that the broker acknowledged. `deno run file_broker_child.ts DIRECTORY FIRST`.
 */
import { writeSync } from "node:fs";
import process from "node:process";
import { FileBroker } from "../../lib/adapters/embedded/file_broker.ts";
import { FileDisk } from "../../lib/adapters/file/file_disk.ts";
import { SystemClock } from "../../lib/adapters/system/system_clock.ts";
import { SystemRandom } from "../../lib/adapters/system/system_random.ts";
import { spansOf } from "../../lib/columns/spans.ts";
import type { Records } from "../../lib/columns/records.ts";
import type { Outcome } from "../../lib/base/outcome.ts";

const STANDARD_OUTPUT = 1;

/** Acknowledged: it is written before anything else happens. */
function tell(kind: "produced" | "committed" | "transaction" | "aborted", value: number | bigint): void {
  writeSync(STANDARD_OUTPUT, `${kind} ${value}\n`);
}

function recordsOf(value: number): Records {
  // Of very different sizes, so that kills hit within large writes too.
  const text = `${value}:${"x".repeat(value % 7 === 0 ? 200_000 : value % 50)}`;
  return { count: 1, keys: null, values: spansOf([text]), timestamps: null, headers: null };
}

function must<T>(outcome: Outcome<T>): T {
  if (outcome.kind === "applied") return outcome.value;
  throw outcome.error;
}

async function main(directory: string, first: number): Promise<void> {
  const broker = new FileBroker(
    new FileDisk(directory),
    { clock: new SystemClock(), random: new SystemRandom(), observer: { step: () => {}, log: () => {} } },
    {
      holder: "the child",
      cluster: { retentionBytes: 2 << 20 },
      journal: { segmentBytesMax: 1 << 20, compactBytesMin: 6 << 20, compactRatio: 2 },
    },
  );
  const admin = await broker.admin();
  await admin.createTopics([{ topic: "plain", partitions: 1 }, { topic: "transactional", partitions: 1 }]);
  const producer = await broker.producer();
  const transactional = await broker.transactionalProducer({ transactionalId: "lane" });
  must(await transactional.initialize());
  for (let value = first;; value += 2) {
    must(await producer.produce({ topic: "plain", records: recordsOf(value), partitions: 0 }));
    tell("produced", value);
    transactional.begin();
    must(await transactional.produce({ topic: "transactional", records: recordsOf(value + 1), partitions: 0 }));
    if (value % 5 === 0) {
      must(await transactional.abort());
      tell("aborted", value + 1);
    } else {
      must(await transactional.commit());
      tell("transaction", value + 1);
    }
    const offset = BigInt(value);
    await admin.setGroupOffsets("lane", [{ topic: "plain", partition: 0, offset, leaderEpoch: -1, metadata: "" }]);
    tell("committed", offset);
  }
}

if (import.meta.main) await main(process.argv[2]!, Number(process.argv[3]));
