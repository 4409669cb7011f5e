import { ActivityCounts } from "../../lib/adapters/embedded/activity.ts";
import type { ClientCall } from "../../lib/adapters/embedded/client_calls.ts";
import type { ActivitySource, ServerLink } from "../../lib/adapters/embedded/server_link.ts";
import { BrokerTimeoutError, BrokerUnavailableError } from "../../lib/base/errors.ts";
import type { EmbeddedCluster, Times } from "../../lib/embedded/cluster.ts";
import type { Moved } from "../../lib/embedded/moved.ts";
import type { Reply } from "../../lib/embedded/reply.ts";
import type { Life } from "../mortal.ts";
import type { SeededRandom } from "../seeded_random.ts";
import type { CallEvent, SimProcess } from "./contracts.ts";
import type { CallStrike } from "./fault_world.ts";
import type { PlannedFault } from "./fault_kinds.ts";
import type { Scheduler } from "./scheduler.ts";

/** What the network is built of. */
export interface NetworkParts {
  /** Time. */
  readonly scheduler: Scheduler;
  /** Latencies and what else chance decides on the way. */
  readonly random: SeededRandom;
  /** Mean latency of one way. */
  readonly latencyMs: number;
  /** A client gives up on a reply after this. */
  readonly requestTimeoutMs: number;
  /** Told of every step of every request. */
  readonly tell: (event: CallEvent) => void;
  /** Told when a planned fault has struck. */
  readonly fire: (fault: PlannedFault, what: string) => void;
}

/** Requests of one channel arrive in the order in which they were sent; those of different channels may pass each other. */
const CHANNELS: Readonly<Record<ClientCall, string>> = {
  fetch: "fetch",
  produce: "producer",
  initialize: "producer",
  endTransaction: "producer",
  sendOffsets: "producer",
  join: "group",
  heartbeat: "group",
  leave: "group",
  commit: "group",
  committed: "group",
  admin: "admin",
};

/** Word of what happened reaches a process at most once in so many milliseconds, as with a broker that waits a little. */
const NEWS_PAUSE_MS = 40;

/** Between two requests that arrive one right after the other. */
const GAP_MS = 0.001;

interface Armed {
  readonly fault: PlannedFault;
  readonly strike: CallStrike;
  left: number;
}

/** The network between the processes and the broker. */
export class SimNetwork {
  readonly parts: NetworkParts;
  readonly #armed: Armed[] = [];
  readonly #blocks: { process: number | "all"; direction: string; untilMs: number }[] = [];
  readonly #clogs: { process: number | "all"; untilMs: number }[] = [];
  readonly #links = new Set<SimLink>();
  #outageUntilMs = -Infinity;
  #requests = 0;

  /** @param parts Time, chance and whom to tell. */
  constructor(parts: NetworkParts) {
    this.parts = parts;
  }

  /** Whether the broker can be reached by anybody. */
  get isUp(): boolean {
    return this.parts.scheduler.nowMs >= this.#outageUntilMs;
  }

