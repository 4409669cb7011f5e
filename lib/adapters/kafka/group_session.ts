import { StreamError } from "../../base/errors.ts";
import type { Channel, KafkaClient } from "./kafka_client.ts";
import { alterGroupConfigCall, describeGroupConfigCall } from "./protocol/group_config_calls.ts";

const SESSION = "consumer.session.timeout.ms";
const HEARTBEAT = "consumer.heartbeat.interval.ms";
/** What brokers have when nobody has set anything, in milliseconds. */
const DEFAULT_SESSION_MS = 45_000;

/**
 * Makes a group's session timeout what its members want. In the `consumer` protocol it is a configuration of the group,
 * which its members may not be allowed to read or to change: then the group's own stands, and that is logged.
 *
 * @param client Connections.
 * @param groupId The group.
 * @param options The timeout that is wanted, in milliseconds, and the channel to use.
 * @returns The timeout that holds, in milliseconds.
 */
export async function agreeOnSession(
  client: KafkaClient,
  groupId: string,
  options: { readonly sessionTimeoutMs: number; readonly channel: Channel },
): Promise<number> {
  const { sessionTimeoutMs: wantedMs, channel } = options;
  let foundMs = DEFAULT_SESSION_MS;
  let why: string;
  try {
    const found = await client.sendAnywhere(describeGroupConfigCall(groupId, [SESSION, HEARTBEAT]), channel);
    foundMs = Number(found.values.get(SESSION) ?? DEFAULT_SESSION_MS);
    if (foundMs === wantedMs) return foundMs;
    const wanted = new Map([[SESSION, `${wantedMs}`]]);
    // The group refuses a session that is no longer than the time between two heartbeats.
    if (Number(found.values.get(HEARTBEAT) ?? 0) >= wantedMs) wanted.set(HEARTBEAT, `${Math.floor(wantedMs / 3)}`);
    const changed = await client.sendAnywhere(alterGroupConfigCall(groupId, wanted), channel);
    if (changed.errorCode === 0) return wantedMs;
    why = changed.message ?? `error code ${changed.errorCode}`;
  } catch (error) {
    if (!(error instanceof StreamError)) throw error;
    why = error.message;
  }
  client.environment.observer.log(
    "warn",
    `Group '${groupId}' drops silent members after ${foundMs} ms, not after ${wantedMs} ms, as its configuration ` +
      `'${SESSION}' cannot be changed: ${why}`,
    { groupId, foundMs, wantedMs },
  );
  return foundMs;
}
