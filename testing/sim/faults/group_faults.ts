import type { ClientCall } from "../../../lib/adapters/embedded/client_calls.ts";
import type { OffsetEntry } from "../../../lib/embedded/change.ts";
import type { StepLabel } from "../../../lib/seams/observer.ts";
import type { SimProcess } from "../contracts.ts";
import type { FaultWorld } from "../fault_world.ts";
import { inviteGuest } from "./guest.ts";
import { strikeCalls } from "./network_faults.ts";
import { committedOf, isCheckpointed, operatorComes, setOffsets, whileDown } from "./operator.ts";
import { FOREIGN, type Injectors, type Strike } from "./strike.ts";

const BATCH_LABELS: readonly StepLabel[] = ["batch:fetched", "batch:decoded", "batch:processed"];
const OPEN_LABELS: readonly StepLabel[] = [
  "batch:processed",
  "commit:sealed",
  "transaction:begin",
  "produce:before",
  "produce:after",
  "offsets:after",
];

/** The call that carries offsets to the group. */
function commitCall({ world }: Strike): ClientCall {
  return world.options.guarantee === "exactly-once" ? "sendOffsets" : "commit";
}

/** The member of a group that stands for a process: the one that was given the partitions which the process works on. */
function memberOf(strike: Strike, groupId: string, process: SimProcess): string | undefined {
  const own = (process.app?.status() ?? []).filter(({ name }) => groupId.endsWith(`.${name}`))
    .flatMap(({ tasks }) => tasks.map(({ topic, partition }) => `${topic}:${partition}`));
  const members = strike.world.broker.members(groupId).filter(({ memberId }) => !memberId.startsWith(FOREIGN));
  const mine = members.find(({ assignment }) =>
    assignment.some(({ topic, partition }) => own.includes(`${topic}:${partition}`))
  );
  return (mine ?? strike.pick("member", members))?.memberId;
}

function storm(strike: Strike): void {
  const { world, lastingMs } = strike;
  const { groupId } = strike;
  if (groupId === undefined) return;
  const guests = 2 + strike.draw("guests", 6);
  strike.fire(`${guests} members come to group ${groupId} and go within ${lastingMs} ms`);
  for (let guest = 0; guest < guests; guest++) {
    strike.later(guest * lastingMs / guests, () =>
      inviteGuest(world, {
        groupId,
        memberId: `${FOREIGN}${Math.floor(world.nowMs)}-${guest}`,
        topics: world.inputTopics,
        forMs: 1 + lastingMs / guests,
      }));
  }
}

/** Drops the member of a process. */
function expire(strike: Strike, process: SimProcess): void {
  const { world, groupId } = strike;
  const memberId = groupId === undefined ? undefined : memberOf(strike, groupId, process);
  if (groupId === undefined || memberId === undefined) return;
  strike.fire(`member ${memberId} of process ${process.number} is dropped from group ${groupId}`);
  world.broker.expireMember(groupId, memberId);
}

function rebalance(strike: Strike, why: string): void {
  const { world, groupId } = strike;
  if (groupId === undefined) return;
  strike.fire(`group ${groupId} divides anew ${why}`);
  world.broker.rebalance(groupId);
}

/** A batch takes longer than the group waits for its member. */
function pollTooLate(strike: Strike): void {
  const { world, fault } = strike;
  strike.whenUp(({ number: process }) => {
    world.strikeHandler(fault, { process, how: "slow", ms: strike.lastingMs });
    strike.atStep(["batch:decoded"], { process }, () => {
      if (strike.groupId !== undefined) world.broker.rebalance(strike.groupId);
    });
  });
}

/** A commit is on its way while the group divides anew: it lands in a generation that is not its own. */
function oldGeneration(strike: Strike): void {
  const { world, fault, groupId } = strike;
  const labels: readonly StepLabel[] = ["commit:before", "offsets:before"];
  strike.whenUp(({ number: process }) =>
    strike.atStep(labels, { process, skip: strike.draw("skip", 3) }, () => {
      if (groupId === undefined) return;
      const delayMs = world.options.requestTimeoutMs + strike.lastingMs;
      world.strike(fault, { process, calls: [commitCall(strike)], fate: "delayed", delayMs });
      world.broker.rebalance(groupId);
    })
  );
}

