/** Bugs in the choice of what to restore, and in silent replay. */
import type { Mutant } from "./mutant.ts";

const PLAN = "lib/core/recovery_plan.ts";
const REPLAY = "lib/runtime/silent_replay.ts";
const RECOVER = "lib/runtime/recover_task.ts";

/** Wrong places to go on from. */
export const RECOVERY_MUTANTS: readonly Mutant[] = [
  {
    name: "alo-2-local-state-at-the-committed-offset",
    sentence: "A restart goes on at the committed offset with whatever state is there",
    file: PLAN,
    find: "candidate: best.candidate, replayFrom: best.offset, taskTimeMs: best.position.taskTimeMs };",
    replace: "candidate: best.candidate, replayFrom: committed, taskTimeMs: best.position.taskTimeMs };",
    breaks: ["I-01", "I-05"],
    needs: "a restart with a store that lags, or from a checkpoint",
  },
  {
    name: "alo-3-no-silent-replay",
    sentence: "At-least-once goes on at the checkpoint's position and publishes everything since again: that is legal",
    file: PLAN,
    find: "  if (!isAhead(best)) return { ...plan, taskTimeAtLiveMs, warnings };\n",
    replace:
      `  if (best.offset === committed || input.guarantee === "exactly-once") return { ...plan, taskTimeAtLiveMs, warnings };
`,
    breaks: ["I-06", "I-08"],
    guarantee: "at-least-once",
    needs: "a restart from a store or checkpoint that lags",
  },
  {
    name: "replay-is-not-silent",
    sentence: "The outputs of a replay are published: the transaction makes them exactly-once",
    file: PLAN,
    find: "  if (!isAhead(best)) return { ...plan, taskTimeAtLiveMs, warnings };\n",
    replace: "  if (!isAhead(best)) return { ...plan, liveFrom: best.offset, taskTimeAtLiveMs, warnings };\n",
    breaks: ["I-05", "I-06"],
    needs: "a restart from a store or checkpoint that lags",
  },
  {
    name: "local-store-before-checkpoints",
    sentence:
      "A local store that is not ahead is taken whenever there is one: it is at hand, and a replay does the rest",
    file: PLAN,
    find: "  const best = greatest(usable);\n  if (best === undefined) {\n    return planWithoutState(",
    replace: `  const best = inLog.find((at) => at.candidate.kind === "local" && !isAhead(at)) ?? greatest(usable);
  if (best === undefined) {
    return planWithoutState(`,
    breaks: ["I-18", "I-23", "I-01"],
    needs: "a partition that comes back to a node whose store has fallen behind the checkpoints of another",
  },
  {
    name: "candidate-by-age",
    sentence: "Of the checkpoints the one with the latest date is restored: a date says what is newest",
    file: "lib/runtime/task_checkpoints.ts",
    find: "    return this.#found = found;\n",
    replace: `    const latest = Math.max(...found.map(({ intact }) => intact.manifest.createdWallMs));
    return this.#found = found.filter(({ intact }) => intact.manifest.createdWallMs === latest);
`,
    breaks: ["I-18"],
    needs: "a wall clock that steps back between two checkpoints, or one of two machines that is behind",
  },
  {
    name: "lineage-is-ignored",
    sentence: "A local store is a local store, whatever history of the task it belongs to",
    file: PLAN,
    find: "const ours = found.stored.filter((at) => at.position.lineage === lineage);",
    replace: "const ours = found.stored.map((at) => ({ ...at, position: { ...at.position, lineage } }));",
    breaks: ["I-21", "I-01"],
    needs: "a new lineage (offsets reset, or a rebuild) and a restart on an older node",
  },
  {
    name: "silent-reset-to-the-log-start",
    sentence: "When the committed offset is gone from the log, the task goes on at the log's start",
    file: PLAN,
    find: "    throw outOfRange(input, `the committed offset ${committed.offset}`);\n",
    replace: `    return newLineagePlan(input, {
      origin: log.logStart,
      liveFrom: log.logStart,
      journal: new DecisionJournal(log.logStart),
      warning: undefined,
    });
`,
    breaks: ["I-23", "I-01"],
    needs: "retention that passes the committed offset, or a truncated log",
  },
  {
    name: "damaged-checkpoint-is-empty-state",
    sentence:
      "When a checkpoint cannot be loaded, the task begins empty at its position instead of with the next older one",
    file: RECOVER,
    find: "      candidates = candidates.filter((each) => each !== chosen);\n      await empty(local, options);\n",
    replace: "      await empty(local, options);\n      return { plan, store: local.store };\n",
    breaks: ["I-01", "I-18"],
    needs: "a damaged checkpoint and no local store",
  },
  {
    name: "stale-store-under-a-checkpoint",
    sentence: "A checkpoint is loaded over what the local store holds: its rows replace the older ones",
    file: RECOVER,
    find: "    if (isDirty) await empty(local, options);\n",
    replace: `    if (isDirty && candidate.kind !== "checkpoint") await empty(local, options);
`,
    also: [{
      file: "lib/runtime/checkpoint/restorer.ts",
      find: `    invariant(await store.readPosition() === undefined, "a checkpoint is loaded into an empty store");\n`,
      replace: "",
    }],
    breaks: ["I-01", "I-02"],
    needs: "a local store that lags behind a checkpoint of another node",
  },
];

