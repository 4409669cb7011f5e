/**
 * Measures how much of `lib/` the tests reach, and fails when it is less than asked for:
 *
 * deno run -A tools/coverage.ts --run --command "deno task sim --seeds 1..40" --least "lib/core branches 100"
 *
 * | option | meaning |
 * | --- | --- |
 * | `--run` | runs the tests that reach core, embedded and runtime |
 * | `--command TEXT` | runs this as well; it and all Deno processes that it starts are counted |
 * | `--profile DIR` | reads what `deno test --clean --coverage=DIR` or `deno run --coverage=DIR` wrote: nothing runs twice |
 * | `--folder PATH` | tells the figures of this folder, and what was missed (default: core, embedded, runtime) |
 * | `--without PATH` | leaves a folder out, and says so |
 * | `--least "PATH lines\|branches PERCENT"` | what must be reached |
 *
 * Counts are those of V8 (`--coverage`), summed over all processes. A file that nobody loads counts as missed. What a
 * branch is stands at `CodeCounter`: more than `deno coverage` counts, which does not see a decision that always goes
 * one way. One thing V8 does not tell: that a call threw, so the way past the decisions behind it may look taken.
 *
 * Each threshold is a test; the last line is that of `deno test`.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { commandWords } from "./command_line.ts";
import { parseOptions } from "./coverage/options.ts";

/** Tests that reach core, embedded and runtime: about half the work of all tests. */
const TESTED = [
  "lib/adapters/embedded",
  "lib/adapters/memory",
  "lib/app",
  "lib/core",
  "lib/embedded",
  "lib/operator",
  "lib/operators",
  "lib/runtime",
  "testing/contracts",
  "testing/memory_broker_test.ts",
  "testing/models",
  "testing/state",
  "testing/test_driver_test.ts",
];

const TEST_COMMAND = [
  "deno test --parallel --quiet --no-check --coverage-raw-data-only --allow-read --allow-write --allow-run --allow-env",
  `--allow-sys --allow-ffi=node_modules --allow-net=127.0.0.1 ${TESTED.join(" ")}`,
].join(" ");

const root = fileURLToPath(new URL("..", import.meta.url));
const gatePath = fileURLToPath(new URL("./coverage/gate.ts", import.meta.url));

/** Runs a command to its end, counting into `folder`; returns its exit code. */
async function runCounted(command: string, folder: string): Promise<number> {
  const [program, ...args] = commandWords(command);
  const isDeno = program === "deno";
  const words = isDeno && args[0] === "test" ? ["test", `--coverage=${folder}`, ...args.slice(1)] : args;
  const child = new Deno.Command(isDeno ? Deno.execPath() : program!, {
    args: words,
    cwd: root,
    env: { DENO_COVERAGE_DIR: folder },
    stdin: "null",
  });
  const { code } = await child.spawn().status;
  return code;
}

/** Runs what is asked for, then the gate; returns the exit code. */
async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  const commands = [...options.isRun ? [TEST_COMMAND] : [], ...options.commands];
  const folder = await Deno.makeTempDir({ prefix: "coverage" });
  try {
    let worst = 0;
    const profiles: string[] = [];
    for (const [i, command] of commands.entries()) {
      console.log(`# ${command}`);
      const profile = join(folder, String(i));
      await Deno.mkdir(profile);
      profiles.push("--profile", profile);
      worst = Math.max(worst, await runCounted(command, profile));
    }
    const gate = ["test", "--no-check", "-A", ...options.testOptions, gatePath, "--"];
    const { code } = await new Deno.Command(Deno.execPath(), {
      args: [...gate, ...args.filter((arg) => !options.testOptions.includes(arg)), ...profiles],
      cwd: root,
      stdin: "null",
    }).spawn().status;
    return Math.max(worst, code);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
