/** Runs the flights example in a process of its own, to be killed. */
import { fileURLToPath } from "node:url";

/** How a run of the example ended. */
export interface FlightsRun {
  /** Its last line, all airports as JSON; `undefined` when it was killed. */
  readonly final: string | undefined;
  /** The last committed offset that it printed. */
  readonly committed: number;
}

/** What is run. */
export interface FlightsRunOptions {
  /** Where broker, state and checkpoints are; absolute. */
  readonly directory: string;
  /** Broker. @default the embedded broker on files in the directory */
  readonly broker?: string;
  /** Name of the app and of its topics. @default {"flights"} */
  readonly name?: string;
  /** Flights in all. */
  readonly rows: number;
  /** Flights per second. */
  readonly rate: number;
  /** Exactly-once instead of at-least-once. @default {false} */
  readonly isExactlyOnce?: boolean;
  /** Kill it with SIGKILL when it has printed a committed offset of at least this. @default never */
  readonly killAt?: number;
  /** Gets each line that it prints. */
  readonly onLine: (line: string) => void;
}

function argumentsOf(options: FlightsRunOptions): string[] {
  const { directory, broker = `file:${directory}/broker`, name = "flights", rows, rate } = options;
  const modules = fileURLToPath(new URL("../node_modules", import.meta.url));
  return [
    "run",
    "--quiet",
    `--allow-read=${modules},${directory},/etc/alpine-release`,
    `--allow-write=${directory}`,
    `--allow-ffi=${modules}`,
    "--allow-net",
    "--allow-env",
    "--allow-sys",
    fileURLToPath(new URL("./flights.ts", import.meta.url)),
    `--name=${name}`,
    `--broker=${broker}`,
    `--state=rocksdb:${directory}/state`,
    `--checkpoints=file:${directory}/checkpoints`,
    `--rate=${rate}`,
    `--rows=${rows}`,
    "--batch-rows=500",
    "--plain",
    ...options.isExactlyOnce === true ? ["--exactly-once"] : [],
  ];
}

/**
 * Runs the example to its end, or until it is killed.
 *
 * @param options Where, how fast, and when to kill it.
 * @throws {Error} when it ends by itself with an error.
 */
export async function runFlights(options: FlightsRunOptions): Promise<FlightsRun> {
  const { killAt, onLine } = options;
  await Deno.mkdir(options.directory, { recursive: true });
  const child = new Deno.Command(Deno.execPath(), {
    args: argumentsOf(options),
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const decoder = new TextDecoder();
  let text = "", final: string | undefined, committed = 0, isKilled = false;
  for await (const chunk of child.stdout) {
    text += decoder.decode(chunk, { stream: true });
    const lines = text.split("\n");
    text = lines.pop()!;
    for (const line of lines) {
      if (isKilled) continue;
      if (line.startsWith("final ")) final = line.slice(6);
      else onLine(line);
      committed = Number(/^committed (\d+)/.exec(line)?.[1] ?? committed);
      if (killAt === undefined || committed < killAt) continue;
      isKilled = true;
      child.kill("SIGKILL");
      onLine(`kill -9 of process ${child.pid} after committed offset ${committed}`);
    }
  }
  const status = await child.status;
  if (!isKilled && !status.success) throw new Error(`The example ended with status ${status.code}`);
  return { final, committed };
}
