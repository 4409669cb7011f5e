/**
 * I-19: retention never deletes what a kept manifest references; as many intact checkpoints as are wanted remain that a
 * restore could choose where the owner stands, where one whose files a listing shows to be gone or short is none of them; a
 * manifest goes before its files.
 *
 * I-20: torn uploads are collected within two rounds of retention.
 */
import { compareManifests } from "../../../lib/core/checkpoint_manifest.ts";
import {
  type CheckpointKey,
  CheckpointNames,
  type CheckpointTask,
  compareCheckpointKeys,
} from "../../../lib/core/checkpoint_names.ts";
import type { TaskPosition } from "../../../lib/core/position.ts";
import { hasGoneThrough } from "../../../lib/core/task_history.ts";
import type { LogLevel, StepDetail, StepLabel } from "../../../lib/seams/observer.ts";
import type { Checker, FiredFault, InvariantId, RunView, SimProcess } from "../contracts.ts";
import type { BlobEvent } from "../stores/sim_blob_store.ts";
import type { CheckpointBook, KnownCheckpoint, ParsedName } from "./checkpoint_book.ts";
import { isProcess } from "./checkpoint_objects.ts";
import { lifeKey } from "./seam_handles.ts";

/** A round of retention that is under way. */
interface Round {
  readonly prefix: string;
  readonly ownerToken: number;
  /** Whether it went to its end and could see everything. */
  isGood: boolean;
}

/** What a process saw of a task when it began its last round. */
interface Sight {
  /** Checkpoints that a listing shows to be broken. */
  readonly broken: ReadonlySet<KnownCheckpoint>;
  /** How far the owner's own checkpoints had come. */
  readonly reached: TaskPosition | undefined;
}

/** A file without a manifest. */
interface Orphan {
  readonly key: CheckpointKey;
  /** Owner whose rounds were counted last, and how many good ones in a row. */
  ownerToken: number;
  rounds: number;
}

/** Watches what is deleted from the object store, and what is not. */
export class RetentionRules implements Checker {
  readonly invariants: readonly InvariantId[] = ["I-19", "I-20"];
  readonly #view: RunView;
  readonly #book: CheckpointBook;
  readonly #orphans = new Map<string, Map<string, Orphan>>();
  readonly #rounds = new Map<string, Round>();
  readonly #sights = new Map<string, Sight>();

  /**
   * @param view The run.
   * @param book What lies in the object store.
   */
  constructor(view: RunView, book: CheckpointBook) {
    this.#view = view;
    this.#book = book;
    book.onCreated((event, parsed) => this.#created(event, parsed));
    book.onDeleted((event, parsed) => this.#deleted(event, parsed));
  }

  step(process: SimProcess, label: StepLabel, detail: StepDetail): void {
    if (label !== "retention:begin" && label !== "checkpoint:begin") return;
    const { application, subscription, partition, ownerToken } = detail;
    const key = `${lifeKey(process)} ${application}/${subscription}/${partition}`;
    // The round before has ended when the next checkpoint of the task begins.
    this.#finish(key);
    if (label !== "retention:begin") return;
    this.#look(process, detail);
    const prefix = this.#prefixOf(detail);
    if (prefix !== undefined) this.#rounds.set(key, { prefix, ownerToken: ownerToken as number, isGood: true });
  }

  log(process: SimProcess, level: LogLevel, message: string, detail: StepDetail): void {
    if (level !== "warn" || !message.startsWith("Checkpoint retention")) return;
    const { application, subscription, partition } = detail;
    const round = this.#rounds.get(`${lifeKey(process)} ${application}/${subscription}/${partition}`);
    if (round !== undefined) round.isGood = false;
  }

  fault({ fault }: FiredFault): void {
    // Whoever cannot see or delete everything needs another round.
    if (fault.kind.startsWith("S") || fault.kind.startsWith("O")) {
      for (const round of this.#rounds.values()) round.isGood = false;
    }
  }

  process(process: SimProcess, what: string): void {
    if (what !== "crashed" && what !== "failed" && what !== "closed") return;
    const life = `${lifeKey(process)} `;
    for (const key of this.#rounds.keys()) if (key.startsWith(life)) this.#rounds.delete(key);
  }

  /** What anybody sees who lists the objects of a task now. */
  #look(process: SimProcess, { application, subscription, partition, ownerToken }: StepDetail): void {
    const { prefix } = new CheckpointNames({ application, subscription, partition } as CheckpointTask);
    const { blobs } = this.#view;
    const broken = new Set<KnownCheckpoint>();
    let newest: KnownCheckpoint | undefined;
    for (const known of this.#book.checkpointsOf(prefix)) {
      const isOwn = known.manifest.ownerToken === ownerToken;
      if (isOwn && (newest === undefined || compareManifests(known.manifest, newest.manifest) > 0)) newest = known;
      const isListed = blobs.peek(known.name) !== undefined &&
        known.manifest.segments.every(({ name, bytes }) => blobs.peek(name)?.length === bytes);
      if (!isListed) broken.add(known);
    }
    this.#sights.set(`process-${process.number} ${prefix}`, { broken, reached: newest?.position });
  }

  #prefixOf(detail: StepDetail): string | undefined {
    const { application, subscription, partition } = detail;
    for (const prefix of this.#orphans.keys()) {
      const task = this.#book.parse(`${prefix}owners/000000000001`)?.names.task;
      if (task?.application === application && task?.subscription === subscription && task?.partition === partition) {
        return prefix;
      }
    }
    return undefined;
  }

  #finish(key: string): void {
    const round = this.#rounds.get(key);
    if (round === undefined) return;
    this.#rounds.delete(key);
    for (const [name, orphan] of this.#orphans.get(round.prefix) ?? []) {
      if (!round.isGood) orphan.rounds = 0;
      else if (this.#view.blobs.peek(name) !== undefined) this.#count(name, orphan, round);
    }
  }

  /** A round has passed a file by. An owner finds it first, then collects it. */
  #count(name: string, orphan: Orphan, { ownerToken }: Round): void {
    if (orphan.ownerToken !== ownerToken) {
      orphan.ownerToken = ownerToken;
      orphan.rounds = 0;
    }
    // Whether an upload has ended is known of owners before, and of one's own attempts but the last.
    if (orphan.key.ownerToken > ownerToken || this.#isShielded(name, orphan.key)) return;
    if (++orphan.rounds <= 2) return;
    this.#view.violate(
      "I-20",
      `the torn upload '${name}' was left lying: expected it to be collected within two rounds of retention, found it ` +
        `after ${orphan.rounds} rounds of owner ${ownerToken}`,
    );
  }

  /** A manifest that cannot be read shields what it could reference. */
  #isShielded(name: string, key: CheckpointKey): boolean {
    const { blobs } = this.#view;
    const prefix = this.#book.parse(name)!.names.prefix;
    for (const other of blobs.names(prefix)) {
      const parsed = this.#book.parse(other);
      if (parsed?.object.kind !== "manifest" || !(blobs.hasLied(other) || blobs.damaged.has(other))) continue;
      if (parsed.object.lineage === key.lineage && compareCheckpointKeys(key, parsed.object) <= 0) return true;
    }
    return false;
  }

