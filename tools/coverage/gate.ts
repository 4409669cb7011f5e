/**
 * The figures of coverage and their thresholds, each threshold a test. It runs under `deno test`, where the syntax tree
 * can be had; tools/coverage.ts starts it.
 */
import { assert } from "@std/assert";
import { fileURLToPath } from "node:url";
import { figureLines, folderFigures, isReached } from "./figures.ts";
import { measureFolder, readProfiles } from "./measure_files.ts";
import { parseOptions } from "./options.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { profiles, folders, thresholds, unmeasured } = parseOptions(Deno.args);
const modules = await readProfiles(profiles, root);
const files = (await measureFolder("lib", { root, modules }))
  .filter(({ path }) => !unmeasured.some((folder) => path.startsWith(`${folder}/`)));
const figures = [...folders, "lib"].map((folder) => folderFigures(folder, files));
console.log(figureLines(figures, new Set(folders)).join("\n"));
if (unmeasured.length > 0) console.log(`\nnot measured here: ${unmeasured.join(" ")}`);

for (const threshold of thresholds) {
  const { folder, measure, percent } = threshold;
  Deno.test(`coverage: ${folder} reaches ${percent} % of its ${measure}`, () => {
    const found = figures.find((one) => one.folder === folder) ?? folderFigures(folder, files);
    const { hit, total } = found[measure];
    assert(isReached(found, threshold), `${hit} of ${total} ${measure} were reached`);
  });
}
