import { assert, assertEquals } from "@std/assert";
import { exportPaths, formatProblems, projectOf, reachable, readProject, targetOf } from "./project.ts";

const importOf = (specifier: string) => ({ specifier, line: 1, kind: "static" as const });

Deno.test("targetOf() resolves relative paths, the package's own name and mapped paths, and no packages", () => {
  const project = projectOf({}, {
    name: "@turbine/turbine",
    exports: { ".": "./mod.ts", "./kafka": "./lib/adapters/kafka/mod.ts" },
    imports: { "apache-arrow": "npm:apache-arrow@21", "#x": "./lib/x.ts" },
  });
  const target = (specifier: string) => targetOf(project, "lib/a/b.ts", importOf(specifier));
  assertEquals(target("./c.ts"), "lib/a/c.ts");
  assertEquals(target("../../mod.ts"), "mod.ts");
  assertEquals(target("@turbine/turbine"), "mod.ts");
  assertEquals(target("@turbine/turbine/kafka"), "lib/adapters/kafka/mod.ts");
  assertEquals(target("#x"), "lib/x.ts");
  for (const specifier of ["apache-arrow", "node:fs", "@turbine/turbine/none", "@turbine/turbine2"]) {
    assertEquals(target(specifier), undefined, specifier);
  }
});

Deno.test("reachable() follows imports of all kinds, through cycles", () => {
  const project = projectOf({
    "a.ts": 'import "./b.ts"; import "./missing.ts";',
    "b.ts": 'export * from "./a.ts"; import("./c.ts");',
    "c.ts": 'new URL("./d.ts", import.meta.url);',
    "d.ts": "",
    "e.ts": 'import "./a.ts";',
  });
  assertEquals([...reachable(project, ["a.ts"])].sort(), ["a.ts", "b.ts", "c.ts", "d.ts"]);
});

Deno.test("readProject() reads the folders of the house and what names programs", async () => {
  const root = await Deno.makeTempDir();
  try {
    for (const folder of ["lib/base", "tools", "node_modules/x", "lib/node_modules", ".ci"]) {
      await Deno.mkdir(`${root}/${folder}`, { recursive: true });
    }
    const files = {
      "deno.json": '{ "name": "@a/b", "exports": "./mod.ts", "imports": { "x": "npm:x@1" } }',
      "mod.ts": 'export * from "./lib/base/a.ts";',
      "lib/base/a.ts": "export const a = 1;",
      "lib/base/data.json": "{}",
      "lib/node_modules/no.ts": "",
      "node_modules/x/no.ts": "",
      "tools/t.ts": "",
      ".ci/run": "deno run tools/t.ts",
    };
    for (const [path, text] of Object.entries(files)) await Deno.writeTextFile(`${root}/${path}`, text);
    const project = await readProject(root);
    assertEquals([...project.modules.keys()].sort(), ["lib/base/a.ts", "mod.ts", "tools/t.ts"]);
    assertEquals(project.config, {
      name: "@a/b",
      exports: { ".": "./mod.ts" },
      imports: { x: "npm:x@1" },
      unpublished: [],
    });
    assertEquals(exportPaths(project), ["mod.ts"]);
    assert(project.mentions.includes("tools/t.ts"));
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

Deno.test("formatProblems() writes a line that an editor can jump to", () => {
  const problems = [{ path: "a.ts", line: 3, message: "is bad" }, { path: "b.ts", line: 0, message: "is worse" }];
  assertEquals(formatProblems(problems), "a.ts:3 is bad\nb.ts is worse");
});
