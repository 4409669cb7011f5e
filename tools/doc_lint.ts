/**
 * Runs `deno doc --lint` over all exports of deno.json together, as users see them:
 *
 * deno run --allow-read --allow-run tools/doc_lint.ts
 */
import { fileURLToPath } from "node:url";

/**
 * The modules that deno.json exports.
 *
 * @param configText Text of deno.json.
 * @returns Paths as they stand there, each once.
 * @throws {TypeError} when nothing is exported.
 */
export function exportedModules(configText: string): string[] {
  const { exports = {} } = JSON.parse(configText);
  const paths: string[] = typeof exports === "string" ? [exports] : Object.values(exports);
  if (paths.length === 0) throw new TypeError("Cannot lint docs as deno.json must have exports: it has none");
  return [...new Set(paths)];
}

/** Lints the docs of the project in `root`; returns the exit code. */
export async function lintDocs(root: string): Promise<number> {
  const paths = exportedModules(await Deno.readTextFile(`${root}/deno.json`));
  const command = new Deno.Command(Deno.execPath(), { args: ["doc", "--lint", ...paths], cwd: root, stdout: "null" });
  return (await command.spawn().status).code;
}

if (import.meta.main) Deno.exit(await lintDocs(fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "")));
