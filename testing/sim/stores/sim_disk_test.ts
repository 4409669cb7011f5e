import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { DiskFullError, DiskUnavailableError, StateCorruptError, StateLockedError } from "../../../lib/base/errors.ts";
import type { LocalDisk } from "../../../lib/seams/local_disk.ts";
import { fault, rejection, SleepyClock, text } from "./fixtures_test.ts";
import { SimDisk } from "./sim_disk.ts";

const textAt = async (disk: LocalDisk, path: string) => {
  const bytes = await disk.read(path);
  return bytes && new TextDecoder().decode(bytes);
};

async function append(disk: LocalDisk, path: string, more: { synced?: string; volatile?: string | Uint8Array }) {
  const file = await disk.open(path);
  if (more.synced !== undefined) {
    await file.append([text(more.synced)]);
    await file.sync();
  }
  const { volatile: rest } = more;
  if (rest !== undefined) await file.append([typeof rest === "string" ? text(rest) : rest]);
  return file;
}

function diskOf(): { clock: SleepyClock; disk: SimDisk } {
  const clock = new SleepyClock();
  return { clock, disk: new SimDisk(clock) };
}

async function mustBlame(
  disk: SimDisk,
  call: Promise<unknown>,
  // deno-lint-ignore no-explicit-any
  type: new (...given: any[]) => Error,
) {
  const error = await rejection(call);
  assert(error instanceof type, `${error}`);
  assert(disk.blames(error) && disk.blames(new StateCorruptError("wrapped", { cause: error })));
  assert(!disk.blames(new DiskUnavailableError(error.message)), "an error that looks the same is none of the disk's");
  return error as Error & { outcome: string };
}

Deno.test("SimDisk D1 is full for one write, or for its time, and keeps what is there", async () => {
  for (const draw of [0, 1]) {
    const { clock, disk } = diskOf();
    const file = await append(disk, "d/log", { synced: "12" });
    const told: string[] = [];
    disk.onFired(({ kind, call, name }) => told.push(`${kind} ${call} ${name}`));
    disk.arm(fault("D1", { draw, durationMs: 100 }));
    assertEquals(await textAt(disk, "d/log"), "12");
    await mustBlame(disk, file.append([text("3")]), DiskFullError);
    if (draw === 1) await mustBlame(disk, disk.writeAtomic("d/other", text("x")), DiskFullError);
    clock.atMs = 100;
    await file.append([text("3")]);
    assertEquals([await textAt(disk, "d/log"), await disk.list("d")], ["123", ["log"]]);
    assertEquals([disk.ledger.length, told], [draw + 1, ["D1 append d/log"]]);
  }
});

Deno.test("SimDisk is full at its capacity, by nobody's fault", async () => {
  const { disk } = diskOf();
  disk.capacityBytes = 3;
  await disk.writeAtomic("a", text("123"));
  const error = await rejection(disk.writeAtomic("b", text("4")));
  assert(error instanceof DiskFullError && !disk.blames(error));
  assertEquals([disk.usedBytes, disk.capacityBytes], [3, 3]);
});

Deno.test("SimDisk D2 fails one operation, which has no effect", async () => {
  for (const call of ["append", "read", "list", "open", "replace", "create", "remove", "truncate"] as const) {
    const { disk } = diskOf();
    const file = await append(disk, "d/log", { synced: "12" });
    disk.arm(fault("D2"));
    await file.sync();
    const calls = {
      append: () => file.append([text("3")]),
      read: () => disk.read("d/log"),
      list: () => disk.list("d"),
      open: () => disk.open("d/new"),
      replace: () => disk.writeAtomic("d/log", text("x")),
      create: () => disk.createExclusive("d/new", text("x")),
      remove: () => disk.remove("d/log"),
      truncate: () => file.truncate(0),
    };
    await mustBlame(disk, calls[call](), DiskUnavailableError);
    assertEquals([await textAt(disk, "d/log"), await disk.list("d"), disk.pending], ["12", ["log"], []], call);
    await calls[call]();
  }
});

