import type { ByteSpans } from "../../lib/columns/records.ts";
import type { KeyRange, StatePage, StateSnapshot, StateStore } from "../../lib/seams/state_store.ts";

/** A store whose writes wait until a test lets them through or makes them fail, and whose reads may wait too. */
export class GatedStateStore implements StateStore {
  readonly location: string;
  readonly #inner: StateStore;
  #gate: { readonly opened: Promise<Error | undefined>; readonly open: (error?: Error) => void } | undefined;
  #readGate: { readonly opened: Promise<void>; readonly open: () => void } | undefined;

  /** @param inner The store underneath. */
  constructor(inner: StateStore) {
    this.#inner = inner;
    this.location = inner.location;
  }

  /** From now on writes wait for {@linkcode GatedStateStore.open}. */
  shut(): void {
    let open!: (error?: Error) => void;
    const opened = new Promise<Error | undefined>((resolve) => open = resolve);
    this.#gate = { opened, open };
  }

  /** Lets the waiting writes through, or makes them fail. @param error The failure. */
  open(error?: Error): void {
    this.#gate?.open(error);
    this.#gate = undefined;
  }

  /** From now on reads wait for {@linkcode GatedStateStore.openReads}. */
  shutReads(): void {
    let open!: () => void;
    const opened = new Promise<void>((resolve) => open = resolve);
    this.#readGate = { opened, open };
  }

  /** Lets the waiting reads through. */
  openReads(): void {
    this.#readGate?.open();
    this.#readGate = undefined;
  }

  readPosition(): Promise<Uint8Array | undefined> {
    return this.#inner.readPosition();
  }

  async getMany(keys: ByteSpans, count: number): Promise<ByteSpans> {
    const gate = this.#readGate;
    const values = await this.#inner.getMany(keys, count);
    await gate?.opened;
    return values;
  }

  scan(range: KeyRange, rowsMax: number): AsyncIterable<StatePage> {
    return this.#inner.scan(range, rowsMax);
  }

  async apply(mutations: StatePage, position: Uint8Array): Promise<void> {
    const error = await this.#gate?.opened;
    if (error !== undefined) throw error;
    await this.#inner.apply(mutations, position);
  }

  load(page: StatePage): Promise<void> {
    return this.#inner.load(page);
  }

  snapshot(): Promise<StateSnapshot> {
    return this.#inner.snapshot();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  destroy(): Promise<void> {
    return this.#inner.destroy();
  }
}
