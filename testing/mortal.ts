import type { Clock } from "../lib/seams/clock.ts";

/** Whether a virtual process still lives. */
export class Life {
  #isDead = false;
  readonly #onDeath: (() => void)[] = [];

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

function wrapResult(value: unknown, life: Life): unknown {
  if (value instanceof Promise) {
    return new Promise((resolve, reject) => {
      value.then(
        (settled) => life.isDead || resolve(wrapHandle(settled, life)),
        (error) => life.isDead || reject(error),
      );
    });
  }
  return wrapHandle(value, life);
}

/** Handles (consumers, producers, stores) are wrapped again; plain values and arrays are not. */
function wrapHandle(value: unknown, life: Life): unknown {
  if (!isObject(value) || Array.isArray(value) || ArrayBuffer.isView(value)) return value;
  const prototype = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return value;
  if (value instanceof Map || value instanceof Set || value instanceof Error || Symbol.asyncIterator in value) {
    return value;
  }
  return mortal(value, life);
}

/** Callbacks that a seam makes into the process stop with it. */
function wrapArgument(value: unknown, life: Life): unknown {
  if (!isObject(value) || typeof (value as { revoked?: unknown }).revoked !== "function") return value;
  return new Proxy(value, {
    get(target, name, receiver) {
      const member = Reflect.get(target, name, receiver);
      if (typeof member !== "function") return member;
      return (...given: unknown[]) => life.isDead ? NEVER : member.apply(target, given);
    },
  });
}

/**
 * A handle that goes dead with its process: calls made after the crash, and replies that were under way, never settle.
 * What was on the wire may still take effect at the other side.
 *
 * @param target The real handle.
 * @param life The process that holds it.
 * @returns A handle of the same type.
 */
export function mortal<T extends object>(target: T, life: Life): T {
  return new Proxy(target, {
    get(object, name) {
      const member = Reflect.get(object, name, object);
      if (typeof member !== "function") return member;
      return (...given: unknown[]) => {
        if (life.isDead) return NEVER;
        return wrapResult(member.apply(object, given.map((argument) => wrapArgument(argument, life))), life);
      };
    },
  });
}

/** A clock whose sleeps never end once the process is dead; reading it stays possible. */
export function mortalClock(clock: Clock, life: Life): Clock {
  return {
    wallMs: () => clock.wallMs(),
    monotonicMs: () => clock.monotonicMs(),
    sleep: (ms, signal) => life.isDead ? NEVER : wrapResult(clock.sleep(ms, signal), life) as Promise<void>,
  };
}
