import { SeededRandom } from "../seeded_random.ts";

/** What the stand-ins give. */
export interface StandInOptions {
  /** Wall time, epoch milliseconds. */
  readonly wallMs: () => number;
  /** Seed of the randomness; without one it is always the same number. */
  readonly seed?: number;
}

/** Something ambient that was used. */
export interface Touched {
  /** What: `Date.now()`. */
  readonly what: string;
  /** Where it was called first, as a line of the stack; empty when not known. */
  readonly at: string;
}

/** What a process has of time and randomness besides its clock and its random: a job must not let it reach results. */
export class StandIns implements Disposable {
  readonly #undo: (() => void)[] = [];
  readonly #touched = new Map<string, Touched>();
  readonly #options: StandInOptions;
  readonly #random: SeededRandom | undefined;

  /**
   * From now on, until disposed of, the globals of time and randomness of this program give what a test wants.
   *
   * @param options Wall time and seed.
   */
  constructor(options: StandInOptions) {
    this.#options = options;
    this.#random = options.seed === undefined ? undefined : new SeededRandom(options.seed);
    this.#replaceDate();
    this.#replaceTemporal();
    this.#replace(performance, "now", () => this.#wallMs("performance.now()"));
    this.#replace(Math, "random", () => {
      this.#touch("Math.random()");
      return this.#random?.float() ?? 0.5;
    });
    this.#replace(crypto, "randomUUID", () => {
      this.#touch("crypto.randomUUID()");
      const digits = Array.from(this.#bytes(16), (byte) => byte.toString(16).padStart(2, "0")).join("");
      return digits.replace(/^(.{8})(.{4}).(.{3}).(.{3})/, "$1-$2-4$3-8$4-");
    });
    this.#replace(crypto, "getRandomValues", <T extends ArrayBufferView>(view: T): T => {
      this.#touch("crypto.getRandomValues()");
      new Uint8Array(view.buffer, view.byteOffset, view.byteLength).set(this.#bytes(view.byteLength));
      return view;
    });
  }

  /** What was used so far, and where first. */
  get touched(): readonly Touched[] {
    return [...this.#touched.values()];
  }

  /** Puts the globals back. */
  [Symbol.dispose](): void {
    for (const put of this.#undo.splice(0).reverse()) put();
  }

  #replaceDate(): void {
    const now = () => this.#wallMs("Date.now()");
    const made = () => this.#wallMs("new Date()");
    this.#replace(
      globalThis,
      "Date",
      new Proxy(Date, {
        construct: (target, given, newTarget) =>
          Reflect.construct(target, given.length === 0 ? [made()] : given, newTarget),
        apply: (target) => new target(made()).toString(),
        get: (target, name) => name === "now" ? now : Reflect.get(target, name),
      }),
    );
  }

  #replaceTemporal(): void {
    const { Temporal } = globalThis as { Temporal?: TemporalLike };
    if (Temporal === undefined) return;
    const instant = () => Temporal.Instant.fromEpochMilliseconds(this.#wallMs("Temporal.Now"));
    const zoned = (zone: unknown = Temporal.Now.timeZoneId()) => instant().toZonedDateTimeISO(zone);
    this.#replace(Temporal.Now, "instant", instant);
    this.#replace(Temporal.Now, "zonedDateTimeISO", zoned);
    this.#replace(Temporal.Now, "plainDateTimeISO", (zone?: unknown) => zoned(zone).toPlainDateTime());
    this.#replace(Temporal.Now, "plainDateISO", (zone?: unknown) => zoned(zone).toPlainDate());
    this.#replace(Temporal.Now, "plainTimeISO", (zone?: unknown) => zoned(zone).toPlainTime());
  }

  #replace(target: object, name: string, value: unknown): void {
    const before = Object.getOwnPropertyDescriptor(target, name);
    Object.defineProperty(target, name, { value, configurable: true, writable: true, enumerable: true });
    this.#undo.push(() => {
      if (before === undefined) delete (target as Record<string, unknown>)[name];
      else Object.defineProperty(target, name, before);
    });
  }

  #wallMs(what: string): number {
    this.#touch(what);
    return this.#options.wallMs();
  }

  #bytes(length: number): Uint8Array {
    return this.#random?.bytes(length) ?? new Uint8Array(length).fill(7);
  }

  #touch(what: string): void {
    if (this.#touched.has(what)) return;
    const frames = (new Error("where").stack ?? "").split("\n").slice(1).map((line) => line.trim());
    const at = frames.find((line) => !line.includes("/stand_ins.ts:")) ?? "";
    this.#touched.set(what, { what, at });
  }
}

/** As much of `Temporal` as is needed. */
interface TemporalLike {
  readonly Instant: { fromEpochMilliseconds(ms: number): { toZonedDateTimeISO(zone: unknown): ZonedLike } };
  readonly Now: { timeZoneId(): unknown };
}
interface ZonedLike {
  toPlainDateTime(): unknown;
  toPlainDate(): unknown;
  toPlainTime(): unknown;
}
