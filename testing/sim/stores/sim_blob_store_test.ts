import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  BlobDeniedError,
  BlobPreconditionError,
  BlobThrottledError,
  BlobTimeoutError,
  BlobUnavailableError,
  CheckpointCorruptError,
} from "../../../lib/base/errors.ts";
import type { BlobStore } from "../../../lib/seams/blob_store.ts";
import { blobStoreContract } from "../../contracts/blob_store_contract.ts";
import { registerContract } from "../../contracts/contract.ts";
import type { PlannedFault } from "../fault_kinds.ts";
import { fault, rejection, SleepyClock, text } from "./fixtures_test.ts";
import { SimBlobStore } from "./sim_blob_store.ts";

registerContract(
  "SimBlobStore",
  blobStoreContract({
    open: () => Promise.resolve(new SimBlobStore(new SleepyClock())),
    openAgain: (store) => Promise.resolve((store as SimBlobStore).handle()),
  }),
);

const worlds = new WeakMap<BlobStore, SimBlobStore>();

registerContract(
  "SimBlobStore, far away",
  blobStoreContract({
    open: () => {
      const world = new SimBlobStore(new SleepyClock());
      const handle = world.handle({ latency: () => Promise.resolve() });
      worlds.set(handle, world);
      return Promise.resolve(handle);
    },
    openAgain: (store) => Promise.resolve(worlds.get(store)!.handle({ latency: () => Promise.resolve() })),
  }),
);

/** A store with objects `a` (abc) and `b` (xy), before the fault. */
async function armed(planned: PlannedFault) {
  const clock = new SleepyClock();
  const blobs = new SimBlobStore(clock);
  await blobs.create("a", text("abc"));
  await blobs.create("b", text("xy"));
  blobs.arm(planned);
  return { clock, blobs };
}

const textAt = (bytes: Uint8Array | undefined) => bytes && new TextDecoder().decode(bytes);
const namesOf = async (blobs: BlobStore) => (await blobs.list("")).map(({ name }) => name);
const fired = (blobs: SimBlobStore) => blobs.ledger.map(({ kind, call, name }) => `${kind} ${call} ${name}`);

/** Requires an error of a class that is blamed on the fault; whatever else is not. */
async function mustBlame(
  blobs: SimBlobStore,
  call: Promise<unknown>,
  // deno-lint-ignore no-explicit-any
  type: new (...given: any[]) => Error,
) {
  const error = await rejection(call);
  assert(error instanceof type, `${error}`);
  assert(blobs.blames(error), "the fault is to be blamed");
  assert(blobs.blames(new CheckpointCorruptError("wrapped", { cause: error })), "as a cause it is to be blamed too");
  const cyclic = Object.assign(new Error("cyclic"), { cause: new AggregateError([error]) });
  assert(blobs.blames(cyclic), "as one of several errors too");
  Object.assign(cyclic.cause, { cause: cyclic, errors: [] });
  assert(!blobs.blames(cyclic) && !blobs.blames("no error"));
  assert(!blobs.blames(new BlobUnavailableError(error.message)), "an error that looks the same is none of the store's");
  return error as InstanceType<typeof type> & { outcome: string };
}

Deno.test("SimBlobStore S1 fails inside for a few calls, and a write may have happened all the same", async () => {
  for (const [draw, isApplied] of [[0, false], [1, true]] as const) {
    const { blobs } = await armed(fault("S1", { draw }));
    const error = await mustBlame(blobs, blobs.create("c", text("1")), BlobUnavailableError);
    assertEquals([error.outcome, blobs.names().includes("c")], ["unknown", isApplied]);
    assertEquals(textAt(await blobs.get("a")), "abc");
  }
  const { blobs } = await armed(fault("S1", { draw: 2 << 8 }));
  for (const call of [() => blobs.get("a"), () => blobs.list(""), () => blobs.delete("a")]) {
    await mustBlame(blobs, call(), BlobUnavailableError);
  }
  assertEquals(await namesOf(blobs), ["a", "b"]);
  assertEquals(fired(blobs), ["S1 get a", "S1 list ", "S1 delete a"]);
});

