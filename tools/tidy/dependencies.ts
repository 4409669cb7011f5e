import { normalize } from "node:path/posix";
import { isTest, type Problem, type Project, reachable, targetOf } from "./project.ts";

/** Packages that everybody who imports `.` gets. */
const CORE_PACKAGES = new Set(["apache-arrow"]);
/** Packages for tests only: published files must do without. */
const TEST_PACKAGES = new Set(["@std/assert"]);

/** Published files whose very purpose is to import what a user names. */
const LOADERS = new Set(["testing/fresh_module.ts"]);

/** Whether a file is part of the published package. */
function isPublished(path: string, { config }: Project): boolean {
  const isIncluded = path === "mod.ts" || /^(lib|testing)\//.test(path);
  return isIncluded && !isTest(path) && !config.unpublished.some((folder) => path.startsWith(folder));
}

/** Whether deno.json says what a bare specifier stands for, by its name or by a folder of it. */
function isDeclared(specifier: string, { config }: Project): boolean {
  return Object.keys(config.imports).some((name) =>
    specifier === name || (name.endsWith("/") && specifier.startsWith(name))
  );
}

/**
 * Packages come in by deno.json only; what `.` reaches needs no package but apache-arrow; published files use no package
 * that is for tests; published code names its modules in plain text.
 */
export function dependencies(project: Project): Problem[] {
  const problems: Problem[] = [];
  const main = project.config.exports["."];
  const reached = reachable(project, main === undefined ? [] : [normalize(main)]);
  for (const module of project.modules.values()) {
    const { path } = module;
    for (const fact of module.imports) {
      const { specifier, line } = fact;
      if (targetOf(project, path, fact) !== undefined || fact.kind === "url") continue;
      const add = (reason: string) => problems.push({ path, line, message: `imports ${specifier}: ${reason}` });
      const isBuiltIn = specifier.startsWith("node:");
      if (specifier === "(computed)") {
        if (isPublished(path, project) && !LOADERS.has(path)) add("a published module must be named in plain text");
      } else if (!isBuiltIn && !isDeclared(specifier, project)) {
        add("a package must be declared in deno.json");
      } else if (isPublished(path, project) && TEST_PACKAGES.has(specifier)) {
        add("published files must not need a package for tests");
      } else if (!isBuiltIn && reached.has(path) && !CORE_PACKAGES.has(specifier)) {
        add("what '.' reaches may need no package but apache-arrow");
      }
    }
  }
  return problems;
}
