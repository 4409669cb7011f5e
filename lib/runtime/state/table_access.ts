import { RecordBatch } from "apache-arrow";
import { batchFromData, childrenByName, columnFromInput } from "../../columns/batch.ts";
import { batchOf } from "../../columns/batch_of.ts";
import { valueReader } from "../../columns/rows.ts";
import type { ArrowData } from "../../columns/column_data.ts";
import type { Batch, Column, Columns, ColumnType, NullableColumns, RowOf, ValueOf } from "../../columns/schema.ts";
import type { StateAccess, StateTable } from "../../operator/operator.ts";
import { KeyCodec } from "./key_codec.ts";
import { ColumnRowFormat } from "./row_format.ts";
import { LOADED, PRESENT, SlotTable } from "./slot_table.ts";
import { scanState } from "./state_scan.ts";
import { type StateHost, withLoaded } from "./state_host.ts";

/** Where a table belongs. */
export interface TablePlace {
  /** Names the table in messages. */
  readonly name: string;
  /** The operator's part of stored keys. */
  readonly prefix: Uint8Array;
  /** Number of keys held. */
  readonly keysMax: number;
  /** Whether the store has none of its rows. */
  readonly isComplete: boolean;
}

/** Access to one table: columns in, columns out; the row forms are built on them. */
export class TableAccess<K extends ColumnType, V extends Columns> implements StateAccess<K, V> {
  /** The rows. */
  readonly slots: SlotTable;
  readonly #host: StateHost;
  readonly #codec: KeyCodec;
  readonly #format: ColumnRowFormat;
  readonly #prefix: Uint8Array;
  readonly #schema: V;
  readonly #nullable: NullableColumns<V>;
  readonly #name: string;

  /** @param host The state that it is part of. @param table Its shape. @param place Where it belongs. */
  constructor(host: StateHost, table: StateTable<K, V>, place: TablePlace) {
    this.#host = host;
    this.#schema = table.value;
    this.#name = place.name;
    this.#prefix = place.prefix;
    this.#codec = new KeyCodec(table.key, table.routing);
    this.#format = new ColumnRowFormat(table.value, place.name);
    const nullable = Object.entries(table.value).map(([name, type]) => [name, { ...type, nullable: true }]);
    this.#nullable = Object.freeze(Object.fromEntries(nullable)) as NullableColumns<V>;
    this.slots = new SlotTable({
      prefix: place.prefix,
      format: this.#format,
      hash: (bytes, start, end) => this.#codec.hash(bytes, start, end),
      keysMax: place.keysMax,
      isComplete: place.isComplete,
    });
  }

  // async, so that a wrong key rejects
  // deno-lint-ignore require-await
  async getMany(keys: Column<K>): Promise<Batch<NullableColumns<V>>> {
    const codes = this.#intern(keys);
    return withLoaded(this.#host, this.slots, {
      codes,
      look: () => batchFromData(this.#nullable, this.#take(codes), codes.length),
    });
  }

  // deno-lint-ignore require-await
  async get(key: ValueOf<K>): Promise<RowOf<V> | undefined> {
    const codes = this.#internOne(key);
    return withLoaded(this.#host, this.slots, {
      codes,
      look: () => (this.slots.flags[codes[0]!]! & PRESENT) === 0 ? undefined : this.#rowReader(this.#take(codes))(0),
    });
  }

  putMany(keys: Column<K>, values: Batch<V> | { readonly [P in keyof V]: Column<V[P]> }): void {
    const serial = this.#host.writeSerial();
    const count = keys?.length;
    const data = this.#dataOf(values, count);
    this.#put(serial, this.#intern(keys), data);
  }

  put(key: ValueOf<K>, value: RowOf<V>): void {
    const serial = this.#host.writeSerial();
    const data = childrenByName(batchOf(this.#schema, [value]), this.#schema);
    this.#put(serial, this.#internOne(key), data);
  }

  delete(key: ValueOf<K>): void {
    this.#delete(this.#host.writeSerial(), this.#internOne(key));
  }

  deleteMany(keys: Column<K>): void {
    this.#delete(this.#host.writeSerial(), this.#intern(keys));
  }

  async *entries(): AsyncGenerator<readonly [ValueOf<K>, RowOf<V>]> {
    for await (const { count, keys, columns } of scanState(this.#host, this.slots, this.#shape())) {
      const read = this.#rowReader(columns);
      for (let row = 0; row < count; row++) {
        yield [this.#codec.decode(keys.bytes, keys.starts[row]!, keys.ends[row]!) as ValueOf<K>, read(row)];
      }
    }
  }

  #shape(): { prefix: Uint8Array; format: ColumnRowFormat } {
    return { prefix: this.#prefix, format: this.#format };
  }

  #intern(keys: Column<K>): Int32Array {
    const codes = this.#codec.internColumn(keys as Column, this.slots.keys);
    this.slots.fit();
    return codes;
  }

  #internOne(key: ValueOf<K>): Int32Array {
    const code = this.#codec.intern(key, this.slots.keys);
    this.slots.fit();
    return Int32Array.of(code);
  }

  #dataOf(values: Batch<V> | { readonly [P in keyof V]: Column<V[P]> }, count: number): ArrowData[] {
    const inputs = values instanceof RecordBatch
      ? childrenByName(values as Batch, this.#schema)
      : Object.keys(this.#schema).map((name) => (values as Record<string, Column | undefined>)?.[name]);
    return Object.entries(this.#schema).map(([name, type], i) => {
      const input = inputs[i];
      if (input === undefined || input === null) {
        throw new TypeError(
          `Cannot write to ${this.#name} as column '${name}' is missing: current value is ${input}`,
        );
      }
      return columnFromInput(name, type, { input, count });
    });
  }

  #put(serial: number, codes: Int32Array, data: readonly ArrowData[]): void {
    this.slots.touch(serial, codes);
    for (const [i, column] of this.slots.columns.entries()) column.put(data[i]!, codes, codes.length);
    this.slots.setState(codes, LOADED | PRESENT);
  }

  #delete(serial: number, codes: Int32Array): void {
    this.slots.touch(serial, codes);
    this.slots.setState(codes, LOADED);
  }

  #take(codes: Int32Array): ArrowData[] {
    const { flags, columns } = this.slots;
    const isThere = new Uint8Array(codes.length);
    for (let i = 0; i < isThere.length; i++) isThere[i] = (flags[codes[i]!]! & PRESENT) === 0 ? 0 : 1;
    return columns.map((column) => column.take(codes, isThere));
  }

  #rowReader(data: readonly ArrowData[]): (row: number) => RowOf<V> {
    const readers = Object.entries(this.#schema).map(([name, type], i) => [name, valueReader(type, data[i]!)] as const);
    return (row) => Object.fromEntries(readers.map(([name, read]) => [name, read(row)])) as RowOf<V>;
  }
}
