/**
 * Laws of the seams as cases for any test runner: every adapter keeps them, the library's own and yours.
 *
 * @example A blob store of your own keeps the contract
 * ```ts
 * import { blobStoreContract } from "@turbine/turbine/testing/contracts";
 * import { MemoryBlobStore } from "@turbine/turbine/testing";
 *
 * const cases = blobStoreContract({
 *   open: () => Promise.resolve(new MemoryBlobStore()),
 *   openAgain: (store) => Promise.resolve((store as MemoryBlobStore).openAgain()),
 * });
 * for (const { run } of cases) await run();
 * ```
 *
 * @module
 */
export { blobStoreContract, type BlobStoreContractOptions } from "./blob_store_contract.ts";
export {
  BROKER_CASES,
  type BrokerCase,
  brokerContract,
  type BrokerContractOptions,
  type BrokerHarness,
  type BrokerNeed,
  type BrokerTimings,
  type ClusterHandles,
} from "./broker_contract.ts";
export { Kit, PLENTY } from "./broker_contract_kit.ts";
export { type ContractCase, registerContract, type RegisterTest } from "./contract.ts";
export { localDiskContract, type LocalDiskContractOptions } from "./local_disk_contract.ts";
export { stateStoreContract, type StateStoreContractOptions } from "./state_store_contract.ts";
