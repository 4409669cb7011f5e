import { BrokerUnavailableError, StreamError } from "../../base/errors.ts";
import { isStaleCoordinator } from "./broker_codes.ts";
import type { KafkaClient } from "./kafka_client.ts";

/** For how long a goodbye is tried again, in milliseconds. */
const PATIENCE_MS = 2_000;
/** Wait before a coordinator that is moving is told again, in milliseconds. */
const RETRY_MS = 50;

/** What is said, and to whom. */
export interface Goodbye {
  /** Group that is left. */
  readonly groupId: string;
  /** Whether nobody waits for it: it is said once. */
  readonly isDirty: boolean;
  /** Says it. @returns The code that the group answered with; 0 for none. */
  send(): Promise<number>;
}

/**
 * Tells a group that a member leaves, again for a moment when the coordinator moves or the connection is cut: the others
 * would have to wait for the end of its session. Said twice does no harm: a member that is gone is not known any more.
 *
 * @param client Connections and time.
 * @param goodbye What to say.
 */
export async function sayGoodbye(client: KafkaClient, { groupId, isDirty, send }: Goodbye): Promise<void> {
  const { clock } = client.environment;
  const endMs = clock.monotonicMs() + PATIENCE_MS;
  for (;;) {
    try {
      if (!isStaleCoordinator(await send())) return;
      client.forgetCoordinator(groupId);
    } catch (error) {
      // The session timeout does what the lost goodbye did not.
      if (!(error instanceof StreamError)) throw error;
      if (!(error instanceof BrokerUnavailableError)) return;
    }
    if (isDirty || clock.monotonicMs() >= endMs) return;
    await client.sleep(RETRY_MS);
  }
}
