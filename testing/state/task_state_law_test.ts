import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { batchOf } from "../../lib/columns/batch_of.ts";
import { rows } from "../../lib/columns/rows.ts";
import {
  binary,
  bool,
  type Column,
  type Columns,
  float64,
  int32,
  int64,
  list,
  struct,
  timestampMs,
  utf8,
} from "../../lib/columns/schema.ts";
import { jsonValues } from "../../lib/codecs/value_codec.ts";
import { DiskFullError } from "../../lib/base/errors.ts";
import { stateTable } from "../../lib/operator/state_table.ts";
import { TaskState } from "../../lib/runtime/state/task_state.ts";
import type { StateStore, StateStoreProvider } from "../../lib/seams/state_store.ts";
import { MemoryStateProvider } from "../../lib/adapters/memory/memory_state_provider.ts";
import { RocksDbStateProvider } from "../../lib/adapters/rocksdb/rocksdb.ts";
import { GatedStateStore } from "./gated_state_store.ts";

// The law of task state: whatever happens in whatever order, it reads as a plain map that does the same, and the store
// has exactly the commits that were applied before the last flush that went well.

const NARROW = stateTable({ key: utf8(), value: { a: float64(), b: utf8({ nullable: true }) } });
const WIDE = stateTable({
  key: struct({ device: utf8(), at: timestampMs() }),
  value: {
    n: int64(),
    l: list(int32({ nullable: true }), { nullable: true }),
    s: struct({ x: float64(), y: utf8({ nullable: true }) }),
    flag: bool({ nullable: true }),
    at: timestampMs({ nullable: true }),
    raw: binary(),
  },
  routing: 1,
});

const KEYS = 4;
type Form = "narrow" | "wide" | "keyed";
const FORMS: readonly Form[] = ["narrow", "wide", "keyed"];
/** Values by form and key number; each layer is whole. */
type Layer = Map<string, number>;

/** One step of a run. */
type StateStep =
  | { readonly kind: "begin" | "apply" | "abort" | "flush" | "flushDone" | "flushFails" | "reopen" | "look" }
  | { readonly kind: "put"; readonly form: Form; readonly keys: readonly number[]; readonly seed: number }
  | { readonly kind: "delete"; readonly form: Form; readonly key: number }
  | { readonly kind: "read"; readonly form: Form; readonly keys: readonly number[] }
  | { readonly kind: "race"; readonly form: Form; readonly key: number; readonly seed: number };

const key = fc.integer({ min: 0, max: KEYS - 1 });
const keys = fc.array(key, { minLength: 1, maxLength: 5 });
const form = fc.constantFrom(...FORMS);
const seed = fc.integer({ min: 0, max: 40 });

/** Steps in random order. */
const stateSteps: fc.Arbitrary<StateStep[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("begin" as const) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("apply" as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("abort" as const, "reopen" as const) }) },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constantFrom("flush" as const, "flushDone" as const, "flushFails" as const) }),
    },
    { weight: 8, arbitrary: fc.record({ kind: fc.constant("put" as const), form, keys, seed }) },
    { weight: 5, arbitrary: fc.record({ kind: fc.constant("delete" as const), form, key }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("read" as const), form, keys }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("race" as const), form, key, seed }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("look" as const) }) },
  ),
  { minLength: 1, maxLength: 60, size: "max" },
);

const STORE_KEY = { application: "app", subscription: "sub", partition: 0 };

/** Runs steps against state and a plain map. */
class StateLaw {
  readonly #provider: StateStoreProvider;
  readonly #keysMax: number;
  #inner!: StateStore;
  #store!: GatedStateStore;
  #state!: TaskState;
  #layers: Layer[] = [];
  #committed: Layer = new Map();
  #flushed: Layer = new Map();
  #flushes = 0;
  #position: string | undefined;
  #flight: { readonly done: Promise<Error | undefined>; readonly image: Layer; readonly position: string } | undefined;

  /** @param provider Keeps what a closed store held. @param keysMax Bound on keys held in memory. */
  constructor(provider: StateStoreProvider, keysMax: number) {
    this.#provider = provider;
    this.#keysMax = keysMax;
  }

