import * as nodeModule from "node:module";

/** Options of {@linkcode freshModule}. */
export interface FreshModuleOptions {
  /**
   * Folder of modules that are evaluated anew as well when the module (or one of them) imports them: helpers of the job
   * that keep state in variables of their own. Never a folder with the library in it. @default none: the module alone
   */
  within?: URL | string;
}

/** What `node:module` has, and what its types may lack. */
interface Hooks {
  registerHooks?(hooks: {
    resolve(
      specifier: string,
      context: { readonly parentURL?: string },
      next: (specifier: string, context: unknown) => { url: string },
    ): { url: string };
  }): unknown;
}

/** Marks the modules of one process in their URLs: a module is evaluated once for each URL. */
const MARK = "turbine-process";
const MODULE = /\.[cm]?[jt]sx?$/;
/** Folder that is evaluated anew, by the number of the process. */
const folders = new Map<string, string>();
let processes = 0;
let isHooked = false;

/**
 * Imports a module as a process of its own would: evaluated anew, whatever was imported before. Two processes of a test
 * then do not share what a job keeps in variables of its module, and a crash forgets it, as a real one does.
 *
 * What is evaluated anew is the module itself, and with `within` what it imports from that folder. Everything else, above
 * all the library, stays shared. Limits: only `file:` URLs; read permission for the file; the types are those of one
 * `typeof import(...)` that the caller names, as nothing is checked when it is imported; every copy stays in memory until
 * the program ends; `import.meta.url` of a copy carries a query, and `import.meta.main` is false.
 *
 * @param module URL of the module: `new URL("./job.ts", import.meta.url)`, or what `import.meta.resolve()` gives.
 * @param options What else is evaluated anew.
 * @returns The exports.
 * @throws {TypeError} when `module` is no `file:` URL.
 *
 * @example A counter in a variable of a module begins anew
 * ```ts
 * import { freshModule } from "@turbine/turbine/testing";
 * import { assertEquals } from "@std/assert";
 * import { mkdir, writeFile } from "node:fs/promises";
 *
 * await mkdir(".turbine", { recursive: true });
 * await writeFile(".turbine/counter.ts", "let n = 0; export const next = () => ++n;");
 * const url = new URL(`file://${Deno.cwd()}/.turbine/counter.ts`);
 *
 * const one = await freshModule<{ next(): number }>(url);
 * one.next();
 * const two = await freshModule<{ next(): number }>(url);
 * assertEquals([one.next(), two.next()], [2, 1]);
 * ```
 */
export async function freshModule<M = Record<string, unknown>>(
  module: URL | string,
  options: FreshModuleOptions = {},
): Promise<M> {
  const url = fileUrl(module, "module");
  const process = String(++processes);
  if (options.within !== undefined) {
    const folder = fileUrl(options.within, "within");
    folders.set(process, folder.href.endsWith("/") ? folder.href : `${folder.href}/`);
    hook();
  }
  url.searchParams.set(MARK, process);
  return await import(url.href) as M;
}

function fileUrl(given: URL | string, name: string): URL {
  const url = given instanceof URL ? new URL(given) : URL.parse(given);
  if (url?.protocol === "file:") return url;
  throw new TypeError(
    `Cannot import a module afresh as '${name}' must be a file: URL, such as new URL("./job.ts", import.meta.url): ` +
      `current value is '${given}'`,
  );
}

/** Imports of marked modules that lead into their folder carry the mark on. */
function hook(): void {
  if (isHooked) return;
  const { registerHooks } = nodeModule as Hooks;
  if (registerHooks === undefined) {
    throw new TypeError("Cannot import what lies 'within' afresh as this runtime has no module.registerHooks()");
  }
  isHooked = true;
  registerHooks({
    resolve: (specifier, context, next) => {
      const found = next(specifier, context);
      const process = URL.parse(context.parentURL ?? "")?.searchParams.get(MARK) ?? null;
      const folder = process === null ? undefined : folders.get(process);
      if (folder === undefined || !found.url.startsWith(folder) || found.url.includes("/node_modules/")) return found;
      const url = new URL(found.url);
      if (!MODULE.test(url.pathname)) return found;
      url.searchParams.set(MARK, process!);
      return { ...found, url: url.href };
    },
  });
}
