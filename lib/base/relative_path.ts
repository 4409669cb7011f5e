/**
 * Checks a path below some root: `/`-separated segments that are neither empty nor `.` nor `..` and hold neither a
 * backslash, a colon nor a control character.
 *
 * @param path The path; empty for the root itself.
 * @returns The same path.
 * @throws {TypeError} when it could lead out of the root or means different things on different systems.
 */
export function checkRelativePath(path: string): string {
  if (path === "" || path.split("/").every(isSegment)) return path;
  throw new TypeError(
    "Cannot use path as it must be relative, '/'-separated and without empty, '.' or '..' segments: " +
      `current value is ${JSON.stringify(path)}`,
  );
}

function isSegment(segment: string): boolean {
  // deno-lint-ignore no-control-regex
  return segment !== "" && segment !== "." && segment !== ".." && !/[\\:\u0000-\u001f]/.test(segment);
}