  /** Runs all steps, then looks at everything, flushes, opens again and looks once more. */
  async run(steps: readonly StateStep[]): Promise<void> {
    await this.#openState();
    for (const step of steps) await this.#step(step);
    await this.#look();
    await this.#endFlush(undefined);
    while (this.#layers.length > 0) this.#apply();
    this.#beginFlush();
    await this.#endFlush(undefined);
    await this.#reopen();
    await this.#look();
    await this.#state.close();
  }

  async #step(step: StateStep): Promise<void> {
    switch (step.kind) {
      case "begin":
        this.#state.begin();
        this.#layers.push(new Map(this.#top()));
        return;
      case "apply":
        if (this.#layers.length > 0) this.#apply();
        return;
      case "abort":
        this.#state.abortAll();
        this.#layers = [];
        return await this.#look();
      case "flush":
        if (this.#flight === undefined) this.#beginFlush();
        return;
      case "flushDone":
        return await this.#endFlush(undefined);
      case "flushFails":
        return await this.#endFlush(new DiskFullError("Cannot write: no space left on the device"));
      case "reopen":
        await this.#endFlush(undefined);
        return await this.#reopen();
      case "look":
        return await this.#look();
      case "put":
        if (this.#layers.length > 0) this.#put(step.form, step.keys, step.seed);
        return;
      case "delete":
        if (this.#layers.length > 0) this.#delete(step.form, step.key);
        return;
      case "read":
        return assertEquals(await this.#read(step.form, step.keys), this.#expected(step.form, step.keys));
      case "race":
        if (this.#layers.length > 0) await this.#race(step.form, step.key, step.seed);
    }
  }

  /** A read that is under way while its key is written, and while a flush ends, gives the value before or after, and hides no write. */
  async #race(form: Form, key: number, seed: number): Promise<void> {
    const before = this.#expected(form, [key]);
    this.#store.shutReads();
    const reading = this.#read(form, [key]);
    this.#put(form, [key], seed);
    // slots must keep their places for the read, also when the end of a flush would drop them
    await this.#endFlush(undefined);
    this.#store.openReads();
    const found = await reading;
    const after = this.#expected(form, [key]);
    const isBefore = JSON.stringify(found, plain) === JSON.stringify(before, plain);
    assertEquals(found, isBefore ? before : after);
    assertEquals(await this.#read(form, [key]), after);
  }

  #top(): Layer {
    return this.#layers.at(-1) ?? this.#committed;
  }

  #apply(): void {
    this.#state.applyOldest();
    this.#committed = this.#layers.shift()!;
  }

  #put(form: Form, keys: readonly number[], seed: number): void {
    for (const [i, key] of keys.entries()) this.#top().set(`${form} ${key}`, seed + i);
    const values = keys.map((_, i) => seed + i);
    if (form === "keyed") {
      for (const [i, key] of keys.entries()) this.#state.keyed("").put(keyedKey(key), keyedValue(values[i]!));
    } else if (form === "narrow") {
      const access = this.#state.table("narrow", NARROW);
      const column = columnOf(NARROW.key, keys.map(narrowKey));
      if (keys.length === 1) access.put(narrowKey(keys[0]!), narrowValue(seed));
      else access.putMany(column, batchOf(NARROW.value, values.map(narrowValue)));
    } else {
      const access = this.#state.table("wide", WIDE);
      if (keys.length === 1) return access.put(wideKey(keys[0]!), wideValue(seed));
      // a slice, so that nothing relies on columns that begin at row 0
      const batch = batchOf(WIDE.value, [wideValue(99), ...values.map(wideValue)]).slice(1);
      const names = Object.keys(WIDE.value) as (keyof typeof WIDE.value)[];
      const columns = Object.fromEntries(names.map((name) => [name, batch.getChild(name)]));
      access.putMany(columnOf(WIDE.key, keys.map(wideKey)), columns as never);
    }
  }

  #delete(form: Form, key: number): void {
    this.#top().delete(`${form} ${key}`);
    if (form === "keyed") this.#state.keyed("").delete(keyedKey(key));
    else if (form === "narrow") this.#state.table("narrow", NARROW).delete(narrowKey(key));
    else this.#state.table("wide", WIDE).delete(wideKey(key));
  }

  async #read(form: Form, keys: readonly number[]): Promise<unknown[]> {
    if (form === "keyed") return await this.#state.keyed("").getMany(keys.map(keyedKey));
    const found = form === "narrow"
      ? await this.#state.table("narrow", NARROW).getMany(columnOf(NARROW.key, keys.map(narrowKey)))
      : await this.#state.table("wide", WIDE).getMany(columnOf(WIDE.key, keys.map(wideKey)));
    return [...rows(found as never)];
  }

  /** What a read must give: of tables a row of nulls for a missing key. */
  #expected(form: Form, keys: readonly number[]): unknown[] {
    const missing = form === "keyed" ? undefined : nulls(form === "narrow" ? NARROW.value : WIDE.value);
    return keys.map((key) => {
      const seed = this.#top().get(`${form} ${key}`);
      return seed === undefined ? missing : valueOf(form, seed);
    });
  }

