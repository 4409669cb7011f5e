import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { MemoryBlobStore } from "../../adapters/memory/memory_blob_store.ts";
import { InvariantError } from "../../base/assert.ts";
import {
  BlobDeniedError,
  BlobThrottledError,
  BlobTimeoutError,
  CheckpointConflictError,
  CheckpointTornError,
  StateStoreClosedError,
} from "../../base/errors.ts";
import { sha256Hex } from "../../base/sha256.ts";
import type { StateSnapshot } from "../../seams/state_store.ts";
import { claimOwnerToken } from "./claim_owner_token.ts";
import {
  blobsWith,
  checkpointerOf,
  factsOf,
  FaultyBlobs,
  keyOf,
  NAMES,
  namesIn,
  published,
  Recorder,
  restored,
  rowsOf,
  snapshotOf,
  storeOf,
  TASK,
  text,
} from "./fixtures_test.ts";

const MANIFEST = NAMES.manifest(keyOf(1, 1));
const SEGMENT = NAMES.segment(keyOf(1, 1), "base", 0);

Deno.test("Checkpointer.publish() writes segments, verifies them, creates the manifest last, then retains", async () => {
  const environment = new Recorder();
  const blobs = new FaultyBlobs(new MemoryBlobStore());
  const checkpointer = checkpointerOf(blobs, { environment, segmentBytesMax: 100 });
  const result = await published(checkpointer.publish(await snapshotOf(rowsOf(10, 1)), factsOf(1)));
  const names = [...Array(3).keys()].map((index) => NAMES.segment(keyOf(1, 1), "base", index));
  assertEquals(result.manifest.segments.map((segment) => segment.name), names);
  assertEquals(await namesIn(blobs), [...names, MANIFEST]);
  assertEquals(environment.labels(), [
    "checkpoint:begin",
    "checkpoint:snapshot",
    ...names.map(() => "checkpoint:segment-uploaded" as const),
    "checkpoint:verified",
    "checkpoint:manifest-before",
    "checkpoint:manifest-after",
    "retention:begin",
  ]);
  assertEquals(blobs.calls.filter((call) => call.startsWith("create")).at(-1), `create ${MANIFEST}`);
  assertEquals(blobs.calls.filter((call) => call.startsWith("get")), [...names, MANIFEST].map((name) => `get ${name}`));
});

Deno.test("Checkpointer.publish() describes each file as it is", async () => {
  const blobs = new MemoryBlobStore();
  const checkpointer = checkpointerOf(blobs, { segmentBytesMax: 100 });
  const result = await published(checkpointer.publish(await snapshotOf(rowsOf(10, 1), "at 1"), factsOf(1)));
  let rows = 0;
  for (const segment of result.manifest.segments) {
    const bytes = (await blobs.get(segment.name))!;
    assertEquals([segment.bytes, segment.sha256], [bytes.length, sha256Hex(bytes)]);
    rows += segment.rows;
  }
  assertEquals(rows, 10);
  assertEquals(result.bytes, result.manifest.segments.reduce((sum, segment) => sum + segment.bytes, 0));
  assertEquals(result.manifest.storePosition, text("at 1"));
  assertEquals(result.manifest.position, factsOf(1).position);
  assertEquals(result.manifest.createdWallMs, 1_700_000_000_000);
});

Deno.test("Checkpointer.publish() takes a state without rows, and refers to its previous checkpoint", async () => {
  const blobs = new MemoryBlobStore();
  const checkpointer = checkpointerOf(blobs);
  const empty = await (await storeOf()).snapshot();
  const first = await published(checkpointer.publish(empty, factsOf(0)));
  assertEquals([first.manifest.segments, first.manifest.storePosition, first.manifest.previous], [[], null, null]);
  const second = await published(checkpointer.publish(await snapshotOf(rowsOf(1, 1)), factsOf(1)));
  assertEquals(second.manifest.previous?.name, first.name);
  assert(new TextDecoder().decode(await blobs.get(first.name)).includes(second.manifest.previous!.checksum));
});

