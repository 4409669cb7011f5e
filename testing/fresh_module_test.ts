import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { freshModule } from "./fresh_module.ts";
import { type SeededRandom, SeededRandom as Shared } from "./seeded_random.ts";

/** What the job of these tests exports. */
interface Job {
  next(): number;
  nextOfHelper(): number;
  later(): Promise<number>;
  random(): SeededRandom;
  url: string;
}

const LIBRARY = new URL("./seeded_random.ts", import.meta.url).href;

/** A folder with a job, a helper of it, and a module that the job imports when it runs. */
async function withJob(test: (folder: URL) => Promise<void>): Promise<void> {
  const path = await mkdtemp(join(tmpdir(), "fresh-"));
  const counter = "let n = 0;\nexport const next = (): number => ++n;\n";
  await writeFile(join(path, "helper.ts"), counter);
  await writeFile(join(path, "later.ts"), counter);
  await writeFile(
    join(path, "job.ts"),
    `${counter}
import { next as nextOfHelper } from "./helper.ts";
import { SeededRandom } from "${LIBRARY}";
export { nextOfHelper };
export const later = async (): Promise<number> => (await import("./later.ts")).next();
export const random = () => new SeededRandom(1);
export const url = import.meta.url;
`,
  );
  try {
    await test(pathToFileURL(`${path}/`));
  } finally {
    await rm(path, { recursive: true });
  }
}

Deno.test("freshModule() evaluates the module anew, and shares what it imports", async () => {
  await withJob(async (folder) => {
    const url = new URL("job.ts", folder);
    const one = await freshModule<Job>(url), two = await freshModule<Job>(url.href);
    assertEquals([one.next(), one.next(), two.next()], [1, 2, 1]);
    assertEquals([one.nextOfHelper(), two.nextOfHelper()], [1, 2]);
    assertEquals([await one.later(), await two.later()], [1, 2]);
    assert(one.random() instanceof Shared && two.random() instanceof Shared);
    assert(one.url !== two.url);
    assertEquals(new URL("data.json", one.url).href, new URL("data.json", folder).href);
    assertEquals(url.search, "", "the caller's URL is left as it is");
  });
});

Deno.test("freshModule() evaluates what lies within a folder anew too, also what is imported later, and not the library", async () => {
  await withJob(async (folder) => {
    const url = new URL("job.ts", folder);
    const [one, two] = [
      await freshModule<Job>(url, { within: folder }),
      await freshModule<Job>(url, { within: folder }),
    ];
    assertEquals([one.next(), two.next()], [1, 1]);
    assertEquals([one.nextOfHelper(), one.nextOfHelper(), two.nextOfHelper()], [1, 2, 1]);
    assertEquals([await one.later(), await one.later(), await two.later()], [1, 2, 1]);
    assert(one.random() instanceof Shared && two.random() instanceof Shared);
    const plain = await import(url.href) as Job;
    assertEquals([plain.next(), plain.nextOfHelper()], [1, 1], "an ordinary import is another one still");
  });
});

Deno.test("freshModule() refuses what is no file: URL, and says what to pass", async () => {
  for (const given of ["./job.ts", "npm:apache-arrow", "https://example.org/job.ts"]) {
    const error = await assertRejects(() => freshModule(given), TypeError);
    assertStringIncludes(error.message, "'module' must be a file: URL, such as new URL(");
    assertStringIncludes(error.message, `current value is '${given}'`);
  }
  await assertRejects(
    () => freshModule("file:///job.ts", { within: "./src" }),
    TypeError,
    "'within' must be a file: URL",
  );
});

Deno.test("freshModule() needs read permission for the module and nothing else, with the type checker or without", async () => {
  await withJob(async (folder) => {
    const main = new URL("main.ts", folder);
    const imported = `import { freshModule } from "${new URL("./fresh_module.ts", import.meta.url).href}";
const url = new URL("./job.ts", import.meta.url);
const within = new URL(".", import.meta.url);
const one = await freshModule<{ nextOfHelper(): number }>(url, { within });
const two = await freshModule<{ nextOfHelper(): number }>(url, { within });
console.log(one.nextOfHelper(), one.nextOfHelper(), two.nextOfHelper());
`;
    await writeFile(main, imported);
    const library = new URL("./", import.meta.url).pathname;
    const run = async (...more: string[]) => {
      const args = ["run", "--quiet", "--no-prompt", "--no-config", ...more, main.pathname];
      const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, env: { NO_COLOR: "1" } }).output();
      return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    };
    const read = `--allow-read=${folder.pathname},${library}`;
    const [checked, unchecked, refused] = await Promise.all([run("--check", read), run("--no-check", read), run()]);
    assertEquals([checked, unchecked], ["1 2 1\n", "1 2 1\n"]);
    assertStringIncludes(refused, "Requires read access to");
  });
});
