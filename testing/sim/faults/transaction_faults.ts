import { partitionKey } from "../../../lib/embedded/cluster_state.ts";
import type { StepLabel } from "../../../lib/seams/observer.ts";
import { recordsOf } from "../../record_rows.ts";
import type { SimProcess } from "../contracts.ts";
import { strikeCalls } from "./network_faults.ts";
import { FOREIGN, type Injectors, type Place, type Strike } from "./strike.ts";

const OPEN_LABELS: readonly StepLabel[] = ["produce:after", "offsets:before", "offsets:after", "commit:before"];
const FOREIGN_TIMEOUT_MS = 600_000;

/** A foreign transaction on one partition. */
interface ForeignTransaction {
  /** Ends it; tried again while the coordinator is busy. */
  end(isCommit: boolean): void;
}

/**
 * Somebody else's transaction opens on a partition.
 *
 * @param strike The fault that it belongs to.
 * @param place Which partition.
 * @param more Value of the one record that it writes; none: only its end will be in the log.
 * @returns The transaction, or `undefined` when the broker does not take it now.
 */
export function openForeign(
  strike: Strike,
  place: Place,
  more: { readonly value?: string } = {},
): ForeignTransaction | undefined {
  const { world, fault } = strike;
  const { broker } = world;
  const { cluster } = broker;
  const transactionalId = `${FOREIGN}${fault.kind}-${fault.draw}-${Math.floor(world.nowMs)}`;
  const opened = cluster.initializeTransactions({ transactionalId, timeoutMs: FOREIGN_TIMEOUT_MS }, broker.times());
  if (opened.kind === "refused") return undefined;
  const { producerId, producerEpoch } = opened.value;
  const identity = { transactionalId, producerId, producerEpoch };
  const partitions = [[place.topic, place.partition]] as const;
  const added = cluster.addTransactionPartitions({ ...identity, partitions }, broker.times());
  if (added.kind === "refused") return undefined;
  if (more.value !== undefined) {
    const records = recordsOf([{ value: more.value }]);
    const producer = { ...identity, sequence: 0 };
    const written = cluster.produce({ ...place, records, rows: null, producer }, broker.times());
    if (written.kind === "refused") {
      // The partition has no leader, say: nobody would end what is open already.
      cluster.endTransaction({ ...identity, isCommit: false }, broker.times());
      return undefined;
    }
  }
  const end = (isCommit: boolean): void => {
    const reply = cluster.endTransaction({ ...identity, isCommit }, broker.times());
    if (reply.kind === "refused" && reply.code !== "producer-fenced" && reply.code !== "invalid-transaction-state") {
      world.after(100, () => end(isCommit));
    }
  };
  return { end };
}

/** Somebody leaves a transaction open on an input partition: readers do not get past it until it is aborted. */
function hang(strike: Strike): void {
  const { world, lastingMs } = strike;
  const place = strike.place(world.inputTopics);
  const transaction = place === undefined ? undefined : openForeign(strike, place, { value: "{}" });
  if (place === undefined || transaction === undefined) return;
  strike.fire(`a transaction hangs on ${place.topic}:${place.partition} for ${lastingMs} ms`);
  world.after(lastingMs, () => transaction.end(false));
}

/** The transaction of a process is as old as its timeout. */
function timeOut(strike: Strike): void {
  const { world } = strike;
  const expire = (): void => {
    const { broker } = world;
    const open = [...broker.cluster.state.transactions.values()].find(({ transactionalId, status }) =>
      status === "Ongoing" && transactionalId === strike.transactionalId
    );
    if (open === undefined) return;
    strike.fire(`the transaction of ${open.transactionalId} has taken ${open.timeoutMs} ms`);
    open.startedMs = broker.times().monotonicMs - open.timeoutMs;
    broker.tick();
  };
  if (wantsIdleEnd(strike)) atIdleEnd(strike, expire);
  else strike.atStep(OPEN_LABELS, { skip: strike.draw("skip", 6) }, expire);
}

/**
 * A newer producer of the same id fences the process's one and ends its transaction; half of the time the process stands
 * still meanwhile, and finds out when it goes on.
 */
function fence(strike: Strike): void {
  const { world } = strike;
  const labels: readonly StepLabel[] = [...OPEN_LABELS, "transaction:begin", "produce:before"];
  strike.atStep(labels, { skip: strike.draw("skip", 6) }, (process, label) => {
    const { transactionalId } = strike;
    if (process === undefined || transactionalId === undefined) return;
    const { broker } = world;
    strike.fire(`a newer producer of ${transactionalId} is initialized while process ${process.number} is at ${label}`);
    if (strike.draw("asleep", 2) === 0) world.pause(process.number, Math.min(strike.lastingMs, 2_000));
    broker.cluster.initializeTransactions({ transactionalId, timeoutMs: 60_000 }, broker.times());
  });
}

function holdMarkers(strike: Strike): void {
  const { world, lastingMs } = strike;
  const hold = (): void => {
    strike.fire(`transactions wait for their markers for ${lastingMs} ms`);
    world.broker.holdMarkers(true);
    world.after(lastingMs, () => world.broker.holdMarkers(false));
  };
  strike.atStep(["commit:before"], { skip: strike.draw("skip", 4) }, hold);
}

/** A process dies with offsets staged: whoever asks for them has to wait until its transaction is ended. */
function leaveUnstable(strike: Strike): void {
  const { world, fault } = strike;
  strike.atStep(["offsets:after"], { skip: strike.draw("skip", 6) }, (process) => {
    if (process === undefined) return;
    strike.fire(`process ${process.number} dies with staged offsets, for ${fault.durationMs} ms`);
    world.crash(process.number, { restartAfterMs: fault.durationMs, node: "same" });
  });
}

