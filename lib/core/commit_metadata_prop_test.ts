import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { InvariantError } from "../base/assert.ts";
import { StateCorruptError } from "../base/errors.ts";
import { sha256Hex } from "../base/sha256.ts";
import {
  type CommitMetadata,
  decodeCommitMetadata,
  encodeCommitMetadata,
  METADATA_BYTES_MAX,
} from "./commit_metadata.ts";
import { decodeDecisions, encodeDecisions } from "./decision_codec.ts";
import type { DecisionEntry } from "./decision_entry.ts";
import { DecisionJournal } from "./decision_journal.ts";
import { decodePosition, encodePosition, type TaskPosition } from "./position.ts";

const offset = () => fc.bigInt({ min: 0n, max: 2n ** 62n });
const timeMs = () =>
  fc.oneof(
    fc.integer({ min: 1_600_000_000_000, max: 1_900_000_000_000 }),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
  );
const lineage = () => fc.stringMatching(/^[0-9A-Za-z_-]{1,64}$/);

/** Steps that a task could take: gaps in offset, decisions that the journal can hold. */
const journal = (): fc.Arbitrary<DecisionJournal> =>
  fc.record({
    from: offset(),
    digest: fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
    steps: fc.array(
      fc.record({
        gap: fc.bigInt({ min: 0n, max: 10_000n }),
        kind: fc.constantFrom("jump", "skip-range", "drop"),
        value: fc.integer({ min: 1, max: 100_000 }),
        time: timeMs(),
      }),
      { maxLength: 400, size: "max" },
    ),
  }).map(({ from, digest, steps }) => {
    let made = new DecisionJournal(from, [], digest);
    let at = from;
    let time = -Infinity;
    for (const step of steps) {
      at += step.gap;
      time = Math.max(time, step.time);
      const entry: DecisionEntry = { offset: at, kind: step.kind, value: step.kind === "jump" ? time : step.value };
      if (!made.canHold(entry)) break;
      made = made.with(entry);
      if (step.kind !== "jump") at += BigInt(step.value);
    }
    return made;
  });

const metadata = (): fc.Arbitrary<CommitMetadata> =>
  fc.record({
    lineage: lineage(),
    origin: offset(),
    ownerToken: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    commitSequence: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    taskTimeMs: fc.option(timeMs()),
    journal: journal(),
    transactionalId: fc.option(fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 })),
  }, { noNullPrototype: true });

Deno.test("encodeDecisions() and decodeDecisions() round trip", () => {
  fc.assert(fc.property(journal(), ({ from, entries }) => {
    assertEquals(decodeDecisions(from, encodeDecisions(from, entries)), [...entries]);
  }));
});

Deno.test("decodeDecisions() takes no text that is none of ours", () => {
  for (const text of ["x", "J", "J1", "J1.", "S1.0", "D0.-1", "J0.=.", "J0.1 ", " J0.1", "J0.1Z", "J0.=1e999"]) {
    assertEquals(decodeDecisions(0n, text), undefined, text);
  }
  assertEquals(decodeDecisions(0n, ""), []);
});

Deno.test("encodeCommitMetadata() round trips any legal content within the broker's bound", () => {
  fc.assert(fc.property(metadata(), (content) => {
    const text = encodeCommitMetadata(content);
    assert(new TextEncoder().encode(text).length <= METADATA_BYTES_MAX);
    assertEquals(decodeCommitMetadata(text), { kind: "ours", ...content });
  }));
});

Deno.test("encodeCommitMetadata() stays within the bound with every field at its longest", () => {
  const widest = 2n ** 63n - 1n;
  let full = new DecisionJournal(0n);
  for (let at = 0n;; at += 1_000_003n) {
    const entry = { offset: at, kind: "drop", value: 1_000_000 } as const;
    if (!full.canHold(entry)) break;
    full = full.with(entry);
  }
  const text = encodeCommitMetadata({
    lineage: "x".repeat(64),
    origin: widest,
    ownerToken: Number.MAX_SAFE_INTEGER,
    commitSequence: Number.MAX_SAFE_INTEGER,
    taskTimeMs: -1.7976931348623157e308,
    journal: full,
    transactionalId: "x".repeat(640),
  });
  assert(text.length <= METADATA_BYTES_MAX && text.length > 3_800, `${text.length} bytes`);
});

