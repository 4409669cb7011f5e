import { assertEquals } from "@std/assert";
import { projectOf } from "./project.ts";
import { bannedGlobals, noAsync } from "./purity.ts";

Deno.test("bannedGlobals() finds clocks, randomness, process and built-in modules in lib outside adapters", () => {
  const text = 'import { readFileSync } from "node:fs";\nexport const now = () => Date.now();';
  const paths = ["lib/core/a.ts", "lib/app/a.ts", "lib/adapters/system/a.ts", "lib/core/a_test.ts", "testing/a.ts"];
  const project = projectOf(Object.fromEntries(paths.map((path) => [path, text])));
  assertEquals(bannedGlobals(project).map(({ path, line, message }) => `${path}:${line} ${message}`), [
    "lib/core/a.ts:2 uses Date.now: take it from a seam",
    "lib/core/a.ts:1 imports node:fs: only adapters may",
    "lib/app/a.ts:2 uses Date.now: take it from a seam",
    "lib/app/a.ts:1 imports node:fs: only adapters may",
  ]);
});

Deno.test("noAsync() finds whatever waits in core and embedded, and only there", () => {
  const text = "export async function a(): Promise<void> {}";
  const paths = ["lib/core/a.ts", "lib/embedded/journal/a.ts", "lib/runtime/a.ts", "lib/adapters/embedded/a.ts"];
  const project = projectOf(Object.fromEntries([...paths, "lib/core/a_test.ts"].map((path) => [path, text])));
  assertEquals(noAsync(project).map(({ path, message }) => `${path} ${message}`), [
    "lib/core/a.ts uses async function: decisions are synchronous",
    "lib/core/a.ts uses Promise: decisions are synchronous",
    "lib/embedded/journal/a.ts uses async function: decisions are synchronous",
    "lib/embedded/journal/a.ts uses Promise: decisions are synchronous",
  ]);
});
