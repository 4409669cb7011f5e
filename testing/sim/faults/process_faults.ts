import { STEP_LABELS, type StepLabel } from "../../../lib/seams/observer.ts";
import type { SimProcess } from "../contracts.ts";
import type { Injectors, Strike } from "./strike.ts";

/** A fault that waits for a step strikes anyway after this. */
const STEP_WAIT_MS = 3_000;

const RESTORE_LABELS = STEP_LABELS.filter((label) => label.startsWith("restore:") || label === "task:assigned");
const BATCH_LABELS: readonly StepLabel[] = ["batch:fetched", "batch:decoded", "batch:processed", "commit:sealed"];

/** All steps; those that are passed seldom, and at which much may go wrong, more than once. */
const RARE_LABELS: readonly StepLabel[] = [1, 2, 3].flatMap((time) =>
  time === 1 ? STEP_LABELS : STEP_LABELS.filter((label) => /^(checkpoint|retention|flush|restore):/.test(label))
);

/** Now, after some steps, or at one step chosen by the draw: each as often. */
function somewhere(strike: Strike, hit: (process: SimProcess) => void): void {
  strike.whenUp((process) => {
    const occasion = { process: process.number, withinMs: STEP_WAIT_MS };
    const struck = (at: SimProcess | undefined): void => {
      if (at !== undefined || process.status === "running") hit(process);
    };
    switch (strike.draw("somewhere", 3)) {
      case 0:
        return hit(process);
      case 1:
        return strike.atStep(STEP_LABELS, { ...occasion, skip: strike.draw("skip", 60) }, struck);
      default:
        return strike.atStep([strike.pick("label", RARE_LABELS)!], occasion, struck);
    }
  });
}

function inBatch(strike: Strike, hit: (process: SimProcess) => void): void {
  strike.whenUp((process) => {
    const occasion = { process: process.number, skip: strike.draw("skip", 4), withinMs: STEP_WAIT_MS };
    strike.atStep(BATCH_LABELS, occasion, () => {
      if (process.status === "running") hit(process);
    });
  });
}

function nodeOf(strike: Strike): "same" | "new" {
  return strike.draw("node", 3) === 0 ? "new" : "same";
}

function crash(strike: Strike, { number }: SimProcess): void {
  const node = nodeOf(strike);
  const { durationMs } = strike.fault;
  strike.fire(`process ${number} crashes and comes back on the ${node} node after ${durationMs} ms`);
  strike.world.crash(number, { restartAfterMs: durationMs, node });
}

function pause(strike: Strike, { number }: SimProcess): void {
  const { lastingMs } = strike;
  strike.fire(`process ${number} stands still for ${lastingMs} ms`);
  strike.world.pause(number, lastingMs);
}

function stop(strike: Strike, { number, status }: SimProcess): void {
  if (status !== "running") return;
  const node = nodeOf(strike);
  const { durationMs } = strike.fault;
  strike.fire(`process ${number} is stopped and comes back on the ${node} node after ${durationMs} ms`);
  strike.world.stop(number, { restartAfterMs: durationMs, node });
}

/** The second crash is the point: the process is on its way up after the first one. */
function crashInRecovery(strike: Strike): void {
  const { world, fault } = strike;
  strike.whenUp(({ number }) => {
    world.crash(number, { restartAfterMs: fault.durationMs, node: nodeOf(strike) });
    strike.atStep(RESTORE_LABELS, { process: number, skip: strike.draw("skip", 5) }, (_, label) => {
      strike.fire(`process ${number} crashes at ${label} of its recovery`);
      const node = strike.draw("second node", 4) === 0 ? "new" : "same";
      world.crash(number, { restartAfterMs: fault.durationMs, node });
    });
  });
}

function crashInClose(strike: Strike): void {
  const { world, fault } = strike;
  strike.whenUp((process) => {
    const { number, incarnation } = process;
    // The stop starts it again in any case, so the crash does not.
    world.stop(number, { restartAfterMs: fault.durationMs, node: nodeOf(strike) });
    strike.atStep(STEP_LABELS, { process: number, skip: strike.draw("skip", 6) }, (_, label) => {
      if (process.incarnation !== incarnation || process.status !== "closing") return;
      strike.fire(`process ${number} crashes at ${label} of its close`);
      world.crash(number, { restartAfterMs: null, node: nodeOf(strike) });
    });
  });
}

function restartInTurn(strike: Strike): void {
  const { processes } = strike.world;
  const gapMs = 200 + strike.fault.durationMs;
  for (let turn = 0; turn < processes.length; turn++) {
    const process = processes[(strike.fault.process + turn) % processes.length]!;
    strike.later(turn * gapMs, () => stop(strike, process));
  }
}

/** Injectors of the faults of processes. */
export const PROCESS_FAULTS: Injectors<"P1" | "P2" | "P3" | "P4" | "P5" | "P6" | "P7" | "P8" | "P9" | "P10"> = {
  P1: (strike) => somewhere(strike, (process) => crash(strike, process)),
  P2: (strike) => somewhere(strike, (process) => pause(strike, process)),
  P3: (strike) => somewhere(strike, (process) => pause(strike, process)),
  // A synchronous loop of user code: the process stands still in the middle of a batch.
  P4: (strike) => inBatch(strike, (process) => pause(strike, process)),
  P5: (strike) => inBatch(strike, (process) => stop(strike, process)),
  P6: (strike) =>
    strike.whenUp(({ number: process }) =>
      strike.world.strikeHandler(strike.fault, { process, how: strike.draw("how", 2) === 0 ? "throw" : "reject" })
    ),
  P7: (strike) =>
    strike.whenUp(({ number: process }) => strike.world.strikeHandler(strike.fault, { process, how: "hang" })),
  P8: restartInTurn,
  P9: crashInRecovery,
  P10: crashInClose,
};
