/**
 * A process that commits and flushes to RocksDB until it is killed: `deno run crash_child.ts DIRECTORY`.
 * Commit i writes i to the key of its number modulo {@linkcode CRASH_KEYS}, deletes another, and adds i to a sum.
 *
 * @module
 */
import process from "node:process";
import { RocksDbStateProvider } from "../../lib/adapters/rocksdb/rocksdb.ts";
import { jsonValues } from "../../lib/codecs/value_codec.ts";
import { float64, utf8 } from "../../lib/columns/schema.ts";
import { stateTable } from "../../lib/operator/state_table.ts";
import { TaskState } from "../../lib/runtime/state/task_state.ts";

/** Number of keys. */
export const CRASH_KEYS = 40;
/** Whose state it is. */
export const CRASH_STORE = { application: "app", subscription: "crash", partition: 0 };
/** What is in the table. */
export const CRASH_TABLE = stateTable({ key: utf8(), value: { commit: float64() } });

/** Commits after `from`, and flushes after every third, until the process is killed. */
async function work(directory: string): Promise<void> {
  const store = await new RocksDbStateProvider(directory, { writeBufferBytes: 65_536 }).open(CRASH_STORE);
  const position = await store.readPosition();
  let commit = position === undefined ? 0 : Number(new TextDecoder().decode(position));
  const state = await TaskState.open(store, { valueCodec: jsonValues() });
  const table = state.table("numbers", CRASH_TABLE);
  const keyed = state.keyed("");
  let flushing: Promise<void> | undefined;
  for (;;) {
    state.begin();
    commit++;
    table.put(`k${commit % CRASH_KEYS}`, { commit });
    table.delete(`k${(commit + 1) % CRASH_KEYS}`);
    keyed.put("sum", (await keyed.get<number>("sum") ?? 0) + commit);
    keyed.put(`text ${commit % CRASH_KEYS}`, "x".repeat(commit % 500));
    state.applyOldest();
    if (commit % 3 !== 0) continue;
    await flushing;
    const flushed = commit;
    flushing = state.flush(new TextEncoder().encode(String(flushed))).then(() => {
      process.stdout.write(`${flushed}\n`);
    });
    // an open commit at the time of each flush, which must not be in it
    state.begin();
    keyed.put("open", commit);
    await new Promise((resolve) => setTimeout(resolve, 0));
    state.abortAll();
  }
}

if (import.meta.main) await work(process.argv[2]!);
