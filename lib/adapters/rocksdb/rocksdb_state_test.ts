import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "node:path";
import {
  DiskFullError,
  DiskUnavailableError,
  StateCorruptError,
  StateLockedError,
  StateStoreClosedError,
} from "../../base/errors.ts";
import { registerContract } from "../../../testing/contracts/contract.ts";
import { bytesOf, dump, page, textOf } from "../../../testing/contracts/state_rows.ts";
import { stateStoreContract } from "../../../testing/contracts/state_store_contract.ts";
import { rocksdb, RocksDbStateProvider } from "./rocksdb.ts";
import { isLockError, rocksdbError } from "./rocksdb_error.ts";

const KEY = { application: "app", subscription: "sub", partition: 0 };
const directories = new Map<unknown, string>();

registerContract(
  "RocksDbStateProvider",
  stateStoreContract({
    provider: async () => {
      const directory = await Deno.makeTempDir({ prefix: "turbine-rocksdb-" });
      const provider = new RocksDbStateProvider(directory);
      directories.set(provider, directory);
      return provider;
    },
    dispose: (provider) => Deno.remove(directories.get(provider)!, { recursive: true }),
  }),
);

async function withDirectory(run: (directory: string, provider: RocksDbStateProvider) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "turbine-rocksdb-" });
  try {
    await run(directory, new RocksDbStateProvider(directory));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function filled(provider: RocksDbStateProvider): Promise<void> {
  const store = await provider.open(KEY);
  await store.apply(page([["a", "1"]]), bytesOf("p"));
  await store.close();
}

Deno.test("RocksDbStateProvider names the process that holds a store, and takes over from a dead one", async () => {
  await withDirectory(async (directory, provider) => {
    const code = join(directory, "holder.ts");
    const module = new URL("./rocksdb.ts", import.meta.url).href;
    await Deno.writeTextFile(
      code,
      `import { RocksDbStateProvider } from ${JSON.stringify(module)};
      const store = await new RocksDbStateProvider(${JSON.stringify(directory)}).open(${JSON.stringify(KEY)});
      await store.apply({ count: 0, keys: { bytes: new Uint8Array(0), starts: new Int32Array(0), ends: new Int32Array(0) },
        values: { bytes: new Uint8Array(0), starts: new Int32Array(0), ends: new Int32Array(0) } }, Uint8Array.of(112));
      console.log("open");
      setInterval(() => {}, 1000);`,
    );
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--config", new URL("../../../deno.json", import.meta.url).pathname, code],
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const reader = child.stdout.getReader();
    assertStringIncludes(textOf((await reader.read()).value)!, "open");
    const error = await assertRejects(() => provider.open(KEY), StateLockedError);
    assertStringIncludes(error.message, `it is held by process ${child.pid}`);
    assertStringIncludes(error.message, "since 20");
    assertStringIncludes(error.message, "stop that process or choose another directory");
    await assertRejects(() => provider.destroy(KEY), StateLockedError);
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
    const store = await provider.open(KEY);
    assertEquals(textOf(await store.readPosition()), "p");
    const holder = JSON.parse(await Deno.readTextFile(join(directory, "app/sub/0/holder.json")));
    assertEquals(holder.pid, Deno.pid);
    await store.close();
  });
});

Deno.test("RocksDbStateProvider says so when the process itself holds a store", async () => {
  await withDirectory(async (_, provider) => {
    const store = await provider.open(KEY);
    const error = await assertRejects(() => provider.open(KEY), StateLockedError);
    assertStringIncludes(error.message, `this process itself (${Deno.pid})`);
    await store.close();
  });
});

for (const [what, damage] of [["CURRENT", ""], ["CURRENT", "rubbish"], ["MANIFEST-", "rubbish"]] as const) {
  Deno.test(`RocksDbStateProvider refuses a store whose ${what} is ${damage === "" ? "gone" : damage}`, async () => {
    await withDirectory(async (directory, provider) => {
      await filled(provider);
      const database = join(directory, "app/sub/0/db");
      for (const { name } of [...Deno.readDirSync(database)]) {
        if (!name.startsWith(what)) continue;
        if (damage === "") await Deno.remove(join(database, name));
        else await Deno.writeTextFile(join(database, name), damage);
      }
      const error = await assertRejects(() => provider.open(KEY), StateCorruptError);
      assertStringIncludes(error.message, "delete the directory, state is then restored from a checkpoint");
      await provider.destroy(KEY);
      const store = await provider.open(KEY);
      assertEquals(await dump(store), []);
      await store.close();
    });
  });
}

Deno.test("RocksDbStateProvider refuses a store of another format", async () => {
  await withDirectory(async (directory, provider) => {
    await filled(provider);
    await Deno.writeTextFile(join(directory, "app/sub/0/store.json"), `{"format":2}`);
    await assertRejects(() => provider.open(KEY), StateCorruptError, "format 1 wanted, found 2");
    await Deno.writeTextFile(join(directory, "app/sub/0/store.json"), "{");
    await assertRejects(() => provider.open(KEY), StateCorruptError, "damaged");
  });
});

Deno.test("RocksDbStateProvider says which path is no directory", async () => {
  await withDirectory(async (directory) => {
    await Deno.writeTextFile(join(directory, "file"), "");
    const error = await assertRejects(() => new RocksDbStateProvider(join(directory, "file")).open(KEY), Error);
    assert(error instanceof DiskUnavailableError);
    assertStringIncludes(error.message, join(directory, "file"));
  });
});

Deno.test("RocksDbStateProvider refuses names and numbers that are none", async () => {
  const provider = new RocksDbStateProvider("unused");
  await assertRejects(() => provider.open({ ...KEY, application: "" }), TypeError, "must not be empty");
  await assertRejects(() => provider.open({ ...KEY, partition: -1 }), RangeError, "current value is -1");
  assertThrows(() => new RocksDbStateProvider("unused", { cacheBytes: 0 }), RangeError, "'cacheBytes'");
});

Deno.test("the adapter of rocksdb: wants a path", () => {
  const environment = {} as never;
  assertEquals(rocksdb.state!("rocksdb:/tmp/x", environment).location, "rocksdb:/tmp/x");
  assertEquals(rocksdb.state!("rocksdb:/tmp/x", environment).isDurable, true);
  for (const location of ["rocksdb:", "rocksdb", "file:/x"]) {
    assertThrows(() => rocksdb.state!(location, environment), TypeError, `current value is '${location}'`);
  }
});

Deno.test("errors of RocksDB become errors that tell the next step", () => {
  const turned = (message: string) => rocksdbError(new Error(message), "write state to", "/state");
  assert(
    turned("IO error: No space left on device: While appending to file: /state/000004.log") instanceof DiskFullError,
  );
  assert(turned("Corruption: block checksum mismatch") instanceof StateCorruptError);
  assert(turned("Invalid argument: /state: does not exist (create_if_missing is false)") instanceof StateCorruptError);
  assert(turned("IO error: While open a file: Permission denied") instanceof DiskUnavailableError);
  assert(turned("IO error: Input/output error") instanceof DiskUnavailableError);
  assert(turned("Database is not open") instanceof StateStoreClosedError);
  assert(isLockError(new Error("IO error: While lock file: /state/db/LOCK: Resource temporarily unavailable")));
  assert(isLockError(new Error("IO error: lock hold by current process, acquire time 1: /s/LOCK: No locks available")));
  assertEquals(isLockError(new Error("IO error: No space left on device")), false);
});
