import { assertEquals } from "@std/assert";
import { deadFiles } from "./dead_files.ts";
import { projectOf } from "./project.ts";

function dead(files: Record<string, string>, mentions = ""): string[] {
  const exports = { ".": "./mod.ts", "./testing": "./testing/mod.ts" };
  return deadFiles(projectOf(files, { exports, mentions })).map(({ path, message }) => `${path} ${message}`);
}

const MODS = { "mod.ts": 'export * from "./lib/a/used.ts";', "testing/mod.ts": "" };

Deno.test("deadFiles() finds a file of lib that only its test imports", () => {
  const files = { "lib/a/used.ts": "", "lib/a/dead.ts": "", "lib/a/dead_test.ts": 'import "./dead.ts";' };
  assertEquals(dead({ ...MODS, ...files }), ["lib/a/dead.ts is dead: no export of deno.json reaches it"]);
});

Deno.test("deadFiles() counts a worker's module as reached", () => {
  assertEquals(
    dead({ ...MODS, "lib/a/used.ts": 'new URL("./worker.ts", import.meta.url);', "lib/a/worker.ts": "" }),
    [],
  );
});

Deno.test("deadFiles() lets tests, benches, examples and programs keep what is in testing and tools", () => {
  const files = {
    "lib/a/used.ts": "",
    "testing/by_test.ts": "",
    "lib/a/used_test.ts": 'import "../../testing/by_test.ts";',
    "testing/by_bench.ts": "",
    "bench/x_bench.ts": 'import "../testing/by_bench.ts";',
    "testing/by_example.ts": "",
    "examples/x.ts": 'import "../testing/by_example.ts";',
    "tools/program.ts": 'import "./by_program.ts"; if (import.meta.main) run();',
    "tools/by_program.ts": "",
    "tools/by_task.ts": "",
    "tools/nobody.ts": "",
    "testing/nobody.ts": 'import "./island.ts";',
    "testing/island.ts": 'import "./nobody.ts";',
  };
  assertEquals(dead({ ...MODS, ...files }, '"task": "deno run tools/by_task.ts"').map((line) => line.split(" ")[0]), [
    "tools/nobody.ts",
    "testing/nobody.ts",
    "testing/island.ts",
  ]);
});

Deno.test("deadFiles() finds an export that does not exist", () => {
  assertEquals(dead({ "mod.ts": "" }), ["testing/mod.ts is exported by deno.json but does not exist"]);
});
