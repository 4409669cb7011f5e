import type { Injectors, Strike } from "./strike.ts";

const DAY_MS = 86_400_000;
/** Clocks that run wrong by so much: a few parts in a million of real crystals would not show within a run. */
const DRIFTS = [0.7, 0.9, 0.99, 1.01, 1.1, 1.5] as const;

/** Whose clock: a process's, now and then the broker's. */
function whose(strike: Strike): number | "broker" {
  return strike.draw("whose", 4) === 0 ? "broker" : strike.fault.process;
}

function nameOf(who: number | "broker"): string {
  return who === "broker" ? "the broker" : `process ${who}`;
}

/** A wall clock that is set wrong, and mostly put right later: a step to and fro. */
function stepWall(strike: Strike): void {
  const { world, lastingMs } = strike;
  const who = whose(strike);
  // Uniform in the number of digits: one second as well as one day.
  const size = Math.round(1_000 * Math.exp(strike.draw("size", 1_000_000) / 1_000_000 * Math.log(DAY_MS / 1_000)));
  const ms = strike.draw("sign", 2) === 0 ? size : -size;
  const isPutRight = strike.draw("back", 3) > 0;
  strike.fire(`the wall clock of ${nameOf(who)} steps by ${ms} ms${isPutRight ? ` for ${lastingMs} ms` : ""}`);
  world.clockOf(who).jumpWall(ms);
  if (isPutRight) world.after(lastingMs, () => world.clockOf(who).jumpWall(-ms));
}

function drift(strike: Strike): void {
  const { world, lastingMs } = strike;
  const who = whose(strike);
  const rate = strike.pick("rate", DRIFTS)!;
  strike.fire(`the clock of ${nameOf(who)} runs ${rate} times as fast for ${lastingMs} ms`);
  world.clockOf(who).drift(rate);
  world.after(lastingMs, () => world.clockOf(who).drift(1));
}

function freeze(strike: Strike): void {
  const { world, lastingMs } = strike;
  const who = whose(strike);
  strike.fire(`the wall clock of ${nameOf(who)} stands still for ${lastingMs} ms`);
  world.clockOf(who).freezeWall(true);
  world.after(lastingMs, () => world.clockOf(who).freezeWall(false));
}

function suspend(strike: Strike): void {
  const { world, fault, lastingMs } = strike;
  strike.fire(`the clocks of process ${fault.process} jump ahead by ${lastingMs} ms`);
  world.clockOf(fault.process).jumpMonotonic(lastingMs);
}

/** Injectors of the faults of clocks. */
export const CLOCK_FAULTS: Injectors<"C1" | "C2" | "C3" | "C4"> = {
  C1: stepWall,
  C2: drift,
  C3: freeze,
  C4: suspend,
};
