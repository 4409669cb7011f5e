import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { FileBlobStore } from "../../adapters/file/file_blob_store.ts";
import { MemoryBlobStore } from "../../adapters/memory/memory_blob_store.ts";
import { InvariantError } from "../../base/assert.ts";
import {
  BlobDeniedError,
  BlobTimeoutError,
  CheckpointCorruptError,
  CheckpointIncompatibleError,
} from "../../base/errors.ts";
import { sha256Hex } from "../../base/sha256.ts";
import type { CheckpointExpectations } from "../../core/checkpoint_compatibility.ts";
import {
  blobsWith,
  checkpointerOf,
  contentOf,
  EXPECTATIONS,
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
  text,
} from "./fixtures_test.ts";
import type { RestoreProgress } from "./restorer.ts";

const manifestName = (sequence: number) => NAMES.manifest(keyOf(1, sequence));
const segmentName = (sequence: number, index = 0) => NAMES.segment(keyOf(1, sequence), "base", index);

Deno.test("Restorer gives back rows and position of 100,000 rows in many segments, buffered or read twice", async () => {
  const rows = rowsOf(100_000, 1);
  const blobs = new MemoryBlobStore();
  const checkpointer = checkpointerOf(blobs, { segmentBytesMax: 500_000 });
  const { manifest } = await published(checkpointer.publish(await snapshotOf(rows, "at 1"), factsOf(1)));
  assert(manifest.segments.length > 5);
  for (const bufferBytesMax of [1 << 30, 0]) {
    const { loaded, position, rows: found } = await restored(blobs, { bufferBytesMax });
    assertEquals([loaded?.sequence, loaded?.rows, position], [1, 100_000, "at 1"]);
    assertEquals(Object.keys(found).length, 100_000);
    for (const [key, value] of Object.entries(rows)) if (found[key] !== value) throw new Error(`${key} differs`);
  }
});

Deno.test("Restorer.listCandidates() gives the usable checkpoints newest first, with their positions", async () => {
  const blobs = await blobsWith(3);
  const candidates = await restorerOf(blobs).listCandidates();
  assertEquals(candidates.map((candidate) => candidate.position), [3, 2, 1].map((n) => factsOf(n).position));
  assertEquals(candidates.map(({ name }) => name), [3, 2, 1].map(manifestName));
  assertEquals(await restorerOf(new MemoryBlobStore()).listCandidates(), []);
  assertEquals((await restored(new MemoryBlobStore())).loaded, undefined);
});

Deno.test("Restorer.load() loads the candidate that was chosen, not the newest", async () => {
  const blobs = await blobsWith(3);
  const restorer = restorerOf(blobs);
  const candidate = (await restorer.listCandidates()).find((one) => one.position.offsets[0]!.offset <= 20n)!;
  const store = await storeOf();
  await restorer.load(candidate, store);
  assertEquals(await contentOf(store), { rows: rowsOf(10, 2), position: "at 2" });
});

Deno.test("Restorer.load() reports progress and each step", async () => {
  const blobs = new MemoryBlobStore();
  await published(checkpointerOf(blobs, { segmentBytesMax: 100 }).publish(await snapshotOf(rowsOf(10, 1)), factsOf(1)));
  const environment = new Recorder();
  const restorer = restorerOf(blobs, { environment });
  const seen: RestoreProgress[] = [];
  const [candidate] = await restorer.listCandidates();
  await restorer.load(candidate!, await storeOf(), { onProgress: (progress) => seen.push(progress) });
  const sizes = candidate!.manifest.segments.map((segment) => segment.bytes);
  assertEquals(seen.map(({ stage, rows }) => [stage, rows]), [
    ["verifying", 4],
    ["verifying", 8],
    ["verifying", 10],
    ["loading", 4],
    ["loading", 8],
    ["loading", 10],
  ]);
  assertEquals(seen.map(({ bytes }) => bytes).slice(3), [sizes[0]!, sizes[0]! + sizes[1]!, candidate!.bytes]);
  for (const { bytesTotal, rowsTotal } of seen) assertEquals([bytesTotal, rowsTotal], [candidate!.bytes, 10]);
  assertEquals(environment.labels(), [
    "restore:begin",
    "restore:candidate-chosen",
    "restore:segment-loaded",
    "restore:segment-loaded",
    "restore:segment-loaded",
    "restore:checkpoint-loaded",
  ]);
});

