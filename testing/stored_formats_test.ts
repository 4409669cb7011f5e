/**
 * What this release stores, byte for byte. A change here means that an older release's directories cannot be read any more:
 * then a format's version must rise, and reading the older one stays tested.
 */
import { assertEquals } from "@std/assert";
import { MemoryStateStore } from "../lib/adapters/memory/memory_state_store.ts";
import { toHex } from "../lib/base/hex.ts";
import { sha256Hex } from "../lib/base/sha256.ts";
import { encodeSegment } from "../lib/codecs/segment.ts";
import { jsonValues } from "../lib/codecs/value_codec.ts";
import { spanBytes, spansOf } from "../lib/columns/spans.ts";
import { keyOf, manifestOf, NAMES } from "../lib/core/checkpoint_fixtures_test.ts";
import { decodeCommitMetadata, encodeCommitMetadata } from "../lib/core/commit_metadata.ts";
import { DecisionJournal } from "../lib/core/decision_journal.ts";
import { decodeManifest, encodeManifest } from "../lib/core/manifest_codec.ts";
import { decodePosition, encodePosition } from "../lib/core/position.ts";
import { encodeEntry } from "../lib/embedded/journal/entry.ts";
import { encodeFormat } from "../lib/embedded/journal/format_file.ts";
import { encodeFrame } from "../lib/embedded/journal/frame.ts";
import { encodeSegmentHeader } from "../lib/embedded/journal/segment_header.ts";
import { decodeRecords, encodeRecords } from "../lib/embedded/records_codec.ts";
import { TaskState } from "../lib/runtime/state/task_state.ts";
import { float64, int64, stateTable, struct, utf8 } from "../mod.ts";
import { recordsOf } from "./record_rows.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

const journal = new DecisionJournal(90n, [
  { offset: 95n, kind: "jump", value: 1_700_000_000_123 },
  { offset: 97n, kind: "skip-range", value: 40 },
  { offset: 140n, kind: "drop", value: 2 },
]);

Deno.test("a manifest of version 1 has these names, in this order, and is read back", () => {
  const key = keyOf(4, 9);
  const manifest = { ...manifestOf(key), previous: { name: NAMES.manifest(keyOf(4, 8)), checksum: "ef".repeat(32) } };
  const { bytes } = encodeManifest(manifest);
  assertEquals(
    text(bytes),
    '{"format":"turbine-checkpoint","formatVersion":1,"application":"shop","subscription":"orders","parti' +
      'tion":3,"clusterId":"cluster-1","topics":[{"topic":"orders","topicId":"topic-1","partitions":8}],"li' +
      'neage":"main","ownerToken":4,"sequence":9,"position":{"offsets":[{"topic":"orders","partition":3,"of' +
      'fset":"9007199254740993","leaderEpoch":7}],"taskTimeMs":1700000000000.5,"watermarkMs":null,"commitSe' +
      'quence":409},"storePosition":"0001feff","operators":[{"name":"state.total","fingerprint":"ababababab' +
      'ababababababababababababababababababababababababababab"}],"handlerVersion":1,"libraryVersion":"0.1.0' +
      '","segments":[{"kind":"base","name":"shop/orders/3/lineage-main/000000000004/000000000009-base-00000' +
      '0.arrow","bytes":1000,"rows":10,"firstKey":"01","lastKey":"0200","sha256":"cdcdcdcdcdcdcdcdcdcdcdcdc' +
      'dcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"}],"previous":{"name":"shop/orders/3/lineage-main/0000000000' +
      '04/000000000008-manifest.json","checksum":"efefefefefefefefefefefefefefefefefefefefefefefefefefefefe' +
      'fefefef"},"createdWallMs":1700000000000,"checksum":"70fbf5a8cf20485b7441c3e76b0f21d7f801424cbfa95c37' +
      '84c51b25e464dff5"}\n',
  );
  assertEquals(decodeManifest(bytes, NAMES.manifest(key), NAMES).manifest, manifest);
});

Deno.test("objects of a checkpoint have these names", () => {
  const key = keyOf(4, 9);
  assertEquals([NAMES.manifest(key), NAMES.segment(key, "base", 0), NAMES.segment(key, "delta", 1)], [
    "shop/orders/3/lineage-main/000000000004/000000000009-manifest.json",
    "shop/orders/3/lineage-main/000000000004/000000000009-base-000000.arrow",
    "shop/orders/3/lineage-main/000000000004/000000000009-delta-000001.arrow",
  ]);
});

Deno.test("metadata of a commit is this text", () => {
  const more = { lineage: "main", origin: 7n, ownerToken: 4, commitSequence: 409, transactionalId: "shop.orders.a b" };
  const metadata = { ...more, taskTimeMs: 1_700_000_000_123, journal };
  const written = "turbine:1:f9bcf9b4:main:7:4:bd:1700000000123:shop.orders.a%20b:2i:J5.loyw3v5nS2.14D17.2";
  assertEquals(encodeCommitMetadata(metadata), written);
  assertEquals(decodeCommitMetadata(written), { kind: "ours", ...metadata });
});

Deno.test("metadata of a commit whose journal was trimmed is text of version 2, with a digest of what was decided before", () => {
  const more = { lineage: "main", origin: 7n, ownerToken: 4, commitSequence: 409, transactionalId: null };
  const metadata = { ...more, taskTimeMs: null, journal: journal.trimmed(141n) };
  const written = "turbine:2:c953b220:main:7:4:bd:::3x:D0.1:xbid5cknspr7";
  assertEquals(encodeCommitMetadata(metadata), written);
  assertEquals(decodeCommitMetadata(written), { kind: "ours", ...metadata });
});

