import { fileBrokerOn, memoryBroker } from "../adapters/embedded/adapter.ts";
import { fileBlobs } from "../adapters/file/adapter.ts";
import { FileDisk } from "../adapters/file/file_disk.ts";
import { memoryStores } from "../adapters/memory/adapter.ts";
import type { Adapter } from "../seams/adapter.ts";

/** Adapters that need no import: `file:` and `memory:` brokers, stores and checkpoints. */
export const BUILT_IN_ADAPTERS: readonly Adapter[] = Object.freeze([
  memoryBroker,
  fileBrokerOn((directory) => new FileDisk(directory)),
  memoryStores,
  fileBlobs,
]);