Deno.test("Checkpointer.publish() sorts topics and operators, so that the order of an app's code does not matter", async () => {
  const facts = factsOf(1);
  const topics = ["z", "orders", "a"].map((topic) => ({ topic, topicId: `id of ${topic}`, partitions: 8 }));
  const operators = ["state.z", "state.a"].map((name) => ({ name, fingerprint: "0".repeat(64) }));
  const checkpointer = checkpointerOf(new MemoryBlobStore());
  const snapshot = await snapshotOf(rowsOf(1, 1));
  const { manifest } = await published(checkpointer.publish(snapshot, { ...facts, topics, operators }));
  assertEquals(manifest.topics.map(({ topic }) => topic), ["a", "orders", "z"]);
  assertEquals(manifest.operators.map(({ name }) => name), ["state.a", "state.z"]);
});

Deno.test("Checkpointer.publish() keeps the wanted number and tells the oldest that remains", async () => {
  const blobs = new MemoryBlobStore();
  const checkpointer = checkpointerOf(blobs, { retained: 2 });
  const oldest: (number | undefined)[] = [];
  for (let version = 1; version <= 4; version++) {
    const result = await published(checkpointer.publish(await snapshotOf(rowsOf(3, version)), factsOf(version)));
    oldest.push(result.oldestRetained?.commitSequence);
  }
  assertEquals(oldest, [1, 1, 2, 3]);
  assertEquals(
    await namesIn(blobs),
    [3, 4].flatMap((sequence) => [
      NAMES.segment(keyOf(1, sequence), "base", 0),
      NAMES.manifest(keyOf(1, sequence)),
    ]),
  );
});

Deno.test("Checkpointer.publish() tries again what is throttled or late, and finds its own objects again", async () => {
  const environment = new Recorder();
  const blobs = new FaultyBlobs(new MemoryBlobStore());
  blobs.plan = (index) => {
    if (index % 3 === 0) return { after: new BlobTimeoutError("late") };
    return index % 3 === 1 ? { before: new BlobThrottledError("slow") } : undefined;
  };
  await published(checkpointerOf(blobs, { environment }).publish(await snapshotOf(rowsOf(10, 1)), factsOf(1)));
  assertEquals(environment.sleeps.length, blobs.calls.length / 3 * 2);
  blobs.plan = () => undefined;
  assertEquals((await restored(blobs)).rows, rowsOf(10, 1));
});

Deno.test("Checkpointer.publish() reports a failure at any call and leaves the checkpoints before it as they were", async () => {
  const disk = await blobsWith(2);
  const before = await disk.list("");
  let failures = 0;
  for (let failAt = 0;; failAt++) {
    const blobs = new FaultyBlobs(disk);
    const environment = new Recorder();
    blobs.plan = (index) => index === failAt ? { before: new BlobDeniedError("no") } : undefined;
    const checkpointer = checkpointerOf(blobs, { environment, ownerToken: 2 + failAt });
    const result = await checkpointer.publish(await snapshotOf(rowsOf(10, 3)), factsOf(3));
    const isBeforeManifest = !environment.labels().includes("checkpoint:manifest-after");
    if (!isBeforeManifest) {
      assertEquals(result.kind, "published");
      if (result.kind === "published") assertEquals(result.oldestRetained, undefined);
      break;
    }
    failures++;
    assertInstanceOf((result as { error: Error }).error, BlobDeniedError);
    assert(environment.logged("warn").includes("Checkpoint failed, earlier ones stay in use: no"));
    for (const { name, size } of before) assert((await disk.get(name))!.length === size);
    assertEquals((await restored(disk)).position, "at 2");
  }
  assertEquals(failures, 4, "segment, list, read back, manifest");
});

Deno.test("Checkpointer.publish() stays published when retention fails, and a later round goes on", async () => {
  const disk = await blobsWith(3, { retained: 9 });
  const blobs = new FaultyBlobs(disk);
  const environment = new Recorder();
  blobs.plan = (_, verb) => verb === "delete" ? { before: new BlobDeniedError("no") } : undefined;
  const checkpointer = checkpointerOf(blobs, { environment, ownerToken: 2, retained: 1 });
  const result = await published(checkpointer.publish(await snapshotOf(rowsOf(10, 4)), factsOf(4)));
  assertInstanceOf(result.retentionError, BlobDeniedError);
  assertEquals(blobs.calls.filter((call) => call.startsWith("delete")), [`delete ${MANIFEST}`]);
  assert(environment.logged("warn").includes("Checkpoint retention failed"));
  blobs.plan = () => undefined;
  await published(checkpointer.publish(await snapshotOf(rowsOf(10, 5)), factsOf(5)));
  assertEquals(await namesIn(disk), [NAMES.segment(keyOf(2, 2), "base", 0), NAMES.manifest(keyOf(2, 2))]);
});

