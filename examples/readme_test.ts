import { assertEquals, assertStringIncludes } from "@std/assert";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const config = new URL("../deno.json", import.meta.url).pathname;

/** The programs of the README, importing the library from here. */
async function programs(): Promise<string[]> {
  const text = await readFile(new URL("../README.md", import.meta.url), "utf8");
  return [...text.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code!.replaceAll('"jsr:@turbine', '"@turbine'));
}

async function deno(directory: string, args: readonly string[]): Promise<{ code: number; text: string }> {
  const [command, ...rest] = args;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [command!, "--quiet", `--config=${config}`, ...rest],
    cwd: directory,
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return { code, text: decoder.decode(stdout) + decoder.decode(stderr) };
}

Deno.test("the programs of the README pass the type checker, and say what they are said to say", async () => {
  const directory = await mkdtemp(join(tmpdir(), "readme-"));
  try {
    const names: string[] = [];
    for (const [at, code] of (await programs()).entries()) {
      names.push(`program${at}.ts`);
      await writeFile(join(directory, names.at(-1)!), code);
    }
    assertEquals(names.length, 5);
    const checked = await deno(directory, ["check", ...names]);
    assertEquals(checked, { code: 0, text: "" });
    const outputs = await Promise.all(
      names.slice(1).map((name) => deno(directory, ["run", "--no-check", "--allow-read=.", "--allow-env", name])),
    );
    assertEquals(outputs.map(({ code }) => code), [0, 0, 0, 0], outputs.map(({ text }) => text).join("\n"));
    assertStringIncludes(outputs[1]!.text, '[ { word: "hello" } ]');
    assertStringIncludes(outputs[2]!.text, "{ total: 2 } ]");
  } finally {
    await rm(directory, { recursive: true });
  }
});
