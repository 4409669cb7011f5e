/**
 * The directory of a location of the form `file:PATH` (relative to the working directory, or absolute) or
 * `file:///PATH`, in which `%` escapes are decoded.
 *
 * @param location What the user wrote.
 * @param option Which option it is for, for the message.
 * @returns The path.
 * @throws {TypeError} when it is of another form.
 */
export function fileLocation(location: string, option: string): string {
  const path = location.startsWith("file:") ? location.slice("file:".length) : "";
  const isUrl = path.startsWith("//");
  const directory = isUrl ? decoded(path.slice(2)) : path;
  if (directory !== undefined && directory !== "" && (!isUrl || directory.startsWith("/"))) return directory;
  throw new TypeError(
    `Cannot open '${option}' as it must be 'file:PATH', such as 'file:./.turbine/${option}': current value is '${location}'`,
  );
}

function decoded(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}