Deno.test("Restorer.load() leaves a store without a position when it is cut short", async () => {
  const blobs = await blobsWith(1, { segmentBytesMax: 100 });
  const restorer = restorerOf(blobs);
  const [candidate] = await restorer.listCandidates();
  const store = await storeOf();
  let loads = 0;
  const load = store.load.bind(store);
  store.load = (page) => ++loads === 3 ? Promise.reject(new Error("cut")) : load(page);
  await assertRejects(() => restorer.load(candidate!, store), Error, "cut");
  assertEquals((await contentOf(store)).position, undefined);
});

Deno.test("Restorer.load() refuses a store that is not empty", async () => {
  const restorer = restorerOf(await blobsWith(1));
  const [candidate] = await restorer.listCandidates();
  const store = await storeOf(rowsOf(1, 1));
  await assertRejects(() => restorer.load(candidate!, store), InvariantError, "an empty store");
});

Deno.test("Restorer passes over damaged checkpoints with a word about each", async () => {
  const blobs = await blobsWith(3);
  blobs.damage(manifestName(3), (bytes) => bytes.with(40, bytes[40]! ^ 1));
  blobs.damage(segmentName(2), (bytes) => bytes.with(40, bytes[40]! ^ 1));
  const environment = new Recorder();
  const { loaded, position, rows } = await restored(blobs, { environment });
  assertEquals([loaded?.sequence, position, rows], [1, "at 1", rowsOf(10, 1)]);
  const said = environment.logged("error").split("\n");
  assertEquals(said.length, 2);
  assert(said[0]!.includes(manifestName(3)) && said[0]!.includes("its checksum does not match"), said[0]);
  assert(said[1]!.includes(segmentName(2)) && said[1]!.includes("its checksum does not match"), said[1]);
});

Deno.test("Restorer tells missing, short, long and exchanged files", async () => {
  const spoil: readonly (readonly [string, (blobs: MemoryBlobStore) => Promise<void> | void])[] = [
    ["is missing", (blobs) => blobs.delete(segmentName(2))],
    ["bytes instead of", (blobs) => blobs.damage(segmentName(2), (bytes) => bytes.slice(1))],
    ["bytes instead of", (blobs) => blobs.damage(segmentName(2), (bytes) => Uint8Array.of(...bytes, 0))],
    ["its checksum does not match the manifest", async (blobs) => {
      const other = (await blobs.get(segmentName(1)))!;
      blobs.damage(segmentName(2), () => other);
    }],
    ["its content belongs to checkpoint 1", async (blobs) => {
      const other = (await blobs.get(manifestName(1)))!;
      blobs.damage(manifestName(2), () => other);
    }],
  ];
  for (const [expected, apply] of spoil) {
    const blobs = await blobsWith(2);
    await apply(blobs);
    const environment = new Recorder();
    assertEquals((await restored(blobs, { environment })).position, "at 1", expected);
    assert(environment.logged("error").includes(expected), `${expected} in ${environment.logged("error")}`);
  }
});

Deno.test("Restorer finds two segments of one checkpoint that were swapped", async () => {
  const blobs = await blobsWith(1);
  const checkpointer = checkpointerOf(blobs, { ownerToken: 2, segmentBytesMax: 100 });
  await published(checkpointer.publish(await snapshotOf(rowsOf(8, 2)), factsOf(2)));
  const names = [0, 1].map((index) => NAMES.segment(keyOf(2, 1), "base", index));
  const [first, second] = [(await blobs.get(names[0]!))!, (await blobs.get(names[1]!))!];
  assertEquals(first.length, second.length, "a swap that sizes do not show");
  blobs.damage(names[0]!, () => second);
  blobs.damage(names[1]!, () => first);
  assertEquals((await restored(blobs)).position, "at 1");
});

Deno.test("Restorer does not see a torn upload", async () => {
  const blobs = await blobsWith(1);
  await blobs.create(segmentName(2), text("half a seg"));
  const survey = await restorerOf(blobs).survey();
  assertEquals([survey.candidates.length, survey.damaged.length], [1, 0]);
  assertEquals((await restored(blobs)).position, "at 1");
});

