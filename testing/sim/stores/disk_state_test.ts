import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { DiskUnavailableError, StateCorruptError, StateLockedError } from "../../../lib/base/errors.ts";
import { MemoryDisk } from "../../../lib/adapters/memory/memory_disk.ts";
import { registerContract } from "../../contracts/contract.ts";
import { localDiskContract } from "../../contracts/local_disk_contract.ts";
import { stateStoreContract } from "../../contracts/state_store_contract.ts";
import { AT, bytesOf, dump, KEY, many, page, textOf } from "../../contracts/state_rows.ts";
import { DiskStateProvider } from "./disk_state_provider.ts";
import { fault, rejection } from "./fixtures_test.ts";
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

const LOG = "state/app/sub/3/00000001.log";

/** A closed store that three writes have made, and its disk. */
async function written(syncEveryApply = true): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const store = await new DiskStateProvider(disk, { syncEveryApply }).open(KEY);
  for (const round of [1, 2, 3]) {
    await store.apply(page([["a", `${round}`], [`only ${round}`, "x"]]), bytesOf(`${round}`));
  }
  await store.close();
  return disk;
}

async function positionOf(disk: MemoryDisk): Promise<string | null> {
  const store = await new DiskStateProvider(disk).open(KEY);
  const position = textOf(await store.readPosition());
  assertEquals((await dump(store)).length, position === null ? 0 : 1 + Number(position));
  await store.close();
  return position;
}

Deno.test("DiskStateProvider tells of every flipped bit of a store that was closed, or finds all of it", async () => {
  const { size } = (await written()).file(LOG)!;
  let corrupt = 0;
  for (let at = 0; at < size; at++) {
    const disk = await written();
    disk.damage(LOG, (bytes) => bytes.with(at, bytes[at]! ^ (1 << (at % 8))));
    const error = await positionOf(disk).then((position) => position, (error: Error) => error);
    if (error === "3") continue;
    assert(error instanceof StateCorruptError, `byte ${at}: ${error}`);
    assertStringIncludes(error.message, `memory:/${LOG}, at position`);
    corrupt++;
  }
  assertEquals(size - corrupt, 40, "only the mark of the clean end may be damaged silently");
});

Deno.test("DiskStateProvider cuts off what a crash has torn, at every byte, rows and position together", async () => {
  const { size } = (await written(false)).file(LOG)!;
  const found = new Set<string | null>();
  for (let length = size; length >= 0; length--) {
    const disk = (await written(false)).crash(() => length);
    found.add(await positionOf(disk));
    assertEquals(await positionOf(disk), [...found].at(-1));
  }
  assertEquals([...found], ["3", "2", "1", null]);
});

Deno.test("DiskStateProvider rewrites a log that has grown, and keeps one file", async () => {
  const disk = new MemoryDisk();
  const provider = new DiskStateProvider(disk, { rewriteBytesMin: 10_000 });
  const store = await provider.open(KEY);
  for (let round = 0; round < 300; round++) {
    await store.apply(page(many(20, () => `value ${round}`)), bytesOf(`${round}`));
  }
  assertEquals(disk.files().length, 1);
  assert(disk.usedBytes < 15_000, `${disk.usedBytes}`);
  await store.close();
  const again = await provider.open(KEY);
  assertEquals([await dump(again), textOf(await again.readPosition())], [many(20, () => "value 299"), "299"]);
});

Deno.test("DiskStateProvider refuses a rewritten log whose beginning is cut, which no crash leaves", async () => {
  const disk = new MemoryDisk();
  const provider = new DiskStateProvider(disk, { rewriteBytesMin: 1 });
  const store = await provider.open(KEY);
  await store.apply(page(many(9, () => "1")), bytesOf("1"));
  const { path, size } = disk.files()[0]!;
  const whole = (await disk.read(path))!;
  await store.close();
  for (let length = 0; length < size; length++) {
    await disk.writeAtomic(path, whole.subarray(0, length));
    const error = await assertRejects(() => provider.open(KEY), StateCorruptError, "is not whole");
    assertEquals(error.context["path"], path);
  }
  await disk.writeAtomic(path, whole);
  assertEquals(await dump(await provider.open(KEY)), many(9, () => "1"));
});

/** A store whose log is rewritten by the second write, at which operations on the new file fail. */
async function failingRewrite(...kinds: string[]) {
  const disk = new MemoryDisk();
  const provider = new DiskStateProvider(disk, { rewriteBytesMin: 200 });
  const store = await provider.open(KEY);
  await store.apply(page([["a", "1"]]), bytesOf("1"));
  let failures = 0;
  disk.inject = ({ kind, path }) => {
    if (!path.endsWith("2.log") || !kinds.includes(kind)) return undefined;
    failures++;
    return new DiskUnavailableError(kind);
  };
  await store.apply(page(many(9, () => "2")), bytesOf("2"));
  assertEquals(failures, kinds.length);
  return { disk, provider, store };
}

