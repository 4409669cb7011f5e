import type { Batch, Columns } from "../../lib/columns/schema.ts";
import type { Operator, Result, Running } from "../../lib/operator/operator.ts";
import type { SubscriptionSpec } from "../../lib/runtime/subscription_spec.ts";
import type { Clock } from "../../lib/seams/clock.ts";
import type { HandlerFault } from "./fault_world.ts";

/** A misbehaviour that waits for the next batch of a process. */
export interface HandlerStrike {
  /** What user code does. */
  readonly how: HandlerFault;
  /** How long, for `slow`. */
  readonly ms: number;
  /** Told when it happens. */
  readonly struck: () => void;
}

/** Where a wrapped handler asks what to do wrong. */
export interface HandlerHooks {
  /** The next misbehaviour of this process, if one waits. */
  take(): HandlerStrike | undefined;
  /** Clock of the process. */
  readonly clock: Clock;
}

/**
 * A subscription whose user code misbehaves now and then, as the hooks say; otherwise it is as it was.
 *
 * @param spec The subscription.
 * @param hooks Tells when and how.
 */
export function withHandlerStrikes(spec: SubscriptionSpec, hooks: HandlerHooks): SubscriptionSpec {
  const { operator } = spec;
  const wrapped: Operator = Object.create(operator, {
    open: { value: (input: Columns) => new StruckRunning(operator.open(input), hooks) },
  });
  return { ...spec, operator: wrapped };
}

class StruckRunning implements Running {
  readonly #running: Running;
  readonly #hooks: HandlerHooks;
  readonly advance?: NonNullable<Running["advance"]>;
  readonly dueMs?: () => number | undefined;

  constructor(running: Running, hooks: HandlerHooks) {
    this.#running = running;
    this.#hooks = hooks;
    if (running.advance !== undefined) this.advance = (watermarkMs, context) => running.advance!(watermarkMs, context);
    if (running.dueMs !== undefined) this.dueMs = () => running.dueMs!();
  }

  process(batch: Batch, context: Parameters<Running["process"]>[1]): Result<Columns> | Promise<Result<Columns>> {
    const strike = context.isReplaying ? undefined : this.#hooks.take();
    if (strike === undefined) return this.#running.process(batch, context);
    strike.struck();
    switch (strike.how) {
      case "throw":
        throw new Error("The handler throws, as the simulation wants");
      case "reject":
        return Promise.reject(new Error("The handler rejects, as the simulation wants"));
      case "hang":
        return new Promise(() => {});
      case "wrong-shape":
        return { rows: 3 } as unknown as Batch;
      case "slow":
        return this.#hooks.clock.sleep(strike.ms).then(() => this.#running.process(batch, context));
      case "mutate-input":
        return Promise.resolve(this.#running.process(batch, context)).then((result) => {
          scribble(batch, new Set([result].flat().flatMap((each) => buffersOf(each as Batch | undefined))));
          return result;
        });
      case "empty-batch":
        return Promise.resolve(this.#running.process(batch, context)).then((result) => {
          const first = (Array.isArray(result) ? result[0] : result) as Batch | undefined;
          return first?.slice === undefined ? result : [first.slice(0, 0), ...[result].flat() as Batch[]];
        });
    }
  }

  reset(): void {
    this.#running.reset?.();
  }
}

/** Memory of the columns of an output: what it shares with the input, a handler must not write to. */
function buffersOf(output: Batch | undefined): ArrayBufferLike[] {
  return (output?.data?.children ?? []).flatMap(({ values }) => ArrayBuffer.isView(values) ? [values.buffer] : []);
}

/** Overwrites the numbers of a batch in place, as a careless handler does once it is done with them. */
function scribble(batch: Batch, kept: ReadonlySet<ArrayBufferLike>): void {
  for (const { values } of batch.data.children) {
    if (!ArrayBuffer.isView(values) || kept.has(values.buffer)) continue;
    if (values instanceof Float64Array || values instanceof Int32Array || values instanceof BigInt64Array) {
      (values as { fill(value: unknown): unknown }).fill(values instanceof BigInt64Array ? -1n : -1);
    }
  }
}
