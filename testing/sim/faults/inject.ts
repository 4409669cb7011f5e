import type { FaultWorld } from "../fault_world.ts";
import type { FaultKind, PlannedFault } from "../fault_kinds.ts";
import { PROCESS_FAULTS } from "./process_faults.ts";
import { type Injector, Strike } from "./strike.ts";

/** How each kind strikes; kinds whose subject does not exist have none. */
export const INJECTORS: Readonly<Partial<Record<FaultKind, Injector>>> = Object.freeze({
  ...PROCESS_FAULTS,
});

/**
 * Lets a planned fault strike: at once, or at the first occasion from now on. `world.fire` tells when it has.
 *
 * @param world What is struck.
 * @param fault What was planned; a kind whose subject does not exist does nothing.
 */
export function inject(world: FaultWorld, fault: PlannedFault): void {
  INJECTORS[fault.kind]?.(new Strike(world, fault));
}
