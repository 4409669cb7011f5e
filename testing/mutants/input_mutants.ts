/** Bugs between fetched records and a handler: cutting, time, refused rows, outputs. */
import type { Mutant } from "./mutant.ts";

const INPUT = "lib/runtime/task_input.ts";
const REFUSALS = "lib/runtime/row_refusals.ts";
const WORK = "lib/runtime/member_work.ts";
const TASK = "lib/runtime/task.ts";

/** Bugs in what is read and how it is cut. */
export const INPUT_MUTANTS: readonly Mutant[] = [
  {
    name: "last-partial-batch-is-dropped",
    sentence: "A batch of several fetches leaves out the rows of the last one, and its position goes past them",
    file: INPUT,
    find: "return parts.length === 1 ? parts[0]! : joinParts(parts);",
    replace: "return parts.length === 1 ? parts[0]! : { ...joinParts(parts.slice(0, -1)), to: parts.at(-1)!.to };",
    breaks: ["I-04", "I-01"],
    needs: "a batch that is put together from several fetches",
  },
  {
    name: "offset-of-the-last-record-plus-one",
    sentence: "The position after a batch is the offset of its last record plus one: but control records take offsets",
    file: TASK,
    find: "    this.#commits.extend({ to: input.to, rows, taskTimeMs: taskTimeMs ?? null, leaderEpoch });\n",
    replace: `    const to = rows > 0 ? BigInt(input.offsets[input.toRow - 1]!) + 1n : input.to;
    this.#commits.extend({ to, rows, taskTimeMs: taskTimeMs ?? null, leaderEpoch });
`,
    breaks: ["I-10", "I-24"],
    needs: "an input written by transactions, or with gaps",
  },
  {
    name: "stale-fetch-is-taken",
    sentence: "Records that were asked for before a rewind are taken as well: they are further on, so nothing repeats",
    file: INPUT,
    find: "    if (slab.from !== this.#end) return false;\n",
    replace: "    if (slab.from < this.#end) return false;\n",
    also: [{
      file: "lib/adapters/embedded/embedded_consumer.ts",
      find: "      if (this.#positions.get(key) !== Number(slab.from)) continue;\n",
      replace: "",
    }],
    breaks: ["I-10", "I-04"],
    needs: "a rewind while a fetch is under way",
  },
  {
    name: "reads-uncommitted",
    sentence: "The input is read without regard to transactions",
    file: "lib/runtime/subscription_runner.ts",
    find: "      groupId: groupIdOf(this.#spec),\n      ...(",
    replace: `      groupId: groupIdOf(this.#spec),
      isolation: "read_uncommitted",
      ...(`,
    breaks: ["I-03", "I-10", "I-01"],
    needs: "an input written by transactions, some of them aborted",
  },
  {
    name: "never-resumes",
    sentence: "A partition that was paused because too much waited is not fetched again",
    file: WORK,
    find:
      "        if (isOurs && task.waitingRows < this.#spec.settings.batchRows) this.#consumer.resume([task.source]);\n",
    replace: "        void isOurs;\n",
    breaks: ["I-26", "I-24"],
    needs: "commits that are held until a checkpoint succeeds while twenty batches come, so that a partition is paused",
  },
  {
    name: "never-pauses",
    sentence: "Everything that was fetched is kept until it can be processed",
    file: WORK,
    find:
      "      if (task.waitingRows >= this.#spec.settings.batchRows * WAITING_BATCHES) this.#consumer.pause([task.source]);\n",
    replace: "",
    breaks: ["I-25"],
    needs: "commits that are held until a checkpoint succeeds while more than twenty batches come",
  },
  {
    name: "no-back-pressure",
    sentence: "Processing never waits for a commit",
    file: WORK,
    find: "    return rows >= this.#spec.settings.batchRows * IN_FLIGHT_BATCHES ||\n",
    replace: "    return rows === Infinity ||\n",
    also: [{
      file: WORK,
      find: "      bytes >= this.#spec.settings.batchBytes * IN_FLIGHT_BATCHES;",
      replace: "      bytes === Infinity;",
    }],
    breaks: ["I-25"],
    needs: "a burst while a commit takes long",
  },
];

