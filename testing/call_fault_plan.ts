import type { CallFault, CallFaults, ClientCall } from "../lib/adapters/embedded/client_calls.ts";

/** A planned fault. */
interface Planned {
  readonly call: ClientCall;
  readonly kind: CallFault["kind"];
  skip: number;
  times: number;
}

/** Options of {@linkcode CallFaultPlan.next}. */
export interface CallFaultOptions {
  /** So many calls of that kind go well first. @default {0} */
  skip?: number;
  /** How many calls in a row go wrong. @default {1} */
  times?: number;
}

/**
 * Faults of calls to an embedded broker, planned by a test: a request that is lost, a reply that is lost after the
 * effect, a request that lands later, a refusal. So the three outcomes of an effect can be brought about at will.
 */
export class CallFaultPlan implements CallFaults {
  #planned: Planned[] = [];
  #held: { readonly call: ClientCall; readonly land: () => void }[] = [];
  #fired = 0;

  /** How many faults happened so far. */
  get fired(): number {
    return this.#fired;
  }

  /** Delayed requests that have not landed yet, oldest first. */
  get held(): readonly ClientCall[] {
    return this.#held.map(({ call }) => call);
  }

  /**
   * Plans a fault.
   *
   * @param call Which call.
   * @param kind What goes wrong.
   * @param options Which one, and how often.
   */
  next(call: ClientCall, kind: CallFault["kind"], options: CallFaultOptions = {}): void {
    this.#planned.push({ call, kind, skip: options.skip ?? 0, times: options.times ?? 1 });
  }

  /** Lets all delayed requests land now, oldest first. Returns how many. */
  land(): number {
    const held = this.#held;
    this.#held = [];
    for (const { land } of held) land();
    return held.length;
  }

  /** Forgets all plans; delayed requests stay held. */
  clear(): void {
    this.#planned = [];
  }

  /** The fate of a call; called by the broker. */
  decide(call: ClientCall): CallFault | null {
    const at = this.#planned.findIndex((planned) => planned.call === call);
    const planned = this.#planned[at];
    if (planned === undefined) return null;
    if (planned.skip > 0) {
      planned.skip--;
      return null;
    }
    if (--planned.times === 0) this.#planned.splice(at, 1);
    this.#fired++;
    return { kind: planned.kind };
  }

  /** Keeps a delayed request; called by the broker. */
  hold(call: ClientCall, land: () => void): void {
    this.#held.push({ call, land });
  }
}