Deno.test("SimBlobStore refuses an object below another one, and one named like a folder", async () => {
  const { blobs } = await armed(fault("S16", { atMs: 1 }));
  await blobs.create("d/e", text("1"));
  for (const name of ["a/below", "d"]) {
    const error = await rejection(blobs.create(name, text("1")));
    assert(error instanceof BlobPreconditionError && !blobs.blames(error));
  }
});

Deno.test("SimBlobStore S2 asks to slow down, and nothing happens", async () => {
  const { blobs } = await armed(fault("S2"));
  await mustBlame(blobs, blobs.create("c", text("1")), BlobThrottledError);
  assertEquals(await namesOf(blobs), ["a", "b"]);
});

Deno.test("SimBlobStore S3 strikes a write, which has happened when the client gives up", async () => {
  const { blobs, clock } = await armed(fault("S3"));
  assertEquals(textAt(await blobs.get("a")), "abc");
  const error = await mustBlame(blobs, blobs.create("c", text("1")), BlobTimeoutError);
  assertEquals([error.outcome, clock.atMs, textAt(blobs.peek("c")), blobs.intact("c")], ["unknown", 10_000, "1", true]);
});

Deno.test("SimBlobStore S4 lets a client give up, and nothing has happened", async () => {
  const { blobs, clock } = await armed(fault("S4"));
  const error = await mustBlame(blobs, blobs.delete("a"), BlobTimeoutError);
  assertEquals([error.outcome, clock.atMs, textAt(blobs.peek("a"))], ["unknown", 10_000, "abc"]);
});

Deno.test("SimBlobStore S5 reads one body short, and what is there stays whole", async () => {
  for (const draw of [0, 1, 2, 3]) {
    const { blobs } = await armed(fault("S5", { draw }));
    assertEquals(await blobs.get("missing"), undefined);
    assertEquals(textAt(await blobs.get("a")), "abc".slice(0, draw % 3));
    assertEquals(textAt(await blobs.get("a")), "abc");
    assert(blobs.intact("a") && blobs.hasLied("a"));
    assert(blobs.blames(new CheckpointCorruptError("short", { context: { name: "a" } })));
    assert(!blobs.blames(new CheckpointCorruptError("short", { context: { name: "b" } })));
  }
});

Deno.test("SimBlobStore S6 flips a bit of a body on its way, or in the store for good", async () => {
  for (const [draw, isAtRest] of [[2 * 9, false], [2 * 9 + 1, true]] as const) {
    const { blobs } = await armed(fault("S6", { draw }));
    assertEquals(textAt(await blobs.get("a")), "a`c");
    assertEquals(textAt(await blobs.get("a")), isAtRest ? "a`c" : "abc");
    assertEquals([blobs.intact("a"), textAt(blobs.written("a"))], [!isAtRest, "abc"]);
    assertEquals([...blobs.damaged], isAtRest ? [["a", { kind: "S6", sinceMs: 0 }]] : []);
  }
});

Deno.test("SimBlobStore S7 leaves entries out of one listing, and tells about which", async () => {
  const { blobs } = await armed(fault("S7", { draw: 0 }));
  assertEquals(await blobs.list("missing"), []);
  assertEquals(await namesOf(blobs), ["a"]);
  assertEquals([await namesOf(blobs), blobs.hasLied("a"), blobs.hasLied("b")], [["a", "b"], false, true]);
  for (let draw = 0; draw < 200; draw++) {
    const { blobs } = await armed(fault("S7", { draw }));
    const shown = await namesOf(blobs);
    assert(shown.length < 2 && shown.join() === shown.toSorted().join());
    assertEquals(["a", "b"].filter((name) => blobs.hasLied(name)), ["a", "b"].filter((name) => !shown.includes(name)));
  }
});

Deno.test("SimBlobStore S8 creates and answers as to a second attempt: the name is taken, by our own bytes", async () => {
  const { blobs } = await armed(fault("S8"));
  assertEquals(await blobs.create("a", text("zz")), { isCreated: false, existing: text("abc") });
  assertEquals(await blobs.create("c", text("new")), { isCreated: false, existing: text("new") });
  assertEquals([blobs.intact("c"), blobs.hasLied("c")], [true, false]);
});

