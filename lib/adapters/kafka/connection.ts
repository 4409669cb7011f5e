import type { Call } from "./protocol/call.ts";
import type { ApiVersions } from "./protocol/metadata_calls.ts";

/** A connection to one broker. Replies come in the order of the calls; a lost connection is not opened again. */
export interface KafkaConnection {
  /** `host:port`. */
  readonly address: string;
  /** Whether calls can be sent. */
  readonly isOpen: boolean;
  /** What the broker speaks; empty before {@linkcode KafkaConnection.open}. */
  readonly versions: ApiVersions;
  /** Levels of the features that its cluster has finalized; empty before {@linkcode KafkaConnection.open}. */
  readonly features: Readonly<Record<string, number>>;
  /**
   * Connects, learns what the broker speaks, and authenticates.
   *
   * @throws {BrokerUnavailableError} when nobody answers.
   * @throws {AuthorizationError} when the broker refuses the credentials.
   */
  open(): Promise<void>;
  /**
   * Sends a call.
   *
   * @param call What to send.
   * @param timeoutMs How long to wait for the reply, if longer than usual, in milliseconds.
   * @throws {BrokerUnavailableError} with outcome `unknown` when it may have been sent.
   * @throws {NotModelledError} when the broker does not speak this version.
   */
  send<T>(call: Call<T>, timeoutMs?: number): Promise<T>;
  /** Closes without waiting; calls under way fail. */
  destroy(): void;
}

/**
 * Makes a connection; nothing is sent yet.
 *
 * @param place Where to connect to.
 * @param clientId Names this client in the broker's logs.
 */
export type MakeConnection = (
  place: { readonly host: string; readonly port: number },
  clientId: string,
) => KafkaConnection;
