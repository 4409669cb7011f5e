import { assert, assertEquals } from "@std/assert";
import { PlayedRun } from "./fixtures_test.ts";
import { allCheckers, INVARIANT_RULES } from "./mod.ts";

const ids = Array.from({ length: 32 }, (_, at) => `I-${String(at + 1).padStart(2, "0")}`);

Deno.test("every invariant of the design is in the table, with its sentence, a time and a place", () => {
  assertEquals(INVARIANT_RULES.map(({ id }) => id as string), ids);
  for (const { id, sentence, when, where } of INVARIANT_RULES) {
    assert(sentence.length > 20 && when.length > 0 && where.length > 0, id);
  }
});

Deno.test("every place of the table is a file", async () => {
  for (const path of new Set(INVARIANT_RULES.flatMap(({ where }) => where))) {
    assert((await Deno.stat(new URL(`../${path}`, import.meta.url))).isFile, path);
  }
});

Deno.test("what the table says is looked at here has a checker, and each checker stands in the table", () => {
  const kept = new Set(allCheckers(new PlayedRun()).flatMap(({ invariants }) => invariants));
  const listed = INVARIANT_RULES.filter(({ where }) => where.some((path) => path.startsWith("checkers/")));
  assertEquals([...kept].sort(), listed.map(({ id }) => id));
});

Deno.test("each file of a checker begins with the invariants that it keeps", async () => {
  for (const { id, where } of INVARIANT_RULES) {
    for (const path of where.filter((each) => each.startsWith("checkers/"))) {
      const text = await Deno.readTextFile(new URL(`../${path}`, import.meta.url));
      assert(text.includes(`${id}`), `${path} does not name ${id}`);
    }
  }
});
