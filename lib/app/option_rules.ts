/** Where an option's value came from. */
export type OptionSource = "default" | "constructor" | "environment" | "run";

/** What one option may be. */
export type OptionRule =
  | { readonly kind: "integer"; readonly min: number; readonly max?: number; readonly isOptional?: true }
  | { readonly kind: "choice"; readonly choices: readonly string[]; readonly isOptional?: true }
  | { readonly kind: "any" };

/** Options that the design knows and this release does not have yet: refused by name instead of ignored. */
export type PlannedOptions = Readonly<Record<string, string>>;

/** A value as it stands in an error message. */
export function show(value: unknown): string {
  if (typeof value === "string") return `'${value}'`;
  if (typeof value === "function") return "a function";
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "object" && value !== null) {
    try {
      const text = JSON.stringify(value);
      return text.length > 120 ? `${text.slice(0, 117)}...` : text;
    } catch {
      return "an object";
    }
  }
  return String(value);
}

/**
 * Checks an options object against its rules.
 *
 * @param given What the user passed.
 * @param more What is being made, for messages (`subscription 'readings'`), rules by option name, planned options with the reason they are refused, and where the values come from.
 * @throws {TypeError} when an option is unknown, not built yet, or of another type.
 * @throws {RangeError} when a number is out of range.
 */
export function checkOptions(
  given: object,
  more: {
    readonly subject: string;
    readonly rules: Readonly<Record<string, OptionRule>>;
    readonly planned: PlannedOptions;
    readonly source?: string;
  },
): void {
  const { subject, rules, planned, source = "" } = more;
  for (const [name, value] of Object.entries(given)) {
    const problem = `Cannot create ${subject} as`;
    if (Object.hasOwn(planned, name)) {
      throw new TypeError(
        `${problem} '${name}' is not available in this release, ${planned[name]}: current value is ${show(value)}`,
      );
    }
    const rule = rules[name];
    if (rule === undefined) {
      const known = Object.keys(rules).join(", ");
      throw new TypeError(`${problem} there is no option '${name}', only ${known}: current value is ${show(value)}`);
    }
    if (value !== undefined) checkOne({ problem, name, value, rule, source });
  }
}

function checkOne(
  item: { problem: string; name: string; value: unknown; rule: OptionRule; source: string },
): void {
  const { problem, name, value, rule, source } = item;
  const from = source === "" ? "" : ` (from ${source})`;
  if (rule.kind === "integer") {
    const max = rule.max ?? Number.MAX_SAFE_INTEGER;
    if (typeof value !== "number" || !Number.isInteger(value) || value < rule.min || value > max) {
      const range = rule.max === undefined ? `>= ${rule.min}` : `from ${rule.min} to ${rule.max}`;
      const message = `${problem} '${name}' must be an integer ${range}: current value is ${show(value)}${from}`;
      throw typeof value === "number" ? new RangeError(message) : new TypeError(message);
    }
  } else if (rule.kind === "choice" && !rule.choices.includes(value as string)) {
    const choices = rule.choices.map((choice) => `'${choice}'`).join(" | ");
    throw new TypeError(`${problem} '${name}' must be one of ${choices}: current value is ${show(value)}${from}`);
  }
}
