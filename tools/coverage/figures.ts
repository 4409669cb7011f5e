import type { FileFigures } from "./measure_files.ts";

/** A share of what there is. */
export interface Share {
  /** How many were reached. */
  readonly hit: number;
  /** How many there are. */
  readonly total: number;
}

/** What tests reached of a folder. */
export interface FolderFigures {
  /** Path from the repository's root. */
  readonly folder: string;
  /** Its files. */
  readonly files: readonly FileFigures[];
  /** Lines on which statements begin. */
  readonly lines: Share;
  /** Ways out of decisions. */
  readonly branches: Share;
  /** Calls of `invariant()` for each function. */
  readonly invariantsPerFunction: number;
}

/** The least that a folder must reach. */
export interface Threshold {
  /** Path from the repository's root. */
  readonly folder: string;
  /** What is counted. */
  readonly measure: "lines" | "branches";
  /** Percent. */
  readonly percent: number;
}

/**
 * Reads a threshold: `lib/core branches 100`.
 *
 * @throws {TypeError} when it is none.
 */
export function parseThreshold(text: string): Threshold {
  const [, folder, measure, percent] = /^\s*(\S+)\s+(lines|branches)\s+(\d+(?:\.\d+)?)\s*$/.exec(text) ?? [];
  if (folder === undefined || Number(percent) > 100) {
    throw new TypeError(`Cannot read threshold as it must be like 'lib/core branches 100': current value is '${text}'`);
  }
  return { folder, measure: measure as Threshold["measure"], percent: Number(percent) };
}

/** Sums the files of a folder. */
export function folderFigures(folder: string, files: readonly FileFigures[]): FolderFigures {
  const inside = files.filter(({ path }) => path.startsWith(`${folder}/`));
  const sum = (count: (file: FileFigures) => number) => inside.reduce((total, file) => total + count(file), 0);
  const share = (total: number, missed: number): Share => ({ hit: total - missed, total });
  return {
    folder,
    files: inside,
    lines: share(sum(({ lines }) => lines), sum(({ missedLines }) => missedLines.length)),
    branches: share(sum(({ branches }) => branches), sum(({ missedBranches }) => missedBranches.length)),
    invariantsPerFunction: sum(({ invariants }) => invariants) / Math.max(1, sum(({ functions }) => functions)),
  };
}

/** Percent, rounded down to a tenth, so that only all of it is `100.0`; of nothing, all of it. */
export function percentOf({ hit, total }: Share): number {
  return total === 0 ? 100 : Math.floor(hit * 1000 / total) / 10;
}

/** Whether a folder reaches what it must; what there is nothing of reaches nothing. */
export function isReached({ lines, branches }: FolderFigures, { measure, percent }: Threshold): boolean {
  const { hit, total } = measure === "lines" ? lines : branches;
  return total > 0 && hit * 100 >= percent * total;
}

/** The table, then all that was missed in the folders of `detailed`. */
export function figureLines(folders: readonly FolderFigures[], detailed: ReadonlySet<string>): string[] {
  const cell = (share: Share) =>
    `${percentOf(share).toFixed(1).padStart(5)} % ${`${share.hit}/${share.total}`.padEnd(11)}`;
  const width = Math.max(...folders.map(({ folder }) => folder.length));
  const rows = folders.map((figures) => {
    const { folder, lines, branches, invariantsPerFunction } = figures;
    return `${folder.padEnd(width)}  ${cell(lines)}  ${cell(branches)}  ${invariantsPerFunction.toFixed(2)}`;
  });
  const head = `${"folder".padEnd(width)}  ${"lines".padEnd(19)}  ${"branches".padEnd(19)}  invariants per function`;
  const missed = folders.filter(({ folder }) => detailed.has(folder)).flatMap(({ folder, files }) =>
    missedLines(folder, files)
  );
  return [head, ...rows, ...missed];
}

function missedLines(folder: string, files: readonly FileFigures[]): string[] {
  const lines = files.flatMap(({ path, missedLines, missedBranches }) => [
    ...(missedLines.length === 0 ? [] : [`  ${path}: line ${missedLines.join(", ")}`]),
    ...missedBranches.map(({ line, what }) => `  ${path}:${line} ${what}`),
  ]);
  return lines.length === 0 ? [] : ["", `missed in ${folder}`, ...lines];
}