Deno.test("Checkpointer.publish() creates no manifest when a file is not there as it was written", async () => {
  const damage: readonly (readonly [string, (bytes: Uint8Array) => Uint8Array])[] = [
    ["it has", (bytes) => bytes.slice(0, -1)],
    ["its checksum differs", (bytes) => bytes.with(50, 77)],
  ];
  for (const [expected, change] of damage) {
    const disk = new MemoryBlobStore();
    const blobs = new FaultyBlobs(disk);
    blobs.plan = (_, verb) => void (verb === "list" && disk.damage(SEGMENT, change));
    const result = await checkpointerOf(blobs).publish(await snapshotOf(rowsOf(10, 1)), factsOf(1));
    const { error } = result as { error: Error };
    assertInstanceOf(error, CheckpointTornError);
    assert(error.message.includes(expected), error.message);
    assertEquals(await namesIn(disk), [SEGMENT]);
  }
  const disk = new MemoryBlobStore();
  const blobs = new FaultyBlobs(disk);
  blobs.create = () => Promise.resolve({ isCreated: true });
  const result = await checkpointerOf(blobs).publish(await snapshotOf(rowsOf(10, 1)), factsOf(1));
  assert((result as { error: Error }).error.message.includes("it is not listed"));
});

Deno.test("Checkpointer.publish() trusts the listed size of files above 'verifyBytesMax'", async () => {
  const blobs = new FaultyBlobs(new MemoryBlobStore());
  await published(checkpointerOf(blobs, { verifyBytesMax: 100 }).publish(await snapshotOf(rowsOf(10, 1)), factsOf(1)));
  assertEquals(blobs.calls.filter((call) => call.startsWith("get")), [`get ${MANIFEST}`]);
});

Deno.test("Checkpointer.publish() never overwrites: a name taken by other content is a conflict", async () => {
  for (const name of [SEGMENT, MANIFEST]) {
    const blobs = new MemoryBlobStore();
    await blobs.create(name, text("somebody else's"));
    const result = await checkpointerOf(blobs).publish(await snapshotOf(rowsOf(10, 1)), factsOf(1));
    assertInstanceOf((result as { error: Error }).error, CheckpointConflictError);
    assertEquals(await blobs.get(name), text("somebody else's"));
  }
});

Deno.test("Checkpointer.publish() uses a name once: each attempt has its own", async () => {
  const disk = new MemoryBlobStore();
  const blobs = new FaultyBlobs(disk);
  const checkpointer = checkpointerOf(blobs);
  blobs.plan = (_, verb) => verb === "list" ? { before: new BlobDeniedError("no") } : undefined;
  assertEquals((await checkpointer.publish(await snapshotOf(rowsOf(5, 1)), factsOf(1))).kind, "failed");
  blobs.plan = () => undefined;
  const second = await published(checkpointer.publish(await snapshotOf(rowsOf(5, 2)), factsOf(2)));
  assertEquals(second.manifest.sequence, 2);
  assertEquals((await namesIn(disk)).includes(SEGMENT), true, "the torn upload stays for one round");
  await published(checkpointer.publish(await snapshotOf(rowsOf(5, 3)), factsOf(3)));
  assertEquals((await namesIn(disk)).includes(SEGMENT), false, "and is collected by the next");
});

Deno.test("Checkpointer.publish() stops a zombie before its manifest once a later owner has claimed the task", async () => {
  const blobs = new MemoryBlobStore();
  const environment = new Recorder();
  const ownerToken = await claimOwnerToken(blobs, TASK, { environment, instance: "a" });
  const zombie = checkpointerOf(blobs, { environment, ownerToken });
  await published(zombie.publish(await snapshotOf(rowsOf(5, 1)), factsOf(1)));
  await claimOwnerToken(blobs, TASK, { environment: new Recorder(), instance: "b" });
  const result = await zombie.publish(await snapshotOf(rowsOf(5, 2)), factsOf(2));
  const { error } = result as { error: Error };
  assertInstanceOf(error, CheckpointConflictError);
  assert(error.message.includes("owner 2 has taken over from owner 1"));
});

