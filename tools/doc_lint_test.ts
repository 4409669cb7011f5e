import { assert, assertEquals, assertThrows } from "@std/assert";
import { exportedModules, lintDocs, ownFaults } from "./doc_lint.ts";

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

Deno.test("ownFaults() leaves the docs of other packages to them, and keeps every other fault", () => {
  const output = [
    "error[missing-jsdoc]: exported symbol is missing JSDoc documentation",
    "  --> /p/node_modules/.deno/x/a.d.ts:1:1",
    "",
    "error[private-type-ref]: public type 'a' references private type 'b'",
    "  --> /p/lib/a.ts:1:1",
    "",
    "error: Found 2 documentation lint errors.",
  ].join("\n");
  assertEquals(ownFaults(output).length, 1);
  assert(ownFaults(output)[0]!.includes("/p/lib/a.ts:1:1"));
});
