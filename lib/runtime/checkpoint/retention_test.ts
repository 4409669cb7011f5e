import { assert, assertEquals } from "@std/assert";
import type { MemoryBlobStore } from "../../adapters/memory/memory_blob_store.ts";
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
} from "./fixtures_test.ts";

const MANIFEST = NAMES.manifest(keyOf(1, 2));
const FILE = NAMES.segment(keyOf(1, 2), "base", 0);

/** The same objects through listings that miss one name. */
function hiding(store: MemoryBlobStore, hidden: string): FaultyBlobs {
  const blobs = new FaultyBlobs(store);
  const list = blobs.list;
  blobs.list = async (prefix) => (await list(prefix)).filter(({ name }) => name !== hidden);
  return blobs;
}

Deno.test("retention keeps files whose manifest is there, however often listings miss it", async () => {
  const store = await blobsWith(2);
  const environment = new Recorder();
  const next = checkpointerOf(hiding(store, MANIFEST), { ownerToken: 2, retained: 4, environment });
  for (const version of [3, 4, 5]) {
    await published(next.publish(await snapshotOf(rowsOf(5, version), `at ${version}`), factsOf(version)));
  }
  const names = await namesIn(store);
  assert(names.includes(MANIFEST) && names.includes(FILE));
  assert(environment.logged("warn").includes(FILE));
  for (const version of [3, 4, 5]) await store.delete(NAMES.manifest(keyOf(2, version - 2)));
  assertEquals((await restored(store)).position, "at 2");
});

Deno.test("retention still collects files whose manifest is nowhere", async () => {
  const store = await blobsWith(2);
  await store.delete(MANIFEST);
  const next = checkpointerOf(store, { ownerToken: 2, retained: 4 });
  await published(next.publish(await snapshotOf(rowsOf(5, 3), "at 3"), factsOf(3)));
  assert((await namesIn(store)).includes(FILE));
  await published(next.publish(await snapshotOf(rowsOf(5, 4), "at 4"), factsOf(4)));
  assert(!(await namesIn(store)).includes(FILE));
});