Deno.test("Checkpointer.publish() of a zombie that was not stopped carries its own token and deletes nothing", async () => {
  const blobs = new MemoryBlobStore();
  const environment = new Recorder();
  // The later owner claims and publishes between the zombie's last look and its manifest.
  const owner = checkpointerOf(blobs, { ownerToken: 2, retained: 5 });
  const later = await snapshotOf(rowsOf(5, 3), "of the owner");
  const race = new FaultyBlobs(blobs);
  const zombie = checkpointerOf(race, { environment, ownerToken: 1, retained: 1 });
  let isLate = false;
  race.plan = (_, verb, name) => {
    if (verb === "create" && name.endsWith("manifest.json")) isLate = true;
    return undefined;
  };
  const create = race.create;
  race.create = async (name, bytes) => {
    const result = await create(name, bytes);
    if (isLate) await published(owner.publish(later, factsOf(3)));
    return result;
  };
  const result = await published(zombie.publish(await snapshotOf(rowsOf(5, 2), "of the zombie"), factsOf(2)));
  assertEquals(result.manifest.ownerToken, 1);
  assert(environment.logged("warn").includes("owner 2 has taken over from owner 1"));
  assertEquals(environment.labels().includes("retention:manifest-deleted"), false);
  const { loaded, position } = await restored(blobs);
  assertEquals([loaded?.ownerToken, position], [2, "of the owner"]);
});

Deno.test("Checkpointer.publish() reports a snapshot that fails, and releases it in any case", async () => {
  for (const isReleaseBroken of [false, true]) {
    let released = 0;
    const snapshot: StateSnapshot = {
      position: undefined,
      // deno-lint-ignore require-yield
      pages: async function* () {
        await Promise.resolve();
        throw new StateStoreClosedError("closed");
      },
      release: () => {
        released++;
        return isReleaseBroken ? Promise.reject(new StateStoreClosedError("closed")) : Promise.resolve();
      },
    };
    const result = await checkpointerOf(new MemoryBlobStore()).publish(snapshot, factsOf(1));
    assertInstanceOf((result as { error: Error }).error, StateStoreClosedError);
    assertEquals(released, 1);
  }
});

Deno.test("Checkpointer.publish() does not hide bugs: wrong use and wrong facts are InvariantErrors", async () => {
  const blobs = new FaultyBlobs(new MemoryBlobStore());
  const checkpointer = checkpointerOf(blobs);
  const [one, other] = [await snapshotOf(rowsOf(1, 1)), await snapshotOf(rowsOf(1, 1))];
  const running = checkpointer.publish(one, factsOf(5));
  await assertRejects(() => checkpointer.publish(other, factsOf(5)), InvariantError, "one after the other");
  await published(running);
  await assertRejects(() => checkpointer.publish(other, factsOf(4)), InvariantError, "never decreases");
  const facts = { ...factsOf(5), topics: [] };
  await assertRejects(
    () => checkpointer.publish(other, facts),
    InvariantError,
    "a manifest that is written can be read",
  );
  await published(checkpointer.publish(await snapshotOf(rowsOf(1, 1)), factsOf(5)));
});

Deno.test("Checkpointer refuses options out of range and names them", () => {
  const blobs = new MemoryBlobStore();
  assertThrows(
    () => checkpointerOf(blobs, { retained: 0 }),
    RangeError,
    "'retained' must be an integer >= 1: current value is 0",
  );
  assertThrows(() => checkpointerOf(blobs, { ownerToken: 0 }), RangeError, "'ownerToken'");
  assertThrows(() => checkpointerOf(blobs, { segmentBytesMax: 0.5 }), RangeError, "'segmentBytesMax'");
  assertThrows(() => checkpointerOf(blobs, { verifyBytesMax: -1 }), RangeError, "'verifyBytesMax'");
  assertThrows(() => checkpointerOf(blobs, { lineage: "a/b" }), RangeError, "'lineage'");
});
