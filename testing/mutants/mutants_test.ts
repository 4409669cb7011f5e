import { assert, assertEquals, assertThrows } from "@std/assert";
import { readFile } from "node:fs/promises";
import { moduleFacts } from "../../tools/tidy/module_facts.ts";
import { applyEdit, mutatedFiles } from "./apply.ts";
import { CANARY, MUTANTS } from "./mutants.ts";

const ROOT = new URL("../../", import.meta.url);
const read = (file: string) => readFile(new URL(file, ROOT), "utf8");

for (const mutant of [...MUTANTS, CANARY]) {
  Deno.test(`mutant '${mutant.name}' fits the sources exactly once in each place and can be read`, async () => {
    const texts = await mutatedFiles(mutant, read);
    for (const [file, text] of texts) {
      assertEquals(moduleFacts(file, text).syntaxError, null);
      assert(text !== await read(file), `${file} is as it was`);
    }
  });
}

Deno.test("at least 36 mutants are for the simulator, each with its own name, patch and promise", () => {
  const forSimulator = MUTANTS.filter((mutant) => mutant.seenBy === undefined);
  assert(forSimulator.length >= 36, `only ${forSimulator.length}`);
  assertEquals(new Set(MUTANTS.map(({ name }) => name)).size, MUTANTS.length);
  const patches = MUTANTS.map(({ file, find, replace, also }) => JSON.stringify([file, find, replace, also]));
  assertEquals(new Set(patches).size, MUTANTS.length);
  for (const { name, sentence, breaks } of MUTANTS) {
    assert(/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name), name);
    assert(sentence.length > 20 && breaks.length > 0, name);
    for (const id of breaks) assert(/^I-\d\d$/.test(id), `${name} breaks ${id}`);
  }
});

Deno.test("applyEdit() refuses a text that is not there, or there twice", () => {
  const edit = { file: "x.ts", find: "a()", replace: "$&" };
  assertEquals(applyEdit("b(); a();", edit), "b(); $&;");
  assertThrows(() => applyEdit("b();", edit), TypeError, "0 times");
  assertThrows(() => applyEdit("a(); a();", edit), TypeError, "2 times");
});
