/**
 * Keeps the house: each rule of ARCHITECTURE.md that a program can check, over all files of the repository.
 * `deno test --allow-read --allow-run=deno tools/tidy_test.ts`
 */
import { assert, assertEquals, fail } from "@std/assert";
import { fileURLToPath } from "node:url";
import { deadFiles } from "./tidy/dead_files.ts";
import { dependencies } from "./tidy/dependencies.ts";
import { floors } from "./tidy/floors.ts";
import { formatProblems, readProject, type Rule, targetOf } from "./tidy/project.ts";
import { bannedGlobals, noAsync } from "./tidy/purity.ts";
import { fileNames, sizes, syntax } from "./tidy/shape.ts";
import { focusedTests, untestedFiles } from "./tidy/tests.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const project = await readProject(root);

const RULES: readonly [string, Rule][] = [
  ["every file parses", syntax],
  ["files import only from lower floors or their own folder", floors],
  ["packages come in where they may, and '.' needs apache-arrow only", dependencies],
  ["lib uses no clock, randomness, network, process or console outside adapters", bannedGlobals],
  ["core and embedded are synchronous", noAsync],
  ["files have at most 400 lines, functions at most 70", sizes],
  ["files are named in snake_case", fileNames],
  ["no file is dead", deadFiles],
  ["no test is focused or ignored", focusedTests],
];

for (const [law, rule] of RULES) {
  Deno.test(`tidy: ${law}`, () => {
    const problems = rule(project);
    if (problems.length > 0) fail(`${problems.length} problems\n${formatProblems(problems)}`);
  });
}

Deno.test("tidy: the project was read whole", () => {
  for (const path of ["lib/base/errors.ts", "lib/columns/schema.ts", "tools/tidy_test.ts"]) {
    assert(project.modules.has(path), path);
  }
  assert(project.modules.size > 50, `only ${project.modules.size} files`);
});

Deno.test("tidy: imports are read as Deno reads them", async () => {
  const files = [...project.modules.keys()].filter((path) => path.startsWith("lib/") && !path.endsWith("_test.ts"));
  const entry = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(
      entry,
      files.map((path) => `import ${JSON.stringify(`file://${root}${path}`)};`).join("\n"),
    );
    const command = new Deno.Command(Deno.execPath(), { args: ["info", "--json", entry], cwd: root, stdout: "piped" });
    const { stdout, success } = await command.output();
    assert(success, "deno info failed");
    const seen = new Map<string, Set<string>>();
    for (const { specifier, dependencies = [] } of JSON.parse(new TextDecoder().decode(stdout)).modules) {
      const targets = dependencies.map((dependency: { code?: Target; type?: Target }) =>
        (dependency.code ?? dependency.type)?.specifier
      );
      seen.set(specifier, new Set(targets.filter((target?: string) => target?.startsWith("file:"))));
    }
    for (const path of files) {
      const targets = project.modules.get(path)!.imports.filter(({ kind }) => kind !== "url")
        .map((fact) => targetOf(project, path, fact)).filter((target) => target !== undefined)
        .map((target) => `file://${root}${target}`);
      assertEquals([...new Set(targets)].sort(), [...seen.get(`file://${root}${path}`) ?? []].sort(), path);
    }
  } finally {
    await Deno.remove(entry);
  }
});

interface Target {
  readonly specifier: string;
}

Deno.test("tidy: files that no test of their folder reaches are listed", () => {
  const files = untestedFiles(project);
  if (files.length > 0) console.log(`${files.length} files without a test beside them:\n${files.join("\n")}`);
});
