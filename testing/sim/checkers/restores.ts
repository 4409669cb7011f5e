/**
 * I-17: any damage of any object or manifest is detected before the first record is processed.
 *
 * I-18: a restore uses the newest intact checkpoint whose position is not above what is committed and lies on the way
 * there, never one of another history, and no task goes live with one that it could not load.
 *
 * I-22: a checkpoint of another cluster or topic is never loaded, and whoever refuses one deletes nothing.
 *
 * I-23: without a usable checkpoint and without the start of the log there is a loud error, unless an option says otherwise.
 */
import type { Change } from "../../../lib/embedded/change.ts";
import { hasGoneThrough } from "../../../lib/core/task_history.ts";
import type { LogLevel, StepDetail, StepLabel } from "../../../lib/seams/observer.ts";
import { findLog } from "../../../lib/embedded/cluster_state.ts";
import type { Checker, InvariantId, RunView, SimProcess } from "../contracts.ts";
import type { BlobEvent } from "../stores/sim_blob_store.ts";
import type { CheckpointBook, KnownCheckpoint, ParsedName } from "./checkpoint_book.ts";
import { type CommitHistory, type Committed, isOurs } from "./commit_history.ts";
import { describeProcess, lifeKey, type SeamHandles } from "./seam_handles.ts";

/** A restore that is under way: what there was when it began. */
interface Restore {
  readonly topic: string;
  readonly partition: number;
  readonly atMs: number;
  readonly committed: Committed | undefined;
  readonly logStart: number;
  readonly checkpoints: readonly KnownCheckpoint[];
  /** What was chosen. */
  chosen: StepDetail | undefined;
  /** Whether the checkpoint that was chosen last has been loaded. */
  isLoaded: boolean;
  /** Whether the task said that an option lets it begin anew. */
  isAllowed: boolean;
}

/** So long a task may go by what it was told of its topic when it was opened. */
const DESCRIBED_MS = 15_000;

/** Watches which state tasks go on with. */
export class Restores implements Checker {
  readonly invariants: readonly InvariantId[] = ["I-17", "I-18", "I-22", "I-23"];
  readonly #view: RunView;
  readonly #book: CheckpointBook;
  readonly #history: CommitHistory;
  readonly #handles: SeamHandles;
  readonly #restores = new Map<string, Restore>();
  /** What a process has read of an object last, if a fault had changed it. */
  readonly #misread = new Map<string, string>();
  /** Loads that are under way, by process and manifest: since when. */
  readonly #loads = new Map<string, number>();
  /** Topic ids by topic, and when those that are gone were. */
  readonly #topicIds = new Map<string, string>();
  readonly #goneMs = new Map<string, number>();
  /** Tasks that refused a checkpoint and have not been opened since. */
  readonly #refused = new Set<string>();

