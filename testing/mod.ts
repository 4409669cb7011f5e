/**
 * Tests of jobs, without services and without waiting: an in-memory broker with faults, clocks that move only when asked,
 * seeded randomness, and a driver that runs a real app, crashes it at any labelled step and starts it again.
 *
 * @example A count survives a crash between produce and commit
 * ```ts
 * import { batchOf, int32, json, topic, Turbine, utf8 } from "@turbine/turbine";
 * import { TestDriver } from "@turbine/turbine/testing";
 * import { assertEquals } from "@std/assert";
 *
 * const words = topic("words", { value: json({ word: utf8() }) });
 * const totals = topic("totals", { value: json({ total: int32() }) });
 * const app = new Turbine("counter");
 * app.subscribe(words, { publishTo: totals, processingGuarantee: "exactly-once" }, async (batch, { state }) => {
 *   const total = (await state.get<number>("total") ?? 0) + batch.numRows;
 *   state.put("total", total);
 *   return batchOf(totals.schema, [{ total }]);
 * });
 *
 * await using driver = await TestDriver.start(app);
 * await driver.send(words, [{ word: "a" }, { word: "b" }]);
 * await driver.crashAt("commit:before", { node: "new" });
 * await driver.settle();
 * assertEquals(driver.read(totals), [{ total: 2 }]);
 * ```
 *
 * @module
 */
export {
  type CrashPlan,
  crashPlan,
  type PlannedCallFault,
  type PlannedCrash,
  recordBatch,
  recordRow,
  workload,
  type WorkloadRow,
  type WorkloadStep,
} from "./arbitraries.ts";
export { type CallFaultOptions, CallFaultPlan } from "./call_fault_plan.ts";
export { FakeClock, type FakeClockOptions } from "./fake_clock.ts";
export { type GroupMember, MemoryBroker, type MemoryBrokerOptions } from "./memory_broker.ts";
export { Life, type Link, mortal, mortalClock } from "./mortal.ts";
export type { ReadRow, RecordRow } from "./record_rows.ts";
export { SeededRandom } from "./seeded_random.ts";
export {
  type AppSource,
  type CrashOptions,
  type OptionOverrides,
  type PauseOptions,
  type RestartOptions,
  TestDriver,
  type TestDriverOptions,
  type TraceEntry,
  type TrapPlace,
} from "./test_driver.ts";
export { faultPlan, type FaultPlanOptions } from "./fault_plan.ts";
export { freshModule, type FreshModuleOptions } from "./fresh_module.ts";
export { assertBatchSplitInvariant, type BatchSplitOptions } from "./laws/assert_batch_split_invariant.ts";
export { assertReplayDeterministic, type ReplayOptions } from "./laws/assert_replay_deterministic.ts";
export { LawError } from "./laws/law_error.ts";
export type { LawOptions } from "./laws/law_options.ts";
export { topicRows } from "./laws/topic_rows.ts";
export { FAULT_KINDS, type FaultKind, type PlannedFault } from "./sim/fault_kinds.ts";
export { simulate, type SimulatedRun, type SimulateOptions } from "./sim/simulate.ts";
export type { Feed, Profile, SimOptions, SimWorkload } from "./sim/contracts.ts";
export type { CallFault, CallFaults, ClientCall } from "../lib/adapters/embedded/client_calls.ts";
export { MemoryBlobStore } from "../lib/adapters/memory/memory_blob_store.ts";
export {
  type CrashFate,
  type DiskOperation,
  MemoryDisk,
  type MemoryDiskOptions,
  type StoredFile,
} from "../lib/adapters/memory/memory_disk.ts";
export { type MemoryStateOptions, MemoryStateProvider } from "../lib/adapters/memory/memory_state_provider.ts";

export type { Arbitrary } from "fast-check";
export { EmbeddedBroker, type EmbeddedBrokerOptions } from "../lib/adapters/embedded/embedded_broker.ts";
export { EmbeddedCluster, type LogBounds, type Place } from "../lib/embedded/cluster.ts";
export type { ActivitySource, ServerLink } from "../lib/adapters/embedded/server_link.ts";
export type { ChangeJournal } from "../lib/adapters/embedded/journal_gate.ts";
export type * from "../lib/embedded/change.ts";
export type * from "../lib/embedded/cluster_state.ts";
export type * from "../lib/embedded/core.ts";
export type { Moved } from "../lib/embedded/moved.ts";
export type * from "../lib/embedded/group_fence.ts";
export type * from "../lib/embedded/group_requests.ts";
export type * from "../lib/embedded/partition_log.ts";
export type * from "../lib/embedded/partition_producers.ts";
export type * from "../lib/embedded/produce_request.ts";
export type * from "../lib/embedded/read_log.ts";
export type * from "../lib/embedded/reply.ts";
export type * from "../lib/embedded/transaction_requests.ts";
export type { DiskFile, DiskLock, LocalDisk } from "../lib/seams/local_disk.ts";