  /** Everything, one by one and by iterating. */
  async #look(): Promise<void> {
    const top = this.#top();
    await lookAt(this.#state, top);
    for (const form of FORMS) {
      const all = Array.from({ length: KEYS }, (_, key) => key);
      assertEquals(await this.#read(form, all), this.#expected(form, all));
    }
    const one = this.#top().get("wide 3");
    assertEquals(await this.#state.table("wide", WIDE).get(wideKey(3)), one === undefined ? undefined : wideValue(one));
  }

  #beginFlush(): void {
    const position = `position ${++this.#flushes}`;
    this.#store.shut();
    const done = this.#state.flush(new TextEncoder().encode(position)).then(() => undefined, (error) => error);
    this.#flight = { done, image: new Map(this.#committed), position };
  }

  async #endFlush(error: Error | undefined): Promise<void> {
    const flight = this.#flight;
    if (flight === undefined) return;
    this.#flight = undefined;
    this.#store.open(error);
    assertEquals(await flight.done, error);
    if (error === undefined) {
      this.#flushed = flight.image;
      this.#position = flight.position;
    }
    await this.#checkStore();
  }

  /** The store holds exactly the commits applied before the last flush that went well, and its position. */
  async #checkStore(): Promise<void> {
    const position = await this.#inner.readPosition();
    assertEquals(position === undefined ? undefined : new TextDecoder().decode(position), this.#position);
    let count = 0;
    for await (const page of this.#inner.scan({}, 100)) {
      for (let row = 0; row < page.count; row++) {
        // the rows that describe the tables come besides
        const isSchema = page.keys.bytes[page.keys.starts[row]! + 5] === 0 &&
          page.keys.bytes[page.keys.starts[row]! + 4] === 7;
        if (!isSchema) count++;
      }
    }
    assertEquals(count, this.#flushed.size);
    await lookAt(await TaskState.open(this.#inner, { valueCodec: jsonValues() }), this.#flushed);
  }

  async #reopen(): Promise<void> {
    await this.#state.close();
    this.#layers = [];
    this.#committed = new Map(this.#flushed);
    await this.#openState();
  }

  async #openState(): Promise<void> {
    this.#inner = await this.#provider.open(STORE_KEY);
    this.#store = new GatedStateStore(this.#inner);
    this.#state = await TaskState.open(this.#store, { valueCodec: jsonValues(), tableKeysMax: this.#keysMax });
  }
}

async function lookAt(state: TaskState, layer: Layer): Promise<void> {
  const narrow: [unknown, unknown][] = [];
  for await (const [key, row] of state.table("narrow", NARROW).entries()) narrow.push([key, row]);
  assertEquals(sorted(narrow), entriesOf(layer, "narrow"));
  const wide: [unknown, unknown][] = [];
  for await (const [key, row] of state.table("wide", WIDE).entries()) wide.push([key, row]);
  assertEquals(sorted(wide), entriesOf(layer, "wide"));
  const keyed: [unknown, unknown][] = [];
  for await (const [key, value] of state.keyed("").scan()) keyed.push([key, value]);
  assertEquals(keyed.map(([key]) => key), keyed.map(([key]) => key).sort());
  assertEquals(sorted(keyed), entriesOf(layer, "keyed"));
  const some: unknown[] = [];
  for await (const [key] of state.keyed("").scan("k/1")) some.push(key);
  assertEquals(some, entriesOf(layer, "keyed").map(([key]) => key).filter((key) => (key as string).startsWith("k/1")));
}

function entriesOf(layer: Layer, form: Form): [unknown, unknown][] {
  const own = [...layer].filter(([name]) => name.startsWith(`${form} `));
  return sorted(own.map(([name, seed]) => {
    const key = Number(name.split(" ")[1]);
    return [form === "keyed" ? keyedKey(key) : form === "narrow" ? narrowKey(key) : wideKey(key), valueOf(form, seed)];
  }));
}

function sorted(entries: [unknown, unknown][]): [unknown, unknown][] {
  const text = (entry: [unknown, unknown]) => JSON.stringify(entry[0], plain);
  return entries.sort((a, b) => text(a) < text(b) ? -1 : 1);
}

/** For JSON.stringify(): 64-bit integers have a text, and a key without a value is not one whose value is null. */
const plain = (_: string, value: unknown) =>
  typeof value === "bigint" ? `${value}n` : value === undefined ? "(missing)" : value;
const nulls = (columns: Columns) => Object.fromEntries(Object.keys(columns).map((name) => [name, null]));
const columnOf = <C extends Column extends Column<infer T> ? T : never>(
  type: C,
  values: readonly unknown[],
): Column<C> => batchOf({ key: type }, values.map((key) => ({ key })) as never).getChild("key") as never;

const keyedKey = (key: number) => `k/${key % 3}/${key}`;
const narrowKey = (key: number) => key === 0 ? "" : "ä".repeat(key) + key;
const wideKey = (key: number) => ({ device: key % 2 === 0 ? "a\u0000b" : "a", at: (key - 3) * 86_400_000 });

function valueOf(form: Form, seed: number): unknown {
  return form === "keyed" ? keyedValue(seed) : form === "narrow" ? narrowValue(seed) : wideValue(seed);
}

const keyedValue = (seed: number) => seed % 5 === 0 ? null : { seed, text: "x".repeat(seed) };
const narrowValue = (seed: number) => ({ a: seed / 3, b: seed % 4 === 0 ? null : "ü".repeat(seed % 7) });
const wideValue = (seed: number) => ({
  n: BigInt(seed) * 1_000_000_007n * 1_000_003n * (seed % 2 === 0 ? -1n : 1n),
  l: seed % 3 === 0 ? null : Array.from({ length: seed % 5 }, (_, i) => i % 2 === 0 ? i * seed : null),
  s: { x: -seed, y: seed % 2 === 0 ? "y".repeat(seed) : null },
  flag: seed % 3 === 0 ? true : seed % 3 === 1 ? false : null,
  at: seed % 4 === 0 ? null : seed * 1_000 - 20_000,
  raw: new Uint8Array(seed % 6).fill(seed),
});

const bounds = fc.constantFrom(1, 3, 1_000_000);

Deno.test("TaskState reads as a map through commits, aborts, flushes that fail and reopening", async () => {
  await fc.assert(
    fc.asyncProperty(stateSteps, bounds, async (steps, keysMax) => {
      await new StateLaw(new MemoryStateProvider({ isKept: true }), keysMax).run(steps);
    }),
    { numRuns: 500 },
  );
});

Deno.test("TaskState on RocksDB reads as a map, too", async () => {
  await fc.assert(
    fc.asyncProperty(stateSteps, bounds, async (steps, keysMax) => {
      const directory = await Deno.makeTempDir({ prefix: "turbine-state-law-" });
      try {
        await new StateLaw(new RocksDbStateProvider(directory), keysMax).run(steps);
      } finally {
        await Deno.remove(directory, { recursive: true });
      }
    }),
    { numRuns: 25 },
  );
});
