import type { CallFault, ClientCall } from "../lib/adapters/embedded/client_calls.ts";
import type { ServerLink } from "../lib/adapters/embedded/server_link.ts";
import { BrokerTimeoutError } from "../lib/base/errors.ts";
import type { Reply } from "../lib/embedded/reply.ts";
import { STEP_LABELS, type StepLabel } from "../lib/seams/observer.ts";
import type { Times } from "../lib/embedded/cluster.ts";

/** Where a trap springs. */
export interface TrapPlace {
  /** Which worker. @default the first one that gets there */
  readonly worker?: number;
  /** So many times it goes well first. @default {0} */
  readonly skip?: number;
}

/** Springs once, at the right passage of the right worker. */
export class Trap<What extends string> {
  /** What it waits for. */
  readonly what: What;
  /** Worker in which it sprang. */
  sprungIn: number | undefined;
  readonly #worker: number | undefined;
  #skip: number;

  /** @param what What it waits for. @param place Where. */
  constructor(what: What, place: TrapPlace) {
    this.what = what;
    this.#worker = place.worker;
    this.#skip = place.skip ?? 0;
  }

  /** A worker passes. @returns Whether the trap springs now. */
  pass(what: string, worker: number): boolean {
    if (this.sprungIn !== undefined || what !== this.what || (this.#worker ?? worker) !== worker) return false;
    if (this.#skip-- > 0) return false;
    this.sprungIn = worker;
    return true;
  }
}

/**
 * A trap at a labelled step.
 *
 * @param label The step.
 * @param place Where it springs, and what is done there (for the message).
 * @throws {TypeError} when there is no such step.
 */
export function stepTrap(label: StepLabel, place: TrapPlace & { readonly verb: string }): Trap<StepLabel> {
  if (STEP_LABELS.includes(label)) return new Trap(label, place);
  throw new TypeError(
    `Cannot ${place.verb} at a step that does not exist, see STEP_LABELS: current value is '${label}'`,
  );
}

/** What becomes of one call of one worker. */
export type LostCall = CallFault["kind"] & ("request-lost" | "reply-lost");

/**
 * A link on which single requests or replies are lost.
 *
 * @param server The broker.
 * @param fateOf Decides about each call.
 */
export function losingLink(server: ServerLink, fateOf: (call: ClientCall) => LostCall | undefined): ServerLink {
  return {
    cluster: server.cluster,
    activity: server.activity,
    get isClosed() {
      return server.isClosed;
    },
    request<T>(call: ClientCall, run: (times: Times) => Reply<T>): Promise<Reply<T>> {
      const fate = fateOf(call);
      const done = fate === "request-lost" ? Promise.resolve() : server.request(call, run);
      if (fate === undefined) return done as Promise<Reply<T>>;
      return done.then(() => {
        throw new BrokerTimeoutError(`No answer to ${call}: it may or may not have happened, ask before you try again`);
      });
    },
  };
}
