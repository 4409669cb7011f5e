import { dirname } from "node:path/posix";
import { isTest, type Problem, type Project, reachable } from "./project.ts";

/** No test is switched off, and none switches the others off. */
export function focusedTests(project: Project): Problem[] {
  return [...project.modules.values()].flatMap(({ path, focusedTests }) =>
    focusedTests.map(({ what, line }) => ({ path, line, message: `uses ${what}: every test runs, always` }))
  );
}

/**
 * Files of `lib/` with code that have no `x_test.ts` or `x_prop_test.ts` beside them and are reached by no test of their
 * folder. A list to look through, not a law: a file may well be tested through its callers.
 */
export function untestedFiles(project: Project): string[] {
  const { modules } = project;
  const testsByFolder = Map.groupBy([...modules.keys()].filter(isTest), dirname);
  const reachedByFolder = new Map([...testsByFolder].map(([folder, tests]) => [folder, reachable(project, tests)]));
  return [...modules.values()].filter(({ path, hasCode }) => {
    if (!path.startsWith("lib/") || isTest(path) || !hasCode) return false;
    const base = path.slice(0, -".ts".length);
    if (modules.has(`${base}_test.ts`) || modules.has(`${base}_prop_test.ts`)) return false;
    return reachedByFolder.get(dirname(path))?.has(path) !== true;
  }).map(({ path }) => path);
}
