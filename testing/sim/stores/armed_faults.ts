import type { FaultKind, PlannedFault } from "../fault_kinds.ts";

/** Which calls a fault strikes, and how many of them. */
export interface FaultRule<Call> {
  /** Whether it can strike this call. */
  fits(call: Call, fault: PlannedFault): boolean;
  /**
   * How many fitting calls it strikes one after the other, or `"while"` for all of them within `durationMs` of the first.
   *
   * @default {1}
   */
  calls?(fault: PlannedFault): number | "while";
}

interface ArmedFault {
  readonly fault: PlannedFault;
  callsLeft: number;
  untilMs: number | undefined;
}

/** Planned faults that wait for the first call that they fit, in the order in which they were armed. */
export class ArmedFaults<Call> {
  readonly #rules: Readonly<Partial<Record<FaultKind, FaultRule<Call>>>>;
  #armed: ArmedFault[] = [];

  /** @param rules Which calls each kind strikes. */
  constructor(rules: Readonly<Partial<Record<FaultKind, FaultRule<Call>>>>) {
    this.#rules = rules;
  }

  /** Faults that have not struck yet, or not for the last time. */
  get pending(): readonly PlannedFault[] {
    return this.#armed.map(({ fault }) => fault);
  }

  /**
   * A fault waits from now on for the first fitting call at or after its time.
   *
   * @throws {RangeError} when it is of a kind that does not strike here.
   */
  arm(fault: PlannedFault): void {
    const rule = this.#rules[fault.kind];
    if (rule === undefined) {
      const kinds = Object.keys(this.#rules).join(", ");
      throw new RangeError(`Cannot arm fault as its kind must be one of ${kinds}: current value is ${fault.kind}`);
    }
    const calls = rule.calls?.(fault) ?? 1;
    this.#armed.push({ fault, callsLeft: calls === "while" ? Infinity : calls, untilMs: undefined });
  }

  /** Forgets every fault, also those that last. */
  clear(): void {
    this.#armed = [];
  }

  /**
   * The fault that strikes a call, if any; it is used up by that, unless it lasts.
   *
   * @param call The call.
   * @param nowMs Simulated time.
   */
  strike(call: Call, nowMs: number): PlannedFault | undefined {
    for (const armed of this.#armed) {
      const { fault } = armed;
      if (fault.atMs > nowMs) continue;
      if (armed.untilMs !== undefined && nowMs >= armed.untilMs) {
        this.#drop(armed);
        continue;
      }
      if (!this.#rules[fault.kind]!.fits(call, fault)) continue;
      if (armed.callsLeft !== Infinity) armed.callsLeft--;
      else armed.untilMs ??= nowMs + fault.durationMs;
      if (armed.callsLeft === 0 || armed.untilMs! <= nowMs) this.#drop(armed);
      return fault;
    }
    return undefined;
  }

  #drop(armed: ArmedFault): void {
    this.#armed = this.#armed.filter((each) => each !== armed);
  }
}