function moveCoordinator(strike: Strike): void {
  const { world, lastingMs: forMs, groupId, transactionalId } = strike;
  if (transactionalId !== undefined && strike.draw("whose", 2) === 0) {
    strike.fire(`the coordinator of ${transactionalId} moves for ${forMs} ms`);
    world.broker.moveTransactionCoordinator(transactionalId, { forMs });
  } else if (groupId !== undefined) {
    strike.fire(`the coordinator of group ${groupId} moves for ${forMs} ms`);
    world.broker.moveCoordinator(groupId, { forMs });
  }
}

/** The last export of each task's committed offset, by world. */
const EXPORTS = new WeakMap<FaultWorld, Map<string, OffsetEntry>>();

/**
 * Committed offsets expire. At-least-once goes on from its state; a stateless job knows nothing any more and begins at the
 * start. Exactly-once with state stops loudly, and the operator puts the offsets back from the last export: that of a later
 * expiry, when a transaction that was under way has committed in between.
 */
function expireOffsets(strike: Strike): void {
  const { world, groupId } = strike;
  if (groupId === undefined || world.broker.committedOffsets(groupId).length === 0) return;
  whileDown(strike.world, () => {
    const exported = world.broker.committedOffsets(groupId);
    strike.fire(`${exported.length} committed offsets of group ${groupId} expire`);
    const isExact = world.options.guarantee === "exactly-once";
    const stopping = exported.filter((entry) => isExact && isCheckpointed(world, { groupId, entry }));
    for (const entry of exported) {
      if (stopping.includes(entry)) continue;
      world.excuse(entry.topic, entry.partition, "its committed offset has expired");
    }
    world.broker.expireOffsets(groupId);
    if (stopping.length === 0) return;
    let exports = EXPORTS.get(world);
    if (exports === undefined) EXPORTS.set(world, exports = new Map());
    const keyOf = ({ topic, partition }: OffsetEntry) => `${groupId}/${topic}/${partition}`;
    for (const entry of stopping) exports.set(keyOf(entry), entry);
    operatorComes(strike, () =>
      whileDown(strike.world, () => {
        const offsets = stopping
          .filter((entry) => committedOf(world, { groupId, place: entry }) === undefined)
          .map((entry) => exports.get(keyOf(entry))!);
        setOffsets(world, { groupId, offsets });
      }));
  });
}

/** Somebody starts a second process with the instance id of a first one, for a while. */
function takeOver(strike: Strike): void {
  const { world, groupId, lastingMs: forMs } = strike;
  const statics = groupId === undefined
    ? []
    : world.broker.members(groupId).filter(({ instanceId }) => instanceId !== null);
  const victim = strike.pick("victim", statics);
  if (groupId === undefined || victim === undefined) return;
  const { instanceId, memberId } = victim;
  strike.fire(`instance ${instanceId} of group ${groupId} is taken over from member ${memberId} for ${forMs} ms`);
  inviteGuest(world, {
    groupId,
    memberId: `${FOREIGN}${Math.floor(world.nowMs)}`,
    instanceId: instanceId!,
    topics: world.inputTopics,
    forMs,
  });
}

/** Another application has the same group id: it takes partitions for other topics, or the job's own. */
function shareGroup(strike: Strike): void {
  const { world, groupId, lastingMs: forMs } = strike;
  if (groupId === undefined) return;
  const topics = strike.draw("topics", 2) === 0 ? strike.outputTopics : world.inputTopics;
  strike.fire(`another application joins group ${groupId} for ${topics.join()} during ${forMs} ms`);
  inviteGuest(world, { groupId, memberId: `${FOREIGN}app-${Math.floor(world.nowMs)}`, topics, forMs });
}

/** Injectors of the faults of groups. */
export const GROUP_FAULTS: Injectors<
  "G1" | "G2" | "G3" | "G4" | "G5" | "G6" | "G7" | "G8" | "G9" | "G10" | "G11"
> = {
  G1: storm,
  G2: (strike) => strike.whenUp((process) => expire(strike, process)),
  G3: pollTooLate,
  G4: moveCoordinator,
  G5: oldGeneration,
  G6: (strike) =>
    strike.whenUp(({ number: process }) =>
      strike.atStep(BATCH_LABELS, { process, skip: strike.draw("skip", 5) }, (_, label) => {
        rebalance(strike, `while process ${process} is at ${label}`);
      })
    ),
  G7: (strike) =>
    strike.whenUp((process) =>
      strike.atStep(OPEN_LABELS, { process: process.number, skip: strike.draw("skip", 8) }, () => {
        expire(strike, process);
      })
    ),
  G8: expireOffsets,
  G9: (strike) => strikeCalls(strike, { fate: "reply-lost", calls: [commitCall(strike)], timesMax: 3 }),
  G10: takeOver,
  G11: shareGroup,
};
