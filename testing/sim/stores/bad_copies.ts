import type { PlannedFault } from "../fault_kinds.ts";

/** Objects of which a bad copy is read for a while, as from a replica or a cache; what is stored is as it was. */
export class BadCopies {
  readonly #clock: { nowMs(): number };
  readonly #copies = new Map<string, { readonly fault: PlannedFault; readonly untilMs: number }>();

  /** @param clock Simulated time. */
  constructor(clock: { nowMs(): number }) {
    this.#clock = clock;
  }

  /**
   * From now on a bad copy of an object is read, as long as the fault lasts.
   *
   * @param name Full name.
   * @param fault Of kind S17.
   */
  add(name: string, fault: PlannedFault): void {
    this.#copies.set(name, { fault, untilMs: this.#clock.nowMs() + fault.durationMs });
  }

  /** The fault by which a bad copy of an object is read now. @param name Full name. */
  of(name: string): PlannedFault | undefined {
    const copy = this.#copies.get(name);
    return copy !== undefined && this.#clock.nowMs() < copy.untilMs ? copy.fault : undefined;
  }

  /** All copies are good again. */
  clear(): void {
    this.#copies.clear();
  }
}
