import { assert, assertEquals, assertThrows } from "@std/assert";
import { exportedModules, lintDocs } from "./doc_lint.ts";

Deno.test("exportedModules() gives each exported module once", () => {
  assertEquals(exportedModules('{ "exports": "./mod.ts" }'), ["./mod.ts"]);
  assertEquals(exportedModules('{ "exports": { ".": "./mod.ts", "./a": "./a.ts", "./b": "./a.ts" } }'), [
    "./mod.ts",
    "./a.ts",
  ]);
  assertThrows(() => exportedModules("{}"), TypeError, "must have exports");
});

async function lint(source: string): Promise<number> {
  const root = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${root}/deno.json`, '{ "exports": { ".": "./mod.ts" } }');
    await Deno.writeTextFile(`${root}/mod.ts`, source);
    return await lintDocs(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

Deno.test("lintDocs() fails where an exported symbol has no doc, and only there", async () => {
  assertEquals(await lint("/** One. */\nexport const one = 1;\n"), 0);
  assert(await lint("export const one = 1;\n") !== 0);
});
