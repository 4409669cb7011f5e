import { assertEquals, assertInstanceOf } from "@std/assert";
import { CheckpointCorruptError, CheckpointIncompatibleError } from "../base/errors.ts";
import { EXPECTATIONS, keyOf, manifestOf, NAMES } from "./checkpoint_fixtures_test.ts";
import type { CheckpointKey } from "./checkpoint_names.ts";
import { classifyCheckpoints, stoppingCheckpoint, type SurveyedManifest } from "./checkpoint_survey.ts";

const intact = (key: CheckpointKey, commitSequence?: number): SurveyedManifest => (
  { ...key, name: NAMES.manifest(key), manifest: manifestOf(key, commitSequence) }
);
const refused = (key: CheckpointKey, error: CheckpointCorruptError | CheckpointIncompatibleError): SurveyedManifest => (
  { ...key, name: NAMES.manifest(key), error }
);
const survey = (found: SurveyedManifest[], expected = EXPECTATIONS) =>
  classifyCheckpoints({ found, foreign: [] }, expected);
const places = (keys: readonly CheckpointKey[]) => keys.map((key) => [key.ownerToken, key.sequence]);

Deno.test("classifyCheckpoints() puts each checkpoint in one class, newest first", () => {
  const corrupt = new CheckpointCorruptError("damaged");
  const newer = new CheckpointIncompatibleError("newer");
  const otherTopic = { ...manifestOf(keyOf(1, 1)), clusterId: "elsewhere" };
  const foreign = [{ ...keyOf(1, 1, "old"), name: "a" }, { ...keyOf(3, 1, "old"), name: "b" }];
  const result = classifyCheckpoints({
    found: [
      intact(keyOf(2, 1)),
      refused(keyOf(2, 2), corrupt),
      refused(keyOf(2, 4), newer),
      { ...keyOf(1, 1), name: NAMES.manifest(keyOf(1, 1)), manifest: otherTopic },
      intact(keyOf(2, 3)),
      refused(keyOf(1, 9), corrupt),
    ],
    foreign,
  }, EXPECTATIONS);
  assertEquals(places(result.candidates), [[2, 3], [2, 1]]);
  assertEquals(places(result.damaged), [[2, 2], [1, 9]]);
  assertEquals(places(result.incompatible), [[2, 4], [1, 1]]);
  assertEquals(places(result.foreign), [[3, 1], [1, 1]]);
  assertInstanceOf(result.incompatible[1]!.error, CheckpointIncompatibleError);
  assertEquals(result.incompatible[1]!.error.context["field"], "clusterId");
});

Deno.test("classifyCheckpoints() sorts candidates by how far they stand, then by owner", () => {
  const result = survey([intact(keyOf(1, 5), 50), intact(keyOf(2, 1), 49), intact(keyOf(3, 1), 50)]);
  assertEquals(places(result.candidates), [[3, 1], [1, 5], [2, 1]]);
  assertEquals(result.candidates[0]!.position, manifestOf(keyOf(3, 1), 50).position);
  assertEquals([result.candidates[0]!.bytes, result.candidates[0]!.rows], [1_000, 10]);
});

Deno.test("stoppingCheckpoint() stops for the newest one that does not fit, not for one left behind", () => {
  const newer = new CheckpointIncompatibleError("newer");
  assertEquals(stoppingCheckpoint(survey([])), undefined);
  assertEquals(stoppingCheckpoint(survey([intact(keyOf(1, 1))])), undefined);
  assertEquals(stoppingCheckpoint(survey([intact(keyOf(1, 2)), refused(keyOf(1, 1), newer)])), undefined);
  for (const found of [[refused(keyOf(1, 1), newer)], [intact(keyOf(1, 1)), refused(keyOf(1, 2), newer)]]) {
    assertEquals(stoppingCheckpoint(survey(found))?.error, newer);
  }
  // A damaged one may be of any age: it neither stops nor hides.
  const damaged = refused(keyOf(9, 9), new CheckpointCorruptError("damaged"));
  assertEquals(stoppingCheckpoint(survey([damaged, intact(keyOf(1, 1))])), undefined);
  assertEquals(stoppingCheckpoint(survey([damaged, refused(keyOf(1, 1), newer)]))?.error, newer);
});
