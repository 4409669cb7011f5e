import { nextTick } from "node:process";
import type { SeededRandom } from "../seeded_random.ts";

/** An event that has not happened yet. */
export interface ScheduledEvent {
  /** When, in simulated milliseconds since the start of the run. */
  readonly atMs: number;
  /** Short name for the trace. */
  readonly label: string;
  /** Whether it was called off. */
  isCancelled: boolean;
}

interface HeapEvent extends ScheduledEvent {
  readonly tie: number;
  readonly sequence: number;
  run: (() => void) | undefined;
}

/**
 * Time goes in steps of 1/1,024 ms: sums of such times are exact, so that who sleeps until a deadline does not wake a
 * rounding error before it, again and again.
 */
const GRAIN = 1_024;

/** Events between two turns of the event loop: a rejection that nobody handles is told at a turn, so many events late. */
const EVENTS_PER_TURN = 32;

// Taken before the guard of a run replaces the globals.
const turn = setImmediate;

/** Every microtask that is queued now, and all that these queue, have run. */
export async function settleMicrotasks(): Promise<void> {
  // A tick that is asked for within a microtask waits for all of them, one that is asked for outside for none.
  await undefined;
  await new Promise<void>((resolve) => nextTick(resolve));
}

/** One turn of the event loop: as {@linkcode settleMicrotasks}, and rejections that nobody handles have been told. */
export function settleTurn(): Promise<void> {
  return new Promise((resolve) => void turn(resolve));
}

/**
 * The heart of a simulation: what happens next. Events are ordered by time; those of one moment by a seeded draw, so that
 * a seed decides races. One event runs, then all microtasks that it causes, then the next.
 */
export class Scheduler {
  readonly #random: SeededRandom;
  readonly #heap: HeapEvent[] = [];
  #nowMs = 0;
  #sequence = 0;
  #steps = 0;

  /** @param random Decides about ties. */
  constructor(random: SeededRandom) {
    this.#random = random;
  }

  /** Simulated milliseconds since the start. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Events that have happened. */
  get steps(): number {
    return this.#steps;
  }

  /** Lets everything happen that the last event causes at once; now and then, by count, in a turn of the event loop. */
  settle(): Promise<void> {
    return this.#steps % EVENTS_PER_TURN === 0 ? settleTurn() : settleMicrotasks();
  }

  /** Events that are still to happen, those called off included. */
  get pending(): number {
    return this.#heap.length;
  }

  /** When the next event happens, or `undefined` when there is none. */
  get nextMs(): number | undefined {
    this.#dropCancelled();
    return this.#heap[0]?.atMs;
  }

  /**
   * Lets something happen later.
   *
   * @param ms In how many simulated milliseconds, rounded up to the grain of time; below 0 counts as 0.
   * @param label Short name for the trace.
   * @param run What happens.
   * @returns The event, to call it off.
   */
  after(ms: number, label: string, run: () => void): ScheduledEvent {
    const event: HeapEvent = {
      atMs: ms > 0 ? this.#nowMs + Math.ceil(ms * GRAIN) / GRAIN : this.#nowMs,
      tie: this.#random.uint32(),
      sequence: this.#sequence++,
      label,
      run,
      isCancelled: false,
    };
    this.#push(event);
    return event;
  }

  /** Calls an event off. */
  cancel(event: ScheduledEvent): void {
    event.isCancelled = true;
    (event as HeapEvent).run = undefined;
  }

  /**
   * Lets the next event happen, without the microtasks that it causes: await {@linkcode Scheduler.settle} after it.
   *
   * @param endMs Only an event up to this time.
   * @returns The event, or `undefined` when there is none up to `endMs`; time then stands at `endMs` if that is finite.
   */
  next(endMs: number): ScheduledEvent | undefined {
    this.#dropCancelled();
    const event = this.#heap[0];
    if (event === undefined || event.atMs > endMs) {
      if (endMs < Infinity && endMs > this.#nowMs) this.#nowMs = endMs;
      return undefined;
    }
    this.#pop();
    this.#nowMs = event.atMs;
    this.#steps++;
    event.run!();
    return event;
  }

  /**
   * Lets events happen one by one, each with everything that it causes at once.
   *
   * @param endMs Only events up to this time.
   * @param goesOn Asked after each event, when everything that it causes at once has happened.
   * @returns Whether it ended for want of an event up to `endMs`, and not because `goesOn` said so.
   */
  run(endMs: number, goesOn: () => boolean): Promise<boolean> {
    return new Promise((resolve, reject) => {
      // A tick that is asked for within a microtask comes after all of them.
      const settle = () => nextTick(settled);
      const settled = () => {
        try {
          if (goesOn()) happen();
          else resolve(false);
        } catch (error) {
          reject(error);
        }
      };
      const happen = () => {
        if (this.next(endMs) === undefined) resolve(true);
        else if (this.#steps % EVENTS_PER_TURN === 0) turn(settled);
        else queueMicrotask(settle);
      };
      happen();
    });
  }

  #dropCancelled(): void {
    while (this.#heap.length > 0 && this.#heap[0]!.isCancelled) this.#pop();
  }

  #push(event: HeapEvent): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(left: HeapEvent, right: HeapEvent): boolean {
  if (left.atMs !== right.atMs) return left.atMs < right.atMs;
  return left.tie !== right.tie ? left.tie < right.tie : left.sequence < right.sequence;
}
