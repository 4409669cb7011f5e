import { exportPaths, isTest, type Problem, type Project, reachable } from "./project.ts";

/**
 * Every file is there for something: those of `lib/` are reached from an export of deno.json; those of `testing/` and
 * `tools/` from an export, a test, a bench, an example, or a program (which looks at `import.meta.main`, or is named in
 * deno.json or by what starts the checks).
 */
export function deadFiles(project: Project): Problem[] {
  const { modules, mentions } = project;
  const exported = exportPaths(project);
  const problems: Problem[] = exported.filter((path) => !modules.has(path))
    .map((path) => ({ path, line: 0, message: "is exported by deno.json but does not exist" }));
  const published = reachable(project, exported);
  const programs = [...modules.values()].filter(({ path, isProgram }) =>
    isTest(path) || /^(bench|examples)\//.test(path) || !path.includes("/") ||
    (!path.startsWith("lib/") && (isProgram || mentions.includes(path)))
  ).map(({ path }) => path);
  const used = reachable(project, [...exported, ...programs]);
  for (const path of modules.keys()) {
    if (isTest(path)) continue;
    if (path.startsWith("lib/") && !published.has(path)) {
      problems.push({ path, line: 0, message: "is dead: no export of deno.json reaches it" });
    } else if (/^(testing|tools)\//.test(path) && !used.has(path)) {
      problems.push({ path, line: 0, message: "is dead: no export, test, bench, example or program reaches it" });
    }
  }
  return problems;
}