async function mustStandAt(provider: DiskStateProvider, position: string): Promise<void> {
  const store = await provider.open(KEY);
  assertEquals([textOf(await store.readPosition()), (await dump(store)).length], [position, 10]);
  await store.close();
}

Deno.test("DiskStateProvider goes on with the old log when a rewrite fails", async () => {
  const { disk, provider, store } = await failingRewrite("replace");
  await store.apply(page([["a", "3"]]), bytesOf("3"));
  await store.close();
  await mustStandAt(provider, "3");
  assertEquals(disk.files().map(({ path }) => path), [LOG]);
});

Deno.test("DiskStateProvider writes nothing to an old log when a new one may count", async () => {
  for (const kinds of [["open"], ["replace", "remove"]]) {
    const { disk, provider, store } = await failingRewrite(...kinds);
    await assertRejects(
      () => store.apply(page([["a", "3"]]), bytesOf("3")),
      DiskUnavailableError,
      "open the store again",
    );
    await store.close();
    disk.inject = undefined;
    await mustStandAt(provider, "2");
  }
});

Deno.test("DiskStateProvider writes in order once the disk has taken its time; a crash before that leaves nothing of it", async () => {
  const disk = new SimDisk(CLOCK);
  const waiting: (() => void)[] = [];
  const beforeApply = () => new Promise<void>((resolve) => waiting.push(resolve));
  const store = await new DiskStateProvider(disk, { beforeApply }).open(KEY);
  const first = store.apply(page([["a", "1"]]), bytesOf("1"));
  void store.apply(page([["a", "2"]]), bytesOf("2"));
  await Promise.resolve();
  assertEquals([waiting.length, await dump(store)], [1, []]);
  waiting[0]!();
  await first;
  assertEquals([waiting.length, await dump(store)], [2, [["a", "1"]]]);
  const again = await new DiskStateProvider(disk.crash(1)).open(KEY);
  waiting[1]!();
  assertEquals([await dump(again), textOf(await again.readPosition())], [[["a", "1"]], "1"]);
});

Deno.test("DiskStateProvider takes no more writes after a failed sync, until it is opened again", async () => {
  const disk = new SimDisk(CLOCK);
  const provider = new DiskStateProvider(disk);
  const store = await provider.open(KEY);
  await store.apply(page([["a", "1"]]), AT);
  disk.arm(fault("D8"));
  const error = await rejection(store.apply(page([["a", "2"]]), bytesOf("unknown")));
  assert(error instanceof DiskUnavailableError && provider.blames(error));
  assertEquals([await dump(store), textOf(await store.readPosition())], [[["a", "1"]], "position 1"]);
  const later = await assertRejects(
    () => store.apply(page([["a", "3"]]), AT),
    DiskUnavailableError,
    "open the store again",
  );
  assert(provider.blames(later), "by its cause");
  await store.close();
  const again = await provider.open(KEY);
  await again.apply(page([["a", "4"]]), AT);
  assertEquals(await dump(again), [["a", "4"]]);
});

Deno.test("DiskStateProvider blames the disk for a lock that a crash has left, and nobody for one that is held", async () => {
  const disk = new SimDisk(CLOCK);
  disk.arm(fault("D7", { durationMs: 0 }));
  await new DiskStateProvider(disk, { holder: "the old process" }).open(KEY);
  const next = disk.crash(1);
  const provider = new DiskStateProvider(next);
  for (const call of [() => provider.open(KEY), () => provider.destroy(KEY)]) {
    const error = await assertRejects(call, StateLockedError, "'the old process'");
    assert(provider.blames(error));
  }
  next.heal();
  await provider.open(KEY);
  assert(!provider.blames(await rejection(provider.open(KEY))));
  assert(!new DiskStateProvider(new MemoryDisk()).blames(new StateLockedError("held")));
});

Deno.test("DiskStateProvider refuses options and keys that make no sense", async () => {
  assertThrows(() => new DiskStateProvider(new MemoryDisk(), { rewriteBytesMin: 0 }), RangeError, "current value is 0");
  const provider = new DiskStateProvider(new MemoryDisk(), { directory: "elsewhere" });
  assertEquals(provider.location, "disk:memory:/elsewhere");
  await assertRejects(() => provider.open({ ...KEY, partition: -1 }), RangeError, "current value is -1");
  for (const application of ["", "\ud800"]) {
    await assertRejects(() => provider.open({ ...KEY, application }), TypeError, "must not be empty");
  }
});
