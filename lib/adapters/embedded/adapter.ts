import { fileLocation } from "../../base/file_location.ts";
import { EmbeddedCluster } from "../../embedded/cluster.ts";
import type { Adapter } from "../../seams/adapter.ts";
import type { LocalDisk } from "../../seams/local_disk.ts";
import { EmbeddedBroker } from "./embedded_broker.ts";
import { FileBroker } from "./file_broker.ts";

/** The broker of `memory:`: gone with the process. Each opening is a broker of its own. */
export const memoryBroker: Adapter = Object.freeze<Adapter>({
  scheme: "memory",
  broker: (location, environment) => {
    if (location === "memory:") return new EmbeddedBroker(new EmbeddedCluster(), environment, { location });
    throw new TypeError(`Cannot open 'broker' as it must be 'memory:', without a name: current value is '${location}'`);
  },
});

/**
 * The broker of `file:PATH`: a single machine's broker in a directory, one process at a time.
 *
 * @param openDisk Opens the files below a directory.
 * @returns An adapter of the scheme `file` with a `broker` factory.
 */
export function fileBrokerOn(openDisk: (directory: string) => LocalDisk): Adapter {
  return Object.freeze<Adapter>({
    scheme: "file",
    broker: (location, environment) =>
      new FileBroker(openDisk(fileLocation(location, "broker")), environment, { location }),
  });
}
