import process from "node:process";

/** Signals that ask a process to end. */
export type EndSignal = "SIGTERM" | "SIGINT" | "SIGHUP";

/** Options of {@linkcode onSignals}. */
export interface OnSignalsOptions {
  /** Which signals. @default {["SIGTERM", "SIGINT"]} */
  signals?: readonly EndSignal[];
}

/**
 * Calls back when the process is asked to end. While a listener is there, the signals do not end the process by
 * themselves.
 *
 * @param callback Gets the signal, and how many came so far (2 = somebody is impatient).
 * @param options Which signals.
 * @returns Removes the listeners; calling it again does nothing.
 */
export function onSignals(
  callback: (signal: EndSignal, count: number) => void,
  options: OnSignalsOptions = {},
): () => void {
  const { signals = ["SIGTERM", "SIGINT"] } = options;
  let count = 0;
  const removals: (() => void)[] = [];
  for (const signal of signals) {
    const listener = () => callback(signal, ++count);
    try {
      process.on(signal, listener);
    } catch {
      continue; // not every system knows every signal
    }
    removals.push(() => void process.off(signal, listener));
  }
  return () => {
    for (const remove of removals.splice(0)) remove();
  };
}
