import { columnsOf } from "../columns/columns_of.ts";
import type { Batch } from "../columns/schema.ts";
import type { Context, Operator, Result, Running } from "../operator/operator.ts";

/**
 * The running part of a chain.
 *
 * - A batch goes through all steps before the next one starts, and results keep their order.
 * - Empty batches are not handed on.
 * - `advance`: what a step gives passes through the steps after it before these are told of the time themselves, so a
 *   window that closes at this watermark is counted by a later window before that one closes.
 * - Nothing becomes a promise unless a step gives one.
 */
export class RunningChain implements Running {
  readonly #steps: readonly Running[];

  /** @param steps The running steps in order. */
  constructor(steps: readonly Running[]) {
    this.#steps = steps;
  }

  /** Handles rows. */
  process(batch: Batch, context: Context): Result<Any> | Promise<Result<Any>> {
    const out: Batch[] = [];
    const done = this.#pass(0, batch, { context, out });
    return done === undefined ? resultOf(out) : done.then(() => resultOf(out));
  }

  /** Tells all steps of the time, in order. */
  advance(watermarkMs: number, context: Context): Result<Any> | Promise<Result<Any>> {
    const out: Batch[] = [];
    const done = this.#advanceFrom(0, watermarkMs, { context, out });
    return done === undefined ? resultOf(out) : done.then(() => resultOf(out));
  }

  /** The lowest watermark at which one of the steps has something to do. */
  dueMs(): number | undefined {
    let lowest: number | undefined;
    for (const step of this.#steps) {
      if (step.advance === undefined) continue;
      const due = step.dueMs === undefined ? -Infinity : step.dueMs();
      if (due !== undefined && (lowest === undefined || due < lowest)) lowest = due;
    }
    return lowest;
  }

  /** Drops what steps have cached from state. */
  reset(): void {
    for (const step of this.#steps) step.reset?.();
  }

  #advanceFrom(index: number, watermarkMs: number, sink: Sink): Promise<void> | undefined {
    for (let i = index; i < this.#steps.length; i++) {
      const given = this.#steps[i]!.advance?.(watermarkMs, sink.context);
      const done = this.#spread(i + 1, given, sink);
      if (done !== undefined) return done.then(() => this.#advanceFrom(i + 1, watermarkMs, sink));
    }
    return undefined;
  }

  /** Sends a batch through the steps from `index` on; a promise only when a step gave one. */
  #pass(index: number, batch: Batch, sink: Sink): Promise<void> | undefined {
    if (index === this.#steps.length) {
      sink.out.push(batch);
      return undefined;
    }
    return this.#spread(index + 1, this.#steps[index]!.process(batch, sink.context), sink);
  }

  /** Sends all batches of a result through the steps from `index` on, one after the other. */
  #spread(index: number, given: Result<Any> | Promise<Result<Any>>, sink: Sink): Promise<void> | undefined {
    if (given instanceof Promise) return given.then((result) => this.#spread(index, result, sink));
    if (given === undefined || given === null) return undefined;
    return this.#passAll(index, (Array.isArray(given) ? given : [given]) as readonly Batch[], { ...sink, from: 0 });
  }

  #passAll(index: number, batches: readonly Batch[], sink: Sink & { from: number }): Promise<void> | undefined {
    for (let i = sink.from; i < batches.length; i++) {
      if (batches[i]!.numRows === 0) continue;
      const done = this.#pass(index, batches[i]!, sink);
      if (done !== undefined) return done.then(() => this.#passAll(index, batches, { ...sink, from: i + 1 }));
    }
    return undefined;
  }
}

interface Sink {
  context: Context;
  out: Batch[];
}

function resultOf(out: Batch[]): Result<Any> {
  return out.length === 0 ? undefined : out.length === 1 ? out[0] : out;
}

/**
 * A step behind one whose output columns are not known before it runs: opened for the columns of each batch that comes.
 * Such a step keeps no state, so opening it late loses nothing.
 */
export class LateRunning implements Running {
  readonly #operator: Operator;
  readonly #opened = new Map<object, Running>();

  /** @param operator The step. */
  constructor(operator: Operator) {
    this.#operator = operator;
  }

  /** Handles rows. */
  process(batch: Batch, context: Context): Result<Any> | Promise<Result<Any>> {
    const columns = columnsOf(batch);
    let running = this.#opened.get(columns);
    if (running === undefined) {
      this.#operator.schema(columns);
      running = this.#operator.open(columns);
      this.#opened.set(columns, running);
    }
    return running.process(batch, context);
  }

  /** Tells what has been opened of the time. */
  advance(watermarkMs: number, context: Context): Result<Any> | Promise<Result<Any>> {
    const given = [...this.#opened.values()].map((running) => running.advance?.(watermarkMs, context));
    const flat = (results: readonly Result<Any>[]) => results.flatMap((result) => result ?? []) as Batch[];
    return given.some((result) => result instanceof Promise)
      ? Promise.all(given).then(flat)
      : flat(given as Result<Any>[]);
  }

  /** Steps that are opened late keep no state, so time has nothing to close in them. */
  dueMs(): number | undefined {
    return undefined;
  }

  /** Drops what has been cached from state. */
  reset(): void {
    for (const running of this.#opened.values()) running.reset?.();
  }
}

// deno-lint-ignore no-explicit-any
type Any = any;
