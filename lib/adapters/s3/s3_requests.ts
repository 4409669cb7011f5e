import { S3Client, type S3ClientConfig } from "@aws-sdk/client-s3";
import { backoffMs } from "../../base/backoff.ts";
import type { Environment } from "../../seams/adapter.ts";
import { ConcurrencyGate } from "./concurrency_gate.ts";
import { type S3Fault, s3Fault, type S3FaultKind, SilenceError } from "./s3_fault.ts";
import type { S3Settings } from "./s3_options.ts";

/** What a request gets: the client, a signal that ends it, and how it says that bytes still come. */
export interface S3Attempt {
  /** Sends commands; it tries each of them once. */
  readonly client: S3Client;
  /** Ends the attempt. */
  readonly signal: AbortSignal;
  /** Begins the time limit anew. */
  progress(): void;
}

/** What kind of request it is. */
export interface S3RequestOptions {
  /** Faults that the caller looks at before anything is tried again. @default {[]} */
  readonly settled?: readonly S3FaultKind[];
  /** Whether it must be told truly if it had an effect. @default {false} */
  readonly isEffect?: boolean;
  /** Whether it is never repeated once it may have had its effect. @default {false} */
  readonly isOnce?: boolean;
  /** What it may take longer than others, in milliseconds. @default {0} */
  readonly extraMs?: number;
}

/** A request that has failed for good. */
export class S3RequestError extends Error {
  /**
   * @param fault What the last attempt has run into.
   * @param attempts How many there were.
   * @param isUnsure Whether any attempt may have been applied.
   */
  constructor(
    readonly fault: S3Fault,
    readonly attempts: number,
    readonly isUnsure: boolean,
    options?: ErrorOptions,
  ) {
    super(fault.text, options);
  }
}

/** Sends requests: a bounded number at once, each with time limits, and again after what passes. */
export class S3Requests {
  readonly #clients: { readonly effects: S3Client; readonly others: S3Client };
  readonly #gate: ConcurrencyGate;
  readonly #running = new Set<AbortController>();
  #isClosed = false;

  constructor(private readonly settings: S3Settings, private readonly environment: Environment) {
    this.#clients = {
      effects: new S3Client(clientConfig(settings, false)),
      others: new S3Client(clientConfig(settings, true)),
    };
    this.#gate = new ConcurrencyGate(settings.requestsMax);
  }

  /** Whether no request may begin any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Tries a request until it goes through, or no further attempt could help.
   *
   * @param request Must be safe to repeat: reads, deletes, conditional writes.
   * @param options What kind of request it is.
   * @throws {S3RequestError} when it has failed for good.
   */
  async send<T>(request: (attempt: S3Attempt) => Promise<T>, options: S3RequestOptions = {}): Promise<T> {
    const { settled = [], isEffect = false, isOnce = false, extraMs = 0 } = options;
    const client = isEffect ? this.#clients.effects : this.#clients.others;
    const timeoutMs = this.settings.requestTimeoutMs + extraMs;
    let isUnsure = false;
    for (let attempts = 1;; attempts++) {
      try {
        return await this.#gate.run(() => this.#attempt(client, request, timeoutMs));
      } catch (error) {
        const fault = s3Fault(error);
        isUnsure ||= fault.outcome === "unknown";
        const isSettled = !fault.isPassing || settled.includes(fault.kind) || (isOnce && isUnsure);
        if (isSettled || this.#isClosed || attempts >= this.settings.attemptsMax) {
          throw new S3RequestError(fault, attempts, isUnsure, { cause: error });
        }
      }
      await this.backOff(attempts);
    }
  }

  /** Waits before another attempt. @param attempts How many have failed. */
  async backOff(attempts: number): Promise<void> {
    const { backoffBaseMs: baseMs, backoffCapMs: capMs } = this.settings;
    const controller = this.#begin();
    try {
      const ms = backoffMs(attempts - 1, this.environment.random.uint32(), { baseMs, capMs });
      await this.environment.clock.sleep(ms, controller.signal);
    } finally {
      this.#running.delete(controller);
    }
  }

  /** Ends what is under way and lets go of all connections. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const controller of this.#running) controller.abort();
    this.#clients.effects.destroy();
    this.#clients.others.destroy();
  }

  async #attempt<T>(
    client: S3Client,
    request: (attempt: S3Attempt) => Promise<T>,
    timeoutMs: number,
  ): Promise<T> {
    const { clock } = this.environment;
    const controller = this.#begin();
    const watch = new AbortController();
    let deadlineMs = clock.monotonicMs() + timeoutMs;
    const progress = () => deadlineMs = clock.monotonicMs() + timeoutMs;
    const cut = new Promise<never>((_, reject) => {
      controller.signal.addEventListener("abort", () => {
        const reason = this.#isClosed ? "the store was closed meanwhile" : `no answer within ${timeoutMs} ms`;
        reject(new SilenceError(reason));
      }, { once: true });
    });
    cut.catch(() => {});
    const watchSilence = async () => {
      for (let leftMs = timeoutMs; leftMs > 0; leftMs = deadlineMs - clock.monotonicMs()) {
        await clock.sleep(leftMs, watch.signal);
        if (watch.signal.aborted) return;
      }
      controller.abort();
    };
    const watching = watchSilence();
    try {
      if (this.#isClosed) controller.abort();
      // The client may leave a request that was cut off without an end: it is not waited for.
      return await Promise.race([cut, request({ client, signal: controller.signal, progress })]);
    } finally {
      watch.abort();
      await watching;
      this.#running.delete(controller);
    }
  }

  #begin(): AbortController {
    const controller = new AbortController();
    this.#running.add(controller);
    if (this.#isClosed) controller.abort();
    return controller;
  }
}

/**
 * Connections are kept only for requests whose effect does not matter: a runtime may send a request again by itself when a
 * kept connection turns out to be cut, and if that one is refused, it looks as if nothing had ever been sent.
 */
function clientConfig(settings: S3Settings, keepAlive: boolean): S3ClientConfig {
  const { endpoint, region, isPathStyle, credentials, connectTimeoutMs, requestsMax } = settings;
  return {
    ...endpoint === undefined ? {} : { endpoint },
    ...region === undefined ? {} : { region },
    ...credentials === undefined ? {} : { credentials },
    forcePathStyle: isPathStyle,
    // Attempts are ours: the client's own would hide which of them may have been applied.
    maxAttempts: 1,
    expectContinueHeader: false,
    requestHandler: {
      connectionTimeout: connectTimeoutMs,
      socketTimeout: 0,
      httpAgent: { keepAlive, maxSockets: requestsMax },
      httpsAgent: { keepAlive, maxSockets: requestsMax },
    },
  };
}
