import { DeserializationError, ProcessingError, SerializationError } from "../base/errors.ts";
import type { RejectedRow } from "../codecs/codec.ts";
import { rowOrigins } from "../columns/row_origins.ts";
import { rows as rowsOf } from "../columns/rows.ts";
import type { Batch } from "../columns/schema.ts";
import { spanBytes } from "../columns/spans.ts";
import type { Topic } from "../operator/operator.ts";
import type { Observer } from "../seams/observer.ts";
import type { CommitOutputs } from "./commit_outputs.ts";
import { type DeadLetter, deadLetterRequest, type MadeLetter, madeLetterRequest } from "./dead_letters.ts";
import type { SubscriptionSpec } from "./subscription_spec.ts";
import type { ContextRejection } from "./task_context.ts";
import type { InputBatch } from "./task_input.ts";

/** Bytes of a refused record that a message shows. */
const SHOWN_BYTES = 80;

/** Bytes of a record, for people: printable ASCII as it is, everything else as `\xNN`, shortened. */
export function showBytes(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes.subarray(0, SHOWN_BYTES)) {
    text += byte >= 32 && byte < 127 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`;
  }
  return bytes.length > SHOWN_BYTES ? `${text}... (${bytes.length} bytes)` : text;
}

/** Where refused rows came from, and where dead letters go. */
export interface RefusalPlace {
  /** The records under the batch; `undefined` when only time passed. */
  readonly input: InputBatch | undefined;
  /** Input row of each decoded row; `null`: all, from the batch's first row on. */
  readonly rows: Int32Array | null;
  /** Position before the batch. */
  readonly from: bigint;
  /** Silent replay: nothing is published, counted or refused anew. */
  readonly isReplaying: boolean;
  /** Gets the dead letters. */
  readonly outputs: CommitOutputs;
}

/** What happens to rows that cannot be decoded or encoded, or that a handler rejects: the policy `onRecordError`. */
export class RowRefusals {
  /** Rows handed to the policy since the task began. */
  count = 0;
  #nextLogged = 1;
  readonly #spec: SubscriptionSpec;
  readonly #partition: number;
  readonly #observer: Observer;

  /**
   * @param spec The subscription.
   * @param parts Partition and observer of the task.
   */
  constructor(spec: SubscriptionSpec, parts: { readonly partition: number; readonly observer: Observer }) {
    this.#spec = spec;
    this.#partition = parts.partition;
    this.#observer = parts.observer;
  }

  /**
   * Rows that could not be decoded.
   *
   * @throws {DeserializationError} under the policy `fail`.
   */
  undecodable(rejected: readonly RejectedRow[], place: RefusalPlace & { readonly input: InputBatch }): void {
    if (rejected.length === 0) return;
    const { input } = place;
    const letters = rejected.map((each) => ({ ...each, offset: input.offsets[each.row]! }));
    const first = letters[0]!;
    if (this.#spec.settings.onRecordError === "fail") {
      const at = first.position >= 0 ? ` at byte ${first.position}` : "";
      const { text, value } = this.#recordText(input, first);
      throw new DeserializationError(
        `Cannot read ${text}: ${first.reason}${at}; mend the producer, or set 'onRecordError' to 'skip' or 'dead-letter': the value is ${value}`,
        { context: { ...this.#context(letters), position: first.position, value } },
      );
    }
    this.#handOver(letters, place);
  }

  /**
   * Rows that the handler rejected, by row of the decoded batch; of several reasons for one row the first counts.
   *
   * @throws {ProcessingError} under the policy `fail`.
   */
  rejected(rejections: readonly ContextRejection[], place: RefusalPlace & { readonly input: InputBatch }): void {
    if (rejections.length === 0) return;
    const { input, rows } = place;
    const reasons = new Map<number, string>();
    for (const { row, reason } of rejections) if (!reasons.has(row)) reasons.set(row, reason);
    const letters = [...reasons].sort(([a], [b]) => a - b).map(([row, reason]): DeadLetter => {
      const own = rows === null ? row + input.fromRow : rows[row]!;
      return { row: own, reason, position: -1, offset: input.offsets[own]! };
    });
    if (this.#spec.settings.onRecordError === "fail") {
      const first = letters[0]!;
      const { text, value } = this.#recordText(input, first);
      throw new ProcessingError(
        `The handler of subscription '${this.#spec.name}' rejected ${text}: ${first.reason}; set 'onRecordError' to 'skip' or 'dead-letter' to go on without such rows: the value is ${value}`,
        { context: { ...this.#context(letters), value } },
      );
    }
    this.#handOver(letters, place);
  }

  /**
   * Rows that could not be written; a silent replay writes none. The record that a row came from is dead-lettered when
   * it is known; of a row that was made here its columns are.
   *
   * @throws {SerializationError} under the policy `fail`.
   */
  unwritable(
    topic: Topic,
    refused: { readonly rejected: readonly RejectedRow[]; readonly batch: Batch },
    place: RefusalPlace,
  ): void {
    const { rejected, batch } = refused;
    if (rejected.length === 0) return;
    const first = rejected[0]!;
    const { onRecordError } = this.#spec.settings;
    const why = (row: RejectedRow) => `cannot write it to topic '${topic.name}': ${row.reason}`;
    if (onRecordError === "fail") {
      const { name, input } = this.#spec;
      throw new SerializationError(
        `Cannot write row ${first.row} of subscription '${name}' to topic '${topic.name}': ${first.reason}; it was made of topic '${input.name}' partition ${this.#partition} from offset ${place.from}; mend the handler, or set 'onRecordError' to 'skip' or 'dead-letter'`,
        { context: { topic: topic.name, row: first.row, rejectedRows: rejected.length, partition: this.#partition } },
      );
    }
    const origins = place.input === undefined ? undefined : rowOrigins(batch);
    if (origins !== undefined && place.input !== undefined) {
      const { input, rows } = place;
      const letters = new Map<number, DeadLetter>();
      for (const each of rejected) {
        const decoded = origins[each.row]!;
        const own = rows === null ? decoded + input.fromRow : rows[decoded]!;
        const offset = input.offsets[own]!;
        if (!letters.has(own)) letters.set(own, { row: own, reason: why(each), position: -1, offset });
      }
      return this.#handOver([...letters.values()], { ...place, input });
    }
    const made = rejected.map((each): MadeLetter => ({ reason: why(each), value: printable(batch, each.row) }));
    this.#note(made.length, { topic: topic.name, row: first.row, reason: first.reason }, place);
    if (onRecordError === "skip") return;
    place.outputs.add(madeLetterRequest(made, this.#source()));
  }

  #handOver(letters: readonly DeadLetter[], place: RefusalPlace & { readonly input: InputBatch }): void {
    const { settings } = this.#spec;
    this.#note(letters.length, { ...this.#context(letters), reason: letters[0]!.reason }, place);
    if (place.isReplaying || settings.onRecordError === "skip") return;
    place.outputs.add(deadLetterRequest(letters, { ...this.#source(), records: place.input.records }));
  }

  #note(count: number, detail: Record<string, unknown>, place: RefusalPlace): void {
    const { name, settings } = this.#spec;
    this.#observer.step("batch:rejected", { subscription: name, partition: this.#partition, ...detail });
    if (place.isReplaying) return;
    this.count += count;
    // A line for the first refusal and each time their number has doubled: seen by people, and bounded.
    if (this.count < this.#nextLogged) return;
    this.#nextLogged = this.count * 2;
    const done = settings.onRecordError === "skip" ? "skipped" : `sent to topic '${settings.deadLetter}'`;
    const where = { subscription: name, partition: this.#partition, rowsSoFar: this.count };
    this.#observer.log("warn", `Rows were refused and ${done}`, { ...where, ...detail });
  }

  #source() {
    const { settings, name, input } = this.#spec;
    return {
      topic: input.name,
      partition: this.#partition,
      deadLetterTopic: settings.deadLetter,
      subscription: name,
    };
  }

  #context(letters: readonly DeadLetter[]): Record<string, unknown> {
    const { name: topic } = this.#spec.input;
    return { topic, partition: this.#partition, offset: letters[0]!.offset, rejectedRows: letters.length };
  }

  #recordText(input: InputBatch, letter: DeadLetter): { text: string; value: string } {
    const bytes = spanBytes(input.records.values, letter.row);
    const text = `topic '${this.#spec.input.name}' partition ${this.#partition} offset ${letter.offset}`;
    return { text, value: bytes === null ? "null" : showBytes(bytes) };
  }
}

/** A row as JSON for people: what JSON cannot hold stands as text. */
function printable(batch: Batch, row: number): string {
  const [found] = rowsOf(batch.slice(row, row + 1));
  return JSON.stringify(found, (_, value) => {
    if (typeof value === "bigint") return String(value);
    if (typeof value === "number" && !Number.isFinite(value)) return String(value);
    if (value instanceof Uint8Array) return [...value];
    return value;
  });
}