const PLAIN: CommitMetadata = {
  lineage: "L1",
  origin: 0n,
  ownerToken: 1,
  commitSequence: 2,
  taskTimeMs: 3,
  journal: new DecisionJournal(0n, [{ offset: 1n, kind: "jump", value: 165 }]),
  transactionalId: "app.sums.host-1.0",
};

Deno.test("encodeCommitMetadata() leaves out a transactional id that does not fit", () => {
  const read = decodeCommitMetadata(encodeCommitMetadata({ ...PLAIN, transactionalId: "x".repeat(641) }));
  assert(read.kind === "ours" && read.transactionalId === null);
});

Deno.test("encodeCommitMetadata() refuses what was to be decided before", () => {
  assertThrows(() => encodeCommitMetadata({ ...PLAIN, lineage: "a:b" }), InvariantError, "lineage");
  const entries = Array.from({ length: 900 }, (_, at) => ({ offset: BigInt(at * 5), kind: "drop" as const, value: 1 }));
  const overfull = new DecisionJournal(0n, entries);
  assertThrows(() => encodeCommitMetadata({ ...PLAIN, journal: overfull }), InvariantError, "was let in");
});

Deno.test("decodeCommitMetadata() tells missing, foreign and newer metadata from ours", () => {
  const text = encodeCommitMetadata(PLAIN);
  assertEquals(decodeCommitMetadata(text), { kind: "ours", ...PLAIN });
  assertEquals(decodeCommitMetadata(""), { kind: "missing" });
  for (
    const other of [
      "NO_METADATA",
      "turbine",
      "turbine:",
      "turbine:1",
      "turbine:0:x",
      "turbine:x:y",
      text + ":",
      text.slice(1),
    ]
  ) {
    assertEquals(decodeCommitMetadata(other), { kind: "foreign", text: other, isNewer: false }, other);
  }
  const newer = text.replace("turbine:1:", "turbine:3:");
  assertEquals(decodeCommitMetadata(newer), { kind: "foreign", text: newer, isNewer: true });
});

Deno.test("decodeCommitMetadata() takes no damaged text for ours", () => {
  fc.assert(fc.property(metadata(), fc.nat(), fc.integer({ min: 33, max: 126 }), (content, where, code) => {
    const text = encodeCommitMetadata(content);
    const at = where % text.length;
    const damaged = text.slice(0, at) + String.fromCharCode(code) + text.slice(at + 1);
    assert(damaged === text || decodeCommitMetadata(damaged).kind === "foreign");
    assert(at === 0 || decodeCommitMetadata(text.slice(0, at)).kind === "foreign");
  }));
});

Deno.test("decodeCommitMetadata() takes a journal that is none of ours for foreign, whatever its checksum", () => {
  const [name, version, , ...fields] = encodeCommitMetadata(PLAIN).split(":");
  const body = [...fields.slice(0, -1), "Q"].join(":");
  const check = sha256Hex(new TextEncoder().encode(body)).slice(0, 8);
  assertEquals(decodeCommitMetadata([name, version, check, body].join(":")).kind, "foreign");
});

const position = (): fc.Arbitrary<TaskPosition> =>
  fc.record({
    offsets: fc.array(
      fc.record({
        topic: fc.string({ unit: "grapheme", maxLength: 20 }),
        partition: fc.nat(),
        offset: offset(),
        leaderEpoch: fc.integer({ min: -1 }),
        topicId: fc.string({ unit: "grapheme", maxLength: 20 }),
      }, { noNullPrototype: true, requiredKeys: ["topic", "partition", "offset", "leaderEpoch"] }),
      { maxLength: 3 },
    ),
    taskTimeMs: fc.option(timeMs()),
    commitSequence: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    lineage: lineage(),
    origin: offset(),
    ownerToken: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    journal: journal(),
  }, { noNullPrototype: true });

Deno.test("encodePosition() and decodePosition() round trip", () => {
  fc.assert(fc.property(position(), (content) => assertEquals(decodePosition(encodePosition(content)), content)));
});

Deno.test("decodePosition() finds any flipped bit and any cut", () => {
  fc.assert(fc.property(position(), fc.nat(), fc.nat({ max: 7 }), (content, where, bit) => {
    const bytes = encodePosition(content);
    const at = where % bytes.length;
    const flipped = bytes.slice();
    flipped[at]! ^= 1 << bit;
    assertThrows(() => decodePosition(flipped), StateCorruptError);
    assertThrows(() => decodePosition(bytes.subarray(0, at)), StateCorruptError);
  }));
});
