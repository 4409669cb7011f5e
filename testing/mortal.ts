import type { Clock } from "../lib/seams/clock.ts";

/** How a process reaches what its handles stand for. */
export interface Link {
  /** Whether the process lives. */
  readonly life: Life;
  /** Awaited before each reply reaches the process. @default {nothing} */
  readonly latency?: () => Promise<void>;
}

/** Whether a virtual process lives, stands still, or is dead. */
export class Life {
  #isDead = false;
  #paused: { readonly over: Promise<void>; readonly end: () => void } | undefined;
  readonly #onDeath: (() => void)[] = [];

  /** Whether the process stands still: no call leaves it, no reply or timer reaches it. */
  get isPaused(): boolean {
    return this.#paused !== undefined;
  }

  /** The process stands still, as in a long garbage collection or a suspended machine. */
  pause(): void {
    if (this.#paused !== undefined) return;
    const { promise: over, resolve: end } = Promise.withResolvers<void>();
    this.#paused = { over, end };
  }

  /** The process goes on where it stood, perhaps as a zombie. */
  resume(): void {
    this.#paused?.end();
    this.#paused = undefined;
  }

  /** Resolves when the process does not stand still (any more). */
  async running(): Promise<void> {
    while (this.#paused !== undefined) await this.#paused.over;
  }

  /** Whether the process has crashed. */
  get isDead(): boolean {
    return this.#isDead;
  }

  /** The process is gone: from now on its handles never answer. */
  end(): void {
    if (this.#isDead) return;
    this.#isDead = true;
    for (const action of this.#onDeath.splice(0)) action();
  }

  /** Runs an action when the process dies. */
  onDeath(action: () => void): void {
    this.#onDeath.push(action);
  }
}

const NEVER: Promise<never> = new Promise(() => {});

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** Calls that answer at once: they never leave the process. */
const LOCAL_CALLS = new Set<PropertyKey>([
  "seek",
  "pause",
  "resume",
  "assignment",
  "groupMetadata",
  "wake",
  "begin",
  "scan",
  "pages",
]);

async function deliver({ life, latency }: Link, settle: () => void): Promise<void> {
  if (latency !== undefined) await latency();
  if (life.isPaused) await life.running();
  if (!life.isDead) settle();
}

function wrapResult(value: unknown, link: Link): unknown {
  if (value instanceof Promise) {
    return new Promise((resolve, reject) => {
      value.then(
        (settled) => void deliver(link, () => resolve(wrapHandle(settled, link))),
        (error) => void deliver(link, () => reject(error)),
      );
    });
  }
  return wrapHandle(value, link);
}

/** Handles (consumers, producers, stores) are wrapped again; plain values and arrays are not. */
function wrapHandle(value: unknown, link: Link): unknown {
  if (!isObject(value) || Array.isArray(value) || ArrayBuffer.isView(value)) return value;
  const prototype = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return value;
  if (value instanceof Map || value instanceof Set || value instanceof Error || Symbol.asyncIterator in value) {
    return value;
  }
  return mortalOn(value, link);
}

/** Callbacks that a seam makes into the process stop with it. */
function wrapArgument(value: unknown, { life }: Link): unknown {
  if (!isObject(value) || typeof (value as { revoked?: unknown }).revoked !== "function") return value;
  return new Proxy(value, {
    get(target, name, receiver) {
      const member = Reflect.get(target, name, receiver);
      if (typeof member !== "function") return member;
      return async (...given: unknown[]) => {
        if (life.isPaused) await life.running();
        return await (life.isDead ? NEVER : member.apply(target, given));
      };
    },
  });
}

/**
 * A handle that goes dead with its process: calls made after the crash, and replies that were under way, never settle.
 * While the process stands still, calls wait and replies are held back. What was on the wire may still take effect at the
 * other side.
 *
 * @param target The real handle.
 * @param link The process that holds it, and how slow replies are; or the process alone.
 * @returns A handle of the same type.
 */
export function mortal<T extends object>(target: T, link: Link | Life): T {
  return mortalOn(target, link instanceof Life ? { life: link } : link);
}

function mortalOn<T extends object>(target: T, link: Link): T {
  const { life } = link;
  return new Proxy(target, {
    get(object, name) {
      const member = Reflect.get(object, name, object);
      if (typeof member !== "function") return member;
      return (...given: unknown[]) => {
        if (life.isDead) return NEVER;
        const call = () => member.apply(object, given.map((argument) => wrapArgument(argument, link)));
        if (!life.isPaused || LOCAL_CALLS.has(name)) return wrapResult(call(), link);
        return wrapResult(life.running().then(() => life.isDead ? NEVER : call()), link);
      };
    },
  });
}

/** A clock whose sleeps never end once the process is dead; reading it stays possible. */
export function mortalClock(clock: Clock, life: Life): Clock {
  return {
    wallMs: () => clock.wallMs(),
    monotonicMs: () => clock.monotonicMs(),
    sleep: (ms, signal) => life.isDead ? NEVER : wrapResult(clock.sleep(ms, signal), { life }) as Promise<void>,
  };
}