Deno.test("SimDisk D3 tears what was not synced: it is shorter, or pages of it were never written", async () => {
  const bytes = Uint8Array.from({ length: 20_000 }, (_, at) => 1 + at % 255);
  const found = { cutAtPage: 0, cutInside: 0, holes: 0 };
  for (let draw = 0; draw < 300; draw++) {
    const { disk } = diskOf();
    await append(disk, "log", { synced: "s".repeat(1_000), volatile: bytes });
    disk.arm(fault("D3"));
    const next = disk.crash(draw);
    const after = (await next.read("log"))!;
    assertEquals(new TextDecoder().decode(after.subarray(0, 1_000)), "s".repeat(1_000));
    const tail = after.subarray(1_000);
    const isHole = (at: number) => tail[at] === 0;
    const holes = [...tail.keys()].filter(isHole);
    assert([...tail.keys()].every((at) => isHole(at) || tail[at] === bytes[at]), "no byte is any other one");
    if (holes.length > 0) found.holes++;
    else if (after.length % 4_096 === 0) found.cutAtPage++;
    else if (tail.length < bytes.length) found.cutInside++;
    assertEquals(next.ledger.map(({ kind, what }) => `${kind} ${what}`), ["D3 what was not synced is torn"]);
  }
  assert(Object.values(found).every((count) => count > 20), JSON.stringify(found));
});

Deno.test("SimDisk D3 often tears within the last append", async () => {
  let count = 0;
  for (let draw = 0; draw < 100; draw++) {
    const { disk } = diskOf();
    const file = await append(disk, "log", { volatile: "x".repeat(3_000) });
    await file.append([text("last")]);
    disk.arm(fault("D3"));
    const { length } = (await disk.crash(draw).read("log"))!;
    if (length >= 3_000 && length < 3_004) count++;
  }
  assert(count > 15, `${count}`);
});

Deno.test("SimDisk D4 loses what was not synced, and waits for a crash of a machine at which there is such", async () => {
  const { disk } = diskOf();
  disk.arm(fault("D4"));
  await (await append(disk, "log", { synced: "synced" })).append([]);
  const second = disk.crash(1);
  assertEquals(second.pending.length, 1);
  await append(second, "log", { volatile: "+volatile" });
  const third = second.crash(1, { of: "process" });
  assertEquals([await textAt(third, "log"), third.pending.length], ["synced+volatile", 1]);
  const fourth = third.crash(1);
  assertEquals([await textAt(fourth, "log"), fourth.pending.length], ["synced", 0]);
});

Deno.test("SimDisk.crash() keeps, loses or tears what was not synced, file by file, the same for the same draw", async () => {
  const fates = new Set<string>();
  for (let draw = 0; draw < 60; draw++) {
    const crashed = async () => {
      const { disk } = diskOf();
      for (const path of ["a", "b"]) await append(disk, path, { synced: "1", volatile: "234567" });
      const next = disk.crash(draw);
      return `${await textAt(next, "a")} ${await textAt(next, "b")}`;
    };
    const found = await crashed();
    assertEquals(await crashed(), found);
    fates.add(found.split(" ").map((each) => ({ 1: "lost", 7: "kept" })[each.length] ?? "torn").join());
  }
  assert(fates.size === 9, [...fates].join(" "));
});

Deno.test("SimDisk.crash() leaves the old process hanging, without effect", async () => {
  const { disk } = diskOf();
  const file = await append(disk, "log", { synced: "1" });
  const next = disk.crash(1);
  let settled = 0;
  for (const call of [disk.read("log"), disk.writeAtomic("log", text("late")), file.append([text("late")])]) {
    call.finally(() => settled++);
  }
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  assertEquals([settled, disk.isDead, await textAt(next, "log")], [0, true, "1"]);
});

Deno.test("SimDisk D5 flips one durable bit, remembers where, and is to be blamed for what it breaks", async () => {
  for (let draw = 0; draw < 50; draw++) {
    const { clock, disk } = diskOf();
    disk.arm(fault("D5", { draw: draw * 0x1234567, atMs: 5 }));
    const file = await append(disk, "d/a", { volatile: "abc" });
    await disk.writeAtomic("d/b", text("xyz"));
    clock.atMs = 5;
    await disk.list("d");
    const [path, damage] = [...disk.damaged][0]!;
    assertEquals([path, damage], ["d/b", { kind: "D5", sinceMs: 5 }]);
    const bits = [...(await disk.read("d/b"))!].map((byte, at) => byte ^ text("xyz")[at]!).filter((bits) => bits !== 0);
    assert(bits.length === 1 && (bits[0]! & (bits[0]! - 1)) === 0);
    assert(disk.blames(new StateCorruptError("damaged", { context: { path: "d/b" } })));
    assert(!disk.blames(new StateCorruptError("damaged", { context: { path: "d/a" } })));
    await file.sync();
    assertEquals(disk.crash(1).damaged.size, 1);
  }
});

Deno.test("SimDisk forgets a damage when the file is replaced or removed", async () => {
  for (const end of ["replace", "remove"] as const) {
    const { disk } = diskOf();
    await disk.writeAtomic("d/a", text("abc"));
    disk.arm(fault("D5"));
    await disk.list("");
    assertEquals([...disk.damaged.keys()], ["d/a"]);
    await (end === "remove" ? disk.remove("d") : disk.writeAtomic("d/a", text("new")));
    assertEquals(disk.damaged.size, 0);
  }
});

