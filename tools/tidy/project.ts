import { dirname, join, normalize } from "node:path/posix";
import { type ImportFact, type ModuleFacts, moduleFacts } from "./module_facts.ts";

/** What deno.json says, as far as the rules need it. */
export interface ProjectConfig {
  /** Name of the package: files outside `lib/` import it as users do. */
  readonly name: string;
  /** Public modules by their export name. */
  readonly exports: Readonly<Record<string, string>>;
  /** Bare specifiers and what they stand for. */
  readonly imports: Readonly<Record<string, string>>;
  /** Folders, each with its `/`, that are not published. */
  readonly unpublished: readonly string[];
}

/** All TypeScript files of the repository with their facts. */
export interface Project {
  /** Facts by path. */
  readonly modules: ReadonlyMap<string, ModuleFacts>;
  /** What deno.json says. */
  readonly config: ProjectConfig;
  /** Text in which programs are named: deno.json (tasks, lint plugins) and what starts the checks. */
  readonly mentions: string;
}

/** Something that breaks a rule of the house. */
export interface Problem {
  /** File. */
  readonly path: string;
  /** Line, from 1; 0 for the file as a whole. */
  readonly line: number;
  /** What is wrong. */
  readonly message: string;
}

/** A rule: all that breaks it. */
export type Rule = (project: Project) => readonly Problem[];

/** A project from texts: for the tests of the rules. */
export function projectOf(
  files: Readonly<Record<string, string>>,
  options: Partial<ProjectConfig> & { mentions?: string } = {},
): Project {
  const { name = "", exports = {}, imports = {}, unpublished = [], mentions = "" } = options;
  const modules = new Map(Object.entries(files).map(([path, text]) => [path, moduleFacts(path, text)]));
  return { modules, config: { name, exports, imports, unpublished }, mentions };
}

/** Folders whose files the rules look at. */
export const FOLDERS = ["lib", "testing", "examples", "bench", "tools"] as const;

/**
 * Reads the project below `root`. Needs permission to read it.
 *
 * @param root Folder of deno.json.
 * @returns The project.
 */
export async function readProject(root: string): Promise<Project> {
  const text = await Deno.readTextFile(join(root, "deno.json"));
  const { name, exports = {}, imports = {}, publish = {} } = JSON.parse(text);
  const unpublished = (publish.exclude ?? [] as string[]).filter((path: string) => path.endsWith("/"));
  const files: Record<string, string> = {};
  for await (const entry of Deno.readDir(root)) {
    if (entry.isFile && entry.name.endsWith(".ts")) files[entry.name] = await Deno.readTextFile(join(root, entry.name));
  }
  for (const folder of FOLDERS) await readFolder(root, folder, files);
  let mentions = text;
  for await (const path of walk(root, ".ci")) mentions += await Deno.readTextFile(join(root, path));
  const exportMap = typeof exports === "string" ? { ".": exports } : exports;
  return projectOf(files, { name, exports: exportMap, imports, unpublished, mentions });
}

async function readFolder(root: string, folder: string, files: Record<string, string>): Promise<void> {
  for await (const path of walk(root, folder)) {
    if (path.endsWith(".ts")) files[path] = await Deno.readTextFile(join(root, path));
  }
}

async function* walk(root: string, folder: string): AsyncGenerator<string> {
  let entries: Deno.DirEntry[];
  try {
    entries = await Array.fromAsync(Deno.readDir(join(root, folder)));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  for (const entry of entries.sort((a, b) => a.name < b.name ? -1 : 1)) {
    const path = join(folder, entry.name);
    if (entry.isFile) yield path;
    else if (entry.isDirectory && entry.name !== "node_modules") yield* walk(root, path);
  }
}

/** Whether a file holds tests, or helps only those. */
export function isTest(path: string): boolean {
  return path.endsWith("_test.ts");
}

/** Path of the file that an import of `from` names, or `undefined` for a package or built-in module. */
export function targetOf(project: Project, from: string, { specifier }: ImportFact): string | undefined {
  if (specifier.startsWith("./") || specifier.startsWith("../")) return normalize(join(dirname(from), specifier));
  const { name, exports, imports } = project.config;
  if (name !== "" && (specifier === name || specifier.startsWith(`${name}/`))) {
    const path = exports[`.${specifier.slice(name.length)}`];
    if (path !== undefined) return normalize(path);
  }
  const mapped = imports[specifier];
  if (mapped !== undefined && mapped.startsWith("./")) return normalize(mapped);
  return undefined;
}

/** Files reached from `entries` over all kinds of imports, entries included. */
export function reachable(project: Project, entries: Iterable<string>): ReadonlySet<string> {
  const seen = new Set<string>();
  const pending = [...entries];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const module = project.modules.get(path);
    if (seen.has(path) || module === undefined) continue;
    seen.add(path);
    for (const fact of module.imports) {
      const target = targetOf(project, path, fact);
      if (target !== undefined) pending.push(target);
    }
  }
  return seen;
}

/** The public modules as paths. */
export function exportPaths(project: Project): string[] {
  return Object.values(project.config.exports).map((path) => normalize(path));
}

/** Problems as lines that an editor can jump to. */
export function formatProblems(problems: readonly Problem[]): string {
  return problems.map(({ path, line, message }) => `${path}${line > 0 ? `:${line}` : ""} ${message}`).join("\n");
}
