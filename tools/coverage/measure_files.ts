import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { CodeCounter } from "./code_counter.ts";
import { lineMap } from "./line_map.ts";
import { RangeCounts, type ScriptProfile } from "./range_counts.ts";

/** One way out of a decision that no test took. */
export interface MissedBranch {
  /** Line of the TypeScript, from 1. */
  readonly line: number;
  /** Which way. */
  readonly what: string;
}

/** What tests reached of one file. */
export interface FileFigures {
  /** Path from the repository's root. */
  readonly path: string;
  /** Lines on which statements begin. */
  readonly lines: number;
  /** Those that no test reached. */
  readonly missedLines: readonly number[];
  /** Branches. */
  readonly branches: number;
  /** Those that no test took. */
  readonly missedBranches: readonly MissedBranch[];
  /** Functions with a body. */
  readonly functions: number;
  /** Calls of `invariant()`. */
  readonly invariants: number;
}

/** What was counted in one module. */
export interface ModuleProfiles {
  /** What each isolate counted. */
  readonly profiles: ScriptProfile[];
  /** When the first of them was written, in milliseconds since the epoch. */
  sinceMs: number;
}

/** Reads what Deno wrote into folders of coverage, for the modules below `root`. */
export async function readProfiles(folders: readonly string[], root: string): Promise<Map<string, ModuleProfiles>> {
  const prefix = `${pathToFileURL(resolve(root)).href}/`;
  const modules = new Map<string, ModuleProfiles>();
  for (const folder of folders) {
    for await (const { name } of Deno.readDir(folder)) {
      if (!name.endsWith(".json")) continue;
      const file = join(folder, name);
      const [text, { mtime }] = await Promise.all([Deno.readTextFile(file), Deno.stat(file)]);
      const profile: ScriptProfile = JSON.parse(text);
      if (!profile.url.startsWith(prefix)) continue;
      const path = profile.url.slice(prefix.length);
      const module = modules.get(path) ?? { profiles: [], sinceMs: Infinity };
      module.profiles.push(profile);
      module.sinceMs = Math.min(module.sinceMs, mtime?.getTime() ?? 0);
      modules.set(path, module);
    }
  }
  return modules;
}

/** The files of a folder that are measured: no tests. */
export async function measuredPaths(root: string, folder: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(join(root, folder))) {
    const path = `${folder}/${name}`;
    if (isDirectory) paths.push(...await measuredPaths(root, path));
    else if (name.endsWith(".ts") && !/_(test|bench)\.ts$/.test(name)) paths.push(path);
  }
  return paths.sort();
}

/** Where Deno keeps the JavaScript that it made of a module. */
export async function emittedFolder(): Promise<string> {
  const command = new Deno.Command(Deno.execPath(), { args: ["info", "--json"], stdout: "piped" });
  const { stdout } = await command.output();
  return join(JSON.parse(new TextDecoder().decode(stdout)).typescriptCache, "file");
}

/** Makes Deno write the JavaScript of modules that nobody ran. */
export async function emitModules(root: string, paths: readonly string[]): Promise<void> {
  const command = new Deno.Command(Deno.execPath(), { args: ["cache", "--quiet", ...paths], cwd: root });
  const { success } = await command.output();
  if (!success) throw new Error(`Cannot measure coverage as modules cannot be compiled: ${paths.join(" ")}`);
}

/** A file and what is known of it. */
export interface MeasuredFile {
  /** Path from the repository's root. */
  readonly path: string;
  /** The JavaScript that ran. */
  readonly code: string;
  /** What each isolate counted; empty when nobody loaded it. */
  readonly profiles: readonly ScriptProfile[];
}

/**
 * Measures one file.
 *
 * @throws {Error} when the JavaScript at hand is not what ran: then no figure is true.
 */
export function measureFile(file: MeasuredFile): FileFigures {
  const map = lineMap(file.code);
  const counter = new CodeCounter(file.code);
  for (const profile of file.profiles) {
    const end = profile.functions[0]?.ranges[0]?.endOffset ?? 0;
    if (Math.abs(end - file.code.indexOf("\n//# sourceMappingURL=")) > 1) {
      throw new Error(`Cannot measure coverage as other code than this ran: current value is ${file.path}`);
    }
    counter.add(new RangeCounts(profile));
  }
  const lines = new Map<number, number>();
  const missedBranches: MissedBranch[] = [];
  let branches = 0;
  for (const [i, { kind, offset, what }] of counter.points.entries()) {
    const line = map.line(offset);
    const sum = counter.sums[i]!;
    if (kind === "statement") lines.set(line, (lines.get(line) ?? 0) + sum);
    else {
      branches++;
      if (sum === 0) missedBranches.push({ line, what });
    }
  }
  missedBranches.sort((a, b) => a.line - b.line);
  const missedLines = [...lines].filter(([, sum]) => sum === 0).map(([line]) => line).sort((a, b) => a - b);
  const { functions, invariants } = counter;
  return { path: file.path, lines: lines.size, missedLines, branches, missedBranches, functions, invariants };
}

/**
 * Measures the files of a folder over all profiles.
 *
 * @throws {Error} when a file was changed after it ran.
 */
export async function measureFolder(
  folder: string,
  { root, modules }: { root: string; modules: ReadonlyMap<string, ModuleProfiles> },
): Promise<FileFigures[]> {
  const paths = await measuredPaths(root, folder);
  const emitted = await emittedFolder();
  await emitModules(root, paths.filter((path) => !modules.has(path)));
  const figures: FileFigures[] = [];
  for (const path of paths) {
    const file = resolve(root, path);
    const { profiles, sinceMs } = modules.get(path) ?? { profiles: [], sinceMs: Infinity };
    const [code, { mtime }] = await Promise.all([Deno.readTextFile(join(emitted, `${file}.js`)), Deno.stat(file)]);
    if (mtime === null || mtime.getTime() > sinceMs) {
      throw new Error(`Cannot measure coverage as the file was changed after it ran: current value is ${path}`);
    }
    figures.push(measureFile({ path, code, profiles }));
  }
  return figures;
}
