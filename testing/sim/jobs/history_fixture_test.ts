/** Histories made by hand: what checkers of jobs are told, without a job that runs. */
import { encodeCommitMetadata } from "../../../lib/core/commit_metadata.ts";
import { DecisionJournal } from "../../../lib/core/decision_journal.ts";
import type { HeaderEntry } from "../../../lib/columns/headers.ts";
import { DEAD_LETTER_HEADERS } from "../../../lib/runtime/dead_letters.ts";
import { MemoryBroker } from "../../memory_broker.ts";
import { type RecordRow, recordsOf } from "../../record_rows.ts";
import type { Checker, FiredFault, InvariantId, RunView, SimJob, SimOptions, SimProcess } from "../contracts.ts";
import { swarmOptions } from "../swarm.ts";
import { DEAD_LETTERS, GROUP_ID, INPUT } from "./job_app.ts";
import { jobFor } from "./jobs.ts";

/** How rows are written. */
export type Fate = "plain" | "committed" | "aborted" | "open";

/** A row as a test writes it. */
export type Row = Record<string, unknown> | RecordRow;

/** A broker whose changes a job's checkers see, and what they say. */
export class History {
  readonly broker = new MemoryBroker();
  readonly violations: string[] = [];
  readonly excused = new Map<string, string>();
  readonly fired: FiredFault[] = [];
  readonly job: SimJob;
  readonly options: SimOptions;
  readonly view: RunView;
  readonly checkers: readonly Checker[];
  readonly processes: SimProcess[] = [];
  #transactions = 0;

  /** @param drawn Options that matter for the test. */
  constructor(drawn: Partial<SimOptions> & Pick<SimOptions, "job">) {
    const calm = { idleTimeoutMs: null, guarantee: "exactly-once", onRecordError: "dead-letter" } as const;
    this.options = { ...swarmOptions(1, "small"), partitions: 2, ...calm, ...drawn };
    this.job = jobFor(this.options);
    for (const [topic, partitions] of Object.entries(this.job.topics)) this.broker.createTopic(topic, partitions);
    this.view = this.#view();
    this.checkers = this.job.checkers!(this.view);
    this.broker.cluster.onChange((change) => {
      for (const checker of this.checkers) checker.change?.(change);
    });
  }

  /** Writes rows; plain objects become JSON values. Returns what ends an open transaction. */
  write(
    topic: string,
    rows: readonly Row[],
    more: { partition?: number; as?: Fate } = {},
  ): (isCommit: boolean) => void {
    const { partition = 0, as = "plain" } = more;
    const full = rows.map((row): RecordRow =>
      Object.hasOwn(row, "value") ? row as RecordRow : { value: JSON.stringify(row) }
    );
    if (as === "plain") {
      this.broker.put(topic, full, partition);
      return () => {};
    }
    const { cluster } = this.broker;
    const times = this.broker.times();
    const transactionalId = `t${this.#transactions++}`;
    const opened = cluster.initializeTransactions({ transactionalId, timeoutMs: 60_000 }, times);
    if (opened.kind === "refused") throw new Error(opened.code);
    const { producerId, producerEpoch } = opened.value;
    const identity = { transactionalId, producerId, producerEpoch };
    cluster.addTransactionPartitions({ ...identity, partitions: [[topic, partition]] }, times);
    const request = { topic, partition, records: recordsOf(full), rows: null, producer: { ...identity, sequence: 0 } };
    cluster.produce(request, times);
    const end = (isCommit: boolean) => void cluster.endTransaction({ ...identity, isCommit }, times);
    if (as !== "open") end(as === "committed");
    return end;
  }

  /** Input rows. */
  input(rows: readonly Row[], more: { partition?: number; as?: Fate } = {}): (isCommit: boolean) => void {
    return this.write(INPUT, rows, more);
  }

  /** A dead letter of an input record. */
  letter(value: string | null, from: { partition?: number; offset: number }): void {
    const text = (name: string, of: unknown): HeaderEntry => [name, new TextEncoder().encode(String(of))];
    const headers = [
      text(DEAD_LETTER_HEADERS.partition, from.partition ?? 0),
      text(DEAD_LETTER_HEADERS.offset, from.offset),
    ];
    this.write(DEAD_LETTERS, [{ value, headers }]);
  }

  /** The job's group commits an offset, with the jumps of time so far. */
  commit(offset: number, more: { partition?: number; jumps?: readonly (readonly [number, number])[] } = {}): void {
    const { partition = 0, jumps = [] } = more;
    const entries = jumps.map(([at, value]) => ({ offset: BigInt(at), kind: "jump" as const, value }));
    const metadata = encodeCommitMetadata({
      lineage: "a",
      origin: 0n,
      ownerToken: 1,
      commitSequence: 1,
      taskTimeMs: null,
      journal: new DecisionJournal(0n, entries),
      transactionalId: null,
    });
    const offsets = [{ topic: INPUT, partition, offset, leaderEpoch: 0, metadata }];
    this.broker.cluster.overwriteOffsets({ groupId: GROUP_ID, offsets }, this.broker.times());
  }

  /** A process tells of refused rows. */
  refusedRows(count: number, partition = 0): void {
    for (const checker of this.checkers) {
      checker.step?.({ number: 0 } as SimProcess, "batch:rejected", { partition, rejectedRows: count });
    }
  }

  /** The task of a partition is live from now on. */
  goesLive(partition = 0): void {
    for (const checker of this.checkers) checker.step?.({ number: 0 } as SimProcess, "restore:live", { partition });
  }

  /** The status of the process that tells so, from now on. */
  statusSays(rejectedRows: number): void {
    const tasks = [{ topic: INPUT, partition: 0, rejectedRows }];
    const app = { status: () => [{ name: "input", tasks, failures: new Map() }] };
    this.processes.splice(0, 1, { number: 0, app } as unknown as SimProcess);
  }

  /** A process tells of late rows. */
  lateRows(operator: string, count: number): void {
    for (const checker of this.checkers) {
      const detail = { operator, "turbine:late-rows": count };
      checker.log?.({} as SimProcess, "warn", "Late rows were not counted", detail);
    }
  }

  /** Everything has been processed: the last checks. Returns what was said so far. */
  end(): readonly string[] {
    for (const checker of this.checkers) checker.quiet?.();
    for (const checker of this.checkers) checker.end?.();
    return [...new Set(this.violations)];
  }

  /** Invariants that did not hold so far, each once. */
  get broken(): string[] {
    return [...new Set(this.violations.map((line) => line.split(" ")[0]!))];
  }

  #view(): RunView {
    return {
      options: this.options,
      job: this.job,
      nowMs: 0,
      steps: 0,
      phase: "safety",
      broker: this.broker,
      blobs: undefined as never,
      processes: this.processes,
      fired: this.fired,
      excused: this.excused,
      mark: () => {},
      violate: (invariant: InvariantId, message: string) => void this.violations.push(`${invariant} ${message}`),
    };
  }
}