  /** The line between a process and the broker. */
  link(owner: { readonly process: SimProcess; readonly life: Life }, server: ServerLink): ServerLink {
    const link = new SimLink(this, owner, server);
    this.#links.add(link);
    owner.life.onDeath(() => this.#links.delete(link));
    return link;
  }

  /** Strikes the next fitting requests. */
  strike(fault: PlannedFault, strike: CallStrike): void {
    this.#armed.push({ fault, strike, left: strike.times ?? 1 });
  }

  /** Cuts processes off; what arrives meanwhile is lost. */
  block(process: number | "all", direction: "to-broker" | "from-broker" | "both", forMs: number): void {
    this.#blocks.push({ process, direction, untilMs: this.parts.scheduler.nowMs + forMs });
  }

  /** Holds messages back until the end of the clog. */
  clog(process: number | "all", forMs: number): void {
    this.#clogs.push({ process, untilMs: this.parts.scheduler.nowMs + forMs });
  }

  /** The broker is gone for a while. */
  outage(forMs: number): void {
    this.#outageUntilMs = Math.max(this.#outageUntilMs, this.parts.scheduler.nowMs + forMs);
    for (const link of this.#links) link.reset();
  }

  /** Nothing is wrong with the network any more. */
  heal(): void {
    this.#armed.length = 0;
    this.#blocks.length = 0;
    this.#clogs.length = 0;
    this.#outageUntilMs = -Infinity;
  }

  /** The fate of a request that is about to leave. */
  fateOf(process: number, call: ClientCall): CallStrike | undefined {
    const armed = this.#armed;
    if (armed.length === 0) return undefined;
    const at = armed.findIndex(({ strike }) => (strike.process ?? process) === process && strike.calls.includes(call));
    if (at < 0) return undefined;
    const { fault, strike } = armed[at]!;
    if (--armed[at]!.left === 0) armed.splice(at, 1);
    this.parts.fire(fault, `${strike.fate} ${call} of process ${process}`);
    return strike;
  }

  /** Whether messages of a process are lost in a direction. */
  isBlocked(process: number, direction: "to-broker" | "from-broker"): boolean {
    if (this.#blocks.length === 0) return false;
    const { nowMs } = this.parts.scheduler;
    return this.#blocks.some((each) =>
      each.untilMs > nowMs && (each.process === "all" || each.process === process) &&
      (each.direction === "both" || each.direction === direction)
    );
  }

  /** How long a message takes. */
  travelMs(process: number): number {
    const { random, latencyMs, scheduler: { nowMs } } = this.parts;
    let ms = latencyMs * (0.5 + random.float());
    for (const clog of this.#clogs) {
      if (clog.untilMs <= nowMs || (clog.process !== "all" && clog.process !== process)) continue;
      ms = Math.max(ms, clog.untilMs - nowMs + 5 * random.float());
    }
    return ms;
  }

  /** Numbers the requests. */
  nextId(): number {
    return this.#requests++;
  }
}

/** A request that the client waits for. */
interface Waiting {
  readonly id: number;
  readonly call: ClientCall;
  readonly reject: (error: Error) => void;
  readonly sentMs: number;
  isOver: boolean;
}

interface Flight<T> extends Waiting {
  readonly run: (times: Times) => Reply<T>;
  readonly resolve: (reply: Reply<T>) => void;
}

/** The line between one process and the broker. */
class SimLink implements ServerLink {
  readonly activity: SimActivity;
  readonly cluster: EmbeddedCluster;
  readonly #network: SimNetwork;
  readonly #owner: { readonly process: SimProcess; readonly life: Life };
  readonly #incarnation: number;
  readonly #server: ServerLink;
  readonly #lastArrivalMs = new Map<string, number>();
  readonly #flights = new Set<Waiting>();

  constructor(network: SimNetwork, owner: { process: SimProcess; life: Life }, server: ServerLink) {
    this.#network = network;
    this.#owner = owner;
    this.#incarnation = owner.process.incarnation;
    this.#server = server;
    this.cluster = server.cluster;
    this.activity = new SimActivity(network, owner);
    owner.life.onDeath(this.cluster.onActivity((moved) => this.activity.happened(moved)));
  }

  get isClosed(): boolean {
    return this.#server.isClosed;
  }

  request<T>(call: ClientCall, run: (times: Times) => Reply<T>): Promise<Reply<T>> {
    const { life } = this.#owner;
    return new Promise((resolve, reject) => {
      if (life.isDead) return;
      const send = () => this.#send(call, run, { resolve, reject });
      if (life.isPaused) void life.running().then(() => void (life.isDead || send()));
      else send();
    });
  }

  /** Connections break: whoever waits learns nothing about what became of the request. */
  reset(): void {
    for (const flight of [...this.#flights]) this.#fail(flight, lostReply(flight.call));
  }

  #send<T>(
    call: ClientCall,
    run: (times: Times) => Reply<T>,
    { resolve, reject }: Pick<Flight<T>, "resolve" | "reject">,
  ): void {
    const network = this.#network;
    const { scheduler, random } = network.parts;
    const id = network.nextId();
    const flight: Flight<T> = { id, call, run, resolve, reject, sentMs: scheduler.nowMs, isOver: false };
    this.#flights.add(flight);
    this.#tell(flight, "sent");
    if (!network.isUp) return this.#refuse(flight);
    const { process } = this.#owner;
    const strike = network.fateOf(process.number, call);
    const delayMs = strike?.delayMs ?? 0;
    switch (strike?.fate) {
      case "refused":
        return this.#refuse(flight);
      case "request-lost":
        return this.#giveUp(flight);
      case "delayed":
        this.#giveUp(flight);
        scheduler.after(delayMs, "lands late", () => void this.#land(flight, false));
        return;
      case "reset":
        if (random.uint32() % 2 === 0) this.#arrive(flight, 0, false);
        return this.reset();
      case "duplicated": {
        const firstMs = this.#arrive(flight, 0, true) - scheduler.nowMs;
        // On one connection nothing sent later can be overtaken: only what asks and changes no transaction lands late again.
        if (CHANNELS[call] === "producer") this.#arrive(flight, 0, false);
        // The client hears of the first copy that lands: none may stand before that which is answered.
        else scheduler.after(Math.max(delayMs, firstMs + GAP_MS), "lands again", () => void this.#land(flight, false));
        return;
      }
      case "reply-lost":
        this.#giveUp(flight);
        return void this.#arrive(flight, 0, false);
      default:
        return void this.#arrive(flight, delayMs, true);
    }
  }

  /** The request goes its way; those of one channel arrive in order. Returns when it arrives. */
  #arrive<T>(flight: Flight<T>, delayMs: number, isAnswered: boolean): number {
    const { scheduler } = this.#network.parts;
    const channel = CHANNELS[flight.call];
    const ms = this.#network.travelMs(this.#owner.process.number) + delayMs;
    const atMs = Math.max(scheduler.nowMs + ms, (this.#lastArrivalMs.get(channel) ?? 0) + GAP_MS);
    this.#lastArrivalMs.set(channel, atMs);
    scheduler.after(atMs - scheduler.nowMs, flight.call, () => void this.#land(flight, isAnswered, delayMs));
    return atMs;
  }

  async #land<T>(flight: Flight<T>, isAnswered: boolean, delayMs = 0): Promise<void> {
    const network = this.#network;
    const { number } = this.#owner.process;
    if (!network.isUp || network.isBlocked(number, "to-broker")) {
      if (isAnswered) this.#giveUp(flight);
      return;
    }
    let reply: Reply<T>;
    this.#tell(flight, "landed");
    try {
      reply = await this.#server.request(flight.call, flight.run);
    } catch (error) {
      return this.#answer(flight, delayMs, () => flight.reject(error as Error));
    }
    if (!isAnswered) return;
    if (network.isBlocked(number, "from-broker")) return this.#giveUp(flight);
    this.#answer(flight, delayMs, () => flight.resolve(reply));
  }

  #answer(flight: Waiting, delayMs: number, settle: () => void): void {
    const { scheduler } = this.#network.parts;
    const { life } = this.#owner;
    scheduler.after(this.#network.travelMs(this.#owner.process.number) + delayMs, "answer", () => {
      if (life.isDead || flight.isOver) return;
      const give = () => {
        if (life.isDead || flight.isOver) return;
        this.#over(flight, "answered");
        settle();
      };
      if (life.isPaused) void life.running().then(give);
      else give();
    });
  }

  #refuse(flight: Waiting): void {
    const error = new BrokerUnavailableError(
      `Cannot ${flight.call} as the broker does not take requests now, try again`,
    );
    this.#network.parts.scheduler.after(1, "refused", () => this.#fail(flight, error));
  }

  /** The client learns nothing, and stops waiting after its timeout. */
  #giveUp(flight: Waiting): void {
    const { scheduler, requestTimeoutMs } = this.#network.parts;
    const leftMs = flight.sentMs + requestTimeoutMs - scheduler.nowMs;
    scheduler.after(leftMs, "timeout", () => this.#fail(flight, lostReply(flight.call)));
  }

  #fail(flight: Waiting, error: Error): void {
    const { life } = this.#owner;
    if (life.isDead || flight.isOver) return;
    if (life.isPaused) return void life.running().then(() => this.#fail(flight, error));
    this.#over(flight, "failed");
    flight.reject(error);
  }

  #over(flight: Waiting, phase: "answered" | "failed"): void {
    flight.isOver = true;
    this.#flights.delete(flight);
    this.#tell(flight, phase);
  }

  #tell({ id, call }: Waiting, phase: CallEvent["phase"]): void {
    this.#network.parts.tell({ process: this.#owner.process, incarnation: this.#incarnation, id, call, phase });
  }
}

function lostReply(call: ClientCall): BrokerTimeoutError {
  return new BrokerTimeoutError(`No answer to ${call}: it may or may not have happened, ask before you try again`);
}

/** Word of what happened in the cluster reaches a process one latency later, or not at all. */
class SimActivity implements ActivitySource {
  readonly #counts = new ActivityCounts();
  /** What the word that is under way tells. */
  #told: Moved[] = [];
  #lastMs = -Infinity;
  #waiters = new Set<() => void>();
  readonly #network: SimNetwork;
  readonly #owner: { readonly process: SimProcess; readonly life: Life };

