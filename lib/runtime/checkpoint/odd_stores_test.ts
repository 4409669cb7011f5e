/** Blob stores and snapshots of others that do what none should, and what stands in a store of a later version. */
import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { MemoryBlobStore } from "../../adapters/memory/memory_blob_store.ts";
import { InvariantError } from "../../base/assert.ts";
import { BlobUnavailableError, CheckpointTornError } from "../../base/errors.ts";
import { encodeManifest } from "../../core/manifest_codec.ts";
import { claimOwnerToken } from "./claim_owner_token.ts";
import {
  blobsWith,
  checkpointerOf,
  contentOf,
  factsOf,
  FaultyBlobs,
  keyOf,
  NAMES,
  namesIn,
  published,
  Recorder,
  restored,
  restorerOf,
  rowsOf,
  snapshotOf,
  storeOf,
  TASK,
} from "./fixtures_test.ts";
import { RetryingBlobStore } from "./retrying_blob_store.ts";

const AWAY = new BlobUnavailableError("The store is away");

Deno.test("Checkpointer.publish() reports what a store throws even when that is no error, and keeps what was there", async () => {
  const store = await blobsWith(1);
  const blobs = new FaultyBlobs(store);
  blobs.plan = (_, verb) => verb === "create" ? { before: "no luck" as never } : undefined;
  const result = await checkpointerOf(blobs, { ownerToken: 2 }).publish(await snapshotOf(rowsOf(5, 2)), factsOf(2));
  assert(result.kind === "failed");
  assertInstanceOf(result.error, Error);
  assertEquals(result.error.message, "no luck");
  assertEquals((await restored(store)).position, "at 1");
});

Deno.test("Checkpointer.publish() stays published when a deletion of retention throws what is no error", async () => {
  const store = await blobsWith(2);
  const blobs = new FaultyBlobs(store);
  blobs.plan = (_, verb) => verb === "delete" ? { before: "no luck" as never } : undefined;
  const next = checkpointerOf(blobs, { ownerToken: 2, retained: 1 });
  const result = await published(next.publish(await snapshotOf(rowsOf(5, 3), "at 3"), factsOf(3)));
  assertEquals([result.retentionError?.message, result.oldestRetained], ["no luck", undefined]);
  assertEquals((await restored(store)).position, "at 3");
});

Deno.test("Checkpointer.publish() does not hide a bug of the snapshot's release, whatever else went well or wrong", async () => {
  for (const isAway of [false, true]) {
    const blobs = new FaultyBlobs(new MemoryBlobStore());
    if (isAway) blobs.plan = () => ({ before: AWAY });
    const snapshot = await snapshotOf(rowsOf(3, 1));
    const broken = {
      position: snapshot.position,
      pages: (rowsMax: number) => snapshot.pages(rowsMax),
      release: () => Promise.reject(new InvariantError("released twice")),
    };
    await assertRejects(() => checkpointerOf(blobs).publish(broken, factsOf(1)), InvariantError, "released twice");
  }
});

Deno.test("Checkpointer.publish() creates no manifest when a file that is listed cannot be read", async () => {
  const blobs = new FaultyBlobs(new MemoryBlobStore());
  const { get } = blobs;
  blobs.get = async (name) => name.endsWith(".arrow") ? undefined : await get(name);
  const result = await checkpointerOf(blobs).publish(await snapshotOf(rowsOf(5, 1)), factsOf(1));
  assert(result.kind === "failed");
  assertInstanceOf(result.error, CheckpointTornError);
  assertEquals((await namesIn(blobs)).filter((name) => name.endsWith(".json")), []);
});

Deno.test("Checkpointer.publish() writes the same manifest whatever the order of operators and topics in the code", async () => {
  const facts = factsOf(1);
  const operators = ["b", "d", "a", "c"].map((name) => ({ name, fingerprint: "ab".repeat(32) }));
  const topics = ["orders", "rates", "customers"].map((topic) => ({ topic, topicId: `id-${topic}`, partitions: 8 }));
  const results = [];
  for (const isTurned of [false, true]) {
    const order = <T>(items: T[]) => isTurned ? items.toReversed() : items;
    const checkpointer = checkpointerOf(new MemoryBlobStore());
    const snapshot = await snapshotOf(rowsOf(1, 1));
    const told = { ...facts, operators: order(operators), topics: order(topics) };
    results.push((await published(checkpointer.publish(snapshot, told))).manifest);
  }
  assertEquals(results[0]!.operators.map(({ name }) => name), ["a", "b", "c", "d"]);
  assertEquals(results[0]!.topics.map(({ topic }) => topic), ["customers", "orders", "rates"]);
  assertEquals(results[1], results[0]);
});

Deno.test("retention deletes nothing while a manifest of a later version stands there", async () => {
  const store = await blobsWith(3, { retained: 3 });
  const environment = new Recorder();
  const { manifest } = (await restorerOf(store).listCandidates())[0]!;
  const newer = { ...manifest, ...keyOf(1, 9), formatVersion: 2 as 1, segments: [] };
  await store.create(NAMES.manifest(keyOf(1, 9)), encodeManifest(newer).bytes);
  const before = await namesIn(store);
  const next = checkpointerOf(store, { ownerToken: 2, retained: 1, environment });
  await published(next.publish(await snapshotOf(rowsOf(5, 4), "at 4"), factsOf(4)));
  const after = await namesIn(store);
  assertEquals(before.filter((name) => !after.includes(name)), []);
  assert(environment.logged("warn").includes("is unknown"), environment.logged("warn"));
});

Deno.test("a checkpoint of a store that never had a position is loaded without one", async () => {
  const blobs = new MemoryBlobStore();
  await published(checkpointerOf(blobs).publish(await (await storeOf()).snapshot(), factsOf(1)));
  const store = await storeOf();
  const [candidate] = await restorerOf(blobs).listCandidates();
  await restorerOf(blobs).load(candidate!, store);
  assertEquals(await contentOf(store), { rows: {}, position: undefined });
});

Deno.test("RetryingBlobStore ends with the store's own error when its signal aborts while it waits", async () => {
  const blobs = new FaultyBlobs(new MemoryBlobStore());
  blobs.plan = () => ({ before: AWAY });
  const ending = new AbortController();
  const environment = new Recorder();
  const { sleep } = environment.clock;
  environment.clock.sleep = (ms, signal) => {
    ending.abort();
    return sleep(ms, signal);
  };
  const retrying = new RetryingBlobStore(blobs, environment, { signal: ending.signal });
  await assertRejects(() => retrying.get("name"), BlobUnavailableError, "away");
  assertEquals([blobs.calls.length, environment.sleeps.length], [1, 1]);
  for (const attemptsMax of [NaN, 1.5, Infinity]) {
    assertThrows(() => new RetryingBlobStore(blobs, environment, { attemptsMax }), RangeError, "'attemptsMax'");
  }
});

Deno.test("claimOwnerToken() stops trying when its task is closed", async () => {
  const blobs = new FaultyBlobs(new MemoryBlobStore());
  blobs.plan = () => ({ before: AWAY });
  const ending = new AbortController();
  ending.abort();
  const { signal } = ending;
  const claim = claimOwnerToken(blobs, TASK, { environment: new Recorder(), instance: "a", signal });
  await assertRejects(() => claim, BlobUnavailableError);
  assertEquals(blobs.calls.length, 1);
});