Deno.test("SimBlobStore S9 reports a conflict, and nothing is created", async () => {
  const { blobs } = await armed(fault("S9"));
  await mustBlame(blobs, blobs.create("c", text("1")), BlobPreconditionError);
  assertEquals(await namesOf(blobs), ["a", "b"]);
});

Deno.test("SimBlobStore S10 tears an upload: nothing is visible, or a shorter object for good", async () => {
  const { blobs: invisible } = await armed(fault("S10", { draw: 0 }));
  await mustBlame(invisible, invisible.create("c", text("12345")), BlobUnavailableError);
  assertEquals([await namesOf(invisible), invisible.damaged.size], [["a", "b"], 0]);

  const { blobs: visible } = await armed(fault("S10", { draw: 1 + 2 * 3 }));
  const error = await mustBlame(visible, visible.create("c", text("12345")), BlobUnavailableError);
  assertEquals([error.outcome, textAt(visible.peek("c")), visible.intact("c")], ["unknown", "123", false]);
  assertEquals(await visible.create("c", text("12345")), { isCreated: false, existing: text("123") });
  assertEquals(fired(visible), ["S10 create c"]);
});

Deno.test("SimBlobStore S11 reports an object written that is not there", async () => {
  const { blobs } = await armed(fault("S11"));
  assertEquals(await blobs.create("c", text("1")), { isCreated: true });
  assertEquals([await blobs.get("c"), await namesOf(blobs)], [undefined, ["a", "b"]]);
  assertEquals([...blobs.damaged], [["c", { kind: "S11", sinceMs: 0 }]]);
  assertEquals(await blobs.create("c", text("2")), { isCreated: true });
  assertEquals([blobs.intact("c"), blobs.damaged.size], [true, 0]);
});

for (const [kind, type] of [["S12", BlobDeniedError], ["S16", BlobUnavailableError]] as const) {
  Deno.test(`SimBlobStore ${kind} refuses every call for its time, from the first one on`, async () => {
    const { blobs, clock } = await armed(fault(kind, { atMs: 100, durationMs: 50 }));
    assertEquals(await namesOf(blobs), ["a", "b"]);
    clock.atMs = 500;
    await mustBlame(blobs, blobs.create("c", text("1")), type);
    clock.atMs = 549;
    await mustBlame(blobs, blobs.get("a"), type);
    clock.atMs = 550;
    assertEquals(await namesOf(blobs), ["a", "b"]);
    assertEquals(fired(blobs), [`${kind} create c`, `${kind} get a`]);

    blobs.arm(fault(kind, { durationMs: 1e9 }));
    await mustBlame(blobs, blobs.get("a"), type);
    blobs.heal();
    assertEquals([textAt(await blobs.get("a")), blobs.pending], ["abc", []]);
  });
}

Deno.test("SimBlobStore S13 takes an object away, and an error about it is to be blamed on that", async () => {
  for (const [draw, name] of [[0, "a"], [1, "b"]] as const) {
    const { blobs } = await armed(fault("S13", { draw }));
    const corrupt = new CheckpointCorruptError("it is missing", { context: { manifest: "m", name } });
    assert(!blobs.blames(corrupt), "it has not happened yet");
    assertEquals(await namesOf(blobs), ["a", "b"].filter((other) => other !== name));
    assertEquals([blobs.damaged.get(name)?.kind, blobs.intact(name), blobs.blames(corrupt)], ["S13", false, true]);
    await blobs.delete(name);
    assertEquals(blobs.damaged.size, 0);
  }
});

Deno.test("SimBlobStore.damageNow() strikes the object that is named, for good, and tells of it", async () => {
  for (const kind of ["S6", "S13"] as const) {
    const blobs = new SimBlobStore(new SleepyClock());
    const told: string[] = [];
    blobs.onFired(({ kind, name }) => told.push(`${kind} ${name}`));
    await blobs.create("a", text("abc"));
    await blobs.create("b", text("abc"));
    blobs.damageNow(fault(kind), "b", 8);
    assertEquals(await blobs.get("b"), kind === "S6" ? text("acc") : undefined);
    assertEquals(await blobs.get("a"), text("abc"));
    assertEquals([blobs.intact("a"), blobs.intact("b"), blobs.hasLied("b")], [true, false, true]);
    assertEquals(told, [`${kind} b`]);
  }
});

