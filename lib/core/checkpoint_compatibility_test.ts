import { assert, assertEquals } from "@std/assert";
import { type CheckpointExpectations, findIncompatibility, incompatibleError } from "./checkpoint_compatibility.ts";
import { EXPECTATIONS, FINGERPRINT, keyOf, manifestOf, NAMES } from "./checkpoint_fixtures_test.ts";
import type { CheckpointManifest } from "./checkpoint_manifest.ts";

const MANIFEST = manifestOf(keyOf(1, 1));
const OTHER = "00".repeat(32);
const TOPIC = EXPECTATIONS.topics[0]!;

Deno.test("findIncompatibility() takes a checkpoint of the same task, and one that lacks an operator added since", () => {
  assertEquals(findIncompatibility(MANIFEST, EXPECTATIONS), undefined);
  const operators = [...EXPECTATIONS.operators, { name: "state.zeta", fingerprint: OTHER }];
  assertEquals(findIncompatibility(MANIFEST, { ...EXPECTATIONS, operators }), undefined);
  assertEquals(
    findIncompatibility({ ...MANIFEST, handlerVersion: 9 }, { ...EXPECTATIONS, handlerVersion: undefined }),
    undefined,
  );
  assertEquals(findIncompatibility({ ...MANIFEST, libraryVersion: "9.9.9" }, EXPECTATIONS), undefined);
});

Deno.test("findIncompatibility() names the field, what is expected and what was found", () => {
  const cases:
    readonly (readonly [Partial<CheckpointManifest>, Partial<CheckpointExpectations>, string, string, string])[] = [
      [{}, { clusterId: "b" }, "clusterId", "b", "cluster-1"],
      [{}, { topics: [{ ...TOPIC, topic: "other" }] }, "topics", "other", "orders"],
      [{}, { topics: [] }, "topics", "nothing", "orders"],
      [{}, { topics: [TOPIC, { ...TOPIC, topic: "more" }] }, "topics", "more, orders", "orders"],
      [{}, { topics: [{ ...TOPIC, topicId: "topic-2" }] }, "topics[orders].topicId", "topic-2", "topic-1"],
      [{}, { topics: [{ ...TOPIC, partitions: 16 }] }, "topics[orders].partitions", "16", "8"],
      [{}, { operators: [] }, "operators[state.total].fingerprint", "nothing", FINGERPRINT],
      [
        {},
        { operators: [{ name: "state.total", fingerprint: OTHER }] },
        "operators[state.total].fingerprint",
        OTHER,
        FINGERPRINT,
      ],
      [{}, { handlerVersion: 2 }, "handlerVersion", "2", "1"],
      [{ segments: [{ ...MANIFEST.segments[0]!, kind: "delta" }] }, {}, "segments[0].kind", "base", "delta"],
    ];
  for (const [manifest, expectations, field, expected, found] of cases) {
    const difference = findIncompatibility({ ...MANIFEST, ...manifest }, { ...EXPECTATIONS, ...expectations });
    const { advice, ...rest } = difference!;
    assertEquals(rest, { field, expected, found });
    assert(advice.length > 10);
    const error = incompatibleError(NAMES.manifest(MANIFEST), difference!);
    assertEquals(error.context, { name: NAMES.manifest(MANIFEST), field, expected, found });
    for (const word of [`'${field}' is ${found}`, `has ${expected}`, advice, "Nothing was deleted"]) {
      assert(error.message.includes(word), `${word} in ${error.message}`);
    }
  }
});
