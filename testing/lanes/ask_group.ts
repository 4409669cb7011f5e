import { assert, assertEquals } from "@std/assert";
import { CODE } from "../../lib/adapters/kafka/broker_codes.ts";
import type { Call } from "../../lib/adapters/kafka/protocol/call.ts";
import { heartbeatCall } from "../../lib/adapters/kafka/protocol/group_calls.ts";
import { describeMembersCall } from "../../lib/adapters/kafka/protocol/member_calls.ts";
import { withClient } from "./kafka_brokers.ts";

/** What a group tells of itself to somebody who is not in it. */
export interface AskedGroup {
  /** Generation of a classic group, epoch of one of the `consumer` protocol: another one after each rebalance. */
  readonly generation: number;
  /** Instance ids of its members, sorted. */
  readonly members: readonly string[];
}

interface ClassicMember {
  readonly memberId: string;
  readonly instanceId: string | null;
}

/**
 * Asks a group that has static members only.
 *
 * @param address A broker, `host:port`.
 * @param group Its id, and its protocol.
 */
export function askGroup(
  address: string,
  { groupId, protocol }: { readonly groupId: string; readonly protocol: "classic" | "consumer" },
): Promise<AskedGroup> {
  return withClient(address, async (client) => {
    const more = { channel: client.channel("group") };
    const send = <T>(call: Call<T>): Promise<T> => client.sendToCoordinator(groupId, call, more);
    if (protocol === "consumer") {
      const generation = await send(describeEpochCall(groupId));
      const { members } = await send(describeMembersCall(groupId));
      return { generation, members: instancesOf(members) };
    }
    const members = await send(describeClassicCall(groupId));
    const [first] = members;
    assert(first !== undefined, `group '${groupId}' has no members`);
    // It tells its generation to nobody, but refuses heartbeats of any other one.
    for (let generation = 1; generation < 1_000; generation++) {
      const code = await send(heartbeatCall({ groupId, ...first }, generation));
      if (code === CODE.illegalGeneration) continue;
      assertEquals(code, 0, `group '${groupId}' is not at rest`);
      return { generation, members: instancesOf(members) };
    }
    throw new Error(`Cannot find the generation of group '${groupId}': no heartbeat was taken`);
  });
}

function instancesOf(members: readonly { readonly instanceId: string | null }[]): string[] {
  return members.map(({ instanceId }) => instanceId ?? "").sort();
}

/** DescribeGroups, of which the members are read. */
function describeClassicCall(groupId: string): Call<readonly ClassicMember[]> {
  return {
    apiKey: 15,
    version: 4,
    name: "DescribeGroups",
    write: (w) => void w.array([groupId], (id) => w.string(id)).boolean(false),
    read: (r) => {
      r.int32();
      const [members] = r.array(() => {
        assertEquals(r.int16(), 0, `the group '${groupId}' cannot be described`);
        for (let text = 0; text < 4; text++) r.string();
        const found = r.array(() => {
          const member = { memberId: r.string(), instanceId: r.nullableString() };
          for (let text = 0; text < 2; text++) r.string();
          for (let bytes = 0; bytes < 2; bytes++) r.raw(r.int32());
          return member;
        });
        r.int32();
        return found;
      });
      return members ?? [];
    },
  };
}

/** ConsumerGroupDescribe, of which the epoch is read. */
function describeEpochCall(groupId: string): Call<number> {
  return {
    ...describeMembersCall(groupId),
    read: (r) => {
      r.int32();
      const [epoch] = r.compactArray(() => {
        assertEquals(r.int16(), 0, `the group '${groupId}' cannot be described`);
        for (let text = 0; text < 3; text++) r.compactString();
        return r.int32();
      });
      return epoch ?? 0;
    },
  };
}