Deno.test("Restorer reads once more what arrived damaged, and waits for a store that is late", async () => {
  const disk = await blobsWith(1);
  const blobs = new FaultyBlobs(disk);
  const get = blobs.get;
  const reads = new Map<string, number>();
  blobs.get = async (name) => {
    const bytes = await get(name);
    const count = (reads.get(name) ?? 0) + 1;
    reads.set(name, count);
    return count === 1 ? bytes?.slice(0, 20) : bytes;
  };
  blobs.plan = (index) => index % 2 === 0 ? { before: new BlobTimeoutError("late") } : undefined;
  assertEquals((await restored(blobs)).position, "at 1");
  assertEquals([...reads.values()], [2, 2]);
});

Deno.test("Restorer does not take an outage for damage", async () => {
  const blobs = new FaultyBlobs(await blobsWith(2));
  const restorer = restorerOf(blobs);
  const candidates = await restorer.listCandidates();
  blobs.plan = () => ({ before: new BlobDeniedError("no") });
  await assertRejects(async () => await restorer.loadNewest(candidates, await storeOf()), BlobDeniedError);
  await assertRejects(() => restorer.listCandidates(), BlobDeniedError);
});

Deno.test("Restorer.survey() tells by the listing alone that a file is missing or of another size", async () => {
  for (const isMissing of [true, false]) {
    const blobs = await blobsWith(2);
    if (isMissing) await blobs.delete(segmentName(2));
    else blobs.damage(segmentName(2), (bytes) => bytes.slice(1));
    const survey = await restorerOf(blobs).survey();
    assertEquals(survey.damaged.map(({ name }) => name), [manifestName(2)]);
    assertEquals(survey.candidates.map(({ name }) => name), [manifestName(1)]);
  }
});

Deno.test("Restorer tells a short file by its size when it was cut since it was listed", async () => {
  const blobs = await blobsWith(2);
  const environment = new Recorder();
  const restorer = restorerOf(blobs, { environment });
  const candidates = await restorer.listCandidates();
  blobs.damage(segmentName(2), (bytes) => bytes.slice(1));
  assertEquals((await restorer.loadNewest(candidates, await storeOf()))?.sequence, 1);
  assert(environment.logged("error").includes("bytes instead of"), environment.logged("error"));
});

Deno.test("Restorer passes over a checkpoint whose file vanished since it was listed", async () => {
  const blobs = await blobsWith(2);
  const restorer = restorerOf(blobs);
  const candidates = await restorer.listCandidates();
  await blobs.delete(segmentName(2));
  assertEquals((await restorer.loadNewest(candidates, await storeOf()))?.sequence, 1);
  await blobs.delete(segmentName(1));
  assertEquals(await restorer.loadNewest(candidates, await storeOf()), undefined);
});

Deno.test("Restorer does not take an outage between the two reads of a large checkpoint for damage", async () => {
  const blobs = new FaultyBlobs(await blobsWith(1));
  const restorer = restorerOf(blobs, { bufferBytesMax: 0 });
  const candidates = await restorer.listCandidates();
  let reads = 0;
  blobs.plan = () => reads++ > 0 ? { before: new BlobDeniedError("no") } : undefined;
  await assertRejects(async () => await restorer.loadNewest(candidates, await storeOf()), BlobDeniedError);
});

