/** What the tests of this folder share: a run that is played by hand. Holds no test of its own. */
import { sha256Hex } from "../../../lib/base/sha256.ts";
import type { CheckpointManifest } from "../../../lib/core/checkpoint_manifest.ts";
import { CheckpointNames } from "../../../lib/core/checkpoint_names.ts";
import { encodeCommitMetadata } from "../../../lib/core/commit_metadata.ts";
import type { DecisionEntry } from "../../../lib/core/decision_entry.ts";
import { DecisionJournal } from "../../../lib/core/decision_journal.ts";
import { encodeManifest } from "../../../lib/core/manifest_codec.ts";
import { encodePosition, type TaskPosition } from "../../../lib/core/position.ts";
import type { Change, OffsetEntry } from "../../../lib/embedded/change.ts";
import type { GroupMetadata } from "../../../lib/seams/broker.ts";
import type { LogLevel, StepDetail, StepLabel } from "../../../lib/seams/observer.ts";
import { FakeClock } from "../../fake_clock.ts";
import { MemoryBroker } from "../../memory_broker.ts";
import { SeededRandom } from "../../seeded_random.ts";
import type {
  CallEvent,
  Checker,
  FiredFault,
  RunView,
  SeamCall,
  SimOptions,
  SimProcess,
  StateCall,
} from "../contracts.ts";
import type { FaultKind, PlannedFault } from "../fault_kinds.ts";
import { SimBlobStore } from "../stores/sim_blob_store.ts";
import { SimDisk } from "../stores/sim_disk.ts";
import { swarmOptions } from "../swarm.ts";

/** Group of the subscription `in` of the app `app`. */
export const GROUP = "app.in";
/** Topic that it reads. */
export const TOPIC = "in";
/** Id of its transactions. */
export const TRANSACTIONAL_ID = "app.in.one.0";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A run in which a test says what happens. */
export class PlayedRun implements RunView {
  options: SimOptions = swarmOptions(1, "small");
  readonly job: RunView["job"] = {
    name: "played",
    createApp: () => Promise.reject(new Error("no app is run")),
    topics: {},
    workload: { next: () => null },
  };
  nowMs = 0;
  steps = 0;
  phase: RunView["phase"] = "safety";
  readonly broker: MemoryBroker;
  readonly blobs: SimBlobStore;
  readonly processes: Mutable<SimProcess>[];
  readonly fired: FiredFault[] = [];
  readonly excused = new Map<string, string>();
  readonly marks: string[] = [];
  /** Violations, each with its invariant in front. */
  readonly violations: string[] = [];
  #checkers: readonly Checker[] = [];
  #calls = 0;

  /** @param processes How many there are. */
  constructor(processes = 2) {
    const observer = { step: () => {}, log: () => {} };
    this.broker = new MemoryBroker({ environment: { clock: new FakeClock(), random: new SeededRandom(1), observer } });
    this.blobs = new SimBlobStore({ nowMs: () => this.nowMs, sleep: () => Promise.resolve() });
    this.broker.createTopic(TOPIC, 2);
    this.processes = Array.from({ length: processes }, (_, number) => ({
      number,
      incarnation: 1,
      status: "running",
      node: 0,
      disk: new SimDisk({ nowMs: () => this.nowMs }, { root: `disk-${number}` }),
      app: undefined,
    }));
    this.broker.cluster.onChange((change) => this.change(change));
  }

  /** Who watches. */
  watch(...checkers: Checker[]): void {
    this.#checkers = checkers;
  }

  mark(name: string): void {
    this.marks.push(name);
  }

  violate(invariant: string, message: string): void {
    this.violations.push(`${invariant} ${message}`);
  }

