/** What a lane of tests did. */
export interface TestCounts {
  /** Tests that ran and held. */
  readonly passed: number;
  /** Tests that did not. */
  readonly failed: number;
  /** Tests that were not run. */
  readonly ignored: number;
}

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

function unescaped(text: string): string {
  return text.replace(/&(\w+);/g, (entity, name) => ENTITIES[name] ?? entity);
}

/**
 * Counts the tests of a report that `deno test --junit-path` wrote. Steps count with the test that they belong to.
 *
 * @param report The report's text.
 * @returns The counts; `undefined` when it is no such report or was not written to its end.
 */
export function countReport(report: string): TestCounts | undefined {
  if (!/<testsuites\b/.test(report) || !report.includes("</testsuites>")) return undefined;
  let passed = 0;
  let failed = 0;
  let ignored = 0;
  for (const [, suite] of report.matchAll(/<testsuite\s[^>]*>(.*?)<\/testsuite>/gs)) {
    const cases = Array.from(suite!.matchAll(/<testcase name="([^"]*)"[^>]*?(?:\/>|>(.*?)<\/testcase>)/gs))
      .map(([, name, body]) => ({ name: unescaped(name!), body: body ?? "" }));
    const names = new Set(cases.map(({ name }) => name));
    for (const { name, body } of cases) {
      if (isStep(name, names)) continue;
      if (/<(failure|error)\b/.test(body)) failed++;
      else if (/<skipped\b/.test(body)) ignored++;
      else passed++;
    }
  }
  return { passed, failed, ignored };
}

/** Steps are called `test > step`. */
function isStep(name: string, names: ReadonlySet<string>): boolean {
  for (let at = name.indexOf(" > "); at >= 0; at = name.indexOf(" > ", at + 1)) {
    if (names.has(name.slice(0, at))) return true;
  }
  return false;
}

/**
 * Counts from the output of a program that is no `deno test`: its last line `N passed, N failed` (as this tool and the
 * simulator write it), or the last line of `deno test` itself.
 *
 * @param output What it wrote to its standard output.
 * @returns The counts; `undefined` when there is no such line.
 */
export function countOutput(output: string): TestCounts | undefined {
  // deno-lint-ignore no-control-regex
  const lines = output.replace(/\x1b\[[0-9;]*m/g, "").split("\n").map((line) => line.trim());
  for (const line of lines.reverse()) {
    const plain = /^(\d+) passed, (\d+) failed$/.exec(line);
    if (plain !== null) return { passed: Number(plain[1]), failed: Number(plain[2]), ignored: 0 };
    const deno = /^(?:ok|FAILED) \| (\d+) passed(?: \([^)]*\))? \| (\d+) failed(?: \([^)]*\))?(?: \| (\d+) ignored)?/
      .exec(line);
    if (deno !== null) return { passed: Number(deno[1]), failed: Number(deno[2]), ignored: Number(deno[3] ?? 0) };
  }
  return undefined;
}