Deno.test("Restorer reads from files what a checkpointer wrote to files", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const checkpointer = checkpointerOf(new FileBlobStore(directory), { segmentBytesMax: 2_000, retained: 1 });
    for (const version of [1, 2]) {
      await published(checkpointer.publish(await snapshotOf(rowsOf(500, version), `at ${version}`), factsOf(version)));
    }
    const { rows, position } = await restored(new FileBlobStore(directory));
    assertEquals([rows, position], [rowsOf(500, 2), "at 2"]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("Restorer.loadNewest() stops when a file changes after rows reached the store", async () => {
  const disk = await blobsWith(1);
  const checkpointer = checkpointerOf(disk, { ownerToken: 2, segmentBytesMax: 100 });
  await published(checkpointer.publish(await snapshotOf(rowsOf(10, 2)), factsOf(2)));
  for (const index of [0, 1]) {
    const blobs = new FaultyBlobs(disk);
    const name = NAMES.segment(keyOf(2, 1), "base", index);
    let reads = 0;
    const get = blobs.get;
    blobs.get = async (asked) => {
      const bytes = await get(asked);
      return asked === name && ++reads > 1 ? bytes!.slice(1) : bytes;
    };
    const restorer = restorerOf(blobs, { bufferBytesMax: 0 });
    const candidates = await restorer.listCandidates();
    const store = await storeOf();
    if (index === 0) {
      assertEquals((await restorer.loadNewest(candidates, store))?.sequence, 1, "nothing was loaded yet");
    } else {
      const error = await assertRejects(() => restorer.loadNewest(candidates, store), CheckpointCorruptError);
      assertEquals(error.context["isStoreTouched"], true);
      assertEquals((await contentOf(store)).position, undefined);
    }
  }
});

Deno.test("Restorer refuses what does not fit the task by the name of the field, and deletes nothing", async () => {
  const topic = EXPECTATIONS.topics[0]!;
  const cases: readonly (readonly [string, Partial<CheckpointExpectations>])[] = [
    ["topics[orders].topicId", { topics: [{ ...topic, topicId: "recreated" }] }],
    ["topics[orders].partitions", { topics: [{ ...topic, partitions: 9 }] }],
    ["clusterId", { clusterId: "other" }],
    ["operators[state.total].fingerprint", { operators: [{ name: "state.total", fingerprint: "0".repeat(64) }] }],
    ["handlerVersion", { handlerVersion: 2 }],
  ];
  const blobs = await blobsWith(2);
  const before = await blobs.list("");
  for (const [field, change] of cases) {
    const restorer = restorerOf(blobs, { expectations: { ...EXPECTATIONS, ...change } });
    const error = await assertRejects(() => restorer.listCandidates(), CheckpointIncompatibleError, `'${field}' is`);
    assertEquals([error.context["field"], error.context["name"]], [field, manifestName(2)]);
    assertEquals((await restorer.survey()).incompatible.length, 2);
  }
  blobs.damage(manifestName(2), (bytes) => {
    const body = new TextDecoder().decode(bytes).replace(/,"checksum":"[0-9a-f]{64}"}\n$/, "").replace(
      `Version":1`,
      `Version":2`,
    );
    return text(`${body},"checksum":"${sha256Hex(text(body))}"}\n`);
  });
  await assertRejects(() => restorerOf(blobs).listCandidates(), CheckpointIncompatibleError, "'formatVersion' is 2");
  assertEquals(await blobs.list(""), before);
});

Deno.test("Restorer goes on with a warning when only an older checkpoint does not fit", async () => {
  const blobs = await blobsWith(1);
  const facts = { ...factsOf(2), handlerVersion: 2 };
  const checkpointer = checkpointerOf(blobs, { ownerToken: 2 });
  await published(checkpointer.publish(await snapshotOf(rowsOf(10, 2), "at 2"), facts));
  const environment = new Recorder();
  const expectations = { ...EXPECTATIONS, handlerVersion: 2 };
  assertEquals((await restored(blobs, { environment, expectations })).position, "at 2");
  assert(environment.logged("warn").includes("'handlerVersion' is 1"));
});

Deno.test("Restorer takes its own lineage only, and the newest one when there is no committed offset", async () => {
  const blobs = await blobsWith(2, { lineage: "old" });
  assertEquals((await restored(blobs)).loaded, undefined);
  const survey = await restorerOf(blobs).survey();
  assertEquals(survey.foreign.map(({ lineage, sequence }) => [lineage, sequence]), [["old", 2], ["old", 1]]);
  const checkpointer = checkpointerOf(blobs, { ownerToken: 2 });
  await published(checkpointer.publish(await snapshotOf(rowsOf(1, 9), "new"), factsOf(1)));
  assertEquals((await restored(blobs)).position, "new");
  assertEquals((await restored(blobs, { lineage: "old" })).position, "at 2");
  assertEquals((await restored(blobs, { lineage: undefined })).position, "new");
});

Deno.test("Restorer refuses options out of range", () => {
  const error = assertThrows(() => restorerOf(new MemoryBlobStore(), { bufferBytesMax: -1 }));
  assertInstanceOf(error, RangeError);
});

Deno.test("Restorer takes a checkpoint that vanished since it was listed for none", async () => {
  const disk = await blobsWith(2);
  const blobs = new FaultyBlobs(disk);
  const list = blobs.list;
  blobs.list = async (prefix) => {
    const entries = await list(prefix);
    await disk.delete(manifestName(2));
    return entries;
  };
  assertEquals((await restored(blobs)).position, "at 1");
  assertEquals((await namesIn(disk)).length, 3);
});
