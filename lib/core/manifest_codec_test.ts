import { assertEquals, assertThrows } from "@std/assert";
import { CheckpointCorruptError } from "../base/errors.ts";
import { keyOf, manifestOf, NAMES, TASK } from "./checkpoint_fixtures_test.ts";
import { CheckpointNames } from "./checkpoint_names.ts";
import { decodeManifest, encodeManifest } from "./manifest_codec.ts";

Deno.test("decodeManifest() refuses a manifest that lies under the name of another application, task or checkpoint", () => {
  const key = keyOf(4, 9);
  // Without segments, whose names would tell as well.
  const manifest = { ...manifestOf(key), segments: [] };
  const { bytes } = encodeManifest(manifest);
  assertEquals(decodeManifest(bytes, NAMES.manifest(key), NAMES).manifest, manifest);
  const others = [
    new CheckpointNames({ ...TASK, application: "stall" }),
    new CheckpointNames({ ...TASK, subscription: "parcels" }),
    new CheckpointNames({ ...TASK, partition: 4 }),
  ];
  for (const names of others) {
    assertThrows(
      () => decodeManifest(bytes, names.manifest(key), names),
      CheckpointCorruptError,
      "its content belongs to",
    );
  }
  const other = NAMES.manifest(keyOf(4, 10));
  assertThrows(() => decodeManifest(bytes, other, NAMES), CheckpointCorruptError, "checkpoint 9 of owner 4");
});
