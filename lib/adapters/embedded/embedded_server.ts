import { BrokerTimeoutError, BrokerUnavailableError } from "../../base/errors.ts";
import type { EmbeddedCluster, Times } from "../../embedded/cluster.ts";
import type { Reply } from "../../embedded/reply.ts";
import type { Environment } from "../../seams/adapter.ts";
import { randomId } from "../../seams/random.ts";
import { Activity } from "./activity.ts";
import type { CallFaults, ClientCall } from "./client_calls.ts";
import { type ChangeJournal, JournalGate } from "./journal_gate.ts";
import type { ServerLink } from "./server_link.ts";

/** Ends a sleep; without a reason of its own, an abort makes an exception with a stack trace each time. */
const OVER = "the sleep is over";

/** What an embedded broker may be told beside its cluster. */
export interface EmbeddedServerOptions {
  /** Keeps changes; none: memory only. @default {undefined} */
  journal?: ChangeJournal;
  /** Decides about the fate of calls, in tests. @default {undefined} */
  faults?: CallFaults;
}

/**
 * The broker's side of the shell: carries out requests on the cluster in the order in which they come, keeps its
 * timeouts, wakes who waits, and holds replies until their changes are durable.
 */
export class EmbeddedServer implements ServerLink {
  /** The state machine. */
  readonly cluster: EmbeddedCluster;
  /** Time and randomness of the broker. */
  readonly environment: Environment;
  /** Wakes who waits. */
  readonly activity = new Activity();
  readonly #gate: JournalGate | null;
  readonly #faults: CallFaults | null;
  readonly #stopActivity: () => void;
  readonly #end = new AbortController();
  #armed: AbortController | null = null;
  #deadlineMs = -Infinity;
  #isArming = false;
  #isClosed = false;

  /**
   * @param cluster The state machine.
   * @param environment Time and randomness.
   * @param options Journal and faults.
   */
  constructor(cluster: EmbeddedCluster, environment: Environment, options: EmbeddedServerOptions = {}) {
    this.cluster = cluster;
    this.environment = environment;
    this.#gate = options.journal === undefined ? null : new JournalGate(cluster, options.journal);
    this.#faults = options.faults ?? null;
    cluster.nameCluster(randomId(environment.random) + randomId(environment.random));
    this.#stopActivity = cluster.onActivity((moved) => {
      this.activity.notify(moved);
      this.#armSoon();
    });
    this.#armSoon();
  }

  /** Whether the broker was closed. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Carries out a request; it takes effect before this returns, its reply comes when its changes are durable.
   *
   * @param call Which call it is, for faults.
   * @param run The request.
   * @returns The machine's reply.
   * @throws {BrokerTimeoutError} when the reply, or the request, is lost.
   * @throws {BrokerUnavailableError} when the broker does not take requests.
   */
  async request<T>(call: ClientCall, run: (times: Times) => Reply<T>): Promise<Reply<T>> {
    const fault = this.#faults?.decide(call) ?? null;
    if (fault?.kind === "refused") {
      throw new BrokerUnavailableError(`Cannot ${call} as the broker does not take requests now, try again`);
    }
    if (fault?.kind === "delayed") this.#faults!.hold(call, () => void (this.#isClosed || this.#run(run)));
    const reply = fault === null || fault.kind === "reply-lost" ? this.#run(run) : null;
    if (this.#gate !== null && !this.#gate.isCovered) await this.#gate.covered();
    if (fault === null) return reply!;
    throw new BrokerTimeoutError(`No answer to ${call}: it may or may not have happened, ask before you try again`);
  }

  /** Times as the broker's clocks tell them. */
  times(): Times {
    return { wallMs: this.environment.clock.wallMs(), monotonicMs: this.environment.clock.monotonicMs() };
  }

  /** Ends timeouts; makes durable what is not yet. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#end.abort(OVER);
    this.#armed?.abort(OVER);
    this.#stopActivity();
    this.activity.notify();
    await this.#gate?.close();
  }

  #run<T>(run: (times: Times) => Reply<T>): Reply<T> {
    if (this.#isClosed) {
      throw new BrokerUnavailableError("Cannot reach the embedded broker: it is closed, open it again");
    }
    const times = this.times();
    if (times.monotonicMs >= this.#deadlineMs) this.#tick();
    return run(times);
  }

  #tick(): void {
    this.cluster.tick(this.times());
    this.#deadlineMs = this.cluster.nextDeadlineMs();
  }

  /** Deadlines are looked at once for each burst of activity, not for each change. */
  #armSoon(): void {
    if (this.#isArming || this.#isClosed) return;
    this.#isArming = true;
    queueMicrotask(() => {
      this.#isArming = false;
      if (this.#isClosed) return;
      const deadlineMs = this.cluster.nextDeadlineMs();
      if (this.#armed !== null && deadlineMs >= this.#deadlineMs) return;
      this.#deadlineMs = deadlineMs;
      this.#armed?.abort(OVER);
      this.#armed = null;
      if (deadlineMs < Infinity) void this.#sleepUntil(deadlineMs);
    });
  }

  async #sleepUntil(deadlineMs: number): Promise<void> {
    const armed = new AbortController();
    this.#armed = armed;
    const { clock } = this.environment;
    await clock.sleep(Math.max(0, deadlineMs - clock.monotonicMs()), armed.signal);
    if (this.#armed !== armed) return;
    this.#armed = null;
    if (this.#isClosed) return;
    this.#tick();
    this.#armSoon();
  }
}
