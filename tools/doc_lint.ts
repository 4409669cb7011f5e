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

/**
 * Faults of our own docs: those that lie in `node_modules/` belong to the packages whose types we hand on.
 *
 * @param output What `deno doc --lint` printed, without colours.
 * @returns One text for each fault.
 */
export function ownFaults(output: string): string[] {
  const faults = output.split(/^(?=error\[)/m).filter((text) => text.startsWith("error["));
  return faults.map((text) => text.split(/^error: /m)[0]!.trimEnd()).filter((text) => !/-->.*node_modules/.test(text));
}

/** Lints the docs of the project in `root`; returns the exit code. */
export async function lintDocs(root: string): Promise<number> {
  const paths = exportedModules(await Deno.readTextFile(`${root}/deno.json`));
  const args = ["doc", "--lint", ...paths];
  const command = new Deno.Command(Deno.execPath(), { args, cwd: root, stdout: "null", env: { NO_COLOR: "1" } });
  const { code, stderr } = await command.output();
  if (code === 0) return 0;
  const output = new TextDecoder().decode(stderr);
  const faults = ownFaults(output);
  for (const fault of faults) console.error(`${fault}\n`);
  if (faults.length > 0) console.error(`Found ${faults.length} faults in the docs`);
  // No fault that could be read: whatever it was, it was not about docs.
  else if (!output.includes("documentation lint error")) console.error(output);
  return faults.length > 0 || !output.includes("documentation lint error") ? 1 : 0;
}

if (import.meta.main) Deno.exit(await lintDocs(fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "")));