/** Silent replay that does not repeat what was. */
export const REPLAY_MUTANTS: readonly Mutant[] = [
  {
    name: "replay-stops-one-short",
    sentence: "Silent replay ends one record before the committed offset, which is published again",
    file: RECOVER,
    find: "    live: { ...point, offset: plan.liveFrom, taskTimeMs: taskTimeAtLiveMs },\n",
    replace: `    live: {
      ...point,
      offset: plan.replayFrom < plan.liveFrom ? plan.liveFrom - 1n : plan.liveFrom,
      taskTimeMs: taskTimeAtLiveMs,
    },
`,
    breaks: ["I-05", "I-06"],
    needs: "a restart from a store or checkpoint that lags",
  },
  {
    name: "replay-goes-one-too-far",
    sentence: "Silent replay takes the record at the committed offset with it, so that its outputs are never published",
    file: RECOVER,
    find: "    live: { ...point, offset: plan.liveFrom, taskTimeMs: taskTimeAtLiveMs },\n",
    replace: `    live: {
      ...point,
      offset: plan.replayFrom < plan.liveFrom ? plan.liveFrom + 1n : plan.liveFrom,
      taskTimeMs: taskTimeAtLiveMs,
    },
`,
    breaks: ["I-04", "I-03"],
    needs: "a restart from a store or checkpoint that lags",
  },
  {
    name: "replay-skips-the-journal",
    sentence: "Silent replay repeats the records; decisions were made for live processing",
    file: REPLAY,
    find: `if (entry.kind !== "jump" || this.#reached.offset > live.offset || !time.jump(entry.value)) continue;`,
    replace: "if (Number.isFinite(entry.value)) continue;",
    breaks: ["I-01", "I-05"],
    needs: "a window that closes on an idle input, and a replay over that offset",
  },
  {
    name: "replay-is-not-cut-at-decisions",
    sentence: "Silent replay takes the largest batches it can; decisions between their rows pass by",
    file: REPLAY,
    find: "const stopAt = next !== undefined && next < live.offset ? next : live.offset;",
    replace: "const stopAt = next !== undefined && next > live.offset ? next : live.offset;",
    breaks: ["I-01", "I-05"],
    needs: "a window that closes on an idle input, and a replay over that offset in one batch",
  },
  {
    name: "replay-forgets-task-time",
    sentence: "A task starts its clock anew with the first record that it replays",
    file: REPLAY,
    find: "const before = { taskTimeMs: this.#reached.taskTimeMs ?? undefined, isReplaying: true };",
    replace: "const before = { taskTimeMs: undefined, isReplaying: true };",
    breaks: ["I-01"],
    needs: "windows, rows out of order, and a replay",
  },
];
