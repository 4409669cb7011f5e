import { isTest, type Problem, type Project, targetOf } from "./project.ts";

/** Floors of `lib/`: a file imports from its own folder and from lower floors only. */
const FLOORS: Readonly<Record<string, number>> = {
  base: 0,
  columns: 1,
  codecs: 2,
  seams: 2,
  core: 3,
  embedded: 3,
  operator: 4,
  operators: 5,
  runtime: 5,
  app: 6,
};
/** What adapters may use besides their own folder. */
const BELOW_ADAPTERS = new Set(["base", "columns", "seams", "embedded"]);
/** Adapters without packages: the app uses them as defaults. */
const LIGHT_ADAPTERS = new Set(["embedded", "memory", "file", "system"]);
/** Adapters that are another way to connect of the adapter that they build on. */
const BUILDS_ON: Readonly<Record<string, string>> = { "adapters/kafkajs": "adapters/kafka" };
/** Folders that nothing in `lib/` may know. */
const OUTSIDE = ["testing", "tools", "bench", "examples", "dev"];

/** `lib/columns/x.ts` is in `columns`, `lib/adapters/kafka/x.ts` in `adapters/kafka`. */
function floorOf(path: string): string | undefined {
  const [lib, folder, adapter, file] = path.split("/");
  if (lib !== "lib") return undefined;
  return folder === "adapters" ? `adapters/${file === undefined ? "" : adapter}` : folder;
}

/** Why `from` may not import `to`, or `undefined` when it may. */
function objection(from: string, to: string): string | undefined {
  if (isTest(to)) return "only tests may import a test";
  const here = floorOf(from);
  const there = floorOf(to);
  if (here === undefined) {
    return from === "mod.ts" && there !== undefined && isHeavy(there) ? `'.' must not reach ${there}` : undefined;
  }
  if (there === undefined) {
    const folder = to.split("/")[0]!;
    return OUTSIDE.includes(folder) ? `lib must not know ${folder}/` : `lib must not import ${to}`;
  }
  if (here === there) return undefined;
  if (here.startsWith("adapters/")) {
    return BELOW_ADAPTERS.has(there) || BUILDS_ON[here] === there
      ? undefined
      : `an adapter may import base, columns, seams and embedded only`;
  }
  if (there.startsWith("adapters/")) {
    return here === "app" && !isHeavy(there) ? undefined : `${here} must not import ${there}`;
  }
  const isLower = FLOORS[there]! < FLOORS[here]!;
  return isLower ? undefined : `${here} (floor ${FLOORS[here]}) must not import ${there} (floor ${FLOORS[there]})`;
}

function isHeavy(floor: string): boolean {
  return floor.startsWith("adapters/") && !LIGHT_ADAPTERS.has(floor.slice("adapters/".length));
}

/** A file imports only from lower floors or its own folder; tests may import anything. */
export function floors(project: Project): Problem[] {
  const problems: Problem[] = [];
  for (const module of project.modules.values()) {
    const { path } = module;
    const floor = floorOf(path);
    if (floor !== undefined && !floor.startsWith("adapters/") && FLOORS[floor] === undefined) {
      problems.push({ path, line: 0, message: `lib/${floor} is on no floor` });
    } else if (floor === "adapters/") {
      problems.push({ path, line: 0, message: "an adapter has a folder of its own" });
    }
    if (isTest(path)) continue;
    for (const fact of module.imports) {
      const target = targetOf(project, path, fact);
      if (target === undefined || !target.endsWith(".ts")) continue;
      const reason = project.modules.has(target) ? objection(path, target) : `there is no ${target}`;
      if (reason !== undefined) problems.push({ path, line: fact.line, message: `imports ${target}: ${reason}` });
    }
  }
  return problems;
}
