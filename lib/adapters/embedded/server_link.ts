import type { EmbeddedCluster, Times } from "../../embedded/cluster.ts";
import type { Reply } from "../../embedded/reply.ts";
import type { ClientCall } from "./client_calls.ts";

/** Tells a client that something happened in the cluster. */
export interface ActivitySource {
  /** How much is known to have happened so far: read it before looking, and hand it to {@linkcode ActivitySource.next}. */
  readonly count: number;
  /** How much of it may concern readers of a topic. */
  ofTopic(topic: string): number;
  /** How much of it may concern members of a group. */
  ofGroup(groupId: string): number;
  /**
   * Calls back once when something happened since `seen`.
   *
   * @param seen The count before the caller looked.
   * @param wake Called back; at once when something has happened already.
   * @returns How to stop waiting.
   */
  next(seen: number, wake: () => void): () => void;
}

/** What a client has of its broker: the server itself, or a simulated network in between. */
export interface ServerLink {
  /** The state machine; to be asked from within requests, and for what a client may know of the cluster anyway. */
  readonly cluster: EmbeddedCluster;
  /** Wakes who waits. */
  readonly activity: ActivitySource;
  /** Whether the broker was closed for good. */
  readonly isClosed: boolean;
  /**
   * Sends a request.
   *
   * @param call Which call it is.
   * @param run The request, as it is carried out at the broker.
   * @returns The machine's reply.
   * @throws {BrokerTimeoutError} when the reply, or the request, is lost.
   * @throws {BrokerUnavailableError} when the broker does not take requests.
   */
  request<T>(call: ClientCall, run: (times: Times) => Reply<T>): Promise<Reply<T>>;
}