/** Bugs in time. */
export const TIME_MUTANTS: readonly Mutant[] = [
  {
    name: "watermark-per-batch",
    sentence: "The watermark advances once for each batch, so lateness depends on where batches are cut",
    file: "lib/runtime/input_times.ts",
    find: "  runningMaximum(eventTimes, taskTimeMs ?? -Infinity, taskTimes);\n",
    replace: "  taskTimes.fill(runningMaximum(eventTimes, taskTimeMs ?? -Infinity));\n",
    breaks: ["I-04", "I-01"],
    needs: "windows and rows out of order",
  },
  {
    name: "late-row-opens-its-window-again",
    sentence: "A row whose window ends exactly at the watermark counts as in time",
    file: "lib/operators/tumbling_count.ts",
    find: "if (start + sizeMs + allowedLatenessMs <= timeBefore - input.outOfOrdernessMs) continue;",
    replace: "if (start + sizeMs + allowedLatenessMs < timeBefore - input.outOfOrdernessMs) continue;",
    breaks: ["I-04", "I-05"],
    needs: "windows, and a watermark exactly at the end of one",
  },
  {
    name: "idle-time-by-the-wall-clock",
    sentence: "Idle time is what has passed on the wall clock since the last record",
    file: TASK,
    find: "if (input.toRow > input.fromRow) this.#time.wake(environment.clock.monotonicMs());",
    replace: "if (input.toRow > input.fromRow) this.#time.wake(environment.clock.wallMs());",
    also: [{
      file: TASK,
      find: "      this.#time.wake(this.#parts.environment.clock.monotonicMs());\n",
      replace: "      this.#time.wake(this.#parts.environment.clock.wallMs());\n",
    }, {
      file: TASK,
      find: "\n    this.#time.wake(this.#parts.environment.clock.monotonicMs());\n",
      replace: "\n    this.#time.wake(this.#parts.environment.clock.wallMs());\n",
    }, {
      file: TASK,
      find: "return this.#isReplaying ? Infinity : this.#idle.inMs(nowMs, this.#processor.dueMs());",
      replace:
        "return this.#isReplaying ? Infinity : this.#idle.inMs(this.#parts.environment.clock.wallMs(), this.#processor.dueMs());",
    }, {
      file: WORK,
      find: "task.passTime(clock.monotonicMs())",
      replace: "task.passTime(clock.wallMs())",
    }],
    breaks: ["I-30"],
    needs: "windows, an idle time-out, and a wall clock that steps between the last record and an idle close",
  },
  {
    name: "commit-interval-by-the-wall-clock",
    sentence: "The time between commits is taken from the wall clock",
    file: "lib/runtime/commit_group.ts",
    find: "    const nowMs = this.#parts.environment.clock.monotonicMs();\n    if (!hasOpenWork) {",
    replace: "    const nowMs = this.#parts.environment.clock.wallMs();\n    if (!hasOpenWork) {",
    also: [{
      file: "lib/runtime/commit_group.ts",
      find: "    this.#openSinceMs = clock.monotonicMs();\n",
      replace: "    this.#openSinceMs = clock.wallMs();\n",
    }],
    breaks: ["I-24", "I-30"],
    needs: "a wall clock that steps back while something is open",
  },
];

/** Bugs in what becomes of refused rows. */
export const REFUSAL_MUTANTS: readonly Mutant[] = [
  {
    name: "rejected-rows-vanish",
    sentence: "Rows that are to be dead-lettered are counted and go nowhere",
    file: REFUSALS,
    find: "    place.outputs.add(deadLetterRequest(letters, { ...this.#source(), records: place.input.records }));\n",
    replace: "",
    breaks: ["I-29"],
    needs: "poison and dead letters",
  },
  {
    name: "rejected-rows-are-not-counted",
    sentence: "Skipped rows are logged and not counted",
    file: REFUSALS,
    find: "    this.count += count;\n",
    replace: "    void count;\n",
    breaks: ["I-29"],
    needs: "poison",
  },
];