Deno.test("SimBlobStore S14 makes a call slow, before or after its effect", async () => {
  for (const draw of [0, 1]) {
    const { blobs, clock } = await armed(fault("S14", { draw, durationMs: 7_000 }));
    const creating = blobs.create("c", text("1"));
    assertEquals(blobs.names().includes("c"), draw === 0);
    assertEquals([await creating, clock.atMs], [{ isCreated: true }, 7_000]);
    assertEquals(fired(blobs), ["S14 create c"]);
  }
});

Deno.test("SimBlobStore S15 lets two objects of different content change places", async () => {
  const clock = new SleepyClock();
  const blobs = new SimBlobStore(clock);
  blobs.arm(fault("S15"));
  await blobs.create("a", text("same"));
  await blobs.create("b", text("same"));
  assertEquals([textAt(await blobs.get("a")), blobs.pending.length], ["same", 1]);
  await blobs.create("c", text("other"));
  assertEquals([textAt(await blobs.get("a")), textAt(await blobs.get("c"))], ["other", "same"]);
  assertEquals([[...blobs.damaged.keys()], blobs.intact("b")], [["a", "c"], true]);
});

Deno.test("SimBlobStore faults wait for their time, strike in turn, and are told of once", async () => {
  const { blobs, clock } = await armed(fault("S2", { atMs: 10 }));
  const told: string[] = [];
  blobs.onFired(({ kind, atMs, what }) => told.push(`${kind} ${atMs} ${what}`));
  blobs.arm(fault("S16", { atMs: 10, durationMs: 5 }));
  await blobs.get("a");
  clock.atMs = 10;
  await mustBlame(blobs, blobs.get("a"), BlobThrottledError);
  for (let call = 0; call < 3; call++) await mustBlame(blobs, blobs.get("a"), BlobUnavailableError);
  assertEquals(told, ["S2 10 the store asks to slow down", "S16 10 the store is out"]);
  assertEquals(blobs.ledger.length, 4);
  assertThrows(() => blobs.arm(fault("D1")), RangeError, "current value is D1");
});

Deno.test("SimBlobStore tells watchers who did what, and what a fault made of it", async () => {
  const { blobs } = await armed(fault("S10", { draw: 1 + 2 * 2 }));
  const seen: string[] = [];
  const tell =
    (what: string) => ({ name, size, who, fault }: { name: string; size: number; who: string; fault: unknown }) =>
      void seen.push(`${what} ${name} ${size} ${who} ${fault ?? "-"}`);
  blobs.watch({
    onCreate: tell("create"),
    onCreateRefused: tell("refused"),
    onGet: tell("get"),
    onDelete: tell("delete"),
  });
  const one = blobs.handle({ who: "one" });
  await rejection(one.create("c", text("12345")));
  await one.create("c", text("12345"));
  await one.get("c");
  await one.get("missing");
  blobs.arm(fault("S5", { draw: 1 }));
  await blobs.handle({ who: "two" }).get("a");
  blobs.arm(fault("S13", { draw: 1 }));
  await one.get("b");
  await one.delete("a");
  await one.delete("missing");
  assertEquals(seen, [
    "create c 2 one S10",
    "refused c 2 one S10",
    "get c 2 one S10",
    "get a 1 two S5",
    "get b 0 one S13",
    "delete a 3 one -",
  ]);
});

Deno.test("SimBlobStore handles travel: a call takes effect after the way there, and is answered after the way back", async () => {
  const blobs = new SimBlobStore(new SleepyClock());
  const ways: (() => void)[] = [];
  const far = blobs.handle({ latency: () => new Promise<void>((resolve) => ways.push(resolve)) });
  let isAnswered = false;
  const bytes = text("as it was");
  const creating = far.create("a", bytes).then(() => isAnswered = true);
  bytes.fill(0);
  assertEquals(blobs.names(), []);
  ways.shift()!();
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  assertEquals([textAt(blobs.peek("a")), isAnswered], ["as it was", false]);
  ways.shift()!();
  await creating;
  await far.close();
  assert(!blobs.blames(await rejection(far.get("a"))), "a closed handle is nobody's fault");
  assertEquals(textAt(await blobs.get("a")), "as it was");
});
