const NAME = /^(?!\.)[A-Za-z0-9._=-]{1,200}(?:\/(?!\.)[A-Za-z0-9._=-]{1,200})*$/;
const PREFIX = /^(?:[A-Za-z0-9._=-]+(?:\/[A-Za-z0-9._=-]+)*\/?)?$/;
const NAME_LENGTH_MAX = 1_024;
const SEGMENT_LENGTH_MAX = 200;

/**
 * Checks the name of an object: `/`-separated segments of `[A-Za-z0-9._=-]`, none of them beginning with a dot (so
 * neither `..` nor a hidden file), in all at most 1,024 and in a segment at most 200 characters.
 *
 * @param name The name.
 * @returns The same name.
 * @throws {TypeError} when it is not of that form.
 */
export function checkObjectName(name: string): string {
  if (name.length <= NAME_LENGTH_MAX && NAME.test(name)) return name;
  throw new TypeError(
    "Cannot use object name as it must be '/'-separated segments of 1 to 200 of [A-Za-z0-9._=-] that do not begin " +
      `with '.': current value is ${JSON.stringify(name)}`,
  );
}

/**
 * Checks the start of names: empty, or a start of something that {@linkcode checkObjectName} takes.
 *
 * @param prefix Start of names.
 * @returns The same prefix.
 * @throws {TypeError} when no name can start like this.
 */
export function checkObjectPrefix(prefix: string): string {
  const isWhole = prefix.length <= NAME_LENGTH_MAX && PREFIX.test(prefix);
  if (isWhole && prefix.split("/").every((segment) => segment === "" || isSegment(segment))) return prefix;
  throw new TypeError(
    "Cannot list objects as 'prefix' must be the start of a name of '/'-separated segments of [A-Za-z0-9._=-]: " +
      `current value is ${JSON.stringify(prefix)}`,
  );
}

function isSegment(segment: string): boolean {
  return !segment.startsWith(".") && segment.length <= SEGMENT_LENGTH_MAX;
}
