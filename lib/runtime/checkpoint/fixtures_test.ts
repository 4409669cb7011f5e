import { MemoryBlobStore } from "../../adapters/memory/memory_blob_store.ts";
import { MemoryStateProvider } from "../../adapters/memory/memory_state_provider.ts";
import { spanBytes, spansOf } from "../../columns/spans.ts";
import { EXPECTATIONS, LINEAGE, TASK } from "../../core/checkpoint_fixtures_test.ts";
import type { CheckpointFacts } from "../../core/checkpoint_manifest.ts";
import type { Environment } from "../../seams/adapter.ts";
import type { BlobEntry, BlobStore, CreateResult } from "../../seams/blob_store.ts";
import type { StepDetail, StepLabel } from "../../seams/observer.ts";
import type { StateSnapshot, StateStore } from "../../seams/state_store.ts";
import { SeededRandom } from "../../../testing/seeded_random.ts";
import { Checkpointer, type CheckpointerOptions, type PublishResult } from "./checkpointer.ts";
import { Restorer, type RestorerOptions } from "./restorer.ts";

/** What the tests of this folder share; holds no test of its own. */

export { EXPECTATIONS, keyOf, LINEAGE, NAMES, TASK } from "../../core/checkpoint_fixtures_test.ts";

/** An environment that remembers what it was told. A sleep takes no real time. */
export class Recorder implements Environment {
  readonly steps: { label: StepLabel; detail: StepDetail }[] = [];
  readonly logs: { level: string; message: string }[] = [];
  readonly sleeps: number[] = [];
  /** Called at each step, before the code after it runs. */
  onStep: (label: StepLabel, detail: StepDetail) => void = () => {};
  readonly random = new SeededRandom(1);
  readonly clock: Environment["clock"] = {
    wallMs: () => 1_700_000_000_000 + this.sleeps.length,
    monotonicMs: () => this.sleeps.reduce((total, ms) => total + ms, 0),
    sleep: (ms) => Promise.resolve(void this.sleeps.push(ms)),
  };
  readonly observer: Environment["observer"] = {
    step: (label, detail = {}) => {
      this.steps.push({ label, detail });
      this.onStep(label, detail);
    },
    log: (level, message) => void this.logs.push({ level, message }),
  };

  labels(): StepLabel[] {
    return this.steps.map((step) => step.label);
  }

  logged(level: string): string {
    return this.logs.filter((log) => log.level === level).map((log) => log.message).join("\n");
  }
}

/** What a fault does to one call. */
export type Fault =
  /** The call fails, nothing happened. */
  | { readonly before: Error }
  /** It happened, then the call fails. */
  | { readonly after: Error }
  /** The process dies: no answer ever comes; `isApplied` tells whether it happened. */
  | { readonly isApplied: boolean };

/** A blob store whose calls meet faults. */
export class FaultyBlobs implements BlobStore {
  readonly location: string;
  readonly calls: string[] = [];
  readonly #store: BlobStore;
  /** Which fault a call meets, by its number from 0 and its words. */
  plan: (index: number, verb: string, name: string) => Fault | undefined = () => undefined;
  #die: () => void = () => {};
  /** Resolves when a call met death. */
  readonly death: Promise<"dead"> = new Promise((resolve) => this.#die = () => resolve("dead"));

  constructor(store: BlobStore) {
    this.#store = store;
    this.location = store.location;
  }

  get = (name: string): Promise<Uint8Array | undefined> => this.#call("get", name, () => this.#store.get(name));
  create = (name: string, bytes: Uint8Array): Promise<CreateResult> =>
    this.#call("create", name, () => this.#store.create(name, bytes));
  list = (prefix: string): Promise<readonly BlobEntry[]> => this.#call("list", prefix, () => this.#store.list(prefix));
  delete = (name: string): Promise<void> => this.#call("delete", name, () => this.#store.delete(name));
  close = (): Promise<void> => this.#store.close();

  async #call<T>(verb: string, name: string, call: () => Promise<T>): Promise<T> {
    const fault = this.plan(this.calls.push(`${verb} ${name}`) - 1, verb, name);
    if (fault === undefined) return await call();
    if ("before" in fault) throw fault.before;
    if ("after" in fault) {
      await call();
      throw fault.after;
    }
    if (fault.isApplied) await call();
    this.#die();
    return await new Promise<never>(() => {});
  }
}

