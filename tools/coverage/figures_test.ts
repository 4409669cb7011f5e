import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import { figureLines, folderFigures, isReached, parseThreshold, percentOf } from "./figures.ts";
import type { FileFigures } from "./measure_files.ts";

function file(path: string, more: Partial<FileFigures> = {}): FileFigures {
  const none = { lines: 0, missedLines: [], branches: 0, missedBranches: [], functions: 0, invariants: 0 };
  return { path, ...none, ...more };
}

const FILES = [
  file("lib/core/a.ts", { lines: 10, branches: 4, functions: 3, invariants: 5 }),
  file("lib/core/b.ts", {
    lines: 10,
    missedLines: [7, 9],
    branches: 4,
    missedBranches: [{ line: 8, what: "if: else" }],
  }),
  file("lib/coreless/c.ts", { lines: 100, missedLines: [1] }),
];

Deno.test("folderFigures() sums the files below a folder, and no folder that begins alike", () => {
  const { lines, branches, invariantsPerFunction } = folderFigures("lib/core", FILES);
  assertEquals([lines, branches], [{ hit: 18, total: 20 }, { hit: 7, total: 8 }]);
  assertEquals(invariantsPerFunction.toFixed(2), "1.67");
  assertEquals(folderFigures("lib", FILES).lines, { hit: 117, total: 120 });
});

Deno.test("percentOf() never rounds up to all of it", () => {
  assertEquals(percentOf({ hit: 9_999, total: 10_000 }), 99.9);
  assertEquals(percentOf({ hit: 10_000, total: 10_000 }), 100);
});

Deno.test("isReached() compares exactly, and a folder that holds nothing reaches nothing", () => {
  const figures = folderFigures("lib/core", FILES);
  assert(isReached(figures, { folder: "lib/core", measure: "lines", percent: 90 }));
  assertFalse(isReached(figures, { folder: "lib/core", measure: "lines", percent: 90.1 }));
  assert(isReached(figures, { folder: "lib/core", measure: "branches", percent: 87.5 }));
  assertFalse(isReached(folderFigures("lib/typo", FILES), { folder: "lib/typo", measure: "lines", percent: 0 }));
});

Deno.test("parseThreshold() reads folder, measure and percent, and nothing else", () => {
  assertEquals(parseThreshold("lib/core branches 100"), { folder: "lib/core", measure: "branches", percent: 100 });
  assertEquals(parseThreshold(" lib  lines 90.5 "), { folder: "lib", measure: "lines", percent: 90.5 });
  for (
    const text of ["", "lib/core 100", "lib/core functions 90", "lib/core lines 101", "lib lines -1", "lib lines x"]
  ) {
    assertThrows(() => parseThreshold(text), TypeError, `current value is '${text}'`);
  }
});

Deno.test("figureLines() ends with what was missed in the folders that are told one by one", () => {
  const figures = ["lib/core", "lib"].map((folder) => folderFigures(folder, FILES));
  const lines = figureLines(figures, new Set(["lib/core"]));
  assertEquals(lines.map((line) => line.trimEnd()), [
    "folder    lines                branches             invariants per function",
    "lib/core   90.0 % 18/20         87.5 % 7/8          1.67",
    "lib        97.5 % 117/120       87.5 % 7/8          1.67",
    "",
    "missed in lib/core",
    "  lib/core/b.ts: line 7, 9",
    "  lib/core/b.ts:8 if: else",
  ]);
});
