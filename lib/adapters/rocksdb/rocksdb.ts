/**
 * State on the local disk, in RocksDB. Needs npm:rocksdb and the permissions to load it.
 *
 * @module
 */
import type { Adapter } from "../../seams/adapter.ts";
import { type RocksDbOptions, RocksDbStateProvider } from "./rocksdb_state_provider.ts";

export { type RocksDbOptions, RocksDbStateProvider };

/**
 * The adapter of the scheme `rocksdb:PATH`, for the `adapters` option; `state: "rocksdb:./state"` then works.
 *
 * Deno must be allowed to load the library: `--allow-ffi=node_modules --allow-read=node_modules,/etc/alpine-release,PATH
 * --allow-write=PATH --allow-env=PREBUILDS_ONLY,ELECTRON_RUN_AS_NODE,npm_config_arch,npm_config_platform,LIBC,ARM_VERSION`.
 */
export const rocksdb: Adapter = Object.freeze({
  scheme: "rocksdb",
  state: (location: string): RocksDbStateProvider => {
    const path = location.startsWith("rocksdb:") ? location.slice("rocksdb:".length) : "";
    if (path === "") {
      throw new TypeError(
        `Cannot open state in RocksDB as its location must be 'rocksdb:PATH': current value is '${location}'`,
      );
    }
    return new RocksDbStateProvider(path);
  },
});
