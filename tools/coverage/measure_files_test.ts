import { assert, assertEquals, assertRejects } from "@std/assert";
import { dirname, join } from "node:path";
import { type FileFigures, measureFolder, readProfiles } from "./measure_files.ts";

const SOURCES = {
  "lib/types.ts": "export interface Only { readonly types: number }\n",
  "lib/unloaded.ts": "export function never(a: number): number {\n  return a ? 1 : 2;\n}\n",
  "lib/sign.ts": `// µ 😀: code units, not letters
export function sign(value: number): string {
  if (value > 0) return "plus";
  if (value < 0) {
    return "minus";
  }
  const isNone: boolean = Number.isNaN(value) || value === undefined;
  if (isNone) throw new Error("none");
  return "zero";
}
export const always = (value: number): number => {
  let result = value;
  if (value > 0) result++;
  return result;
};
`,
  "lib/sign_test.ts": `import { sign, always } from "./sign.ts";
Deno.test("plus", () => { sign(1); always(1); });
`,
  "lib/zero_test.ts": `import { sign, always } from "./sign.ts";
Deno.test("zero", () => { sign(0); always(2); });
`,
};

async function measured(root: string): Promise<FileFigures[]> {
  const modules = await readProfiles([join(root, "profiles")], root);
  return await measureFolder("lib", { root, modules });
}

Deno.test("measureFolder() sums over isolates, and sees what never went the other way and what nobody loaded", async () => {
  const root = await Deno.realPath(await Deno.makeTempDir());
  try {
    for (const [path, text] of Object.entries(SOURCES)) {
      await Deno.mkdir(dirname(join(root, path)), { recursive: true });
      await Deno.writeTextFile(join(root, path), text);
    }
    const command = new Deno.Command(Deno.execPath(), {
      args: ["test", "--quiet", "--coverage=profiles", "--coverage-raw-data-only", "lib"],
      cwd: root,
      stdout: "null",
      stderr: "null",
    });
    assert((await command.output()).success);
    const none = { missedLines: [], missedBranches: [], invariants: 0 };
    assertEquals(await measured(root), [
      {
        path: "lib/sign.ts",
        lines: 10,
        missedLines: [5],
        branches: 10,
        missedBranches: [
          { line: 4, what: "if: then" },
          { line: 7, what: "||: short cut" },
          { line: 8, what: "if: then" },
          { line: 13, what: "if: else" },
        ],
        functions: 2,
        invariants: 0,
      },
      { path: "lib/types.ts", lines: 0, branches: 0, functions: 0, ...none },
      {
        path: "lib/unloaded.ts",
        lines: 1,
        missedLines: [2],
        branches: 2,
        missedBranches: [{ line: 2, what: "?:: then" }, { line: 2, what: "?:: else" }],
        functions: 1,
        invariants: 0,
      },
    ]);
    const later = new Date(Date.now() + 5_000);
    await Deno.utime(join(root, "lib/sign.ts"), later, later);
    await assertRejects(() => measured(root), Error, "changed after it ran: current value is lib/sign.ts");
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
