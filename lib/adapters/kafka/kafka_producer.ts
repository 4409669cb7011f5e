import { BrokerUnavailableError } from "../../base/errors.ts";
import { notApplied, type Outcome } from "../../base/outcome.ts";
import type { ProducedRange, Producer, ProduceRequest } from "../../seams/broker.ts";
import { CODE, codeError, outcomeOfError } from "./broker_codes.ts";
import type { Channel, KafkaClient } from "./kafka_client.ts";
import { INIT_PRODUCER_ID_CALL } from "./protocol/produce_calls.ts";
import type { RecordsPart } from "./partition_queue.ts";
import { joinRanges, prepareParts, type Sender, sendParts } from "./send_records.ts";

/** Wait before a broker that is not ready is asked again, in milliseconds. */
const RETRY_MS = 100;
/** Attempts at brokers that are not ready. */
const ATTEMPTS = 20;

/**
 * An idempotent producer. Requests are sent one after the other, so records of a partition stand in the order of the
 * calls. After an outcome other than `applied` it goes on with a new producer id, as the broker may or may not have seen
 * the sequence numbers: a caller that sends the same records again after `unknown` may write them twice. Calls that were
 * made before that outcome was known are not sent either: they would overtake the records that are to be sent again.
 */
export class KafkaProducer implements Producer {
  readonly #client: KafkaClient;
  readonly #channel: Channel;
  #sender: Sender | null = null;
  #turn = 0;
  #failures = 0;
  #isClosed = false;
  #last: Promise<unknown> = Promise.resolve();

  /** @param client Connections. */
  constructor(client: KafkaClient) {
    this.#client = client;
    this.#channel = client.channel("produce");
  }

  /** Whether it takes nothing any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Gets a producer id. @throws {BrokerUnavailableError} when no broker gives one. */
  async open(): Promise<void> {
    this.#sender = await this.#initialize();
  }

  /** Appends records. */
  produce(request: ProduceRequest): Promise<Outcome<readonly ProducedRange[]>> {
    if (this.#isClosed) {
      return Promise.resolve(
        notApplied(new BrokerUnavailableError("Cannot produce as the producer is closed, open a new one")),
      );
    }
    const turn = this.#turn++, failures = this.#failures;
    const sent = this.#last.then(async () => {
      if (failures !== this.#failures) return overtaking(request.topic);
      const outcome = await this.#produce(request, turn);
      if (outcome.kind !== "applied") this.#failures += 1;
      return outcome;
    });
    this.#last = sent.catch(() => {});
    return sent;
  }

  /** Waits for what is in flight. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#last;
    this.#client.closeChannel(this.#channel);
  }

  async #produce(request: ProduceRequest, turn: number): Promise<Outcome<readonly ProducedRange[]>> {
    let parts: RecordsPart[], sender: Sender;
    try {
      sender = this.#sender ??= await this.#initialize();
      parts = await prepareParts(this.#client, request, { sender, turn, isTransactional: false });
    } catch (error) {
      return outcomeOfError(error);
    }
    const outcome = joinRanges(await sendParts(this.#client, parts, { sender, channel: this.#channel }));
    if (outcome.kind !== "applied") this.#sender = null;
    return outcome;
  }

  async #initialize(): Promise<Sender> {
    for (let attempt = 1;; attempt++) {
      const reply = await this.#client.sendAnywhere(INIT_PRODUCER_ID_CALL, this.#channel);
      const { errorCode, producerId, producerEpoch } = reply;
      if (errorCode === 0) return { producerId, producerEpoch, sequences: new Map(), known: new Set() };
      const isLoading = errorCode === CODE.coordinatorLoading || errorCode === CODE.coordinatorNotAvailable;
      if (!isLoading || attempt === ATTEMPTS) throw codeError("open producer", errorCode);
      await this.#client.sleep(RETRY_MS);
    }
  }
}

function overtaking(topic: string): Outcome<never> {
  return notApplied(
    new BrokerUnavailableError(
      `Cannot produce to '${topic}' as records that were to stand before these were not acknowledged, produce all again`,
      { context: { topic } },
    ),
  );
}
