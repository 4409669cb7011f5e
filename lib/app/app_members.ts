import { BrokerTimeoutError } from "../base/errors.ts";
import type { RunnerParts } from "../runtime/runner_parts.ts";
import { SubscriptionRunner } from "../runtime/subscription_runner.ts";
import type { SubscriptionSpec } from "../runtime/subscription_spec.ts";
import { within } from "./within.ts";

/** How long a close without commit may take once an orderly one has run out of time, in milliseconds. */
export const DIRTY_CLOSE_MS = 1_000;

/** How members are closed. */
interface ClosingOptions {
  /** Commit and flush nothing. */
  readonly isDirty: boolean;
  /** Static members leave too. */
  readonly isLeaving: boolean;
  /** What is waited for as well; who has begun meanwhile is closed then. */
  readonly after?: Promise<void>;
}

/**
 * The members of an app's groups, one for each subscription. They join together; they leave together when they are drained,
 * and can join again. One such change goes on at a time; a close cuts in.
 *
 *   out -> (join) -> in -> (drain) -> out -> (join) -> in ...        closed is final
 */
export class AppMembers {
  readonly #name: string;
  readonly #specs: readonly SubscriptionSpec[];
  readonly #parts: RunnerParts;
  readonly #closeTimeoutMs: number;
  readonly #stopped = new AbortController();
  #runners: readonly SubscriptionRunner[];
  #isIn = false;
  #isClosing = false;
  #wanted: { readonly isIn: boolean; readonly done: Promise<void> } = { isIn: false, done: Promise.resolve() };

  /**
   * Nobody has joined yet.
   *
   * @param name Name of the app.
   * @param subscriptions What it subscribes.
   * @param more What it lends them, and how long a close in good order may take.
   */
  constructor(
    name: string,
    subscriptions: readonly SubscriptionSpec[],
    more: { readonly parts: RunnerParts; readonly closeTimeoutMs: number },
  ) {
    this.#name = name;
    this.#specs = subscriptions;
    this.#parts = more.parts;
    this.#closeTimeoutMs = more.closeTimeoutMs;
    this.#runners = this.#newRunners();
  }

  /** The runners of the subscriptions. After a drain: those that have ended. */
  get runners(): readonly SubscriptionRunner[] {
    return this.#runners;
  }

  /** Whether they are in their groups. */
  get areIn(): boolean {
    return this.#isIn;
  }

  /** Why one of them stopped by itself, if so. */
  get failure(): Error | undefined {
    return this.#runners.find((runner) => runner.failure !== undefined)?.failure;
  }

  /** Aborted when one of them has stopped by itself. */
  get stopped(): AbortSignal {
    return this.#stopped.signal;
  }

  /**
   * Joins the groups; who is in when one of them fails is left to `close`.
   *
   * @throws {StreamError} when the broker refuses, or no task can be opened.
   */
  start(): Promise<void> {
    return this.#want(true, () => this.#join());
  }

  /**
   * Joins the groups again after a drain; nothing when they are joined.
   *
   * @throws {StreamError} when the broker refuses, or no task can be opened; all have left again then.
   * @throws {TypeError} when the app is closed meanwhile.
   */
  rejoin(): Promise<void> {
    return this.#want(true, async () => {
      try {
        await this.#join();
      } catch (error) {
        if (!this.#isClosing) await this.#end({ isDirty: false, isLeaving: true });
        throw error;
      }
    });
  }

  /**
   * Leaves the groups after a last commit and checkpoint, so that others go on at once; nothing when nobody is in.
   *
   * @throws {BrokerTimeoutError} when something could not be committed; all have left all the same.
   */
  drain(): Promise<void> {
    return this.#want(false, () => this.#drain());
  }

  /**
   * Closes them for good; static members keep their places for a while.
   *
   * @param options `isDirty`: commit and flush nothing; also when an orderly close or a drain is under way.
   * @returns Whether it ended in time.
   */
  async close({ isDirty }: { readonly isDirty: boolean }): Promise<boolean> {
    this.#isClosing = true;
    // Those that are about to join learn of it when they have.
    const changed = this.#wanted.done.catch(() => undefined);
    return await this.#end({ isDirty, isLeaving: false, after: changed });
  }

  /** Cuts an orderly close, or a drain, short. */
  cutShort(): void {
    this.#isClosing = true;
    for (const runner of this.#runners) void runner.close({ isDirty: true });
  }

  /** One change after the other; who wants what is wanted already shares its outcome. */
  #want(isIn: boolean, change: () => Promise<void>): Promise<void> {
    if (this.#wanted.isIn === isIn) return this.#wanted.done;
    // What became of the change before is told to those who asked for it.
    const done = this.#wanted.done.then(change, change);
    const wanted = this.#wanted = { isIn, done };
    done.catch(() => {
      if (this.#wanted === wanted) this.#wanted = { isIn: this.#isIn, done: Promise.resolve() };
    });
    return done;
  }

  #newRunners(): SubscriptionRunner[] {
    return this.#specs.map((spec) => new SubscriptionRunner(spec, this.#parts));
  }

  async #join(): Promise<void> {
    if (this.#isIn) return;
    const runners = this.#runners = this.#newRunners();
    for (const runner of runners) {
      this.#assertOpen();
      await runner.start();
      void runner.ended.then(() => {
        if (runner.failure !== undefined) this.#stopped.abort();
      });
    }
    this.#assertOpen();
    this.#isIn = true;
  }

  async #drain(): Promise<void> {
    if (!this.#isIn) return;
    const isInTime = await this.#end({ isDirty: false, isLeaving: true });
    this.#isIn = false;
    const unclean = this.#runners.filter((runner) => !runner.isClosedClean);
    if (unclean.length === 0) return;
    const names = unclean.map(({ name }) => `'${name}'`).join(", ");
    const found = isInTime ? "" : ` within ${this.#closeTimeoutMs} ms`;
    throw new BrokerTimeoutError(
      `Cannot drain app '${this.#name}' in good order${found}; it has left its groups, and what subscription ${names} has ` +
        "not committed is processed again by the next owner",
      { cause: this.failure, context: { app: this.#name } },
    );
  }

  /** Closes the runners; past its time without a commit. @returns Whether it ended in time. */
  async #end(how: ClosingOptions): Promise<boolean> {
    const { clock } = this.#parts.environment;
    const close = async (isDirty: boolean) => {
      await this.#closeRunners({ ...how, isDirty });
      if (how.after !== undefined) await how.after.then(() => this.#closeRunners({ ...how, isDirty }));
    };
    if (!how.isDirty && await within(close(false), { ms: this.#closeTimeoutMs, clock })) return true;
    await within(close(true), { ms: DIRTY_CLOSE_MS, clock });
    return how.isDirty;
  }

  async #closeRunners(how: ClosingOptions): Promise<void> {
    await Promise.all(this.#runners.map((runner) => runner.close(how)));
  }

  #assertOpen(): void {
    if (this.#isClosing) {
      throw new TypeError(`Cannot let app '${this.#name}' join its groups as it is closed: start it again`);
    }
  }
}