  constructor(network: SimNetwork, owner: { process: SimProcess; life: Life }) {
    this.#network = network;
    this.#owner = owner;
  }

  get count(): number {
    return this.#counts.count;
  }

  ofTopic(topic: string): number {
    return this.#counts.ofTopic(topic);
  }

  ofGroup(groupId: string): number {
    return this.#counts.ofGroup(groupId);
  }

  /** Something happened at the broker. */
  happened(moved: Moved): void {
    if (this.#owner.life.isDead) return;
    this.#told.push(moved);
    if (this.#told.length > 1) return;
    const { number } = this.#owner.process;
    const { scheduler } = this.#network.parts;
    const ms = Math.max(this.#network.travelMs(number), this.#lastMs + NEWS_PAUSE_MS - scheduler.nowMs);
    scheduler.after(ms, "news", () => {
      this.#lastMs = scheduler.nowMs;
      for (const each of this.#told) this.#counts.add(each);
      this.#told = [];
      if (!this.#network.isUp || this.#network.isBlocked(number, "from-broker")) return;
      const { life } = this.#owner;
      if (life.isPaused) void life.running().then(() => this.#wake());
      else this.#wake();
    });
  }

  next(seen: number, wake: () => void): () => void {
    if (seen !== this.count) {
      wake();
      return () => {};
    }
    this.#waiters.add(wake);
    return () => void this.#waiters.delete(wake);
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = new Set();
    for (const wake of waiters) wake();
  }
}
