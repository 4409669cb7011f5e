import { isTest, type Problem, type Project } from "./project.ts";

/** `lib/` outside adapters. */
function isInner(path: string): boolean {
  return path.startsWith("lib/") && !path.startsWith("lib/adapters/") && !isTest(path);
}

/** No clock, randomness, network, process, console or built-in module in `lib/` outside adapters: those are seams. */
export function bannedGlobals(project: Project): Problem[] {
  return [...project.modules.values()].filter(({ path }) => isInner(path)).flatMap(({ path, globalUses, imports }) => [
    ...globalUses.map(({ what, line }) => ({ path, line, message: `uses ${what}: take it from a seam` })),
    ...imports.filter(({ specifier }) => specifier.startsWith("node:")).map(({ specifier, line }) => ({
      path,
      line,
      message: `imports ${specifier}: only adapters may`,
    })),
  ]);
}

/** Decisions are synchronous: nothing in `lib/core` and `lib/embedded` waits or promises. */
export function noAsync(project: Project): Problem[] {
  return [...project.modules.values()]
    .filter(({ path }) => /^lib\/(core|embedded)\//.test(path) && !isTest(path))
    .flatMap(({ path, asyncUses }) =>
      asyncUses.map(({ what, line }) => ({ path, line, message: `uses ${what}: decisions are synchronous` }))
    );
}
