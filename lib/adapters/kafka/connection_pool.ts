import { backoffMs } from "../../base/backoff.ts";
import { BrokerUnavailableError } from "../../base/errors.ts";
import type { Environment } from "../../seams/adapter.ts";
import type { KafkaConnection, MakeConnection } from "./connection.ts";

/** Where a broker listens. */
export interface Place {
  /** Host name or address. */
  readonly host: string;
  /** Port. */
  readonly port: number;
}

/** Who uses a connection. */
interface User {
  /** Name of the channel. */
  readonly name: string;
  /** Names it in the broker's logs. */
  readonly clientId: string;
}

/** Attempts at one address that failed in a row. */
interface Rest {
  readonly failures: number;
  /** No attempt before this, in monotonic milliseconds. */
  readonly untilMs: number;
}

/** What a pool is told. */
export interface ConnectionPoolOptions {
  /** Bound of the wait after the first failure, in milliseconds. */
  readonly reconnectBackoffMs: number;
  /** Bound of every wait, in milliseconds. */
  readonly reconnectBackoffMaxMs: number;
}

/**
 * Connections by channel and address, opened when they are needed.
 *
 * Invariants: a channel has at most one connection to an address, and everybody who asks while it opens waits for that one;
 * after a failure the next attempt at that address, of whatever channel, waits longer from failure to failure and at random,
 * so that many clients do not come back to a broker in step.
 */
export class ConnectionPool {
  readonly #makeConnection: MakeConnection;
  readonly #environment: Environment;
  readonly #options: ConnectionPoolOptions;
  readonly #connections = new Map<string, Promise<KafkaConnection>>();
  readonly #rests = new Map<string, Rest>();
  readonly #end = new AbortController();

  /**
   * @param makeConnection Makes what is opened here.
   * @param environment Time and randomness.
   * @param options How waits grow.
   */
  constructor(makeConnection: MakeConnection, environment: Environment, options: ConnectionPoolOptions) {
    this.#makeConnection = makeConnection;
    this.#environment = environment;
    this.#options = options;
  }

  /**
   * A connection that is open.
   *
   * @param user Whose.
   * @param place Where to.
   * @throws {BrokerUnavailableError} when nobody answers there, or the pool is closed.
   * @throws {AuthorizationError} when the broker refuses the credentials.
   */
  async get(user: User, place: Place): Promise<KafkaConnection> {
    this.#checkOpen();
    const key = `${user.name}@${place.host}:${place.port}`;
    for (let known = this.#connections.get(key); known !== undefined; known = this.#connections.get(key)) {
      const connection = await known;
      if (connection.isOpen) return connection;
      connection.destroy();
      if (this.#connections.get(key) === known) this.#connections.delete(key);
      this.#checkOpen();
    }
    const opening = this.#open(user, place);
    this.#connections.set(key, opening);
    opening.catch(() => {
      if (this.#connections.get(key) === opening) this.#connections.delete(key);
    });
    return await opening;
  }

  /** Whether an attempt at a place would have to wait as the last ones failed. */
  isResting({ host, port }: Place): boolean {
    return (this.#rests.get(`${host}:${port}`)?.untilMs ?? 0) > this.#environment.clock.monotonicMs();
  }

  /** Closes the connections of a channel at once. */
  closeChannel(name: string): void {
    for (const [key, connection] of this.#connections) {
      if (!key.startsWith(`${name}@`)) continue;
      this.#connections.delete(key);
      connection.then((open) => open.destroy(), () => {});
    }
  }

  /** Closes everything; calls under way fail. */
  async close(): Promise<void> {
    this.#end.abort();
    const all = [...this.#connections.values()];
    this.#connections.clear();
    for (const connection of await Promise.allSettled(all)) {
      if (connection.status === "fulfilled") connection.value.destroy();
    }
  }

  async #open({ clientId }: User, place: Place): Promise<KafkaConnection> {
    const { clock } = this.#environment;
    const address = `${place.host}:${place.port}`;
    for (let waitMs = this.#waitMs(address); waitMs > 0; waitMs = this.#waitMs(address)) {
      await clock.sleep(waitMs, this.#end.signal);
      this.#checkOpen();
    }
    const connection = this.#makeConnection(place, clientId);
    const giveUp = () => connection.destroy();
    this.#end.signal.addEventListener("abort", giveUp, { once: true });
    try {
      await connection.open();
      this.#rests.delete(address);
    } catch (error) {
      this.#rest(address);
      throw error;
    } finally {
      this.#end.signal.removeEventListener("abort", giveUp);
    }
    if (this.#end.signal.aborted) connection.destroy();
    return connection;
  }

  #waitMs(address: string): number {
    return (this.#rests.get(address)?.untilMs ?? 0) - this.#environment.clock.monotonicMs();
  }

  #rest(address: string): void {
    const { clock, random, observer } = this.#environment;
    const { reconnectBackoffMs: baseMs, reconnectBackoffMaxMs: capMs } = this.#options;
    const failures = (this.#rests.get(address)?.failures ?? 0) + 1;
    const waitMs = backoffMs(failures - 1, random.uint32(), { baseMs, capMs });
    this.#rests.set(address, { failures, untilMs: clock.monotonicMs() + waitMs });
    observer.log("debug", "A broker could not be reached and is left alone for a while", { address, failures, waitMs });
  }

  #checkOpen(): void {
    if (this.#end.signal.aborted) {
      throw new BrokerUnavailableError("Cannot use broker as it is closed, make a new one");
    }
  }
}
