import { assertEquals, assertNotEquals } from "@std/assert";
import { keyOf, NAMES, TASK } from "./checkpoint_fixtures_test.ts";
import { CheckpointNames } from "./checkpoint_names.ts";
import { encodeOwnerClaim, greatestOwnerToken } from "./checkpoint_owner.ts";

Deno.test("greatestOwnerToken() looks at claims and files of the task, and at nothing else", () => {
  const other = new CheckpointNames({ ...TASK, partition: 30 });
  assertEquals(greatestOwnerToken([], NAMES), 0);
  assertEquals(greatestOwnerToken([other.owner(9), "x", `${NAMES.prefix}readme`], NAMES), 0);
  assertEquals(greatestOwnerToken([NAMES.owner(2), NAMES.owner(10), NAMES.owner(9)], NAMES), 10);
  // The claim of 12 was deleted by hand.
  assertEquals(greatestOwnerToken([NAMES.owner(2), NAMES.segment(keyOf(12, 1), "base", 0)], NAMES), 12);
  assertEquals(greatestOwnerToken([NAMES.manifest(keyOf(13, 1, "elsewhere")), NAMES.owner(2)], NAMES), 13);
});

Deno.test("encodeOwnerClaim() gives the same bytes for the same claim only", () => {
  const claim = { ...TASK, ownerToken: 1, nonce: "a", instance: "i", claimedWallMs: 5 };
  assertEquals(encodeOwnerClaim(claim), encodeOwnerClaim({ ...claim }));
  assertNotEquals(encodeOwnerClaim(claim), encodeOwnerClaim({ ...claim, nonce: "b" }));
  assertEquals(JSON.parse(new TextDecoder().decode(encodeOwnerClaim(claim))), claim);
});
