import { BrokerUnavailableError } from "../../base/errors.ts";
import type { Times } from "../../embedded/cluster.ts";
import type { RefusalCode, Reply } from "../../embedded/reply.ts";
import type { Environment } from "../../seams/adapter.ts";
import { randomId } from "../../seams/random.ts";
import type { ClientCall } from "./client_calls.ts";
import type { ServerLink } from "./server_link.ts";

/** Defaults of a client of an embedded broker. */
export interface ClientOptions {
  /** Partitions of a topic that is created because somebody uses it. */
  readonly defaultPartitions: number;
  /** How long a client goes on trying while the broker is not ready, in milliseconds. */
  readonly requestTimeoutMs: number;
  /** How long `committed` waits for stable offsets, in milliseconds. */
  readonly stableTimeoutMs: number;
  /** A rebalance waits for a member at least this long, in milliseconds. */
  readonly rebalanceTimeoutMs: number;
  /** A member that does not poll for so long leaves its group, in milliseconds. */
  readonly pollIntervalMsMax: number;
}

/** Which refusals pass, and for how long a request is sent again after them. */
export interface Patience {
  /** Codes of passing refusals. */
  readonly codes: ReadonlySet<RefusalCode>;
  /** At most so long, in milliseconds. */
  readonly timeoutMs: number;
}

/** Ends a wait that is over; without a reason of its own, an abort makes an exception with a stack trace each time. */
const OVER = "the wait is over";

/** The client's side of the shell: one process that talks to an embedded broker. */
export class Client {
  /** The broker. */
  readonly server: ServerLink;
  /** Time and randomness of the client's process. */
  readonly environment: Environment;
  /** Defaults. */
  readonly options: ClientOptions;
  readonly #end = new AbortController();
  /** Ends the waits that are under way. */
  readonly #waits = new Set<() => void>();

  /**
   * @param server The broker.
   * @param environment Time and randomness of the client's process.
   * @param options Defaults.
   */
  constructor(server: ServerLink, environment: Environment, options: ClientOptions) {
    this.server = server;
    this.environment = environment;
    this.options = options;
  }

  /** Whether the connection is gone. */
  get isClosed(): boolean {
    return this.#end.signal.aborted;
  }

  /** Cuts the connection: waits end, requests are refused. */
  cut(): void {
    this.#end.abort(OVER);
    for (const end of this.#waits) end();
  }

  /** Sends a request; see {@linkcode ServerLink.request}. */
  request<T>(call: ClientCall, run: (times: Times) => Reply<T>): Promise<Reply<T>> {
    if (this.isClosed) {
      return Promise.reject(new BrokerUnavailableError(`Cannot ${call} as the connection is closed, open a new one`));
    }
    return this.server.request(call, run);
  }

  /** A new identifier. */
  newId(): string {
    return randomId(this.environment.random);
  }

  /** Monotonic time of the client, in milliseconds. */
  monotonicMs(): number {
    return this.environment.clock.monotonicMs();
  }

  /**
   * Waits until something happens in the cluster, `ms` pass, or the connection is cut.
   *
   * @param seen Activity count before the caller looked.
   * @param ms At most so long.
   * @param onWait Is given what ends the wait too.
   */
  async wait(seen: number, ms: number, onWait: (end: () => void) => void = () => {}): Promise<void> {
    if (this.isClosed) return;
    const { promise, resolve: end } = Promise.withResolvers<void>();
    const sleeping = new AbortController();
    const leave = this.server.activity.next(seen, end);
    this.#waits.add(end);
    onWait(end);
    void this.environment.clock.sleep(ms, sleeping.signal).then(end);
    await promise;
    this.#waits.delete(end);
    leave();
    sleeping.abort(OVER);
  }

  /** Sleeps, or ends early when the connection is cut or `signal` aborts. */
  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    await this.environment.clock.sleep(ms, AbortSignal.any([signal, this.#end.signal]));
  }

  /**
   * Sends a request again while its refusal is a passing one.
   *
   * @param call Which call it is.
   * @param run The request.
   * @param patience Which refusals pass, and for how long.
   * @returns The last reply.
   */
  async requestPatiently<T>(
    call: ClientCall,
    run: (times: Times) => Reply<T>,
    patience: Patience,
  ): Promise<Reply<T>> {
    const endMs = this.monotonicMs() + patience.timeoutMs;
    for (;;) {
      const seen = this.server.activity.count;
      const reply = await this.request(call, run);
      if (reply.kind === "done" || !patience.codes.has(reply.code)) return reply;
      const leftMs = endMs - this.monotonicMs();
      if (leftMs <= 0) return reply;
      await this.wait(seen, leftMs);
    }
  }
}
