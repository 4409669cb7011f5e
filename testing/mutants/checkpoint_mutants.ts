/** Bugs in uploads, restores, ownership and retention of checkpoints. */
import type { Mutant } from "./mutant.ts";

const CHECKPOINTER = "lib/runtime/checkpoint/checkpointer.ts";
const VERIFY = "lib/runtime/checkpoint/verify_upload.ts";
const CREATE = "lib/runtime/checkpoint/create_object.ts";
const RETENTION = "lib/core/retention_plan.ts";
const CLAIM = "lib/runtime/checkpoint/claim_owner_token.ts";

const FIELDS = "  #previous: CheckpointReference | null = null;\n";
const UPLOAD =
  '      await createObject(blobs, name, bytes);\n      segments.push({ kind: "base", name, bytes: bytes.length, rows, firstKey, lastKey, sha256: sha256Hex(bytes) });\n';
const VERIFIED = "    await verifyUpload(blobs, { names, ownerToken, segments, verifyBytesMax });\n";

/** Uploads and restores. */
export const UPLOAD_MUTANTS: readonly Mutant[] = [
  {
    name: "manifest-before-files",
    sentence: "The small manifest is created first, so that the large files can be sent while nobody waits",
    file: CHECKPOINTER,
    find: UPLOAD,
    replace: UPLOAD.replace("await createObject(blobs, name, bytes);", "this.#later.push([name, bytes]);"),
    also: [
      { file: CHECKPOINTER, find: FIELDS, replace: `${FIELDS}  readonly #later: [string, Uint8Array][] = [];\n` },
      { file: CHECKPOINTER, find: VERIFIED, replace: "    void verifyBytesMax;\n" },
      {
        file: CHECKPOINTER,
        find: "    this.#previous = { name, checksum };\n",
        replace: `    this.#previous = { name, checksum };
    for (const [file, bytes] of this.#later.splice(0)) await createObject(blobs, file, bytes);
`,
      },
    ],
    breaks: ["I-15"],
  },
  {
    name: "overwrite-instead-of-create",
    sentence: "Every checkpoint of an owner has the same name and replaces the one before it",
    file: CHECKPOINTER,
    find: "const key: CheckpointKey = { lineage, ownerToken, sequence: ++this.#lastSequence };",
    replace: "const key: CheckpointKey = { lineage, ownerToken, sequence: this.#lastSequence = 1 };",
    also: [{
      file: CREATE,
      find: "  throw new CheckpointConflictError(",
      replace: `  await blobs.delete(name);
  if ((await blobs.create(name, bytes)).isCreated) return;
  throw new CheckpointConflictError(`,
    }],
    breaks: ["I-16", "I-15"],
    needs: "two checkpoints of one owner",
  },
  {
    name: "upload-is-not-verified",
    sentence: "The object store has acknowledged every file, so the manifest is created without a look at them",
    file: CHECKPOINTER,
    find: VERIFIED,
    replace: "    void verifyBytesMax;\n",
    breaks: ["I-15"],
    needs: "an upload that is acknowledged and lost",
  },
  {
    name: "segment-checksum-is-not-verified",
    sentence: "A file of the right size is taken as it is: the object store has checksums of its own",
    file: "lib/runtime/checkpoint/read_segment.ts",
    find: `    else if (sha256Hex(bytes) !== segment.sha256) found = "its checksum does not match the manifest";\n`,
    replace: '    else if (sha256Hex(bytes) === "") found = segment.sha256;\n',
    breaks: ["I-17", "I-01"],
    needs: "a flipped bit in a file that is restored",
  },
  {
    name: "manifest-checksum-is-not-verified",
    sentence: "A manifest that can be parsed is taken as it is",
    file: "lib/core/manifest_codec.ts",
    find: '    if (bytes[bodyLength + i] !== end[i]) throw corrupt(name, "its checksum does not match its content");\n',
    replace: '    if (end[i] === undefined) throw corrupt(name, "its checksum does not match its content");\n',
    breaks: ["I-17", "I-01"],
    needs: "a flipped bit in a manifest that is restored",
  },
  {
    name: "newest-checkpoint-or-none",
    sentence: "Only the newest checkpoint is looked at: older ones are for people",
    file: "lib/runtime/checkpoint/restorer.ts",
    find: "    return survey.candidates;\n",
    replace: "    return survey.candidates.slice(0, survey.damaged.length === 0 ? 1 : 0);\n",
    breaks: ["I-18", "I-24"],
    needs: "the newest checkpoint damaged and no local store",
  },
];

