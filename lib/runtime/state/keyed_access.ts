import type { ValueCodec } from "../../base/value_codec.ts";
import { valueReader } from "../../columns/rows.ts";
import { binary, utf8 } from "../../columns/schema.ts";
import { compareBytes, spansOf } from "../../columns/spans.ts";
import type { KeyedState } from "../../operator/operator.ts";
import type { BytesColumn } from "./bytes_column.ts";
import { KeyCodec } from "./key_codec.ts";
import { WholeRowFormat } from "./row_format.ts";
import { LOADED, PRESENT, SlotTable } from "./slot_table.ts";
import { scanState } from "./state_scan.ts";
import { type StateHost, withLoaded } from "./state_host.ts";
import type { TablePlace } from "./table_access.ts";

const VALUE = binary();
const textEncoder = new TextEncoder();
const textDecoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The free form of state: a table of text keys whose one column holds the bytes of the value codec. */
export class KeyedAccess implements KeyedState {
  /** The rows. */
  readonly slots: SlotTable;
  readonly #host: StateHost;
  readonly #values: ValueCodec;
  readonly #shape: { readonly prefix: Uint8Array; readonly format: WholeRowFormat };

  /** @param host The state that it is part of. @param values How values are written. @param place Where it belongs. */
  constructor(host: StateHost, values: ValueCodec, place: TablePlace) {
    this.#host = host;
    this.#values = values;
    this.#shape = { prefix: place.prefix, format: new WholeRowFormat(VALUE) };
    const codec = new KeyCodec(utf8(), undefined);
    this.slots = new SlotTable({
      ...this.#shape,
      hash: (bytes, start, end) => codec.hash(bytes, start, end),
      keysMax: place.keysMax,
      isComplete: place.isComplete,
    });
  }

  async get<V = unknown>(key: string): Promise<V | undefined> {
    const bytes = await this.getBytes(key);
    return bytes === undefined ? undefined : this.#values.decode(bytes) as V;
  }

  // deno-lint-ignore require-await
  async getMany<V = unknown>(keys: readonly string[]): Promise<(V | undefined)[]> {
    const codes = this.#intern(keys);
    return withLoaded(this.#host, this.slots, {
      codes,
      look: () =>
        Array.from(codes, (code) => {
          const bytes = this.#bytesAt(code);
          return bytes === undefined ? undefined : this.#values.decode(bytes) as V;
        }),
    });
  }

  // deno-lint-ignore require-await
  async getBytes(key: string): Promise<Uint8Array | undefined> {
    const codes = this.#intern([key]);
    return withLoaded(this.#host, this.slots, { codes, look: () => this.#bytesAt(codes[0]!) });
  }

  put(key: string, value: unknown): void {
    this.putBytes(key, this.#values.encode(value));
  }

  putBytes(key: string, value: Uint8Array): void {
    const serial = this.#host.writeSerial();
    if (!(value instanceof Uint8Array)) {
      throw new TypeError(`Cannot write state as the value must be a Uint8Array: current value is ${value}`);
    }
    const codes = this.#intern([key]);
    this.slots.touch(serial, codes);
    this.#column().putBytes(codes[0]!, value);
    this.slots.setState(codes, LOADED | PRESENT);
  }

  delete(key: string): void {
    const serial = this.#host.writeSerial();
    const codes = this.#intern([key]);
    this.slots.touch(serial, codes);
    this.slots.setState(codes, LOADED);
  }

  async *scan<V = unknown>(prefix = ""): AsyncGenerator<readonly [string, V]> {
    checkKey(prefix);
    const start = textEncoder.encode(prefix);
    const found: { key: Uint8Array; value: Uint8Array }[] = [];
    for await (const { count, keys, columns } of scanState(this.#host, this.slots, this.#shape)) {
      const read = valueReader(VALUE, columns[0]!);
      for (let row = 0; row < count; row++) {
        const from = keys.starts[row]!;
        const to = keys.ends[row]!;
        if (to - from < start.length) continue;
        if (compareBytes(keys.bytes, from, from + start.length, start, 0, start.length) !== 0) continue;
        found.push({ key: keys.bytes.slice(from, to), value: read(row) as Uint8Array });
      }
    }
    found.sort((a, b) => compareBytes(a.key, 0, a.key.length, b.key, 0, b.key.length));
    for (const { key, value } of found) yield [textDecoder.decode(key), this.#values.decode(value) as V];
  }

  #intern(keys: readonly string[]): Int32Array {
    for (const key of keys) checkKey(key);
    const codes = this.slots.keys.internSpans(spansOf(keys));
    this.slots.fit();
    return codes;
  }

  #bytesAt(code: number): Uint8Array | undefined {
    return (this.slots.flags[code]! & PRESENT) === 0 ? undefined : this.#column().bytesAt(code);
  }

  #column(): BytesColumn {
    return this.slots.columns[0] as BytesColumn;
  }
}

function checkKey(key: string): void {
  if (typeof key === "string" && key.isWellFormed()) return;
  throw new TypeError(
    `Cannot use state key as it must be a string without lone surrogates: current value is ${
      typeof key === "string" ? JSON.stringify(key) : String(key)
    }`,
  );
}
