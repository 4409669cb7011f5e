/**
 * What the project is for, in one run: the flights example runs once to its end; then again in a child process that is
 * killed with kill -9 in the middle, is started again, and must come to the same table.
 *
 * @module
 */
import { fileURLToPath as fromFileUrl } from "node:url";

const ROWS = 20_000, RATE = 4_000;
const TEXT = new TextDecoder();

/** How a run of the example ended. */
interface Ran {
  /** Its last line, all airports as JSON; `undefined` when it was killed. */
  readonly final: string | undefined;
  /** The last committed offset that it printed. */
  readonly committed: number;
}

/**
 * Runs the example in a process of its own.
 *
 * @param directory Where its broker, state and checkpoints are.
 * @param options Rows per second; kill it when it has printed a committed offset of at least `killAt`.
 */
async function run(directory: string, options: { rate: number; killAt?: number }): Promise<Ran> {
  const node = fromFileUrl(new URL("../node_modules", import.meta.url));
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      `--allow-read=${node},${directory},/etc/alpine-release`,
      `--allow-write=${directory}`,
      `--allow-ffi=${node}`,
      "--allow-env",
      "--allow-sys",
      fromFileUrl(new URL("./flights.ts", import.meta.url)),
      `--broker=file:${directory}/broker`,
      `--state=rocksdb:${directory}/state`,
      `--checkpoints=file:${directory}/checkpoints`,
      `--rate=${options.rate}`,
      `--rows=${ROWS}`,
      "--batch-rows=500",
      "--plain",
    ],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let text = "", final: string | undefined, committed = 0, isKilled = false;
  for await (const chunk of child.stdout) {
    text += TEXT.decode(chunk, { stream: true });
    const lines = text.split("\n");
    text = lines.pop()!;
    for (const line of lines) {
      if (line.startsWith("final ")) final = line.slice(6);
      else if (!isKilled) console.log(`  ${line}`);
      committed = Number(/^committed (\d+)/.exec(line)?.[1] ?? committed);
    }
    if (!isKilled && options.killAt !== undefined && committed >= options.killAt) {
      isKilled = true;
      child.kill("SIGKILL");
      console.log(`  kill -9 of process ${child.pid} after committed offset ${committed}`);
    }
  }
  const status = await child.status;
  if (!isKilled && !status.success) throw new Error(`The example ended with status ${status.code}`);
  return { final: isKilled ? undefined : final, committed };
}

const directory = fromFileUrl(new URL(`../.turbine/demo-${Deno.pid}`, import.meta.url));
await Deno.mkdir(directory, { recursive: true });
try {
  console.log(`1. ${ROWS.toLocaleString("en")} real flights, uninterrupted`);
  const whole = await run(`${directory}/whole`, { rate: 20_000 });
  console.log(`2. the same at ${RATE.toLocaleString("en")} flights a second, killed in the middle`);
  const killAt = Math.round(ROWS * 0.45);
  const killed = await run(`${directory}/killed`, { rate: RATE, killAt });
  console.log("3. started again: it goes on at the exact offset");
  const resumed = await run(`${directory}/killed`, { rate: RATE });
  const isEarly = killed.committed < ROWS * 0.4 || killed.committed > ROWS * 0.6;
  if (isEarly) console.log(`the kill came outside of 40 to 60 % of the run, at ${killed.committed}`);
  if (whole.final === undefined || resumed.final !== whole.final) {
    console.log("resumed run DIFFERS from uninterrupted run");
    Deno.exit(1);
  }
  console.log(`resumed run equals uninterrupted run (${JSON.parse(whole.final).length} airports compared)`);
} finally {
  await Deno.remove(directory, { recursive: true });
}
