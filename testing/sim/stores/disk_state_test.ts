import { MemoryDisk } from "../../../lib/adapters/memory/memory_disk.ts";
import { registerContract } from "../../contracts/contract.ts";
import { localDiskContract } from "../../contracts/local_disk_contract.ts";
import { stateStoreContract } from "../../contracts/state_store_contract.ts";
import { DiskStateProvider } from "./disk_state_provider.ts";
import { SimDisk } from "./sim_disk.ts";

const CLOCK = { nowMs: () => 0 };

for (const syncEveryApply of [true, false]) {
  registerContract(
    `DiskStateProvider, ${syncEveryApply ? "synced" : "not synced"}`,
    stateStoreContract({
      provider: () => Promise.resolve(new DiskStateProvider(new SimDisk(CLOCK), { syncEveryApply })),
    }),
  );
}

registerContract(
  "DiskStateProvider, rewriting at every write",
  stateStoreContract({
    provider: () => Promise.resolve(new DiskStateProvider(new MemoryDisk(), { rewriteBytesMin: 1 })),
  }),
);

registerContract(
  "SimDisk",
  localDiskContract({
    open: () => Promise.resolve(new SimDisk(CLOCK)),
    restart: (disk) => Promise.resolve((disk as SimDisk).crash(1)),
  }),
);
