import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { DiskUnavailableError, StateLockedError } from "../../base/errors.ts";
import { registerContract } from "../../../testing/contracts/contract.ts";
import { localDiskContract } from "../../../testing/contracts/local_disk_contract.ts";
import { FileDisk } from "./file_disk.ts";
import { isGone, type LockHolder, thisHolder } from "./lock_holder.ts";

const openTemporary = async () => new FileDisk(await mkdtemp(join(tmpdir(), "disk-")));

registerContract(
  "FileDisk",
  localDiskContract({
    open: openTemporary,
    restart: (disk) => Promise.resolve(new FileDisk(disk.root)),
    dispose: (disk) => rm(disk.root, { recursive: true }),
  }),
);

async function withDisk(run: (disk: FileDisk) => Promise<void>): Promise<void> {
  const disk = await openTemporary();
  try {
    await run(disk);
  } finally {
    await rm(disk.root, { recursive: true });
  }
}

/** Runs without the lock of the operating system, as on a runtime that has none. */
async function withoutSystemLock(run: () => Promise<void>): Promise<void> {
  const prototype = Deno.FsFile.prototype;
  const tryLock = prototype.tryLock;
  prototype.tryLock = () => Promise.reject(new Error("not supported"));
  try {
    await run();
  } finally {
    prototype.tryLock = tryLock;
  }
}

async function plantHolder(disk: FileDisk, holder: LockHolder, number = 7): Promise<void> {
  await mkdir(join(disk.root, "d/.lock"), { recursive: true });
  await writeFile(join(disk.root, `d/.lock/${number}`), JSON.stringify(holder));
}

const DEAD: LockHolder = { ...thisHolder("a dead one", false), pid: 4_194_304, startTicks: "1" };

registerContract(
  "FileDisk without a system lock",
  localDiskContract({
    open: openTemporary,
    restart: (disk) => Promise.resolve(new FileDisk(disk.root)),
    dispose: (disk) => rm(disk.root, { recursive: true }),
  }).filter((rule) => /lock\(\)|release\(\)/.test(rule.name)),
  (name, run) => Deno.test({ name, permissions: "inherit", fn: () => withoutSystemLock(run) }),
);

Deno.test("FileDisk.lock() takes over from a dead process, exactly one of 12 starters", async () => {
  await withDisk(async (disk) => {
    await withoutSystemLock(async () => {
      await plantHolder(disk, DEAD);
      const results = await Promise.allSettled(Array.from({ length: 12 }, (_, at) => disk.lock("d", `starter ${at}`)));
      assertEquals(results.filter((result) => result.status === "fulfilled").length, canLookAtProcesses() ? 1 : 0);
    });
  });
});

Deno.test("FileDisk.lock() believes the system lock about a dead holder that had it", async () => {
  await withDisk(async (disk) => {
    await plantHolder(disk, { ...DEAD, isSystemLocked: true, host: "elsewhere" });
    const lock = await disk.lock("d", "next");
    assertEquals(await readdir(join(disk.root, "d/.lock")), ["8", "system"]);
    await lock.release();
    assertEquals(JSON.parse(await readFile(join(disk.root, "d/.lock/8"), "utf8")).isReleased, true);
  });
});

Deno.test("FileDisk.lock() honours a holder on another machine", async () => {
  await withDisk(async (disk) => {
    await plantHolder(disk, { ...DEAD, host: "elsewhere" });
    const error = await assertRejects(() => disk.lock("d", "next"), StateLockedError);
    assertStringIncludes(error.message, "on elsewhere");
    assertStringIncludes(error.message, `delete ${join(disk.root, "d/.lock")}`);
  });
});

Deno.test("isGone() keeps a living holder and one of which nothing can be known", () => {
  const mine = thisHolder("me", false);
  assertEquals(isGone(mine, false), false);
  assertEquals(isGone(mine, true), false);
  assertEquals(isGone({ ...mine, isReleased: true }, false), true);
  assertEquals(isGone({ ...mine, host: "elsewhere", pid: 4_194_304 }, false), false);
});

Deno.test("isGone() tells a process from a later one with the same id", () => {
  const mine = thisHolder("me", false);
  assertEquals(isGone({ ...mine, startTicks: "1" }, false), mine.startTicks !== null);
});

Deno.test("FileDisk.lock() release does not bring a removed directory back", async () => {
  await withDisk(async (disk) => {
    const lock = await disk.lock("d", "one");
    await disk.remove("d");
    await lock.release();
    assertEquals(await readdir(disk.root), []);
  });
});

Deno.test("FileDisk names path and reason when a directory is a file", async () => {
  await withDisk(async (disk) => {
    await disk.writeAtomic("f", new Uint8Array(1));
    const error = await assertRejects(() => disk.open("f/x"), DiskUnavailableError);
    assertStringIncludes(error.message, join(disk.root, "f/x"));
    assert(error.cause instanceof Error);
  });
});

Deno.test("FileDisk names the directory above a new one when Deno may not read that", async () => {
  const above = await mkdtemp(join(tmpdir(), "above-"));
  const root = join(above, "new", "disk");
  const script = `
    import { FileDisk } from ${JSON.stringify(import.meta.resolve("./file_disk.ts"))};
    await new FileDisk(${JSON.stringify(root)}).lock("", "a test").catch((error) => console.log(error.message));`;
  try {
    const path = join(above, "script.ts");
    await writeFile(path, script);
    const flags = [`--allow-read=${join(above, "new")}`, `--allow-write=${join(above, "new")}`];
    const command = new Deno.Command(Deno.execPath(), { args: ["run", "--quiet", "--no-prompt", ...flags, path] });
    const { stdout } = await command.output();
    assertStringIncludes(new TextDecoder().decode(stdout), `and --allow-read=${above} as ${root} does not exist yet`);
  } finally {
    await rm(above, { recursive: true });
  }
});

Deno.test({
  name: "FileDisk names the Deno flags when permission is missing",
  permissions: { read: true, write: false },
  fn: async () => {
    const disk = new FileDisk("/tmp/denied");
    await assertRejects(() => disk.open("a"), DiskUnavailableError, "--allow-write=/tmp/denied");
    await assertRejects(() => disk.lock("", "a test"), DiskUnavailableError, "--allow-write=/tmp/denied");
  },
});

/** Without `--allow-run` (and `--allow-all` for /proc) Deno tells nothing of other processes. */
function canLookAtProcesses(): boolean {
  try {
    process.kill(4_194_304, 0);
    return true;
  } catch (error) {
    return (error as { code?: unknown }).code === "ESRCH";
  }
}