  #created({ name }: BlobEvent, parsed: ParsedName | undefined): void {
    if (parsed === undefined) return;
    const { names: { prefix }, object } = parsed;
    let orphans = this.#orphans.get(prefix);
    if (orphans === undefined) this.#orphans.set(prefix, orphans = new Map());
    if (object.kind === "segment") orphans.set(name, { key: object, ownerToken: 0, rounds: 0 });
    else if (object.kind === "manifest") {
      for (const segment of this.#book.checkpoint(name)?.manifest.segments ?? []) orphans.delete(segment.name);
    }
  }

  #deleted({ name, who, fault }: BlobEvent, parsed: ParsedName | undefined): void {
    if (parsed === undefined) return;
    const { names: { prefix }, object } = parsed;
    if (object.kind === "segment") {
      this.#orphans.get(prefix)?.delete(name);
      const references = this.#book.referencesTo(name);
      if (references.length === 0 || !isProcess(who)) return;
      this.#view.violate(
        "I-19",
        `'${who}' deleted the file '${name}' though '${
          references.join("', '")
        }' needs it: expected the manifest to go first`,
      );
    } else if (object.kind === "manifest" && isProcess(who) && fault === undefined) this.#checkLeft(name, who, parsed);
  }

  /** What remains to restore from when an intact checkpoint goes. */
  #checkLeft(name: string, who: string, { names: { prefix } }: ParsedName): void {
    const gone = this.#book.checkpoint(name);
    if (gone === undefined || !gone.manifest.segments.every((segment) => this.#view.blobs.intact(segment.name))) return;
    const { retainedCheckpoints } = this.#view.options;
    const { broken, reached } = this.#sights.get(`${who} ${prefix}`) ?? {};
    // One that was read as damaged does not tell how far it stands: the others need not be newer.
    const isPast = isOnTheWay(gone, reached) && !this.#view.blobs.hasLied(name);
    let newer = 0, damaged = 0;
    for (const other of this.#book.checkpointsOf(prefix)) {
      if (other === gone) continue;
      if (!this.#book.isIntact(other)) damaged += this.#book.isSuspect(other) && broken?.has(other) !== true ? 1 : 0;
      else if (isOnTheWay(other, reached) && !(isPast && isOlder(other, gone))) newer++;
    }
    // What was damaged after it had been read counts as kept, unless the listing shows it: nobody looks at it twice.
    if (newer + damaged >= retainedCheckpoints) return;
    this.#view.violate(
      "I-19",
      `'${who}' deleted the checkpoint '${name}' too early: expected ${retainedCheckpoints} intact ones that are newer, ` +
        `or of use where the owner stands while this one is not, found ${newer} and ${damaged} damaged ones`,
    );
  }
}

/** Whether the owner has gone through what a checkpoint holds; where it stands is known when it has one of its own. */
function isOnTheWay({ position }: KnownCheckpoint, reached: TaskPosition | undefined): boolean {
  if (reached === undefined) return true;
  if (position?.lineage !== reached.lineage) return false;
  const [state, history] = [position, reached].map(({ offsets, journal }) => ({ offset: offsets[0]!.offset, journal }));
  return hasGoneThrough(history!, state!);
}

/** Whether a checkpoint of the same lineage is older. Another lineage is as new as can be: it is the one that goes on. */
function isOlder({ manifest: left }: KnownCheckpoint, { manifest: right }: KnownCheckpoint): boolean {
  return left.lineage === right.lineage && compareManifests(left, right) < 0;
}
