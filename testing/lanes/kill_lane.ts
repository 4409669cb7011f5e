/**
 * Real processes, real files, kill -9: a job on the file-backed embedded broker with state in RocksDB is killed at 50
 * random moments for each guarantee and started again each time. Nothing acknowledged may be lost, and the output is what
 * the guarantee promises.
 */
import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { SeededRandom } from "../seeded_random.ts";
import { createApp, numbers, recordOf, sums } from "./kill_job.ts";

const KILLS = 50;
const JOB = fileURLToPath(new URL("./kill_job.ts", import.meta.url));
const MODULES = fileURLToPath(new URL("../../node_modules", import.meta.url));

interface Life {
  /** Records that were acknowledged, as the process printed it. */
  readonly acknowledged: number;
  /** Whether it came to its end by itself. */
  readonly isDone: boolean;
}

/** Runs the job; kills it `killAfterMs` after its first line, if given. */
async function live(args: readonly string[], killAfterMs: number | undefined): Promise<Life> {
  const directory = args[0]!;
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-check",
      `--allow-read=${MODULES},${directory},/etc/alpine-release`,
      `--allow-write=${directory}`,
      `--allow-ffi=${MODULES}`,
      "--allow-env",
      "--allow-sys",
      JOB,
      ...args,
    ],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const problems = new Response(child.stderr).text();
  let text = "", acknowledged = 0, isDone = false, isKilled = false;
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    if (killAfterMs !== undefined && text === "") {
      setTimeout(() => {
        isKilled = true;
        child.kill("SIGKILL");
      }, killAfterMs);
    }
    text += decoder.decode(chunk, { stream: true });
  }
  for (const line of text.split("\n")) {
    acknowledged = Math.max(acknowledged, Number(/^(?:acknowledged|started) (\d+)$/.exec(line)?.[1] ?? 0));
    isDone ||= line === "done";
  }
  const status = await child.status;
  if (!isKilled && !isDone) throw new Error(`The job ended by itself with status ${status.code}: ${await problems}`);
  await problems;
  return { acknowledged, isDone };
}

for (const guarantee of ["at-least-once", "exactly-once"] as const) {
  Deno.test({
    name: `kill -9 at ${KILLS} random moments: nothing acknowledged is lost, output is ${guarantee}`,
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      const directory = await Deno.makeTempDir({ prefix: `turbine-kill-${guarantee}-` });
      const random = new SeededRandom(guarantee === "exactly-once" ? 11 : 7);
      try {
        let acknowledged = 0;
        for (let kill = 0; kill < KILLS; kill++) {
          // More than a life can feed: every life but the last ends by its kill.
          const life = await live([directory, guarantee, String(1_000_000)], random.uint32() % 250);
          assert(life.acknowledged >= acknowledged, `${acknowledged} were acknowledged, ${life.acknowledged} are left`);
          acknowledged = life.acknowledged;
        }
        const total = acknowledged + 200;
        assert((await live([directory, guarantee, String(total)], undefined)).isDone);
        await check(directory, guarantee, { total, acknowledged });
        console.log(`    ${guarantee}: ${total} records over ${KILLS} kills`);
      } finally {
        await Deno.remove(directory, { recursive: true });
      }
    },
  });
}

async function check(
  directory: string,
  guarantee: "at-least-once" | "exactly-once",
  expected: { total: number; acknowledged: number },
): Promise<void> {
  const app = createApp(directory, guarantee);
  const input = await app.read(numbers);
  assert(input.length >= expected.total, `${input.length} of ${expected.total} records are in the input topic`);
  const reference = new Map<number, number>();
  const byKey = new Map<string, number>();
  for (const { id, key } of input) {
    assertEquals(key, recordOf(id).key);
    const sum = (byKey.get(key) ?? 0) + id;
    byKey.set(key, sum);
    assert(!reference.has(id), `record ${id} was fed twice`);
    reference.set(id, sum);
  }
  const seen = new Map<number, number>();
  for (const { id, sum } of await app.read(sums)) {
    assertEquals(sum, reference.get(id), `the sum of record ${id}: state was not the fold of its prefix`);
    seen.set(id, (seen.get(id) ?? 0) + 1);
  }
  assertEquals(seen.size, reference.size, "records without output");
  const repeated = [...seen.values()].filter((times) => times > 1).length;
  if (guarantee === "exactly-once") assertEquals(repeated, 0, "records with output twice");
}
