import type { FaultWorld } from "../fault_world.ts";
import type { FaultKind, PlannedFault } from "../fault_kinds.ts";
import { BROKER_FAULTS } from "./broker_faults.ts";
import { CLOCK_FAULTS } from "./clock_faults.ts";
import { GROUP_FAULTS } from "./group_faults.ts";
import { NETWORK_FAULTS } from "./network_faults.ts";
import { OPERATIONS_FAULTS } from "./operations_faults.ts";
import { PROCESS_FAULTS } from "./process_faults.ts";
import { BLOB_FAULTS, DISK_FAULTS } from "./store_faults.ts";
import { type Injector, Strike } from "./strike.ts";
import { TRANSACTION_FAULTS } from "./transaction_faults.ts";
import { USER_FAULTS } from "./user_faults.ts";

/** How each kind strikes; kinds whose subject does not exist have none. */
export const INJECTORS: Readonly<Partial<Record<FaultKind, Injector>>> = Object.freeze({
  ...PROCESS_FAULTS,
  ...NETWORK_FAULTS,
  ...BROKER_FAULTS,
  ...GROUP_FAULTS,
  ...TRANSACTION_FAULTS,
  ...BLOB_FAULTS,
  ...DISK_FAULTS,
  ...CLOCK_FAULTS,
  ...USER_FAULTS,
  ...OPERATIONS_FAULTS,
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
