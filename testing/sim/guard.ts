/** Names of the globals that a simulated run must not touch, with what to use instead. */
const BANNED: Readonly<Record<string, string>> = {
  "Date.now": "the `eventTime` column or `context.watermarkMs`",
  "new Date": "the `eventTime` column or `context.watermarkMs`",
  "performance.now": "the `eventTime` column or `context.watermarkMs`",
  "Math.random": "a column of the records, or a hash of them",
  "setTimeout": "windows with an idle time-out",
  "setInterval": "windows with an idle time-out",
  "fetch": "enrichment by records, or `onCommitted` for effects on other systems",
  "crypto.randomUUID": "the record's topic, partition and offset",
  "crypto.getRandomValues": "a column of the records, or a hash of them",
  "crypto.subtle": "a synchronous hash",
};

/** Somebody touched time, randomness or the network of the real world during a simulated run. */
export class AmbientError extends Error {
  /** What was touched. */
  readonly touched: string;

  /** @param touched Name of the global. */
  constructor(touched: string) {
    super(
      `Cannot use ${touched} in a simulated run: its result would differ when the same records are processed again ` +
        `after a crash; use ${BANNED[touched]} instead`,
    );
    this.name = "AmbientError";
    this.touched = touched;
  }
}

/**
 * Replaces the globals that would make a run impossible to repeat by stubs that throw.
 *
 * @param onTouched Told of each touch before the stub throws, since user code may catch the error.
 * @returns Puts the globals back.
 */
export function installGuard(onTouched: (error: AmbientError) => void): () => void {
  const deny = (touched: string) => (): never => {
    const error = new AmbientError(touched);
    onTouched(error);
    throw error;
  };
  const undo: (() => void)[] = [];
  const replace = (target: object, name: string, value: unknown): void => {
    const before = Object.getOwnPropertyDescriptor(target, name);
    Object.defineProperty(target, name, { value, configurable: true, writable: true, enumerable: true });
    undo.push(() => {
      if (before === undefined) delete (target as Record<string, unknown>)[name];
      else Object.defineProperty(target, name, before);
    });
  };
  const RealDate = Date;
  const denyNewDate = deny("new Date");
  replace(
    globalThis,
    "Date",
    new Proxy(RealDate, {
      construct: (target, args, newTarget) =>
        args.length === 0 ? denyNewDate() : Reflect.construct(target, args, newTarget),
      apply: () => denyNewDate(),
      get: (target, name) => name === "now" ? deny("Date.now") : Reflect.get(target, name),
    }),
  );
  replace(Math, "random", deny("Math.random"));
  for (const name of ["setTimeout", "setInterval", "fetch"]) replace(globalThis, name, deny(name));
  replace(performance, "now", deny("performance.now"));
  replace(crypto, "randomUUID", deny("crypto.randomUUID"));
  replace(crypto, "getRandomValues", deny("crypto.getRandomValues"));
  replace(
    crypto,
    "subtle",
    new Proxy({}, { get: () => deny("crypto.subtle") }),
  );
  return () => {
    for (const put of undo.reverse()) put();
  };
}
