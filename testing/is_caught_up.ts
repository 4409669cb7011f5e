import { groupIdOf, type SubscriptionSpec } from "../lib/runtime/subscription_spec.ts";
import type { MemoryBroker } from "./memory_broker.ts";

/**
 * Whether subscriptions have committed all of their input, up to what an open transaction holds back.
 *
 * @param broker Where input and groups are.
 * @param subscriptions What reads it.
 */
export function isCaughtUp(broker: MemoryBroker, subscriptions: readonly SubscriptionSpec[]): boolean {
  return subscriptions.every((spec) => {
    const committed = broker.committedOffsets(groupIdOf(spec));
    const { name } = spec.input;
    const logs = broker.cluster.state.topics.get(name)?.logs ?? [];
    return logs.every((log, partition) => {
      const own = committed.find((each) => each.topic === name && each.partition === partition);
      return Number(own?.offset ?? 0) >= log.lastStableOffset;
    });
  });
}
