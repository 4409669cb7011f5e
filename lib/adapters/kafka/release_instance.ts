import { CODE, codeError } from "./broker_codes.ts";
import { bestVersion } from "./connection.ts";
import type { Channel, KafkaClient } from "./kafka_client.ts";
import {
  describeMembersCall,
  MEMBER_EPOCH,
  MEMBER_HEARTBEAT,
  MEMBER_HEARTBEAT_VERSIONS,
  memberHeartbeatCall,
} from "./protocol/member_calls.ts";

/**
 * Releases an instance id whose member went without a goodbye, in that member's name, so that the one which was started
 * in its stead gets its partitions at once. In the `consumer` protocol a group keeps the id for the old member until its
 * session is over; the classic protocol always gave it to the newest. If the old member still lives, its next heartbeat
 * tells it that it is fenced.
 *
 * @param client Connections.
 * @param options The instance, and the channel to use.
 * @throws {BrokerUnavailableError} when the coordinator cannot be reached.
 * @throws {AuthorizationError} when the members of the group may not be seen.
 */
export async function releaseInstance(
  client: KafkaClient,
  options: { readonly groupId: string; readonly instanceId: string; readonly channel: Channel },
): Promise<void> {
  const { groupId, instanceId, channel } = options;
  const found = await client.sendToCoordinator(groupId, describeMembersCall(groupId), { channel });
  if (found.errorCode === CODE.groupNotFound) return;
  if (found.errorCode !== 0) {
    const tried = `find out who has instance '${instanceId}' of group '${groupId}'`;
    throw codeError(tried, found.errorCode, { message: found.message, context: { groupId, instanceId } });
  }
  const holder = found.members.find((member) => member.instanceId === instanceId);
  if (holder === undefined) return;
  const { memberId } = holder;
  const goodbye = { groupId, memberId, instanceId, epoch: MEMBER_EPOCH.leaveForAWhile, wish: null, owned: null };
  // Whatever it answers: the next attempt to join shows whether the id is free.
  await client.sendToCoordinator(
    groupId,
    ({ versions }) => memberHeartbeatCall(goodbye, bestVersion(versions, MEMBER_HEARTBEAT, MEMBER_HEARTBEAT_VERSIONS)),
    { channel },
  );
}
