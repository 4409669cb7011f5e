/** How many lines a failure can look back on. */
const TAIL_LINES = 400;

/**
 * What happened in a run, line by line. Every line goes into a hash, so that two runs can be compared without being kept;
 * the last lines are kept for reports, and all of them are printed when somebody asks for the trace.
 */
export class Trace {
  #hash = 0x811c_9dc5;
  #second = 0x9747_b28c;
  #count = 0;
  /** The moment of the last line, and how it stands there. */
  #stampMs = NaN;
  #stamp = "";
  readonly #tail: string[] = [];
  readonly #print: ((line: string) => void) | undefined;

  /** @param print Gets every line. @default nobody */
  constructor(print?: (line: string) => void) {
    this.#print = print;
  }

  /** Lines so far. */
  get count(): number {
    return this.#count;
  }

  /** Hash over all lines, 16 hexadecimal digits. */
  get hash(): string {
    const hex = (value: number) => (value >>> 0).toString(16).padStart(8, "0");
    return hex(this.#hash) + hex(this.#second);
  }

  /** Adds a line. */
  add(line: string): void {
    let hash = this.#hash, second = this.#second;
    for (let at = 0; at < line.length; at++) {
      const unit = line.charCodeAt(at);
      hash = Math.imul(hash ^ unit, 0x0100_0193);
      second = Math.imul((second << 5 | second >>> 27) ^ unit, 0x5bd1_e995);
    }
    this.#hash = Math.imul(hash ^ 10, 0x0100_0193);
    this.#second = second;
    this.#count++;
    this.#tail.push(line);
    if (this.#tail.length > 2 * TAIL_LINES) this.#tail.splice(0, TAIL_LINES);
    this.#print?.(line);
  }

  /** Adds a line that begins with a time. */
  addAt(nowMs: number, text: string): void {
    if (nowMs !== this.#stampMs) {
      this.#stampMs = nowMs;
      this.#stamp = `${nowMs.toFixed(3)} `;
    }
    this.add(this.#stamp + text);
  }

  /** The last lines. */
  tail(lines: number = TAIL_LINES): readonly string[] {
    return this.#tail.slice(-lines);
  }
}

/** Plain values of a step, as they stand in a line. */
export function formatDetail(detail: Readonly<Record<string, unknown>>): string {
  let text = "";
  for (const name in detail) {
    const value = detail[name];
    if (value === undefined) continue;
    text += ` ${name}=${formatValue(value)}`;
  }
  return text;
}

function formatValue(value: unknown): string {
  switch (typeof value) {
    case "string":
      return value;
    case "number":
    case "boolean":
    case "bigint":
      return `${value}`;
    default:
      // Lists of partitions are in most steps.
      if (Array.isArray(value) && value.every(Number.isFinite)) return `[${value.join()}]`;
      return JSON.stringify(value, (_, inner) => typeof inner === "bigint" ? `${inner}` : inner) ?? "null";
  }
}
