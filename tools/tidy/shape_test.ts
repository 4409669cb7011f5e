import { assertEquals } from "@std/assert";
import { projectOf } from "./project.ts";
import { fileNames, sizes, syntax } from "./shape.ts";

/** A function of `lines` lines. */
const functionOf = (lines: number) => `export function long(): void {\n${"  f();\n".repeat(lines - 2)}}\n`;

Deno.test("sizes() takes files of 400 lines and functions of 70, and no more", () => {
  const project = projectOf({
    "lib/a/ok.ts": `${functionOf(70)}${"\n".repeat(330)}`,
    "lib/a/long.ts": "\n".repeat(401),
    "testing/wide.ts": `\n${functionOf(71)}`,
    "bench/free_bench.ts": functionOf(500),
  });
  assertEquals(sizes(project).map(({ path, line, message }) => `${path}:${line} ${message}`), [
    "lib/a/long.ts:0 has 401 lines: at most 400",
    "testing/wide.ts:2 function long has 71 lines: at most 70",
  ]);
});

Deno.test("fileNames() wants snake_case of files and folders", () => {
  const good = ["mod.ts", "lib/base/a.ts", "lib/codecs/json/json_decoder_prop_test.ts", "lib/columns/murmur2.ts"];
  const bad = [
    "lib/base/camelCase.ts",
    "lib/base/kebab-case.ts",
    "lib/Base/a.ts",
    "lib/base/a.test.ts",
    "lib/base/a__b.ts",
  ];
  const project = projectOf(Object.fromEntries([...good, ...bad].map((path) => [path, ""])));
  assertEquals(fileNames(project).map(({ path }) => path), bad);
});

Deno.test("syntax() finds files that do not parse", () => {
  const project = projectOf({ "lib/a/good.ts": "const a = 1;", "lib/a/bad.ts": "const a = ;" });
  assertEquals(syntax(project).map(({ path }) => path), ["lib/a/bad.ts"]);
});