  /**
   * @param view The run.
   * @param parts What was committed, what lies in the object store, who is who.
   */
  constructor(
    view: RunView,
    parts: { readonly book: CheckpointBook; readonly history: CommitHistory; readonly handles: SeamHandles },
  ) {
    this.#view = view;
    this.#book = parts.book;
    this.#history = parts.history;
    this.#handles = parts.handles;
    view.blobs.watch({ onGet: (event) => this.#got(event) });
    parts.book.onDeleted((event, parsed) => this.#deleted(event, parsed));
  }

  change(change: Change): void {
    if (change.kind === "topic-created") this.#topicIds.set(change.topic, change.topicId);
    if (change.kind === "topic-deleted") this.#goneMs.set(this.#topicIds.get(change.topic)!, this.#view.nowMs);
  }

  step(process: SimProcess, label: StepLabel, detail: StepDetail): void {
    switch (label) {
      case "restore:begin":
        if (detail.application === undefined) this.#begin(process, detail);
        return;
      case "restore:candidate-chosen":
        if (detail.candidate !== undefined) this.#chosen(process, detail);
        else this.#loading(process, detail.name as string);
        return;
      case "restore:checkpoint-loaded":
        return this.#loaded(process, detail.name as string);
      case "restore:live":
        return this.#live(process, detail);
    }
  }

  log(process: SimProcess, _level: LogLevel, message: string, detail: StepDetail): void {
    if (typeof detail.partition !== "number") return;
    const restore = this.#restores.get(taskKey(process, detail));
    if (restore !== undefined && message.includes("as 'onCrashRecovery' says")) restore.isAllowed = true;
    if (detail.error === "CheckpointIncompatibleError") {
      this.#view.mark("an incompatible checkpoint was refused");
      this.#refused.add(`process-${process.number} ${detail.subscription}/${detail.partition}`);
    }
  }

  process(process: SimProcess, what: string): void {
    if (what !== "starting") return;
    for (const map of [this.#restores, this.#loads]) {
      for (const key of map.keys()) if (Math.floor(parseInt(key) / 1_048_576) === process.number) map.delete(key);
    }
  }

  #begin(process: SimProcess, detail: StepDetail): void {
    const place = this.#handles.placeOf(detail);
    if (place === undefined) return;
    const { groupId, topic, partition } = place;
    const checkpoints: KnownCheckpoint[] = [];
    for (const checkpoint of this.#book.all()) {
      const { application, subscription, partition: number } = checkpoint.manifest;
      if (`${application}.${subscription}` === groupId && number === partition) checkpoints.push(checkpoint);
    }
    this.#restores.set(taskKey(process, detail), {
      topic,
      partition,
      atMs: this.#view.nowMs,
      committed: this.#history.of(groupId, topic, partition),
      logStart: findLog(this.#view.broker.cluster.state, topic, partition)?.logStart ?? 0,
      checkpoints,
      chosen: undefined,
      isLoaded: false,
      isAllowed: false,
    });
  }

  #chosen(process: SimProcess, detail: StepDetail): void {
    const restore = this.#restores.get(taskKey(process, detail));
    if (restore === undefined) return;
    restore.chosen = detail;
    restore.isLoaded = false;
    const { candidate, isLineageNew, lineage } = detail;
    const from = Number(detail.from);
    const { committed, logStart, topic, partition } = restore;
    const where = `the task of ${topic}:${partition} in ${describeProcess(process)}`;
    if (from < logStart) {
      this.#view.violate(
        "I-23",
        `${where} replays from ${from}, which the log no longer holds: expected an error, as the log begins at ${logStart}`,
      );
    }
    if (isLineageNew === true || !isOurs(committed) || committed.metadata.lineage !== lineage) return;
    const { origin } = committed.metadata;
    if (candidate === "empty" && from !== Number(origin) && committed.metadata.ownerToken > 0) {
      this.#view.violate(
        "I-23",
        `${where} begins with empty state at ${from}: expected that only where its lineage began, at ${origin}`,
      );
    }
    // A process that stood still between its question and the restore goes by an old answer; it can do no harm with it.
    if (Number(detail.live) < committed.offset) return;
    const best = this.#best(restore, committed);
    if (best === undefined || from >= best.offset || committed.metadata.ownerToken === 0) return;
    this.#view.violate(
      "I-18",
      `${where} takes older state than it could: expected the checkpoint '${best.name}' at ${best.offset}, found ` +
        `'${candidate}' at ${from}; committed is ${committed.offset}, the log begins at ${logStart}`,
    );
  }

  /** The newest checkpoint that nothing is wrong with and that may be used. */
  #best(restore: Restore, committed: Committed): { readonly name: string; readonly offset: number } | undefined {
    if (!isOurs(committed)) return undefined;
    const { lineage, journal } = committed.metadata;
    const { topic, partition, logStart } = restore;
    const topicId = this.#view.broker.cluster.state.topics.get(topic)?.topicId;
    let best: { name: string; offset: number } | undefined;
    for (const checkpoint of restore.checkpoints) {
      const { name, manifest, position } = checkpoint;
      const at = position?.offsets.find((each) => each.topic === topic && each.partition === partition);
      if (position?.lineage !== lineage || at === undefined || manifest.topics[0]?.topicId !== topicId) continue;
      const offset = Number(at.offset);
      if (offset < logStart || offset <= (best?.offset ?? -1)) continue;
      const now = { offset: BigInt(committed.offset), journal };
      if (!hasGoneThrough(now, { offset: at.offset, journal: position.journal })) continue;
      const isAhead = offset > committed.offset || position.commitSequence > committed.metadata.commitSequence;
      if (isAhead || !this.#book.isIntact(checkpoint) || this.#book.isSuspect(checkpoint)) continue;
      best = { name, offset };
    }
    return best;
  }

  #loading(process: SimProcess, name: string): void {
    this.#loads.set(`${lifeKey(process)} ${name}`, this.#view.nowMs);
    const misread = this.#misread.get(`process-${process.number} ${name}`);
    if (misread === undefined) return;
    this.#view.violate(
      "I-17",
      `${describeProcess(process)} goes by the manifest '${name}' though ${misread} had changed what it read of it: ` +
        `expected it to be refused`,
    );
  }

  #loaded(process: SimProcess, name: string): void {
    const task = this.#book.parse(name)?.names.task;
    const restore = task === undefined ? undefined : this.#restores.get(taskKey(process, { ...task }));
    if (restore !== undefined) restore.isLoaded = true;
    const checkpoint = this.#book.checkpoint(name);
    const key = `${lifeKey(process)} ${name}`;
    const sinceMs = this.#loads.get(key) ?? this.#view.nowMs;
    this.#loads.delete(key);
    if (checkpoint === undefined) return;
    const { blobs } = this.#view;
    for (const segment of checkpoint.manifest.segments) {
      const misread = this.#misread.get(`process-${process.number} ${segment.name}`);
      const damage = blobs.damaged.get(segment.name);
      if (misread === undefined && (damage === undefined || damage.sinceMs >= sinceMs)) continue;
      this.#view.violate(
        "I-17",
        `${describeProcess(process)} has loaded the checkpoint '${name}' though its file '${segment.name}' was ` +
          `${
            misread === undefined ? `damaged by ${damage!.kind}` : `misread by ${misread}`
          }: expected it to be refused`,
      );
    }
    this.#checkFits(process, checkpoint);
    if (restore !== undefined) this.#checkHistory(process, restore, checkpoint);
  }

  /** A state that lies behind what is committed is one that the task went through on the way there. */
  #checkHistory(process: SimProcess, { committed, chosen }: Restore, { name, position }: KnownCheckpoint): void {
    if (!isOurs(committed) || position?.lineage !== committed.metadata.lineage) return;
    const { offset } = position.offsets[0]!;
    const now = { offset: BigInt(committed.offset), journal: committed.metadata.journal };
    // Who asked before it stood still goes by an older answer.
    if (Number(chosen?.live) !== committed.offset || offset >= now.offset || offset < now.journal.from) return;
    if (hasGoneThrough(now, { offset, journal: position.journal })) return;
    this.#view.violate(
      "I-18",
      `${
        describeProcess(process)
      } has loaded the checkpoint '${name}' at ${offset} though something else was decided ` +
        `on the way to the committed offset ${committed.offset}: expected one of the same history`,
    );
  }

  #checkFits(process: SimProcess, { name, manifest }: KnownCheckpoint): void {
    const { clusterId, topics } = this.#view.broker.cluster.state;
    for (const { topic, topicId } of manifest.topics) {
      const found = topics.get(topic)?.topicId;
      if (manifest.clusterId === clusterId && found === topicId) continue;
      // A description that is under way may still tell of the topic that has just gone.
      const goneMs = this.#goneMs.get(topicId) ?? -Infinity;
      if (this.#view.nowMs - goneMs < DESCRIBED_MS) continue;
      this.#view.violate(
        "I-22",
        `${
          describeProcess(process)
        } has loaded the checkpoint '${name}' of another input: expected topic '${topic}' with ` +
          `id ${found} in cluster ${clusterId}, found id ${topicId} in cluster ${manifest.clusterId}`,
      );
    }
  }

  #live(process: SimProcess, detail: StepDetail): void {
    const key = taskKey(process, detail);
    const restore = this.#restores.get(key);
    this.#restores.delete(key);
    this.#refused.delete(`process-${process.number} ${detail.subscription}/${detail.partition}`);
    if (restore?.chosen?.candidate === "checkpoint" && !restore.isLoaded) {
      this.#view.violate(
        "I-18",
        `the task of ${restore.topic}:${restore.partition} in ${
          describeProcess(process)
        } goes live on a checkpoint at ` +
          `${restore.chosen.from} that was not loaded: expected the next one that can be`,
      );
    }
    if (restore?.chosen?.candidate !== "empty" || restore.chosen.isLineageNew !== true) return;
    if (restore.committed !== undefined || restore.isAllowed) return;
    const left = restore.checkpoints.find((each) => this.#book.isIntact(each) && !this.#book.isSuspect(each));
    if (left === undefined) return;
    this.#view.violate(
      "I-23",
      `the task of ${restore.topic}:${restore.partition} in ${describeProcess(process)} began anew at ` +
        `${restore.chosen.from} without a word, though its group has no offset and there is state ('${left.name}'): ` +
        `expected it to go on from there, or an error`,
    );
  }

  #got({ name, who, fault }: BlobEvent): void {
    if (fault === undefined) this.#misread.delete(`${who} ${name}`);
    else this.#misread.set(`${who} ${name}`, fault);
  }

  #deleted({ name, who }: BlobEvent, parsed: ParsedName | undefined): void {
    if (parsed === undefined || this.#refused.size === 0) return;
    const { subscription, partition } = parsed.names.task;
    if (!this.#refused.has(`${who} ${subscription}/${partition}`)) return;
    this.#view.violate(
      "I-22",
      `'${who}' deleted '${name}' after it had refused a checkpoint of that task as incompatible: expected nothing to be ` +
        `deleted`,
    );
  }
}

function taskKey(process: SimProcess, { subscription, partition }: StepDetail): string {
  return `${lifeKey(process)} ${subscription} ${partition}`;
}
