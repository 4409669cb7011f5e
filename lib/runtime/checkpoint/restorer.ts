import { invariant } from "../../base/assert.ts";
import { CheckpointCorruptError } from "../../base/errors.ts";
import type { SegmentPage } from "../../codecs/segment.ts";
import { nullSpans } from "../../columns/spans.ts";
import type { CheckpointExpectations } from "../../core/checkpoint_compatibility.ts";
import { CheckpointNames, type CheckpointTask } from "../../core/checkpoint_names.ts";
import {
  type CheckpointCandidate,
  type CheckpointSurvey,
  classifyCheckpoints,
  stoppingCheckpoint,
} from "../../core/checkpoint_survey.ts";
import type { Environment } from "../../seams/adapter.ts";
import type { BlobStore } from "../../seams/blob_store.ts";
import type { StateStore } from "../../seams/state_store.ts";
import { readSegment } from "./read_segment.ts";
import { type BlobRetryOptions, RetryingBlobStore } from "./retrying_blob_store.ts";
import { surveyManifests } from "./survey_manifests.ts";

/*
 * Keeps:
 *   I-17  every byte of a checkpoint is verified before its first row reaches the store
 *   I-18  a damaged checkpoint is passed over, with a word, for the next older one
 *   I-21  other lineages are never restored
 *   I-22  what is incompatible is refused by name of the field; nothing is ever deleted here
 */

/** Options of {@linkcode Restorer}. */
export interface RestorerOptions {
  /** Where checkpoints are. */
  blobs: BlobStore;
  /** Whose they are. */
  task: CheckpointTask;
  /** Lineage to restore; `undefined` takes the newest lineage there is, for a task without a committed offset. */
  lineage: string | undefined;
  /** What a checkpoint must have been taken of. */
  expectations: CheckpointExpectations;
  /** Clock, randomness and observer. */
  environment: Environment;
  /** Checkpoints up to this size are kept in memory between verifying and loading; larger ones are read twice. @default {67_108_864} */
  bufferBytesMax?: number;
  /** How calls to the blob store are tried again. */
  retry?: BlobRetryOptions;
  /** Ends retrying. */
  signal?: AbortSignal;
}

/** How far a load is. */
export interface RestoreProgress {
  /** Whether files are being verified or rows are going into the store. */
  readonly stage: "verifying" | "loading";
  /** Bytes of files done in this stage. */
  readonly bytes: number;
  /** Bytes of all files. */
  readonly bytesTotal: number;
  /** Rows done in this stage. */
  readonly rows: number;
  /** Rows of all files. */
  readonly rowsTotal: number;
}

/** Is told how far a load is, after each segment. */
export type OnRestoreProgress = (progress: RestoreProgress) => void;

const BUFFER_BYTES_MAX = 64 << 20;

/** Finds, verifies and loads checkpoints of one task. */
export class Restorer {
  readonly #names: CheckpointNames;
  readonly #options: RestorerOptions;
  readonly #blobs: BlobStore;
  readonly #bufferBytesMax: number;
  #damaged = 0;

  /**
   * @param options Where, whose, and what they must fit.
   * @throws {RangeError} when an option is out of range.
   */
  constructor(options: RestorerOptions) {
    const { blobs, environment, retry, signal, bufferBytesMax = BUFFER_BYTES_MAX } = options;
    if (!Number.isSafeInteger(bufferBytesMax) || bufferBytesMax < 0) {
      throw new RangeError(
        `Cannot create restorer as 'bufferBytesMax' must be an integer >= 0: current value is ${bufferBytesMax}`,
      );
    }
    this.#options = options;
    this.#bufferBytesMax = bufferBytesMax;
    this.#names = new CheckpointNames(options.task);
    this.#blobs = new RetryingBlobStore(blobs, environment, { ...retry, ...(signal && { signal }) });
  }

  /** How many damaged checkpoints the last listing has passed over. */
  get damaged(): number {
    return this.#damaged;
  }

