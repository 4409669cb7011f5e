import { assert, assertEquals } from "@std/assert";
import { RocksDbStateProvider } from "../../lib/adapters/rocksdb/rocksdb.ts";
import { jsonValues } from "../../lib/codecs/value_codec.ts";
import { TaskState } from "../../lib/runtime/state/task_state.ts";
import { CRASH_KEYS, CRASH_STORE, CRASH_TABLE } from "./crash_child.ts";

const CRASHES = 10;
const child = new URL("./crash_child.ts", import.meta.url).pathname;
const config = new URL("../../deno.json", import.meta.url).pathname;

/** Runs the child until it has told of `lines` flushes, kills it, and gives the last position that it told. */
async function crash(directory: string, lines: number): Promise<number> {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--config", config, child, directory],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let text = "";
  const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    text += read.value;
    if (text.split("\n").length > lines) process.kill("SIGKILL");
  }
  await process.status;
  return Number(text.split("\n").at(-2));
}

Deno.test("a killed process leaves position and state that agree, with every flush that it told of (I-02)", async () => {
  const directory = await Deno.makeTempDir({ prefix: "turbine-crash-" });
  try {
    let before = 0;
    for (let round = 0; round < CRASHES; round++) {
      const told = await crash(directory, 1 + (round * 37) % 120);
      const store = await new RocksDbStateProvider(directory).open(CRASH_STORE);
      const commit = Number(new TextDecoder().decode(await store.readPosition()));
      assert(commit >= told && told > before, `told ${told}, found ${commit}, before ${before}`);
      await check(await TaskState.open(store, { valueCodec: jsonValues() }), commit);
      before = commit;
      await store.close();
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

/** State is the fold of commits 1 to `commit`. */
async function check(state: TaskState, commit: number): Promise<void> {
  const wanted = new Map<string, number>();
  for (let i = Math.max(1, commit - 2 * CRASH_KEYS); i <= commit; i++) {
    wanted.set(`k${i % CRASH_KEYS}`, i);
    wanted.delete(`k${(i + 1) % CRASH_KEYS}`);
  }
  const found = new Map<string, number>();
  for await (const [key, row] of state.table("numbers", CRASH_TABLE).entries()) found.set(key, row.commit);
  assertEquals([...found].sort(), [...wanted].sort());
  const keyed = state.keyed("");
  assertEquals(await keyed.get("sum"), commit * (commit + 1) / 2);
  assertEquals(await keyed.get("open"), undefined);
  assertEquals((await keyed.get<string>(`text ${commit % CRASH_KEYS}`))?.length, commit % 500);
}
