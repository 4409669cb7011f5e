import type { Clock } from "../../seams/clock.ts";
import type { LogLevel, Observer, StepDetail, StepLabel } from "../../seams/observer.ts";
import { SystemClock } from "./system_clock.ts";

/** Options of {@linkcode ConsoleObserver}. */
export interface ConsoleObserverOptions {
  /** Least severity that is written; `silent` writes nothing. Steps of the runtime are `debug`. @default {"info"} */
  level?: LogLevel | "silent";
  /** `json`: one object on one line, for machines; `pretty`: text for people. @default {"pretty"} */
  format?: "json" | "pretty";
  /** Stamps the lines. @default {new SystemClock()} */
  clock?: Clock;
  /** Takes a line without its line end. @default {writes to the standard error stream} */
  write?: (line: string) => void;
}

const SEVERITY = { debug: 0, info: 1, warn: 2, error: 3, silent: 4 } as const;

/** Writes log lines to the standard error stream; the standard output stream stays the user's. Never throws. */
export class ConsoleObserver implements Observer {
  readonly #severity: number;
  readonly #render: (wallMs: number, level: LogLevel, message: string, detail: StepDetail) => string;
  readonly #clock: Clock;
  readonly #write: (line: string) => void;

  /**
   * An observer that writes log lines.
   *
   * @param options Level, format and where lines go.
   * @throws {TypeError} when the level or the format is unknown.
   */
  constructor(options: ConsoleObserverOptions = {}) {
    const { level = "info", format = "pretty", clock = new SystemClock(), write = writeError } = options;
    if (!Object.hasOwn(SEVERITY, level)) {
      throw new TypeError(
        `Cannot create observer as 'level' must be one of ${
          Object.keys(SEVERITY).join(", ")
        }: current value is ${level}`,
      );
    }
    if (format !== "json" && format !== "pretty") {
      throw new TypeError(`Cannot create observer as 'format' must be one of json, pretty: current value is ${format}`);
    }
    this.#severity = SEVERITY[level];
    this.#render = format === "json" ? renderJson : renderPretty;
    this.#clock = clock;
    this.#write = write;
  }

  /**
   * Writes a step of the runtime, at level `debug`.
   *
   * @param label Which step.
   * @param detail Plain values that describe it.
   */
  step(label: StepLabel, detail: StepDetail = {}): void {
    if (this.#severity <= SEVERITY.debug) this.#line("debug", label, detail);
  }

  /**
   * Writes a line for people.
   *
   * @param level Severity.
   * @param message One sentence.
   * @param detail Plain values.
   */
  log(level: LogLevel, message: string, detail: StepDetail = {}): void {
    if (this.#severity <= SEVERITY[level]) this.#line(level, message, detail);
  }

  #line(level: LogLevel, message: string, detail: StepDetail): void {
    try {
      this.#write(this.#render(this.#clock.wallMs(), level, message, detail));
    } catch {
      // A log line must never stop the work that it tells of.
    }
  }
}

function writeError(line: string): void {
  console.error(line);
}

function renderJson(wallMs: number, level: LogLevel, message: string, detail: StepDetail): string {
  const time = new Date(wallMs).toISOString();
  const head = { time, level, message };
  const rest: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(detail)) {
    // A detail must not hide time, level or message.
    rest[Object.hasOwn(head, name) ? `detail.${name}` : name] = plainValue(value, 0);
  }
  return JSON.stringify({ ...head, ...rest });
}

function renderPretty(wallMs: number, level: LogLevel, message: string, detail: StepDetail): string {
  const parts = [new Date(wallMs).toISOString(), level.toUpperCase().padEnd(5), oneLine(message)];
  for (const [name, value] of Object.entries(detail)) parts.push(`${name}=${pretty(plainValue(value, 0))}`);
  return parts.join(" ");
}

function pretty(value: unknown): string {
  if (typeof value === "string") return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
  return JSON.stringify(value) ?? "undefined";
}

/** Control characters would let a record's content forge log lines. */
function oneLine(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\u0000-\u001f\u007f\u2028\u2029]/g, (sign) => JSON.stringify(sign).slice(1, -1));
}

const DEPTH_MAX = 4;

/** Turns any value into something that JSON can write. */
function plainValue(value: unknown, depth: number): unknown {
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  if (typeof value === "function" || typeof value === "symbol") return String(value);
  if (typeof value !== "object" || value === null) return value;
  if (depth === DEPTH_MAX) return "...";
  if (value instanceof Error) return plainError(value, depth);
  if (value instanceof Date) return value.getTime() === value.getTime() ? value.toISOString() : "invalid date";
  if (ArrayBuffer.isView(value)) return `${value.constructor.name}(${value.byteLength} bytes)`;
  if (Array.isArray(value)) return value.map((item) => plainValue(item, depth + 1));
  const entries = value instanceof Map ? value : Object.entries(value);
  const result: Record<string, unknown> = {};
  for (const [name, item] of entries) result[String(name)] = plainValue(item, depth + 1);
  return result;
}

function plainError(error: Error, depth: number): Record<string, unknown> {
  const { code, outcome, context } = error as { code?: unknown; outcome?: unknown; context?: unknown };
  const result: Record<string, unknown> = { name: error.name, message: error.message };
  if (code !== undefined) result.code = plainValue(code, depth + 1);
  if (outcome !== undefined) result.outcome = plainValue(outcome, depth + 1);
  if (context !== undefined) result.context = plainValue(context, depth + 1);
  if (error.cause !== undefined) result.cause = plainValue(error.cause, depth + 1);
  if (error.name === "InvariantError" && error.stack !== undefined) result.stack = error.stack;
  return result;
}
