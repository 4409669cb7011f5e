import fc from "fast-check";
import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { CheckpointCorruptError, CheckpointIncompatibleError } from "../base/errors.ts";
import { sha256Hex } from "../base/sha256.ts";
import { keyOf, manifestOf, NAMES, TASK } from "./checkpoint_fixtures_test.ts";
import type { CheckpointManifest } from "./checkpoint_manifest.ts";
import { CheckpointNames } from "./checkpoint_names.ts";
import { decodeManifest, encodeManifest } from "./manifest_codec.ts";

const KEY = keyOf(4, 9);
const NAME = NAMES.manifest(KEY);
const text = fc.string({ minLength: 1, maxLength: 10, unit: "binary" }).filter((value) => value.isWellFormed());
const int32 = fc.nat({ max: 2 ** 31 - 1 });
const digest = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => sha256Hex(bytes));
const timeMs = fc.option(fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0), { nil: null });

const manifest: fc.Arbitrary<CheckpointManifest> = fc.record({
  clusterId: text,
  topic: text,
  topicId: text,
  partitions: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
  offset: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
  leaderEpoch: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
  taskTimeMs: timeMs,
  watermarkMs: timeMs,
  commitSequence: fc.maxSafeNat(),
  storePosition: fc.option(fc.uint8Array({ maxLength: 40 }), { nil: null }),
  operators: fc.uniqueArray(text, { maxLength: 3 }).map((names) => names.sort()),
  fingerprint: digest,
  handlerVersion: fc.nat(),
  libraryVersion: text,
  segments: fc.uniqueArray(int32, { maxLength: 3 }).map((keys) => keys.sort((a, b) => a - b)),
  checksum: digest,
  hasPrevious: fc.boolean(),
  createdWallMs: fc.maxSafeInteger(),
}).map((drawn) => ({
  ...manifestOf(KEY),
  clusterId: drawn.clusterId,
  topics: [{ topic: drawn.topic, topicId: drawn.topicId, partitions: drawn.partitions }],
  position: {
    offsets: [{
      topic: drawn.topic,
      partition: drawn.partitions - 1,
      offset: drawn.offset,
      leaderEpoch: drawn.leaderEpoch,
    }],
    taskTimeMs: drawn.taskTimeMs,
    watermarkMs: drawn.watermarkMs,
    commitSequence: drawn.commitSequence,
  },
  storePosition: drawn.storePosition,
  operators: drawn.operators.map((name) => ({ name, fingerprint: drawn.fingerprint })),
  handlerVersion: drawn.handlerVersion,
  libraryVersion: drawn.libraryVersion,
  segments: drawn.segments.map((key, i) => ({
    kind: i < 2 ? "base" as const : "delta" as const,
    name: NAMES.segment(KEY, i < 2 ? "base" : "delta", i),
    bytes: 1 + key,
    rows: 1 + i,
    firstKey: bigEndian(key),
    lastKey: bigEndian(key),
    sha256: drawn.checksum,
  })),
  previous: drawn.hasPrevious ? { name: NAMES.manifest(keyOf(4, 8)), checksum: drawn.checksum } : null,
  createdWallMs: drawn.createdWallMs,
}));

function bigEndian(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

function isCorrupt(bytes: Uint8Array, name = NAME): string {
  return assertThrows(() => decodeManifest(bytes, name, NAMES), CheckpointCorruptError).message;
}

/** Changes the document and gives it a checksum that matches, as another writer would. */
function rewritten(change: (text: string) => string): Uint8Array {
  const { bytes, checksum } = encodeManifest(manifestOf(KEY));
  const text = new TextDecoder().decode(bytes);
  const body = change(text.slice(0, text.length - `,"checksum":"${checksum}"}\n`.length));
  const digest = sha256Hex(new TextEncoder().encode(body));
  return new TextEncoder().encode(`${body},"checksum":"${digest}"}\n`);
}

function edited(edit: (document: Record<string, unknown>) => void): Uint8Array {
  return rewritten((body) => {
    const document = JSON.parse(`${body}}`);
    edit(document);
    return JSON.stringify(document).slice(0, -1);
  });
}

function repeatFirst(list: unknown[]): void {
  list.push(list[0]);
}

Deno.test("decodeManifest() gives back what encodeManifest() wrote, and the same manifest gives the same bytes", () => {
  fc.assert(fc.property(manifest, (manifest) => {
    const { bytes, checksum } = encodeManifest(manifest);
    assertEquals(decodeManifest(bytes, NAME, NAMES), { manifest, checksum });
    assertEquals(encodeManifest(structuredClone(manifest)).bytes, bytes);
  }));
});

Deno.test("decodeManifest() finds every single flipped bit", () => {
  const { bytes } = encodeManifest(manifestOf(KEY));
  for (let at = 0; at < bytes.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const damaged = bytes.slice();
      damaged[at]! ^= 1 << bit;
      isCorrupt(damaged);
    }
  }
});

Deno.test("decodeManifest() finds every truncation, and bytes added at either end", () => {
  const { bytes } = encodeManifest(manifestOf(KEY));
  for (let length = 0; length < bytes.length; length++) isCorrupt(bytes.subarray(0, length));
  for (let from = 1; from < bytes.length; from += 7) isCorrupt(bytes.subarray(from));
  isCorrupt(Uint8Array.of(...bytes, 10));
  isCorrupt(Uint8Array.of(32, ...bytes));
  isCorrupt(new Uint8Array(bytes.length));
});

