import type { Problem, Project } from "./project.ts";

const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 70;
const SNAKE_CASE = /^[a-z][a-z0-9]*(_[a-z0-9]+)*\.ts$/;
const FOLDER = /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/;

/** Files and functions that one can read in one go. */
export function sizes(project: Project): Problem[] {
  const problems: Problem[] = [];
  for (const { path, lineCount, functions } of project.modules.values()) {
    if (!/^(lib|testing|examples|tools)\//.test(path)) continue;
    if (lineCount > FILE_LINES_MAX) {
      problems.push({ path, line: 0, message: `has ${lineCount} lines: at most ${FILE_LINES_MAX}` });
    }
    for (const { name, line, lineCount } of functions) {
      if (lineCount <= FUNCTION_LINES_MAX) continue;
      problems.push({ path, line, message: `function ${name} has ${lineCount} lines: at most ${FUNCTION_LINES_MAX}` });
    }
  }
  return problems;
}

/** File and folder names are snake_case, so that they are the same on every file system. */
export function fileNames(project: Project): Problem[] {
  return [...project.modules.keys()].filter((path) => {
    const parts = path.split("/");
    return !SNAKE_CASE.test(parts.pop()!) || !parts.every((part) => FOLDER.test(part));
  }).map((path) => ({ path, line: 0, message: "is not named in snake_case" }));
}

/** Files that do not parse. */
export function syntax(project: Project): Problem[] {
  return [...project.modules.values()].filter(({ syntaxError }) => syntaxError !== null)
    .map(({ path, syntaxError }) => ({ path, line: 0, message: `cannot be read: ${syntaxError}` }));
}
