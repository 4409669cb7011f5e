import { assert, assertEquals } from "@std/assert";
import type { MemoryBlobStore } from "../../adapters/memory/memory_blob_store.ts";
import { blobsWith, keyOf, NAMES, Recorder, restored } from "./fixtures_test.ts";

const MANIFEST = NAMES.manifest(keyOf(1, 2));
const SEGMENT = NAMES.segment(keyOf(1, 2), "base", 0);

/** Damages an object of the newer of two checkpoints, and requires that the older one is restored instead. */
async function mustFallBack(blobs: MemoryBlobStore, name: string, change: (bytes: Uint8Array) => Uint8Array) {
  const intact = (await blobs.get(name))!;
  blobs.damage(name, change);
  const environment = new Recorder();
  const { loaded, position } = await restored(blobs, { environment });
  assertEquals([loaded?.sequence, position], [1, "at 1"]);
  assert(environment.logged("error").includes(name));
  blobs.damage(name, () => intact);
}

for (const [what, name] of [["manifest", MANIFEST], ["segment", SEGMENT]] as const) {
  Deno.test(`a restore finds a flip of any byte of a ${what} and uses the checkpoint before`, async () => {
    const blobs = await blobsWith(2);
    const length = (await blobs.get(name))!.length;
    for (let at = 0; at < length; at++) {
      await mustFallBack(blobs, name, (bytes) => bytes.with(at, bytes[at]! ^ (1 << (at % 8))));
    }
    assertEquals((await restored(blobs)).position, "at 2", "without damage the newest is used");
  });

  Deno.test(`a restore finds a truncation of a ${what} at any byte and uses the checkpoint before`, async () => {
    const blobs = await blobsWith(2);
    const length = (await blobs.get(name))!.length;
    for (let to = 0; to < length; to++) await mustFallBack(blobs, name, (bytes) => bytes.subarray(0, to));
    assertEquals((await restored(blobs)).position, "at 2", "without damage the newest is used");
  });
}
