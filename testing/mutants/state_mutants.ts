/** Bugs in undo, in flushes, and in what stands together with the state. */
import type { Mutant } from "./mutant.ts";

const SLOTS = "lib/runtime/state/slot_table.ts";
const STATE = "lib/runtime/state/task_state.ts";
const KEEPER = "lib/runtime/task_keeper.ts";
const TASK = "lib/runtime/task.ts";

/** Open commits that are not taken back as they should. */
export const UNDO_MUTANTS: readonly Mutant[] = [
  {
    name: "no-undo",
    sentence: "State is updated in place, and an abort only forgets the logs: the rows are processed again anyway",
    file: SLOTS,
    find: "for (const log of this.#logs.reverse()) {",
    replace: "for (const log of this.#logs.slice(0, 0)) {",
    breaks: ["I-01", "I-03", "I-05"],
    needs: "a commit that does not happen",
  },
  {
    name: "undo-of-the-newest-commit-only",
    sentence: "An abort takes back the commit that failed, not those that were processed on top of it",
    file: SLOTS,
    find: "for (const log of this.#logs.reverse()) {",
    replace: "for (const log of this.#logs.slice(-1)) {",
    breaks: ["I-01", "I-05"],
    needs: "two open commits when one does not happen",
  },
  {
    name: "undo-oldest-first",
    sentence: "Before-images are put back in the order in which they were taken",
    file: SLOTS,
    find: "for (const log of this.#logs.reverse()) {",
    replace: "for (const log of this.#logs) {",
    breaks: ["I-01", "I-05"],
    needs: "two open commits that touch one key when the older does not happen",
  },
  {
    name: "image-of-the-first-commit-only",
    sentence: "A slot keeps one before-image, from the first commit that touches it, for the life of the task",
    file: SLOTS,
    find: "if (touched[code] === serial) continue;",
    replace: "if (touched[code] !== 0) continue;",
    breaks: ["I-01"],
    needs: "a flush and a restart, or an abort",
  },
  {
    name: "outputs-survive-an-abort",
    sentence: "A rewind takes state back and leaves the encoded outputs: they are sent with the next commit",
    file: "lib/runtime/open_work.ts",
    find: "    this.#outputs.clear();\n",
    replace: "",
    breaks: ["I-05", "I-06"],
    needs: "a commit that does not happen",
  },
  {
    name: "cache-survives-an-abort",
    sentence: "A rewind takes state back, but operators keep what they remember of it",
    file: TASK,
    find: "      this.#processor.reset();\n      this.#time.restore(rewindTo.taskTimeMs);\n",
    replace: "      this.#time.restore(rewindTo.taskTimeMs);\n",
    breaks: ["I-04", "I-01"],
    needs: "windows, and a commit that does not happen",
  },
  {
    name: "fetched-rows-survive-an-abort",
    sentence: "A rewind keeps the rows that wait, since they were fetched already",
    file: TASK,
    find: "    this.#input.clear(this.position);\n    return this.position;\n",
    replace: "    return this.position;\n",
    breaks: ["I-10", "I-04"],
    needs: "a commit that does not happen while rows wait",
  },
];

/** Flushes that write too much, too little, or the wrong position. */
export const FLUSH_MUTANTS: readonly Mutant[] = [
  {
    name: "flush-of-uncommitted-state",
    sentence: "A flush writes what the slots hold now, which may be that of an open commit",
    file: SLOTS,
    find: "    if (this.#logs.length > 0) this.#undoInto(images, flags, codes);\n",
    replace: "",
    breaks: ["I-03", "I-01"],
    needs: "a flush while a commit is open, then a crash or a checkpoint",
  },
  {
    name: "flush-takes-the-newest-image",
    sentence: "Of several open commits the newest before-image is flushed, not the oldest",
    file: SLOTS,
    find: "for (const log of this.#logs.toReversed()) {",
    replace: "for (const log of this.#logs) {",
    breaks: ["I-03", "I-01"],
    needs: "a flush while two commits that touch one key are open",
  },
  {
    name: "flush-with-the-position-of-the-head",
    sentence: "The position that is flushed is where processing stands, not what is committed",
    file: TASK,
    find: "this.#keeper.committed(this.#commits.committed, commit.rows);",
    replace: "this.#keeper.committed(this.#commits.head, commit.rows);",
    breaks: ["I-03", "I-01"],
    needs: "a flush while a commit is open, then a crash or a checkpoint",
  },
  {
    name: "flush-with-the-position-before",
    sentence: "A flush carries the position of the flush before it",
    file: KEEPER,
    find: "    await state.flush(encodePosition(this.#position(point)));\n",
    replace: "    await state.flush(encodePosition(this.#position(this.#flushed ?? point)));\n",
    breaks: ["I-01"],
    needs: "two flushes and a restart",
  },
  {
    name: "position-in-a-write-of-its-own",
    sentence: "Rows are written first, then the position, each safely",
    file: STATE,
    find: "      await this.store.apply(mutations, position);\n",
    replace: `      await this.store.apply(mutations, await this.store.readPosition() ?? position);
      await this.store.apply({ ...mutations, count: 0 }, position);
`,
    breaks: ["I-02", "I-01"],
    needs: "a crash between two writes of the store",
  },
  {
    name: "write-during-a-flush-is-forgotten",
    sentence: "A slot that is being flushed counts as dirty already, so a commit meanwhile need not mark it",
    file: SLOTS,
    find: "      if ((this.#pending[code]! & DIRTY) !== 0) continue;\n",
    replace: "      if (this.#pending[code] !== 0) continue;\n",
    breaks: ["I-01"],
    needs: "a slow disk, a commit of the same key while a flush of it runs, none later, then a restart",
  },
  {
    name: "deleted-rows-are-written",
    sentence: "A flush writes the last value of a slot whose row was deleted",
    file: SLOTS,
    find: "      if ((flags[i]! & PRESENT) === 0) rows.starts[i] = -1;\n",
    replace: "",
    breaks: ["I-01", "I-05"],
    needs: "rows that are deleted (windows that close) and a restart",
  },
  {
    name: "state-without-an-owner",
    sentence: "A task that writes state for the first time commits before it claims an owner token",
    file: TASK,
    find: "    if (this.#processor.hasWrittenState) await this.#recovered.ownership.claim();\n",
    replace: "",
    breaks: ["I-01"],
    needs: "a handler that writes the free form of state and declares none",
  },
  {
    name: "journal-trimmed-to-the-newest-checkpoint",
    sentence: "Once a checkpoint is there, older decisions are forgotten: but the newest may turn out damaged",
    file: "lib/runtime/task_checkpoints.ts",
    find: "const oldest = result.oldestRetained ?? result.manifest.position;",
    replace: "const oldest = result.manifest.position;",
    breaks: ["I-18", "I-24"],
    needs: "two checkpoints of one owner",
  },
];
