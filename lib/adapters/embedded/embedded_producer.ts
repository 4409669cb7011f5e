import { BrokerUnavailableError } from "../../base/errors.ts";
import { notApplied, type Outcome } from "../../base/outcome.ts";
import type { ProducedRange, Producer, ProduceRequest } from "../../seams/broker.ts";
import type { Client } from "./client.ts";
import { PartitionSequences } from "./partition_sequences.ts";
import { outcomeOfError, valueOf } from "./refusal_error.ts";
import { sendBatch, type Sender } from "./send_batch.ts";

/**
 * An idempotent producer of an embedded broker. After an unknown outcome it goes on with a new producer id, as the
 * broker may or may not have seen the sequence numbers: a caller that sends the same records again may write them twice.
 */
export class EmbeddedProducer implements Producer {
  readonly #client: Client;
  #sender: Sender | null = null;
  #renewal: Promise<void> | null = null;
  #turn = 0;
  #isClosed = false;
  readonly #inFlight = new Set<Promise<unknown>>();

  /** @param client The connection. */
  constructor(client: Client) {
    this.#client = client;
  }

  /** Gets a producer id. */
  async open(): Promise<void> {
    await this.#renew();
  }

  /** Appends records. */
  produce(request: ProduceRequest): Promise<Outcome<readonly ProducedRange[]>> {
    const sent = this.#produce(request);
    const guarded: Promise<unknown> = sent.catch(() => {}).finally(() => this.#inFlight.delete(guarded));
    this.#inFlight.add(guarded);
    return sent;
  }

  /** Waits for what is in flight. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#inFlight);
  }

  async #produce(request: ProduceRequest): Promise<Outcome<readonly ProducedRange[]>> {
    if (this.#isClosed) {
      return notApplied(new BrokerUnavailableError("Cannot produce as the producer is closed, open a new one"));
    }
    try {
      // Requests that come together share their producer id: only one producer's batches keep their order.
      if (this.#sender === null) await (this.#renewal ??= this.#renew().finally(() => this.#renewal = null));
    } catch (error) {
      return outcomeOfError(error);
    }
    const sender = this.#sender!;
    const outcome = await sendBatch(this.#client, request, { sender, nullPartition: this.#turn++ });
    if (outcome.kind !== "applied" && this.#sender === sender) this.#sender = null;
    return outcome;
  }

  async #renew(): Promise<void> {
    const reply = await this.#client.request("initialize", () => this.#client.server.cluster.allocateProducer());
    this.#sender = { ...valueOf("open producer", reply), transactionalId: null, sequences: new PartitionSequences() };
  }
}
