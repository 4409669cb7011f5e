import { assert, assertEquals } from "@std/assert";
import { MemoryBlobStore } from "../../adapters/memory/memory_blob_store.ts";
import { STEP_LABELS, type StepLabel } from "../../seams/observer.ts";
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
} from "./fixtures_test.ts";

const MANIFEST_3 = NAMES.manifest(keyOf(2, 1));

/** Two checkpoints of an earlier owner, and the upload of a third by the next one that meets a crash. */
async function crashAt(arm: (blobs: FaultyBlobs, environment: Recorder) => void) {
  const disk = await blobsWith(2);
  const blobs = new FaultyBlobs(disk);
  const environment = new Recorder();
  arm(blobs, environment);
  const checkpointer = checkpointerOf(blobs, { environment, ownerToken: 2, retained: 2, segmentBytesMax: 100 });
  const running = checkpointer.publish(await snapshotOf(rowsOf(10, 3), "at 3"), factsOf(3));
  const outcome = await Promise.race([running.then((result) => result.kind), blobs.death]);
  return { disk, environment, outcome };
}

/** What holds after any crash: the newest checkpoint whose manifest is there is whole, and the next owner goes on. */
async function mustRecover(disk: MemoryBlobStore, where: string): Promise<void> {
  const hasThird = (await namesIn(disk)).includes(MANIFEST_3);
  const { rows, position } = await restored(disk);
  assertEquals(position, hasThird ? "at 3" : "at 2", where);
  assertEquals(rows, rowsOf(10, hasThird ? 3 : 2), where);
  const survey = await restorerOf(disk).survey();
  assertEquals(survey.damaged, [], `no manifest without its files: ${where}`);
  assert(survey.candidates.length >= 2, `two checkpoints remain: ${where}`);

  const next = checkpointerOf(disk, { ownerToken: 3, retained: 2 });
  for (const version of [4, 5]) {
    await published(next.publish(await snapshotOf(rowsOf(10, version), `at ${version}`), factsOf(version)));
  }
  assertEquals((await restored(disk)).position, "at 5", where);
  const left = [1, 2].flatMap((
    sequence,
  ) => [NAMES.segment(keyOf(3, sequence), "base", 0), NAMES.manifest(keyOf(3, sequence))]);
  assertEquals(await namesIn(disk), left, `two rounds collect all that the crash left: ${where}`);
}

Deno.test("a crash at any call of a checkpoint, applied or not, leaves a state that can be restored", async () => {
  for (const isApplied of [false, true]) {
    let crashes = 0;
    for (let dieAt = 0;; dieAt++) {
      const { disk, outcome } = await crashAt((blobs) => {
        blobs.plan = (index) => index === dieAt ? { isApplied } : undefined;
      });
      await mustRecover(disk, `call ${dieAt}, ${isApplied ? "applied" : "not applied"}`);
      if (outcome !== "dead") break;
      crashes++;
    }
    assert(crashes > 12, `only ${crashes} calls`);
  }
});

Deno.test("a crash after each step label of checkpoint and retention leaves a state that can be restored", async () => {
  const labels = STEP_LABELS.filter((label) => label.startsWith("checkpoint:") || label.startsWith("retention:"));
  const reached = new Set<StepLabel>();
  for (const label of labels) {
    const { disk, environment } = await crashAt((blobs, environment) => {
      environment.onStep = (step) => {
        if (step === label) blobs.plan = () => ({ isApplied: false });
      };
    });
    for (const step of environment.labels()) reached.add(step);
    await mustRecover(disk, label);
  }
  assertEquals(labels.filter((label) => !reached.has(label)), []);
});

Deno.test("a crash at any call of a restore changes nothing, and the next restore succeeds", async () => {
  const disk = await blobsWith(2, { segmentBytesMax: 100 });
  const before = await disk.list("");
  let crashes = 0;
  for (let dieAt = 0;; dieAt++) {
    const blobs = new FaultyBlobs(disk);
    blobs.plan = (index) => index === dieAt ? { isApplied: true } : undefined;
    const store = await storeOf();
    const restorer = restorerOf(blobs, { bufferBytesMax: 0 });
    const running = restorer.listCandidates().then((candidates) => restorer.loadNewest(candidates, store));
    const outcome = await Promise.race([running, blobs.death]);
    assertEquals(await disk.list(""), before);
    if (outcome !== "dead") break;
    crashes++;
    assertEquals((await contentOf(store)).position, undefined, "what is half loaded has no position");
    assertEquals((await restored(disk)).position, "at 2");
  }
  assertEquals(crashes, 1 + 2 + 2 * 3, "list, manifests, segments twice");
});

Deno.test("an empty store of checkpoints survives a crash of the very first one", async () => {
  for (const dieAt of [0, 1, 2, 3]) {
    const disk = new MemoryBlobStore();
    const blobs = new FaultyBlobs(disk);
    blobs.plan = (index) => index === dieAt ? { isApplied: false } : undefined;
    const running = checkpointerOf(blobs).publish(await snapshotOf(rowsOf(10, 1)), factsOf(1));
    assertEquals(await Promise.race([running, blobs.death]), "dead");
    assertEquals((await restored(disk)).loaded, undefined);
  }
});
