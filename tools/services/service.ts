/** A server that developers and CI start and stop by command. */
export interface Service {
  /** Name on the command line. */
  readonly name: string;
  /** One line for the usage text. */
  readonly summary: string;
  /**
   * Starts the server, or leaves it alone when it runs; ready when it resolves.
   *
   * @param options Values of `--name value` flags.
   * @returns What a client connects to.
   */
  up(options: ReadonlyMap<string, string>): Promise<string>;
  /** Stops what `up` started; no error when nothing runs. */
  down(): Promise<void>;
  /** One line for each running process. */
  status(): Promise<readonly string[]>;
}

/** Where downloaded parts are kept between runs. */
export function partsHome(): string {
  return Deno.env.get("TURBINE_PARTS_HOME") ?? `${Deno.env.get("HOME") ?? "/tmp"}/.cache/turbine-parts`;
}

/** Where running servers keep data, logs and process ids. */
export function runHome(name: string): string {
  return `${Deno.env.get("TURBINE_RUN_HOME") ?? "/tmp/turbine-services"}/${name}`;
}

/** Waits without blocking. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Content of a text file, or `undefined`. */
export async function readText(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * Runs a command to its end.
 *
 * @param command Program and arguments.
 * @returns Its standard output.
 * @throws {Error} with the end of its output when it fails.
 */
export async function run(command: readonly string[]): Promise<string> {
  const [program, ...args] = command;
  const result = await new Deno.Command(program!, { args, stdout: "piped", stderr: "piped" }).output();
  const text = new TextDecoder();
  if (!result.success) {
    const tail = (text.decode(result.stdout) + text.decode(result.stderr)).split("\n").slice(-30).join("\n");
    throw new Error(`Command failed with status ${result.code}: ${command.join(" ")}\n${tail}`);
  }
  return text.decode(result.stdout);
}

/**
 * Starts a process that outlives this one, in a session of its own.
 *
 * @param command Program and arguments.
 * @param files Where its output and its process id go.
 * @returns The process id.
 */
export async function launch(command: readonly string[], files: { log: string; pid: string }): Promise<number> {
  const script = 'log=$1; pid=$2; shift 2; setsid "$@" >"$log" 2>&1 </dev/null & echo $! >"$pid"';
  await run(["sh", "-c", script, "launch", files.log, files.pid, ...command]);
  return Number((await Deno.readTextFile(files.pid)).trim());
}

/** Whether a process lives; one that has ended and only waits to be collected does not. */
async function isAlive(pid: number): Promise<boolean> {
  const result = await new Deno.Command("ps", { args: ["-o", "stat=", "-p", String(pid)], stderr: "null" }).output();
  const state = new TextDecoder().decode(result.stdout).trim();
  return state !== "" && !state.startsWith("Z");
}

/** Process id in a file, if that process lives. */
export async function livingPid(path: string): Promise<number | undefined> {
  const pid = Number((await readText(path))?.trim() ?? NaN);
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  return await isAlive(pid) ? pid : undefined;
}

/**
 * Ends a process: politely, and after `graceMs` by force.
 *
 * @param pid Process id.
 * @param graceMs How long to wait in between, in milliseconds.
 */
export async function stop(pid: number, graceMs: number): Promise<void> {
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    try {
      Deno.kill(pid, "SIGCONT");
      Deno.kill(pid, signal);
    } catch {
      return;
    }
    const end = Date.now() + graceMs;
    while (Date.now() < end) {
      if (!await isAlive(pid)) return;
      await sleep(50);
    }
  }
}