/** One partition of an output topic takes nothing, the others do. */
function takeInPart(strike: Strike): void {
  const { world, lastingMs } = strike;
  strike.atStep(["produce:before"], { skip: strike.draw("skip", 4) }, () => {
    const topics = strike.outputTopics.filter((topic) => strike.places([topic]).length > 1);
    const place = strike.place(topics);
    if (place === undefined) return;
    strike.fire(`${place.topic}:${place.partition} alone takes no records for ${lastingMs} ms`);
    world.broker.setReplicasShort(place, true);
    world.after(lastingMs, () => world.broker.setReplicasShort(place, false));
  });
}

/** A fault that waits for a commit in which only time moves takes any other one after this. */
const IDLE_WAIT_MS = 10_000;

/** Whether a process is about to end a transaction that moves no offset: offsets say nothing about such a commit. */
function isOnlyTimeMoving({ world }: Strike, process: SimProcess): boolean {
  const own = new Set(
    (process.app?.status() ?? []).flatMap(({ tasks }) =>
      tasks.map(({ topic, partition }) => partitionKey(topic, partition))
    ),
  );
  for (const groupId of world.groupIds) {
    const group = world.broker.cluster.state.groups.get(groupId);
    for (const staged of group?.pending.values() ?? []) {
      const moves = [...staged].map(([key, { offset }]) => own.has(key) && group!.offsets.get(key)?.offset === offset);
      if (moves.length > 0 && moves.every((isIdle) => isIdle)) return true;
    }
  }
  return false;
}

/** Strikes a process that is about to end a transaction in which only time moved; any other one after a while. */
function atIdleEnd(strike: Strike, hit: (process: SimProcess) => void): void {
  const { world } = strike;
  const sinceMs = world.nowMs;
  const wait = (): void =>
    strike.atStep(["commit:before"], {}, (process) => {
      if (process === undefined) return;
      if (isOnlyTimeMoving(strike, process) || world.nowMs >= sinceMs + IDLE_WAIT_MS) hit(process);
      else wait();
    });
  wait();
}

/** Whether a fault is to wait for a transaction in which only time moved: most do, as such transactions are few. */
function wantsIdleEnd(strike: Strike): boolean {
  const { guarantee, idleTimeoutMs } = strike.world.options;
  return guarantee === "exactly-once" && idleTimeoutMs !== null && strike.draw("idle", 4) > 0;
}

/** The end of a transaction, most of the time of one in which only time moved. */
function loseEnd(strike: Strike, fate: "reply-lost" | "request-lost" | "delayed"): void {
  const { world, fault } = strike;
  const lose = (process: number) =>
    world.strike(fault, { process, calls: ["endTransaction"], fate, delayMs: strike.lastingMs, times: 1 });
  if (wantsIdleEnd(strike)) atIdleEnd(strike, ({ number }) => lose(number));
  else lose(fault.process);
}

/**
 * The broker that coordinates the transactions goes down when it has ended one and not yet said so: what became of it
 * nobody can ask until another one has taken over, while the group goes on at its own coordinator.
 */
function loseCoordinator(strike: Strike): void {
  const { world, fault } = strike;
  const { transactions } = world.broker.cluster.state;
  strike.atStep(["commit:before"], { skip: strike.draw("skip", 4) }, (process) => {
    if (process === undefined) return;
    const open = jobTransactions(strike).filter((id) => transactions.get(id)?.status === "Ongoing");
    world.strike(fault, { process: process.number, calls: ["endTransaction"], fate: "reply-lost" });
    const untilMs = world.nowMs + world.options.requestTimeoutMs;
    const look = (): void => {
      if (open.some((id) => transactions.get(id)?.status !== "Ongoing")) {
        for (const id of jobTransactions(strike)) {
          world.broker.moveTransactionCoordinator(id, { forMs: strike.lastingMs });
        }
      } else if (world.nowMs < untilMs) strike.later(DOWN_LOOK_MS, look);
    };
    look();
  });
}

/** How often a coordinator that is to go down looks whether it has ended the transaction. */
const DOWN_LOOK_MS = 5;

/** Transactional ids of the job. */
function jobTransactions({ world }: Strike): string[] {
  return [...world.broker.cluster.state.transactions.keys()].filter((id) =>
    world.groupIds.some((groupId) => id.startsWith(`${groupId}.`))
  );
}

function exhaust(strike: Strike): void {
  const { world, transactionalId } = strike;
  if (transactionalId === undefined) return strike.later(1_000, () => exhaust(strike));
  strike.fire(`the epochs of ${transactionalId} are used up`);
  world.broker.exhaustEpochs(transactionalId);
}

/** Injectors of the faults of transactions. Those of the job's own transactions wait for ever in an at-least-once run. */
export const TRANSACTION_FAULTS: Injectors<
  "T1" | "T2" | "T3" | "T4" | "T5" | "T6" | "T7" | "T8" | "T9" | "T10" | "T11" | "T12" | "T13"
> = {
  T1: (strike) => loseEnd(strike, "reply-lost"),
  T2: (strike) => loseEnd(strike, "request-lost"),
  T3: (strike) => loseEnd(strike, "delayed"),
  T4: timeOut,
  T5: fence,
  T6: holdMarkers,
  T7: (strike) =>
    strikeCalls(strike, {
      fate: strike.draw("fate", 2) === 0 ? "reply-lost" : "request-lost",
      calls: ["initialize"],
      timesMax: 3,
    }),
  T8: exhaust,
  T9: hang,
  T10: leaveUnstable,
  T11: takeInPart,
  T12: (strike) =>
    strikeCalls(strike, {
      fate: strike.draw("fate", 2) === 0 ? "reply-lost" : "request-lost",
      calls: ["produce"],
      timesMax: 2,
    }),
  T13: loseCoordinator,
};
