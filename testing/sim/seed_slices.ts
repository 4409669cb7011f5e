/** Seeds run by several processes at once: each gets slices, and answers with one line of JSON for each. */
import type { Profile } from "./contracts.ts";
import type { RunSummary } from "./run_summary.ts";

/** Seeds of one child process. */
export interface SeedSlice {
  /** First seed. */
  readonly from: number;
  /** Last seed. */
  readonly to: number;
  /** How much is simulated. */
  readonly profile: Profile;
}

/**
 * Runs slices in child processes, as many at once as wanted.
 *
 * @param slices Which seeds; asked for one at a time, so that a campaign can go on until its time is over.
 * @param options `jobs`: processes at once; `finished`: told of each slice's summary.
 * @throws {Error} when a child ends without a summary.
 */
export async function runSlices(
  slices: Iterable<SeedSlice>,
  options: { readonly jobs: number; readonly finished: (summary: RunSummary, slice: SeedSlice) => void },
): Promise<void> {
  const { finished } = options;
  const queue = slices[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (let next = queue.next(); !next.done; next = queue.next()) finished(await runSlice(next.value), next.value);
  };
  await Promise.all(Array.from({ length: options.jobs }, worker));
}

async function runSlice({ from, to, profile }: SeedSlice): Promise<RunSummary> {
  const main = new URL("./main.ts", import.meta.url).href;
  // A run makes much that is soon forgotten: with more room for it, less is moved about.
  const memory = "--v8-flags=--max-semi-space-size=64,--min-semi-space-size=16";
  const args = ["run", memory, "--no-check", "--quiet", "--allow-read", "--allow-env", "--allow-sys", main];
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args, "--seeds", `${from}..${to}`, "--profile", profile, "--summary"],
    stdout: "piped",
    stderr: "inherit",
  });
  const { stdout, code } = await child.output();
  const lines = new TextDecoder().decode(stdout).trim().split("\n");
  const last = lines.at(-1) ?? "";
  if (!last.startsWith("{")) {
    throw new Error(`Seeds ${from}..${to} ended without a summary: exit code ${code}, last line '${last}'`);
  }
  return JSON.parse(last) as RunSummary;
}
