/**
 * Refuses options that do not exist: a mistyped one would be ignored silently.
 *
 * @param subject What is being made, for the message: `topic 'readings'`.
 * @param options What the user passed.
 * @param names The options that there are.
 * @throws {TypeError} when `options` is no object or has another name.
 */
export function checkOptionNames(subject: string, options: object, names: readonly string[]): void {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`Cannot create ${subject} as its options must be an object: current value is ${options}`);
  }
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  if (unknown === undefined) return;
  throw new TypeError(
    `Cannot create ${subject} as there is no option of that name, only ${
      names.join(", ")
    }: current value is '${unknown}'`,
  );
}
