import type { Batch, Columns, RowOf } from "../columns/schema.ts";
import type { Topic } from "../operator/operator.ts";
import type { RunnerParts } from "../runtime/runner_parts.ts";
import type { Producer } from "../seams/broker.ts";
import { encodeRows } from "./encode_rows.ts";

/** Puts records into topics for a running app: one producer for all calls, replaced after a failure. */
export class AppProducer {
  readonly #parts: RunnerParts;
  #producer: Promise<Producer> | undefined;

  /** @param parts Broker and clock of the app. */
  constructor(parts: RunnerParts) {
    this.#parts = parts;
  }

  /**
   * Produces rows or a batch.
   *
   * @param topic Where to; created when it is missing and may be.
   * @param rows Objects, or a batch.
   */
  async produce<S extends Columns>(topic: Topic<S>, rows: readonly RowOf<S>[] | Batch<S>): Promise<void> {
    const { broker, environment, ensureTopic } = this.#parts;
    const request = encodeRows(rows, { topic, wallMs: environment.clock.wallMs() });
    if (request === undefined) return;
    await ensureTopic(topic as Topic);
    const opened = this.#producer ??= broker.producer();
    try {
      const outcome = await (await opened).produce(request);
      if (outcome.kind !== "applied") throw outcome.error;
    } catch (error) {
      if (this.#producer === opened) {
        this.#producer = undefined;
        opened.then((producer) => producer.close()).catch(() => undefined);
      }
      throw error;
    }
  }

  /** Waits for what is in flight, then closes. */
  async close(): Promise<void> {
    const opened = this.#producer;
    this.#producer = undefined;
    await (await opened)?.close();
  }
}