Deno.test("decodeManifest() finds any other damage of up to eight bytes", () => {
  const { bytes } = encodeManifest(manifestOf(KEY));
  const damage = fc.array(fc.tuple(fc.nat({ max: bytes.length - 1 }), fc.nat({ max: 255 })), {
    minLength: 1,
    maxLength: 8,
  });
  fc.assert(fc.property(damage, (places) => {
    const damaged = bytes.slice();
    for (const [at, value] of places) damaged[at] = value;
    fc.pre(damaged.some((value, at) => value !== bytes[at]));
    isCorrupt(damaged);
  }));
});

Deno.test("decodeManifest() tells a newer format from a damaged one and names what is read", () => {
  const newer = edited((document) => document["formatVersion"] = 2);
  const error = assertThrows(
    () => decodeManifest(newer, NAME, NAMES),
    CheckpointIncompatibleError,
    "'formatVersion' is 2",
  );
  assertEquals(error.context, { name: NAME, field: "formatVersion", expected: 1, found: 2 });
});

Deno.test("decodeManifest() ignores fields that it does not know", () => {
  const { manifest } = decodeManifest(edited((document) => document["note"] = { any: "thing" }), NAME, NAMES);
  assertEquals(manifest, manifestOf(KEY));
});

Deno.test("decodeManifest() refuses a whole manifest under another name", () => {
  const { bytes } = encodeManifest(manifestOf(KEY));
  for (const key of [keyOf(4, 8), keyOf(5, 9), keyOf(4, 9, "other")]) {
    assert(isCorrupt(bytes, NAMES.manifest(key)).includes("its content belongs to checkpoint 9 of owner 4"));
  }
  for (const other of [{ ...TASK, partition: 4 }, { ...TASK, subscription: "o" }, { ...TASK, application: "s" }]) {
    const names = new CheckpointNames(other);
    assertThrows(() => decodeManifest(bytes, names.manifest(KEY), names), CheckpointCorruptError);
  }
});

Deno.test("decodeManifest() refuses an intact document with a missing field and names it", () => {
  const whole = JSON.parse(new TextDecoder().decode(encodeManifest(manifestOf(KEY)).bytes));
  for (const field of Object.keys(whole)) {
    if (field === "checksum") continue;
    assert(isCorrupt(edited((document) => delete document[field])).includes(`'${field}' must be`), field);
  }
});

Deno.test("decodeManifest() refuses fields without a meaning and names their path", () => {
  const segment = (change: object) => (document: Record<string, unknown>) =>
    Object.assign((document["segments"] as object[])[0]!, change);
  const offset = (change: object) => (document: Record<string, unknown>) =>
    Object.assign((document["position"] as { offsets: object[] }).offsets[0]!, change);
  const cases: readonly (readonly [(document: Record<string, unknown>) => void, string])[] = [
    [(document) => document["ownerToken"] = 1.5, "'ownerToken'"],
    [(document) => document["topics"] = {}, "'topics' must be a list"],
    [(document) => document["position"] = [], "'position' must be an object"],
    [(document) => document["operators"] = [{ name: "x", fingerprint: "AB" }], "'operators[0].fingerprint'"],
    [(document) => document["format"] = "other", "not a checkpoint manifest"],
    [(document) => (document["position"] as Record<string, unknown>)["taskTimeMs"] = "5", "'position.taskTimeMs'"],
    [(document) => repeatFirst((document["position"] as { offsets: unknown[] }).offsets), "must name a partition once"],
    [offset({ offset: "-1" }), "'position.offsets[0].offset'"],
    [offset({ offset: "01" }), "'position.offsets[0].offset'"],
    [offset({ offset: "9223372036854775808" }), "below 2^63"],
    [offset({ topic: "elsewhere" }), "'position.offsets' must be of the manifest's topics"],
    [offset({ partition: 8 }), "'position.offsets' must be of the manifest's topics"],
    [segment({ kind: "patch" }), "'segments[0].kind'"],
    [segment({ rows: 0 }), "'segments[0].rows'"],
    [segment({ firstKey: "0A" }), "'segments[0].firstKey'"],
    [segment({ firstKey: "03" }), "'segments[0]' must have keys after"],
    [segment({ name: NAMES.manifest(KEY) }), "'segments[0].name' must be a base of this task"],
    [segment({ name: NAMES.segment(KEY, "delta", 0) }), "'segments[0].name' must be a base of this task"],
    [segment({ name: "other/app/0/x" }), "'segments[0].name' must be a base of this task"],
    [
      (document) => (document["segments"] as unknown[]).push((document["segments"] as unknown[])[0]),
      "'segments[1].name'",
    ],
    [
      (document) => (document["topics"] as unknown[]).push((document["topics"] as unknown[])[0]),
      "'topics' must be sorted",
    ],
  ];
  for (const [edit, expected] of cases) {
    const message = isCorrupt(edited(edit));
    assert(message.includes(expected), `${expected} in ${message}`);
  }
});

Deno.test("encodeManifest() writes JSON that other programs read, with the checksum as its last field", () => {
  const { bytes, checksum } = encodeManifest(manifestOf(KEY));
  const document = JSON.parse(new TextDecoder().decode(bytes));
  assertEquals(Object.keys(document).at(-1), "checksum");
  assertEquals(document.checksum, checksum);
  assertEquals(document.position.offsets[0].offset, "9007199254740993");
  assertNotEquals(checksum, encodeManifest(manifestOf(keyOf(4, 8))).checksum);
});
