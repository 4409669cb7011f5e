import { ClassicMembership } from "./classic_membership.ts";
import { ConsumerMembership } from "./consumer_membership.ts";
import type { KafkaClient } from "./kafka_client.ts";
import type { Membership, MembershipOptions } from "./membership.ts";
import type { Notice } from "./notice.ts";

/**
 * A place in a group, of the protocol that the broker's options name.
 *
 * @param client Connections.
 * @param options Who we are.
 * @param notice Told when there is something to do.
 */
export function makeMembership(client: KafkaClient, options: MembershipOptions, notice: Notice): Membership {
  return client.options.groupProtocol === "consumer"
    ? new ConsumerMembership(client, options, notice)
    : new ClassicMembership(client, options, notice);
}
