import { assertEquals } from "@std/assert";
import { projectOf } from "./project.ts";
import { focusedTests, untestedFiles } from "./tests.ts";

Deno.test("focusedTests() finds tests that do not run, or keep others from running", () => {
  const project = projectOf({
    "lib/a/a_test.ts": '\nDeno.test.only("x", () => {});',
    "testing/b_test.ts": 'Deno.test("x", { ignore: true }, () => {});',
    "lib/a/c_test.ts": 'Deno.test("x", () => {});',
  });
  assertEquals(focusedTests(project).map(({ path, line, message }) => `${path}:${line} ${message}`), [
    "lib/a/a_test.ts:2 uses Deno.test.only: every test runs, always",
    "testing/b_test.ts:1 uses Deno.test({ ignore }): every test runs, always",
  ]);
});

Deno.test("untestedFiles() lists code without a test beside it or reaching it from its folder", () => {
  const code = "export const a = 1;";
  const project = projectOf({
    "lib/a/tested.ts": code,
    "lib/a/tested_test.ts": 'import "./tested.ts"; import "./reached.ts"; import "../b/far.ts";',
    "lib/a/reached.ts": code,
    "lib/a/by_property.ts": code,
    "lib/a/by_property_prop_test.ts": "",
    "lib/a/types.ts": "export interface A {}",
    "lib/a/mod.ts": 'export * from "./tested.ts";',
    "lib/a/untested.ts": code,
    "lib/b/far.ts": code,
    "testing/free.ts": code,
  });
  assertEquals(untestedFiles(project), ["lib/a/untested.ts", "lib/b/far.ts"]);
});
