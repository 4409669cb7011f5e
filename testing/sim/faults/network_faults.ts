import type { ClientCall } from "../../../lib/adapters/embedded/client_calls.ts";
import type { CallFate } from "../fault_world.ts";
import type { Injectors, Strike } from "./strike.ts";

const READS: readonly ClientCall[] = ["fetch", "committed", "admin"];
const PLAIN_EFFECTS: readonly ClientCall[] = ["produce", "commit", "initialize", "join", "heartbeat", "leave"];
const TRANSACTION_EFFECTS: readonly ClientCall[] = [
  "produce",
  "sendOffsets",
  "endTransaction",
  "initialize",
  "join",
  "heartbeat",
  "leave",
];

/** Calls that change something at the broker, as far as the guarantee makes them. */
function effects({ world }: Strike): readonly ClientCall[] {
  return world.options.guarantee === "exactly-once" ? TRANSACTION_EFFECTS : PLAIN_EFFECTS;
}

/** One call most of the time, sometimes whatever comes next. */
function chosen(strike: Strike, calls: readonly ClientCall[]): readonly ClientCall[] {
  return strike.draw("which calls", 4) === 0 ? calls : [strike.pick("call", calls)!];
}

/**
 * Strikes some requests of the fault's process.
 *
 * @param strike The fault.
 * @param how What becomes of which calls; how many at most. @default {one}
 */
export function strikeCalls(
  strike: Strike,
  how: { readonly fate: CallFate; readonly calls: readonly ClientCall[]; readonly timesMax?: number },
): void {
  const { world, fault } = strike;
  const { fate, calls, timesMax = 1 } = how;
  const times = 1 + strike.draw("times", timesMax);
  const delayMs = strike.lastingMs;
  world.strike(fault, { process: fault.process, calls, fate, delayMs, times });
}

/** Now, or when a commit is on its way: then the process is not told what became of it, whomever it asks. */
function cutOff(strike: Strike): void {
  if (strike.draw("when", 2) === 0) cutOffNow(strike);
  else strike.atStep(["commit:before"], { process: strike.fault.process, withinMs: 4_000 }, () => cutOffNow(strike));
}

function cutOffNow(strike: Strike): void {
  const { world, fault, lastingMs } = strike;
  const direction = strike.pick("direction", ["to-broker", "from-broker", "both"] as const)!;
  const whom = strike.draw("whom", 5) === 0 ? "all" : fault.process;
  strike.fire(`${whom === "all" ? "nobody" : `process ${whom}`} gets through (${direction}) for ${lastingMs} ms`);
  world.block(whom, direction, lastingMs);
}

function clog(strike: Strike): void {
  const { world, fault, lastingMs } = strike;
  const whom = strike.draw("whom", 3) === 0 ? "all" : fault.process;
  strike.fire(`messages of ${whom === "all" ? "all" : `process ${whom}`} wait for ${lastingMs} ms`);
  world.clog(whom, lastingMs);
}

/** Some requests are refused; half of the time the abort that follows a refused transaction gets no answer either. */
function refuse(strike: Strike): void {
  const { world, fault } = strike;
  strikeCalls(strike, { fate: "refused", calls: ["produce", "fetch", "admin", "commit"], timesMax: 6 });
  if (world.options.guarantee !== "exactly-once" || strike.draw("abort", 2) === 0) return;
  const fate = strike.draw("fate", 2) === 0 ? "request-lost" : "reply-lost";
  strike.atStep(["produce:before"], { process: fault.process, skip: strike.draw("skip", 4) }, () => {
    world.strike(fault, { process: fault.process, calls: ["produce"], fate: "refused" });
    world.strike(fault, { process: fault.process, calls: ["endTransaction"], fate });
  });
}

/** Injectors of the faults of the network. */
export const NETWORK_FAULTS: Injectors<"N1" | "N2" | "N3" | "N4" | "N5" | "N6" | "N7" | "N8" | "N9"> = {
  N1: (strike) =>
    strikeCalls(strike, { fate: "request-lost", calls: chosen(strike, [...effects(strike), ...READS]), timesMax: 3 }),
  N2: (strike) =>
    strikeCalls(strike, { fate: "reply-lost", calls: chosen(strike, [...effects(strike), ...READS]), timesMax: 3 }),
  N3: (strike) => strikeCalls(strike, { fate: "delayed", calls: chosen(strike, effects(strike)) }),
  N4: (strike) => strikeCalls(strike, { fate: "duplicated", calls: chosen(strike, effects(strike)) }),
  N5: (strike) =>
    strikeCalls(strike, { fate: "slow", calls: chosen(strike, [...effects(strike), ...READS]), timesMax: 8 }),
  N6: cutOff,
  N7: clog,
  N8: (strike) => strikeCalls(strike, { fate: "reset", calls: [...effects(strike), ...READS], timesMax: 2 }),
  N9: refuse,
};