Deno.test("SimDisk D6 is read-only for its time, or away, or has lost a directory", async () => {
  const ways = async (draw: number) => {
    const { clock, disk } = diskOf();
    await disk.writeAtomic("d/x/a", text("abc"));
    await disk.writeAtomic("d/x/b", text("abc"));
    await disk.writeAtomic("e/c", text("abc"));
    disk.arm(fault("D6", { draw, durationMs: 50 }));
    return { clock, disk };
  };
  const readOnly = await ways(0);
  assertEquals(await textAt(readOnly.disk, "d/x/a"), "abc");
  await mustBlame(readOnly.disk, readOnly.disk.writeAtomic("d/x/a", text("new")), DiskUnavailableError);
  await mustBlame(readOnly.disk, readOnly.disk.remove("d/x/a"), DiskUnavailableError);
  assertEquals(await textAt(readOnly.disk, "d/x/a"), "abc");
  readOnly.clock.atMs = 50;
  await readOnly.disk.remove("d/x/a");

  const away = await ways(1);
  for (const call of [() => away.disk.read("d/x/a"), () => away.disk.list("d"), () => away.disk.lock("d", "me")]) {
    await mustBlame(away.disk, call(), DiskUnavailableError);
  }
  away.clock.atMs = 50;
  assertEquals([await textAt(away.disk, "d/x/a"), away.disk.damaged.size], ["abc", 0]);

  const gone = await ways(2);
  assertEquals(await gone.disk.list("d/x"), []);
  assertEquals([...gone.disk.damaged.keys()], ["d/x/a", "d/x/b"]);
  assertEquals(await textAt(gone.disk, "e/c"), "abc");
});

Deno.test("SimDisk D7 leaves a lock behind at a crash, for its time or until it is healed", async () => {
  for (const durationMs of [100, 0]) {
    const { clock, disk } = diskOf();
    disk.arm(fault("D7", { durationMs }));
    const unlocked = disk.crash(1);
    await unlocked.lock("d", "the old one");
    const next = unlocked.crash(1, { of: "process" });
    const error = await mustBlame(next, next.lock("d", "the new one"), StateLockedError);
    assert(error.message.includes("'the old one'"));
    await (await next.lock("e", "another")).release();
    clock.atMs = 99;
    await mustBlame(next, next.lock("d", "the new one"), StateLockedError);
    if (durationMs === 0) next.heal();
    clock.atMs = 100;
    const lock = await next.lock("d", "the new one");
    const held = await assertRejects(() => next.lock("d", "a third"), StateLockedError);
    assert(!next.blames(held), "a lock that is held is nobody's fault");
    await lock.release();
  }
});

Deno.test("SimDisk D8 fails a sync, of which nobody knows what it made durable; the file takes no more", async () => {
  const { disk } = diskOf();
  const file = await append(disk, "log", { synced: "1", volatile: "2" });
  disk.arm(fault("D8"));
  assertEquals((await mustBlame(disk, file.sync(), DiskUnavailableError)).outcome, "unknown");
  const later = await assertRejects(() => file.append([text("3")]), DiskUnavailableError);
  assert(disk.blames(later), "by its cause");
  assertEquals([await textAt(disk, "log"), disk.ledger.length], ["12", 1]);
});

Deno.test("SimDisk D9 has no file handles for what opens a file; open files go on", async () => {
  for (const draw of [0, 1]) {
    const { clock, disk } = diskOf();
    const file = await append(disk, "log", { synced: "1" });
    disk.arm(fault("D9", { draw, durationMs: 10 }));
    await file.append([text("2")]);
    await file.sync();
    await mustBlame(disk, disk.open("log"), DiskUnavailableError);
    if (draw === 1) await mustBlame(disk, disk.read("log"), DiskUnavailableError);
    clock.atMs = 10;
    assertEquals(await textAt(disk, "log"), "12");
  }
});

Deno.test("SimDisk.heal() ends faults that last, and arm() refuses what cannot strike a disk", async () => {
  const { disk } = diskOf();
  disk.arm(fault("D6", { draw: 1, durationMs: 1e9 }));
  await rejection(disk.list(""));
  disk.heal();
  assertEquals([await disk.list(""), disk.pending], [[], []]);
  assertThrows(() => disk.arm(fault("S1")), RangeError, "current value is S1");
  assertThrows(() => disk.arm(fault("D10")), RangeError, "current value is D10");
});
