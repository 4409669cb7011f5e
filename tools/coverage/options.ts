import { parseThreshold, type Threshold } from "./figures.ts";

/** What tools/coverage.ts is asked to do. */
export interface CoverageOptions {
  /** Whether to run the tests of the folders that matter. */
  readonly isRun: boolean;
  /** Commands that are run as well. */
  readonly commands: readonly string[];
  /** Folders that Deno wrote coverage into. */
  readonly profiles: readonly string[];
  /** Folders whose figures are told one by one. */
  readonly folders: readonly string[];
  /** Folders of `lib` that are left out of everything. */
  readonly unmeasured: readonly string[];
  /** What must be reached. */
  readonly thresholds: readonly Threshold[];
  /** Options for `deno test`, where the thresholds are tests. */
  readonly testOptions: readonly string[];
}

const USAGE = "--run, --command TEXT, --profile DIR, --folder PATH, --without PATH, --least 'PATH MEASURE PERCENT'";

/**
 * Reads the command line.
 *
 * @throws {TypeError} when an option is unknown or lacks its value.
 */
export function parseOptions(args: readonly string[]): CoverageOptions {
  const values = new Map<string, string[]>();
  const testOptions: string[] = [];
  let isRun = false;
  for (let i = 0; i < args.length; i++) {
    const name = args[i]!;
    if (name === "--run") isRun = true;
    else if (name.startsWith("--junit-path=")) testOptions.push(name);
    else if (["--command", "--profile", "--folder", "--without", "--least"].includes(name) && i + 1 < args.length) {
      values.set(name, [...values.get(name) ?? [], args[++i]!]);
    } else throw new TypeError(`Cannot measure coverage as options must be of ${USAGE}: current value is '${name}'`);
  }
  const all = (name: string) => values.get(name) ?? [];
  return {
    isRun,
    commands: all("--command"),
    profiles: all("--profile"),
    folders: all("--folder").length > 0 ? all("--folder") : ["lib/core", "lib/embedded", "lib/runtime"],
    unmeasured: all("--without"),
    thresholds: all("--least").map(parseThreshold),
    testOptions,
  };
}