  /**
   * Looks at all manifests of the task.
   *
   * @returns Every checkpoint in its class; nothing is refused here.
   * @throws {BlobError} when the store cannot be used.
   */
  async survey(): Promise<CheckpointSurvey> {
    const { environment, expectations, lineage } = this.#options;
    environment.observer.step("restore:begin", { ...this.#names.task, lineage: lineage ?? null });
    return classifyCheckpoints(await surveyManifests(this.#blobs, this.#names, lineage), expectations);
  }

  /**
   * Checkpoints to restore from, newest first; those passed over are logged. Which of them is near enough to the
   * committed offset is for the caller to say.
   *
   * @returns Candidates of the lineage, possibly none.
   * @throws {CheckpointIncompatibleError} when the newest that is intact does not fit the running task.
   * @throws {BlobError} when the store cannot be used.
   */
  async listCandidates(): Promise<readonly CheckpointCandidate[]> {
    const survey = await this.survey();
    const { observer } = this.#options.environment;
    this.#damaged = survey.damaged.length;
    for (const { error } of survey.damaged) observer.log("error", error.message, { ...error.context });
    const stopping = stoppingCheckpoint(survey);
    if (stopping !== undefined) throw stopping.error;
    for (const { error } of survey.incompatible) observer.log("warn", error.message, { ...error.context });
    return survey.candidates;
  }

  /**
   * Loads a checkpoint into an empty store. Everything is verified before the first row; at the end the position that
   * the checkpointed store had is written, so that a crash before leaves a store without a position.
   *
   * @param candidate One of {@linkcode Restorer.listCandidates}.
   * @param store An empty store.
   * @param options Progress.
   * @throws {CheckpointCorruptError} when a file is missing or damaged. The store is untouched, unless a file that was
   * intact before changed meanwhile (context `isStoreTouched`); then it is to be destroyed.
   * @throws {BlobError} when the blob store cannot be used.
   * @throws {StateError} when the store cannot be used.
   */
  async load(
    candidate: CheckpointCandidate,
    store: StateStore,
    options: { onProgress?: OnRestoreProgress } = {},
  ): Promise<void> {
    const { observer } = this.#options.environment;
    const { name, manifest, bytes, rows } = candidate;
    invariant(await store.readPosition() === undefined, "a checkpoint is loaded into an empty store");
    observer.step("restore:candidate-chosen", { name, bytes, rows });
    const buffered = await this.#verify(candidate, options.onProgress);
    const meter = new Meter(candidate, "loading", options.onProgress);
    for (const [index, segment] of manifest.segments.entries()) {
      const pages = buffered[index] ?? await this.#readAgain(candidate, index);
      for (const page of pages) await store.load(page);
      meter.add(segment.bytes, segment.rows);
      observer.step("restore:segment-loaded", { name: segment.name, rows: segment.rows });
    }
    if (manifest.storePosition !== null) await store.apply(NO_ROWS, manifest.storePosition);
    observer.step("restore:checkpoint-loaded", { name, bytes, rows });
  }

  /**
   * Loads the first candidate that is intact; each damaged one is logged and passed over.
   *
   * @param candidates In the order in which they are tried.
   * @param store An empty store.
   * @param options Progress.
   * @returns What was loaded, or `undefined` when every candidate is damaged.
   * @throws {CheckpointCorruptError} when a file changed after rows reached the store, which is to be destroyed.
   * @throws {BlobError} when the blob store cannot be used.
   * @throws {StateError} when the store cannot be used.
   */
  async loadNewest(
    candidates: readonly CheckpointCandidate[],
    store: StateStore,
    options: { onProgress?: OnRestoreProgress } = {},
  ): Promise<CheckpointCandidate | undefined> {
    for (const candidate of candidates) {
      try {
        await this.load(candidate, store, options);
        return candidate;
      } catch (error) {
        if (!(error instanceof CheckpointCorruptError) || error.context["isStoreTouched"] === true) throw error;
        this.#options.environment.observer.log("error", error.message, { ...error.context, manifest: candidate.name });
      }
    }
    return undefined;
  }

  /** Verifies all files; gives the rows of those that fit in memory, in order. */
  async #verify(candidate: CheckpointCandidate, onProgress: OnRestoreProgress | undefined): Promise<SegmentPage[][]> {
    const isBuffered = candidate.bytes <= this.#bufferBytesMax;
    const buffered: SegmentPage[][] = [];
    const meter = new Meter(candidate, "verifying", onProgress);
    for (const segment of candidate.manifest.segments) {
      const pages = await readSegment(this.#blobs, segment);
      if (isBuffered) buffered.push(pages);
      meter.add(segment.bytes, segment.rows);
    }
    return buffered;
  }

  async #readAgain(candidate: CheckpointCandidate, index: number): Promise<SegmentPage[]> {
    const segment = candidate.manifest.segments[index]!;
    try {
      return await readSegment(this.#blobs, segment);
    } catch (error) {
      if (!(error instanceof CheckpointCorruptError)) throw error;
      throw new CheckpointCorruptError(error.message, {
        context: { ...error.context, isStoreTouched: index > 0 },
        cause: error,
      });
    }
  }
}

const NO_ROWS: SegmentPage = { count: 0, keys: nullSpans(0), values: nullSpans(0) };

/** Adds up progress. */
class Meter {
  #bytes = 0;
  #rows = 0;
  readonly #candidate: CheckpointCandidate;
  readonly #stage: RestoreProgress["stage"];
  readonly #onProgress: OnRestoreProgress | undefined;

  constructor(candidate: CheckpointCandidate, stage: RestoreProgress["stage"], onProgress?: OnRestoreProgress) {
    this.#candidate = candidate;
    this.#stage = stage;
    this.#onProgress = onProgress;
  }

  add(bytes: number, rows: number): void {
    this.#bytes += bytes;
    this.#rows += rows;
    const { bytes: bytesTotal, rows: rowsTotal } = this.#candidate;
    invariant(this.#bytes <= bytesTotal && this.#rows <= rowsTotal, "a load ends at the manifest's totals");
    this.#onProgress?.({ stage: this.#stage, bytes: this.#bytes, bytesTotal, rows: this.#rows, rowsTotal });
  }
}