Deno.test("the position that is stored with state is this text", () => {
  const offsets = [{
    topic: "orders",
    partition: 3,
    offset: 9_007_199_254_740_993n,
    leaderEpoch: 7,
    topicId: "topic-1",
  }];
  const position = {
    offsets,
    taskTimeMs: null,
    commitSequence: 409,
    lineage: "main",
    origin: 7n,
    ownerToken: 4,
    journal,
  };
  assertEquals(
    text(encodePosition(position)),
    'turbine-position 1 0f3d9737914ec201\n{"offsets":[["orders",3,"9007199254740993",7,"topic-1"]],"taskTime' +
      'Ms":null,"commitSequence":409,"lineage":"main","origin":"7","ownerToken":4,"journal":["90","J5.loyw3v5nS2.14' +
      'D17.2"]}',
  );
  assertEquals(decodePosition(encodePosition(position)), position);
  const trimmed = { ...position, journal: journal.trimmed(141n) };
  assertEquals(text(encodePosition(trimmed)).slice(-40), '"journal":["141","D0.1","xbid5cknspr7"]}');
  assertEquals(decodePosition(encodePosition(trimmed)), trimmed);
  const withoutTopicId =
    'turbine-position 1 1214b0adecd920e0\n{"offsets":[["orders",3,"9007199254740993",7]],"taskTimeM' +
    's":null,"commitSequence":409,"lineage":"main","origin":"7","ownerToken":4,"journal":["90","J5.loyw3v5nS2.14D17.2"]}';
  const { topicId: _, ...older } = offsets[0]!;
  assertEquals(decodePosition(new TextEncoder().encode(withoutTopicId)), { ...position, offsets: [older] });
});

Deno.test("a segment of a checkpoint is this Arrow file", () => {
  const page = { count: 2, keys: spansOf(["a", "b"]), values: spansOf(["1", "22"]) };
  const { bytes } = encodeSegment([page], "base");
  assertEquals([bytes.length, sha256Hex(bytes)], [
    578,
    "614a04247caa452e55b2c6541b0976b07b207ff407f0043b508ff3708cb8ba38",
  ]);
});

Deno.test("records in the broker's journal are these bytes", () => {
  const records = recordsOf([
    { key: "k", value: "v1", timestampMs: 5, headers: [["h", Uint8Array.of(1)]] },
    { value: null, timestampMs: 6 },
  ]);
  const bytes = encodeRecords(records);
  assertEquals(
    toHex(bytes),
    "0200000007000000010000000200000005000000000000000000000000001440000000000000184001000000ffffffff0200" +
      "0000ffffffff05000000ffffffff6b76310202680201",
  );
  assertEquals(decodeRecords(bytes).count, 2);
});

Deno.test("the broker's journal is made of these bytes", () => {
  const entry = encodeEntry({ meta: { kind: "x" }, payload: Uint8Array.of(1, 2) });
  const frame = encodeFrame([entry], { kind: "entries", salt: 0x01020304, firstEntry: 2 ** 33 + 1, position: 40 });
  const header = encodeSegmentHeader({ salt: 5, generation: 2, segment: 3, firstEntry: 2 ** 33, previousLength: 99 });
  const format = encodeFormat({ journalId: "0123456789abcdef", generation: 2 });
  assertEquals([toHex(frame), toHex(header), text(format)], [
    "54424a4601000000040302010100000001000000020000002800000000000000160000002060992636a3bffa0c0000000200" +
    "00007b226b696e64223a2278227d0102",
    "54424a53010000000500000002000000030000000000000002000000630000000000000082c66b09",
    '{"format":"turbine-journal","version":1,"journalId":"0123456789abcdef","generation":2,"checksum":237' +
    "0439039}\n",
  ]);
});

Deno.test("keys and values of state are these bytes", async () => {
  const store = new MemoryStateStore();
  const state = await TaskState.open(store, { valueCodec: jsonValues() });
  state.begin();
  state.keyed("").put("user", { n: 1 });
  const means = stateTable({ key: utf8(), value: { mean: float64(), note: utf8({ nullable: true }), n: int64() } });
  state.table("state.means", means).put("JFK", { mean: 1.5, note: null, n: 7n });
  const windows = stateTable({ key: struct({ key: utf8(), at: int64() }), value: { n: int64() }, routing: 1 });
  state.table("operator.w", windows).put({ key: "a", at: -1n }, { n: 1n });
  state.applyOldest();
  await state.flush(Uint8Array.of(1));
  const found: string[] = [];
  for await (const { count, keys, values } of store.scan({}, 100)) {
    for (let row = 0; row < count; row++) {
      found.push(`${toHex(spanBytes(keys, row)!)} ${toHex(spanBytes(values, row)!)}`);
    }
  }
  assertEquals(found, [
    "000000000700736368656d61 6b657965642075746638202d3e206a736f6e",
    "000000000700736368656d616f70657261746f722e77 7461626c65207374727563747b226b6579223a20757466382c20226" +
    "174223a20696e7436347d20726f757465642062792031202d3e207b226e223a20696e7436347d",
    "000000000700736368656d6173746174652e6d65616e73 7461626c652075746638202d3e207b226d65616e223a20666c6f6" +
    "17436342c20226e6f7465223a20757466383f2c20226e223a20696e7436347d",
    "1faf1ad50b73746174652e6d65616e734a464b 0102000000000000f83f0700000000000000",
    "32455cee0075736572 7b226e223a317d",
    "a2d0b27c0a6f70657261746f722e776100007fffffffffffffff 01000100000000000000",
  ]);
  await state.close();
});