export const text = (value: string): Uint8Array => new TextEncoder().encode(value);

export type Rows = Readonly<Record<string, string>>;

/** `count` rows whose values tell them from those of another version. */
export function rowsOf(count: number, version: number): Rows {
  const rows: Record<string, string> = {};
  for (let i = 0; i < count; i++) rows[`key-${String(i).padStart(6, "0")}`] = `value ${i} of ${version}`;
  return rows;
}

/** An open store in memory, with rows when they are given. */
export async function storeOf(rows?: Rows, position = "position"): Promise<StateStore> {
  const store = await new MemoryStateProvider().open(TASK);
  if (rows !== undefined) {
    const entries = Object.entries(rows);
    const keys = spansOf(entries.map(([key]) => key));
    const values = spansOf(entries.map(([, value]) => value));
    await store.apply({ count: entries.length, keys, values }, text(position));
  }
  return store;
}

export async function snapshotOf(rows: Rows, position = "position"): Promise<StateSnapshot> {
  return await (await storeOf(rows, position)).snapshot();
}

/** Everything that a store holds. */
export async function contentOf(store: StateStore): Promise<{ rows: Rows; position: string | undefined }> {
  const rows: Record<string, string> = {};
  const decoder = new TextDecoder();
  for await (const page of store.scan({}, 1_000)) {
    for (let row = 0; row < page.count; row++) {
      rows[decoder.decode(spanBytes(page.keys, row)!)] = decoder.decode(spanBytes(page.values, row)!);
    }
  }
  const position = await store.readPosition();
  return { rows, position: position && decoder.decode(position) };
}

/** Facts of a checkpoint after `commitSequence` commits of ten records each. */
export function factsOf(commitSequence: number): CheckpointFacts {
  const { clusterId, topics, operators } = EXPECTATIONS;
  const offset = { topic: "orders", partition: 3, offset: BigInt(commitSequence * 10), leaderEpoch: 0 };
  const position = { offsets: [offset], taskTimeMs: null, watermarkMs: null, commitSequence };
  return { clusterId, topics, position, operators, handlerVersion: 1, libraryVersion: "0.1.0" };
}

export function checkpointerOf(blobs: BlobStore, options: Partial<CheckpointerOptions> = {}): Checkpointer {
  const environment = new Recorder();
  return new Checkpointer({ blobs, task: TASK, lineage: LINEAGE, ownerToken: 1, environment, ...options });
}

export function restorerOf(blobs: BlobStore, options: Partial<RestorerOptions> = {}): Restorer {
  const environment = new Recorder();
  return new Restorer({ blobs, task: TASK, lineage: LINEAGE, expectations: EXPECTATIONS, environment, ...options });
}

/** Publishes and requires success. */
export async function published(result: Promise<PublishResult>): Promise<PublishResult & { kind: "published" }> {
  const settled = await result;
  if (settled.kind === "failed") throw settled.error;
  return settled;
}

/** A store with the checkpoints of versions 1 to `count`, each with its own rows. */
export async function blobsWith(count: number, options: Partial<CheckpointerOptions> = {}): Promise<MemoryBlobStore> {
  const blobs = new MemoryBlobStore();
  const checkpointer = checkpointerOf(blobs, options);
  for (let version = 1; version <= count; version++) {
    await published(checkpointer.publish(await snapshotOf(rowsOf(10, version), `at ${version}`), factsOf(version)));
  }
  return blobs;
}

/** Names of all objects of a store. */
export async function namesIn(blobs: BlobStore): Promise<string[]> {
  return (await blobs.list("")).map((entry) => entry.name);
}

/** Restores the newest usable checkpoint into a fresh store. */
export async function restored(blobs: BlobStore, options: Partial<RestorerOptions> = {}) {
  const restorer = restorerOf(blobs, options);
  const store = await storeOf();
  const loaded = await restorer.loadNewest(await restorer.listCandidates(), store);
  return { loaded, ...await contentOf(store) };
}
