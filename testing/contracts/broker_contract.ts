import type { Broker, BrokerCapabilities, TopicPartition } from "../../lib/seams/broker.ts";
import { ADMIN_CASES } from "./broker_contract_admin.ts";
import { COMMIT_CASES } from "./broker_contract_commits.ts";
import { CONSUME_CASES } from "./broker_contract_consume.ts";
import { GROUP_CASES } from "./broker_contract_groups.ts";
import { Kit } from "./broker_contract_kit.ts";
import { PRODUCE_CASES } from "./broker_contract_produce.ts";
import { STATIC_CASES } from "./broker_contract_static.ts";
import { OFFSETS_IN_TRANSACTION_CASES } from "./broker_contract_offsets.ts";
import { READINESS_CASES } from "./broker_contract_readiness.ts";
import { RESTART_CASES } from "./broker_contract_restarts.ts";
import { REWRITTEN_LOG_CASES } from "./broker_contract_rewritten.ts";
import { TRANSACTION_CASES } from "./broker_contract_transactions.ts";
import { FENCED_TRANSACTION_CASES } from "./broker_contract_transactions_fenced.ts";
import type { RegisterTest } from "./contract.ts";

/** How long things take on the broker under test. */
export interface BrokerTimings {
  /** How long to wait for what must happen. */
  readonly patienceMs: number;
  /** How long to watch that something does not happen. */
  readonly quietMs: number;
  /** A short session timeout that the broker accepts. */
  readonly sessionTimeoutMs: number;
  /** A short transaction timeout that the broker accepts. */
  readonly transactionTimeoutMs: number;
}

/** What can be done to a cluster behind its clients' backs; a harness has those that its broker offers. */
export interface ClusterHandles {
  /** Ends a client process without a goodbye: no leave, no end of transactions. */
  crash(broker: Broker): Promise<void>;
  /** Retention: gives up the records before an offset. */
  deleteRecordsBefore(topic: string, partition: number, offset: number): Promise<void>;
  /** Log compaction: below the newest batch the newest record of each key stays. */
  compact(place: TopicPartition): Promise<void>;
  /** An unclean election: records from `offset` on are lost, a new leader goes on. */
  truncate(place: TopicPartition, offset: number): Promise<void>;
  /** Takes a partition's leader away, or gives it one. */
  setLeaderless(place: TopicPartition, isLeaderless: boolean): Promise<void>;
  /** Takes replicas that a partition needs to be written away, or gives them back. */
  setReplicasShort(place: TopicPartition, isShort: boolean): Promise<void>;
  /** Moves the coordinator of a group; it takes requests again after `forMs`. */
  moveCoordinator(groupId: string, forMs: number): Promise<void>;
  /** Restarts the broker. */
  restart(): Promise<void>;
  /** Drops a member whose heartbeats go on. */
  expireMember(groupId: string, memberId: string): Promise<void>;
  /** Makes the present epoch of a producer the last one of its producer id. */
  exhaustEpochs(transactionalId: string): Promise<void>;
}

/** One broker, made ready for one case. Several harnesses may share a cluster: cases use names of their own. */
export interface BrokerHarness extends Partial<ClusterHandles> {
  /** The adapter under test. */
  readonly broker: Broker;
  /** How long things take. */
  readonly timings: BrokerTimings;
  /** Makes names unique among all runs on the same cluster; only `A-Z a-z 0-9 . -`. */
  readonly prefix: string;
  /** Opens the broker from another client process. */
  connect(): Promise<Broker>;
  /** Releases everything. */
  close(): Promise<void>;
}

/** What a case asks for beside the bare seam. */
export type BrokerNeed = keyof BrokerCapabilities | keyof ClusterHandles;

/** One rule of the `Broker` seam. */
export interface BrokerCase {
  /** What the broker must be able to do. */
  readonly needs?: readonly BrokerNeed[];
  /** Rejects when the broker breaks the rule. */
  run(kit: Kit): Promise<void>;
}

/** Options of {@linkcode brokerContract}. */
export interface BrokerContractOptions {
  /** Cases that this adapter cannot pass, with the reason; they are printed, not hidden. @default {{}} */
  readonly skip?: Readonly<Record<string, string>>;
  /** Takes one test. @default {Deno.test} */
  readonly register?: RegisterTest;
  /** Takes a line about a case that was left out. @default {console.log} */
  readonly print?: (line: string) => void;
}

/** All rules of the `Broker` seam, by name. */
export const BROKER_CASES: Readonly<Record<string, BrokerCase>> = {
  ...PRODUCE_CASES,
  ...CONSUME_CASES,
  ...GROUP_CASES,
  ...STATIC_CASES,
  ...COMMIT_CASES,
  ...TRANSACTION_CASES,
  ...FENCED_TRANSACTION_CASES,
  ...OFFSETS_IN_TRANSACTION_CASES,
  ...ADMIN_CASES,
  ...REWRITTEN_LOG_CASES,
  ...READINESS_CASES,
  ...RESTART_CASES,
};

/**
 * Registers one test for each rule of the `Broker` seam. Cases use the seam only, so the same suite runs against the
 * embedded broker and against real ones. What is left out is printed as `cannot: <case>: <reason>`.
 *
 * @param name Name of the adapter, put before each rule.
 * @param makeHarness Makes a harness for one case.
 * @param options What the adapter cannot do.
 * @throws {TypeError} when `skip` names a case that does not exist.
 */
export function brokerContract(
  name: string,
  makeHarness: () => Promise<BrokerHarness>,
  options: BrokerContractOptions = {},
): void {
  const { skip = {}, register = (title, run) => Deno.test(title, run), print = (line) => console.log(line) } = options;
  for (const title of Object.keys(skip)) {
    if (Object.hasOwn(BROKER_CASES, title)) continue;
    throw new TypeError(`Cannot skip a case of the broker contract that does not exist: current value is ${title}`);
  }
  for (const [title, reason] of Object.entries(skip)) print(`cannot: ${title}: ${reason}`);
  for (const [title, rule] of Object.entries(BROKER_CASES)) {
    if (!Object.hasOwn(skip, title)) register(`${name}: ${title}`, () => runCase(title, rule, { makeHarness, print }));
  }
}

async function runCase(
  title: string,
  rule: BrokerCase,
  { makeHarness, print }: { makeHarness: () => Promise<BrokerHarness>; print: (line: string) => void },
): Promise<void> {
  const harness = await makeHarness();
  const kit = new Kit(harness);
  try {
    const missing = (rule.needs ?? []).filter((need) => !isMet(harness, need));
    if (missing.length > 0) print(`cannot: ${title}: the adapter has no ${missing.join(", ")}`);
    else await rule.run(kit);
  } finally {
    await kit.close();
    await harness.close();
  }
}

function isMet(harness: BrokerHarness, need: BrokerNeed): boolean {
  const { capabilities } = harness.broker;
  if (need in capabilities) return capabilities[need as keyof BrokerCapabilities];
  return harness[need as keyof ClusterHandles] !== undefined;
}