/** Owners and retention. */
export const RETENTION_MUTANTS: readonly Mutant[] = [
  {
    name: "owner-token-is-not-bumped",
    sentence: "An owner takes the greatest token that it finds, since it stands for the task",
    file: CLAIM,
    find: "const first = Math.max(above, greatestOwnerToken(listed.map((entry) => entry.name), names)) + 1;",
    replace: "const first = Math.max(1, above, greatestOwnerToken(listed.map((entry) => entry.name), names));",
    also: [{
      file: CLAIM,
      find: "if (result.isCreated || equalBytes(result.existing, claim)) return ownerToken;",
      replace: "if (result.isCreated || equalBytes(result.existing, claim) || ownerToken === first) return ownerToken;",
    }],
    breaks: ["I-21", "I-16"],
    needs: "a restart",
  },
  {
    name: "zombie-goes-on-checkpointing",
    sentence: "Whoever has a task open may upload and clean up: its token stands in the names",
    file: VERIFY,
    find: "  if (greatest > ownerToken) {\n",
    replace: "  if (greatest > ownerToken && segments.length < 0) {\n",
    also: [{
      file: RETENTION,
      find: "  if (greatest > input.ownerToken) {\n",
      replace: "  if (greatest > input.ownerToken && input.retained < 1) {\n",
    }],
    breaks: ["I-21"],
    needs: "a process that stands still until a second one has claimed the task, and goes on with an upload",
  },
  {
    name: "retention-deletes-files-first",
    sentence: "The large files go first, then the manifest that names them",
    file: RETENTION,
    find: "return { deletions, orphans, kept, holdReason: undefined };",
    replace: "return { deletions: deletions.toReversed(), orphans, kept, holdReason: undefined };",
    breaks: ["I-15", "I-19"],
    needs: "more checkpoints than are retained",
  },
  {
    name: "retention-keeps-one-less",
    sentence: "The newest checkpoint does not count among those that are retained",
    file: RETENTION,
    find: "  if (!input.hasCommitted || kept.length < input.retained) return () => false;\n",
    replace: "  if (!input.hasCommitted || kept.length < input.retained) return () => false;\n" +
      "  kept = kept.slice(0, Math.max(1, input.retained - 1));\n",
    breaks: ["I-19"],
    needs: "more checkpoints than are retained",
  },
  {
    name: "retention-ignores-references",
    sentence: "Files that no manifest of this round belongs to are swept: delete before classify",
    file: RETENTION,
    find: "  const free = files.filter(freedBy(remaining));\n",
    replace: "  const free = files.filter(freedBy(remaining.slice(0, 0)));\n",
    breaks: ["I-19", "I-15"],
    needs: "three rounds of retention",
  },
  {
    name: "retention-counts-broken-checkpoints",
    sentence: "A checkpoint counts among those that are retained whether its files are there or not",
    file: RETENTION,
    find: "    if (segments.every(({ name, bytes }) => sizes.get(name) === bytes)) complete.push(reading.manifest);\n",
    replace: "    if (segments.length >= 0 && sizes.size > 0) complete.push(reading.manifest);\n",
    breaks: ["I-19", "I-18"],
    needs: "files that are gone from the object store",
  },
  {
    name: "retention-deletes-what-it-cannot-read",
    sentence: "A manifest that is damaged is of no use, and so are its files",
    file: RETENTION,
    find: "      if (shield === undefined || compareCheckpointKeys(shield, key) < 0) shields.set(key.lineage, key);\n",
    replace: "      if (shield === undefined && key.sequence < 0) shields.set(key.lineage, key);\n",
    breaks: ["I-19"],
    needs: "a manifest of another owner that is read damaged in two rounds and is whole after that",
  },
];
