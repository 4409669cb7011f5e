import type { Adapter } from "../../seams/adapter.ts";
import { MemoryBlobStore } from "./memory_blob_store.ts";
import { memoryState } from "./memory_state_provider.ts";

/** State and blob stores (checkpoints) of `memory:`, gone with the process. Each opening is a store of its own. */
export const memoryStores: Adapter = Object.freeze<Adapter>({
  scheme: "memory",
  state: (location) => memoryState(location),
  blobs: (location) => {
    if (location === "memory:") return new MemoryBlobStore(location);
    throw new TypeError(
      `Cannot open 'checkpoints' as it must be 'memory:', without a name: current value is '${location}'`,
    );
  },
});
