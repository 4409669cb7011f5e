import { damageNewestCheckpoints, misreadNewestManifests } from "./damaged_checkpoints.ts";
import type { Injector, Injectors } from "./strike.ts";

/** A fault that needs two checkpoints looks for them so often. */
const LOOKS_MAX = 20;
const LOOK_MS = 1_000;

/** The store strikes by itself, at the first fitting call; it tells the world when it has. */
const armBlobs: Injector = ({ world, fault }) => world.blobs.arm(fault);

/**
 * What lies still goes bad, and nobody notices before it is needed: the newest checkpoints are damaged and all machines
 * are lost, now or at the end of the run. Sometimes, or when there is nothing to fall back to, any object is struck.
 */
const damageAndNeed: Injector = (strike) => {
  const { world, fault } = strike;
  world.beforeColdRestart.push(() => damageNewestCheckpoints(strike));
  if (strike.draw("aim", 3) === 0 || !damageNewestCheckpoints(strike)) return armBlobs(strike);
  for (const { number } of world.processes) world.crash(number, { restartAfterMs: fault.durationMs, node: "new" });
};

/**
 * A bad copy of each newest manifest is read for a while, by owners who have not read it before: what it references must
 * outlive that.
 */
const misreadAndNeed: Injector = (strike) => {
  const { world } = strike;
  const look = (looks: number): void => {
    if (misreadNewestManifests(strike)) {
      const node = strike.draw("node", 2) === 0 ? "new" : "same";
      for (const { number } of world.processes) world.crash(number, { restartAfterMs: 100, node });
    } else if (looks < LOOKS_MAX) strike.later(LOOK_MS, () => look(looks + 1));
  };
  look(1);
};

/** The disk of the machine on which the process is now. */
const armDisk: Injector = ({ world, fault }) =>
  world.processes[fault.process % world.processes.length]!.disk.arm(fault);

/** The machine goes down just after state was written and not synced: that is what a crash can tear or take back. */
const armAndCrash: Injector = (strike) => {
  armDisk(strike);
  const { world, fault } = strike;
  if (world.options.isStateSynced) return;
  const { number } = world.processes[fault.process % world.processes.length]!;
  strike.atStep(["flush:after"], { process: number, skip: strike.draw("skip", 3) }, () => {
    world.crash(number, { restartAfterMs: fault.durationMs, node: "same" });
  });
};

/** Injectors of the faults of the object store. */
export const BLOB_FAULTS: Injectors<
  `S${1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15 | 16 | 17}`
> = {
  S1: armBlobs,
  S2: armBlobs,
  S3: armBlobs,
  S4: armBlobs,
  S5: armBlobs,
  S6: damageAndNeed,
  S7: armBlobs,
  S8: armBlobs,
  S9: armBlobs,
  S10: armBlobs,
  S11: armBlobs,
  S12: armBlobs,
  S13: damageAndNeed,
  S14: armBlobs,
  S15: armBlobs,
  S16: armBlobs,
  S17: misreadAndNeed,
};

/** Injectors of the faults of local disks. */
export const DISK_FAULTS: Injectors<`D${1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9}`> = {
  D1: armDisk,
  D2: armDisk,
  D3: armAndCrash,
  D4: armAndCrash,
  D5: armDisk,
  D6: armDisk,
  D7: armDisk,
  D8: armDisk,
  D9: armDisk,
};
