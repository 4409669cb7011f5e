import type { Call } from "./protocol/call.ts";
import type { ApiVersions } from "./protocol/metadata_calls.ts";

/** How a call is sent. */
export interface SendMore {
  /** How long to wait for the reply, if longer than usual, in milliseconds. @default {0} */
  readonly timeoutMs?: number | undefined;
  /**
   * Called once all of it is on its way, so that the next one may follow before the reply; not every kind of connection
   * can tell. @default {nobody is told}
   */
  readonly onWritten?: (() => void) | undefined;
}

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
   * @param more How long to wait for the reply, if longer than usual, and who is told when it is written.
   * @throws {BrokerUnavailableError} with outcome `unknown` when it may have been sent.
   * @throws {NotModelledError} when the broker does not speak this version.
   */
  send<T>(call: Call<T>, more?: SendMore): Promise<T>;
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

/** Makes a call for what a broker speaks: see {@linkcode bestVersion}. */
export type CallFor<T> = (broker: Pick<KafkaConnection, "versions" | "features">) => Call<T>;

/**
 * The highest version of a call that both sides speak.
 *
 * @param versions What the broker speaks.
 * @param apiKey Number of the API.
 * @param ours Lowest and highest version that can be written here.
 * @returns Our lowest version when there is none in common: sending it tells what is wrong.
 */
export function bestVersion(
  versions: ApiVersions,
  apiKey: number,
  ours: { readonly minVersion: number; readonly maxVersion: number },
): number {
  const range = versions[apiKey];
  if (range === undefined || range.maxVersion < ours.minVersion || range.minVersion > ours.maxVersion) {
    return ours.minVersion;
  }
  return Math.min(range.maxVersion, ours.maxVersion);
}
