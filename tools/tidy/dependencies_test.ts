import { assertEquals } from "@std/assert";
import { dependencies } from "./dependencies.ts";
import { projectOf } from "./project.ts";

const config = {
  exports: { ".": "./mod.ts", "./kafkajs": "./lib/adapters/kafkajs/mod.ts" },
  imports: { "apache-arrow": "npm:apache-arrow@21", kafkajs: "npm:kafkajs@2", "@std/assert": "jsr:@std/assert@1" },
};

function problemsOf(files: Record<string, string>): string[] {
  return dependencies(projectOf(files, config)).map(({ path, line, message }) => `${path}:${line} ${message}`);
}

Deno.test("dependencies() lets '.' reach apache-arrow, and other exports what they need", () => {
  assertEquals(
    problemsOf({
      "mod.ts": 'export * from "./lib/columns/a.ts";',
      "lib/columns/a.ts": 'import { Field } from "apache-arrow";',
      "lib/adapters/kafkajs/mod.ts": 'import { Kafka } from "kafkajs"; import "node:net";',
      "lib/columns/a_test.ts": 'import { assert } from "@std/assert";',
    }),
    [],
  );
});

Deno.test("dependencies() finds a package that '.' reaches over other files, dynamic or for its types", () => {
  assertEquals(
    problemsOf({
      "mod.ts": 'export * from "./lib/app/a.ts";',
      "lib/app/a.ts": 'export async function open() {\n  return await import("./b.ts");\n}',
      "lib/app/b.ts": 'import type { Kafka } from "kafkajs";',
    }),
    ["lib/app/b.ts:1 imports kafkajs: what '.' reaches may need no package but apache-arrow"],
  );
});

Deno.test("dependencies() refuses undeclared packages, inline versions, and test packages in published files", () => {
  assertEquals(
    problemsOf({
      "tools/a.ts": 'import "lodash";\nimport "npm:kafkajs@2";\nimport "https://example.com/x.ts";',
      "testing/b.ts": 'import { assert } from "@std/assert";',
      "lib/base/c.ts": "export const load = (name: string) => import(name);",
      "lib/base/c_test.ts": "await import(name);",
      "testing/fresh_module.ts": "export const load = (name: string) => import(name);",
    }),
    [
      "tools/a.ts:1 imports lodash: a package must be declared in deno.json",
      "tools/a.ts:2 imports npm:kafkajs@2: a package must be declared in deno.json",
      "tools/a.ts:3 imports https://example.com/x.ts: a package must be declared in deno.json",
      "testing/b.ts:1 imports @std/assert: published files must not need a package for tests",
      "lib/base/c.ts:1 imports (computed): a published module must be named in plain text",
    ],
  );
});

Deno.test("dependencies() takes a folder of a package as declared, and lets unpublished folders use test packages", () => {
  const options = {
    exports: { ".": "./mod.ts" },
    imports: { "kafkajs/": "npm:/kafkajs@2/", "@std/assert": "jsr:@std/assert@1" },
    unpublished: ["testing/lanes/"],
  };
  const files = {
    "lib/adapters/kafkajs/a.ts": 'import "kafkajs/src/x.js";\nimport "kafka/src/x.js";',
    "testing/lanes/b.ts": 'import { assert } from "@std/assert";',
    "testing/lanes_c.ts": 'import { assert } from "@std/assert";',
  };
  assertEquals(dependencies(projectOf(files, options)).map(({ path, line }) => `${path}:${line}`), [
    "lib/adapters/kafkajs/a.ts:2",
    "testing/lanes_c.ts:1",
  ]);
});