  change(change: Change): void {
    for (const checker of this.#checkers) checker.change?.(change);
  }

  step(process: number, label: StepLabel, detail: StepDetail = {}): void {
    const more = { subscription: "in", ...detail };
    for (const checker of this.#checkers) checker.step?.(this.processes[process]!, label, more);
  }

  log(process: number, level: LogLevel, message: string, detail: StepDetail = {}): void {
    const more = { subscription: "in", ...detail };
    for (const checker of this.#checkers) checker.log?.(this.processes[process]!, level, message, more);
  }

  seam(process: number, call: Pick<SeamCall, "kind" | "method"> & Partial<SeamCall>): void {
    const owner = this.processes[process]!;
    const { incarnation } = owner;
    const more = { process: owner, incarnation, handle: 1, phase: "called" as const, args: [], ...call };
    for (const checker of this.#checkers) checker.seam?.(more);
  }

  /** A call that has settled. */
  settled(process: number, call: Pick<SeamCall, "kind" | "method"> & Partial<SeamCall>): void {
    this.seam(process, { ...call, phase: "settled" });
  }

  call(process: number, call: Pick<CallEvent, "call" | "phase"> & Partial<CallEvent>): void {
    const owner = this.processes[process]!;
    const more = { process: owner, incarnation: owner.incarnation, id: ++this.#calls, ...call };
    for (const checker of this.#checkers) checker.call?.(more);
  }

  state(process: number, call: Pick<StateCall, "method"> & Partial<StateCall>): void {
    const owner = this.processes[process]!;
    const key = { application: "app", subscription: "in", partition: 0 };
    const more = { process: owner, incarnation: owner.incarnation, key, phase: "settled" as const, ...call };
    for (const checker of this.#checkers) checker.state?.(more);
  }

  process(process: number, what: Parameters<NonNullable<Checker["process"]>>[1], error?: Error): void {
    const owner = this.processes[process]!;
    if (what === "starting") owner.incarnation++;
    for (const checker of this.#checkers) checker.process?.(owner, what, error);
  }

  fault(kind: FaultKind, more: Partial<PlannedFault> = {}): void {
    const fault = { kind, atMs: 0, process: 0, durationMs: 0, draw: 0, ...more };
    const fired = { fault, atMs: this.nowMs, what: kind };
    this.fired.push(fired);
    for (const checker of this.#checkers) checker.fault?.(fired);
  }

  afterEvent(): void {
    for (const checker of this.#checkers) checker.afterEvent?.();
  }

  quiet(): void {
    for (const checker of this.#checkers) checker.quiet?.();
  }

  /** A member of the group reads its topic. */
  join(process: number, handle = 1): void {
    this.settled(process, { kind: "consumer", method: "open", handle, args: [{ groupId: GROUP }] });
    this.seam(process, { kind: "consumer", method: "subscribe", handle, args: [[TOPIC]] });
  }

  /** A transactional producer of the job. */
  openProducer(process: number, handle = 2): void {
    const args = [{ transactionalId: TRANSACTIONAL_ID }];
    this.settled(process, { kind: "transactional", method: "open", handle, args });
  }

  /** Records in a partition. */
  fill(count: number, partition = 0): void {
    this.broker.put(TOPIC, Array.from({ length: count }, (_, at) => ({ key: "k", value: `${at}` })), partition);
  }

  /** The group commits plainly. */
  commit(entry: Partial<OffsetEntry> & { readonly offset: number }): void {
    this.change({ kind: "offsets-committed", groupId: GROUP, offsets: [entryOf(entry)] });
  }

  /** The group commits in a transaction of the broker. */
  transact(entry: Partial<OffsetEntry> & { readonly offset: number }, isCommit = true): void {
    const { cluster } = this.broker;
    const times = this.broker.times();
    const opened = cluster.initializeTransactions({ transactionalId: TRANSACTIONAL_ID, timeoutMs: 60_000 }, times);
    if (opened.kind === "refused") throw new Error(opened.message);
    const identity = { transactionalId: TRANSACTIONAL_ID, ...opened.value };
    const fence = { groupId: GROUP, memberId: "", generation: -1, instanceId: null };
    cluster.stageOffsets({ ...identity, fence, offsets: [entryOf(entry)] }, times);
    const ended = cluster.endTransaction({ ...identity, isCommit }, times);
    if (ended.kind === "refused") throw new Error(ended.message);
  }
}

function entryOf(entry: Partial<OffsetEntry> & { readonly offset: number }): OffsetEntry {
  return { topic: TOPIC, partition: 0, leaderEpoch: -1, metadata: "", ...entry };
}

/** Commit metadata. */
export function metadata(
  commitSequence: number,
  more: { lineage?: string; ownerToken?: number; taskTimeMs?: number; journalFrom?: bigint; jumps?: Jumps } = {},
) {
  const { lineage = "first", ownerToken = 1, taskTimeMs = 0, journalFrom = 0n } = more;
  return encodeCommitMetadata({
    lineage,
    origin: 0n,
    ownerToken,
    commitSequence,
    taskTimeMs,
    journal: new DecisionJournal(journalFrom, jumpEntries(more.jumps)),
    transactionalId: null,
  });
}

/** A position of a task. */
export function position(offset: number, commitSequence: number, lineage = "first"): TaskPosition {
  return {
    offsets: [{ topic: TOPIC, partition: 0, offset: BigInt(offset), leaderEpoch: -1 }],
    taskTimeMs: null,
    commitSequence,
    lineage,
    origin: 0n,
    ownerToken: 1,
    journal: new DecisionJournal(0n),
  };
}

/** Jumps of task time: offset and time. */
export type Jumps = readonly (readonly [offset: number, timeMs: number])[];

function jumpEntries(jumps: Jumps = []): DecisionEntry[] {
  return jumps.map(([offset, value]) => ({ offset: BigInt(offset), kind: "jump", value }));
}

/** The same, as a store holds it. */
export function storePosition(offset: number, commitSequence: number, lineage = "first"): Uint8Array {
  return encodePosition(position(offset, commitSequence, lineage));
}

/** A fence of a commit. */
export function fence(memberId = "member", generation = 1): GroupMetadata {
  return { groupId: GROUP, memberId, generation, instanceId: null };
}

/** A partition of the input. */
export function at(partition = 0): { readonly topic: string; readonly partition: number } {
  return { topic: TOPIC, partition };
}

/** A checkpoint that is written by hand. */
export interface WrittenCheckpoint {
  /** Names of the task's objects. */
  readonly names: CheckpointNames;
  /** Name of the manifest. */
  readonly name: string;
  /** Name of its only file. */
  readonly file: string;
}

/** Names of the checkpoints of partition 0. */
export const NAMES = new CheckpointNames({ application: "app", subscription: "in", partition: 0 });

/** What {@linkcode writeCheckpoint} writes. */
export interface CheckpointPlan {
  readonly ownerToken?: number;
  readonly sequence?: number;
  readonly offset?: number;
  readonly commitSequence?: number;
  readonly lineage?: string;
  readonly topicId?: string;
  /** Decisions on the way there. */
  readonly jumps?: Jumps;
  /** What is left away or changed. */
  readonly flaw?: "no file" | "no manifest" | "short file" | "other content";
  /** Who writes. @default {0} */
  readonly process?: number;
}

/** Writes a checkpoint of partition 0, its file first. */
export async function writeCheckpoint(run: PlayedRun, plan: CheckpointPlan = {}): Promise<WrittenCheckpoint> {
  const { ownerToken = 1, sequence = 1, offset = 4, commitSequence = sequence, lineage = "first", flaw } = plan;
  const key = { lineage, ownerToken, sequence };
  const [name, file] = [NAMES.manifest(key), NAMES.segment(key, "base", 0)];
  const blobs = run.blobs.handle({ who: `process-${plan.process ?? 0}` });
  const content = new TextEncoder().encode(`rows of ${file}`);
  const stored = flaw === "short file"
    ? content.subarray(1)
    : flaw === "other content"
    ? content.map((x) => x ^ 1)
    : content;
  if (flaw !== "no file") await blobs.create(file, stored);
  const { clusterId, topics } = run.broker.cluster.state;
  const topicId = plan.topicId ?? topics.get(TOPIC)!.topicId;
  const manifest: CheckpointManifest = {
    formatVersion: 1,
    ...NAMES.task,
    ...key,
    clusterId,
    topics: [{ topic: TOPIC, topicId, partitions: 2 }],
    position: {
      offsets: [{ ...at(), offset: BigInt(offset), leaderEpoch: -1 }],
      taskTimeMs: null,
      watermarkMs: null,
      commitSequence,
    },
    storePosition: encodePosition({
      ...position(offset, commitSequence, lineage),
      journal: new DecisionJournal(0n, jumpEntries(plan.jumps)),
    }),
    operators: [],
    handlerVersion: 1,
    libraryVersion: "0.1.0",
    segments: [{
      kind: "base",
      name: file,
      bytes: content.length,
      rows: 1,
      firstKey: Uint8Array.of(1),
      lastKey: Uint8Array.of(1),
      sha256: sha256Hex(content),
    }],
    previous: null,
    createdWallMs: 0,
  };
  if (flaw !== "no manifest") await blobs.create(name, encodeManifest(manifest).bytes);
  return { names: NAMES, name, file };
}

/** What a fault of the object store does to an object at rest: it is gone. */
export async function loseObject(run: PlayedRun, name: string): Promise<void> {
  const draw = run.blobs.names().indexOf(name);
  run.blobs.arm({ kind: "S13", atMs: 0, process: 0, durationMs: 0, draw });
  await run.blobs.handle().list("nothing");
}
