import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { StateCorruptError } from "../../../lib/base/errors.ts";
import type { StateStore } from "../../../lib/seams/state_store.ts";
import { bytesOf, dump, KEY, page, type Row, textOf } from "../../contracts/state_rows.ts";
import type { FaultKind, PlannedFault } from "../fault_kinds.ts";
import { DiskStateProvider } from "./disk_state_provider.ts";
import { SleepyClock } from "./fixtures_test.ts";
import { SimDisk } from "./sim_disk.ts";

/*
 * The law: after any crash a store that is opened again holds the fold of some prefix of the writes, with the position of
 * exactly that prefix (I-02), and everything that was durable is in it. Only damage of the medium may break it, and then
 * it is told, or older state is found: never other state.
 */

type Action =
  | { readonly kind: "apply" | "load"; readonly rows: readonly Row[] }
  | { readonly kind: "wait" | "reopen" | "destroy" }
  | { readonly kind: "crash"; readonly draw: number; readonly of: "process" | "machine" };

const aRow: fc.Arbitrary<Row> = fc.tuple(
  fc.integer({ min: 0, max: 12 }).map((key) => `key ${key}`),
  fc.oneof(
    { weight: 4, arbitrary: fc.string({ maxLength: 8 }) },
    { weight: 1, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 9_000 }).map((length) => "x".repeat(length)) },
  ),
);
const rows = fc.array(aRow, { maxLength: 6 });
const anAction: fc.Arbitrary<Action> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("apply" as const), rows }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("load" as const), rows }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("crash" as const),
      draw: fc.nat(),
      of: fc.constantFrom("process" as const, "machine" as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom("wait" as const, "reopen" as const, "destroy" as const) }),
  },
);
const faultOf = (kinds: readonly FaultKind[]): fc.Arbitrary<PlannedFault> =>
  fc.record({
    kind: fc.constantFrom(...kinds),
    atMs: fc.integer({ min: 0, max: 400 }),
    process: fc.constant(0),
    durationMs: fc.integer({ min: 0, max: 200 }),
    draw: fc.nat(0xffff_ffff),
  });

/** State as text: rows in key order, and the position. */
type Shown = string;

function shown(state: ReadonlyMap<string, string>, position: string | null): Shown {
  return JSON.stringify([position, [...state].sort(([left], [right]) => left < right ? -1 : 1)]);
}

const NOTHING = shown(new Map(), null);

/** A store, and all states that it has had since it was empty. */
class Run {
  readonly clock = new SleepyClock();
  disk = new SimDisk(this.clock);
  readonly #options: { syncEveryApply: boolean; rewriteBytesMin: number };
  #store: StateStore | undefined;
  #state = new Map<string, string>();
  #position: string | null = null;
  #writes = 0;
  /** States in order; the last ones may be writes whose outcome nobody knows. */
  history: Shown[] = [NOTHING];
  /** Place in the history of what is durable for certain. */
  durable = 0;
  counts = { reopened: 0, lost: 0, corrupt: 0, errors: 0 };

  constructor(options: { syncEveryApply: boolean; rewriteBytesMin: number }) {
    this.#options = options;
  }

  get provider(): DiskStateProvider {
    return new DiskStateProvider(this.disk, this.#options);
  }

  async act(action: Action): Promise<void> {
    this.clock.atMs += 20;
    if (action.kind === "wait") this.clock.atMs += 100;
    else if (action.kind === "crash") {
      this.#store = undefined;
      if (action.of === "process") this.disk = this.disk.crash(action.draw, { of: "process" });
      else this.disk = this.disk.crash(action.draw);
    } else if ("rows" in action) {
      if (await this.#open()) await this.#write(action.kind, action.rows);
    } else if (action.kind === "reopen") await this.#close();
    else await this.#destroy();
  }

  /** What a fresh process finds once the faults are over. */
  async end(): Promise<void> {
    await this.#close();
    this.disk.heal();
    this.disk = this.disk.crash(1, { of: "process" });
    // The first attempt may find damage, and replaces the store.
    assert(await this.#open() || await this.#open());
    await this.#write("apply", [["last", "one"]]);
    await this.#close();
  }

  async #close(): Promise<void> {
    await this.#store?.close();
    this.#store = undefined;
  }

  async #destroy(): Promise<void> {
    if (!await this.#open()) return;
    try {
      await this.#store!.destroy();
      this.#forget();
    } catch (error) {
      this.#mustBlame(error);
      // Some files may be gone, the oldest first.
      this.durable = 0;
      if (!this.history.includes(NOTHING)) this.history.unshift(NOTHING);
    }
    this.#store = undefined;
  }

  /** Opens the store, unless it is open. @returns Whether that worked. */
  async #open(): Promise<boolean> {
    if (this.#store !== undefined) return true;
    try {
      this.#store = await this.provider.open(KEY);
    } catch (error) {
      this.#mustBlame(error);
      if (error instanceof StateCorruptError) await this.#replace();
      return false;
    }
    this.counts.reopened++;
    const found = new Map(await dump(this.#store) as [string, string][]);
    this.#accept(shown(found, textOf(await this.#store.readPosition())));
    this.#state = found;
    this.#position = textOf(await this.#store.readPosition());
    return true;
  }

  /** As the library does with a damaged store. */
  async #replace(): Promise<void> {
    this.counts.corrupt++;
    assert(this.#isDamaged, "only damage is damage");
    try {
      await this.provider.destroy(KEY);
      this.#forget();
    } catch (error) {
      this.#mustBlame(error);
      this.durable = 0;
    }
  }

  get #isDamaged(): boolean {
    return this.disk.ledger.some(({ kind, what }) => kind === "D5" || what === "the file is gone");
  }

  #accept(found: Shown): void {
    const from = this.#isDamaged ? 0 : this.durable;
    const at = this.history.lastIndexOf(found);
    assert(at >= from, `found ${found} at ${at}, durable is ${from}: ${this.history[from]} of ${this.history.length}`);
    if (at < this.history.length - 1) this.counts.lost++;
    this.history = this.history.slice(0, at + 1);
    this.durable = Math.min(this.durable, at);
  }

  async #write(kind: "apply" | "load", rows: readonly Row[]): Promise<void> {
    if (kind === "load" && this.#position !== null) return;
    const next = new Map(this.#state);
    for (const [key, value] of rows) {
      if (value === null) next.delete(key);
      else next.set(key, value);
    }
    const position = kind === "apply" ? `after ${++this.#writes}` : null;
    this.history.push(shown(next, position));
    try {
      if (kind === "apply") await this.#store!.apply(page(rows), bytesOf(position!));
      else await this.#store!.load(page(rows));
      this.#state = next;
      this.#position = position;
      if (this.#options.syncEveryApply) this.durable = this.history.length - 1;
    } catch (error) {
      this.#mustBlame(error);
      // It is as it was for whoever reads it now.
      const found = new Map(await dump(this.#store!) as [string, string][]);
      assertEquals(shown(found, textOf(await this.#store!.readPosition())), shown(this.#state, this.#position));
      // Whether it is there after a failed sync is only known when the store is opened again.
      await this.#close();
    }
  }

  #forget(): void {
    this.history = [NOTHING];
    this.durable = 0;
    this.#state = new Map();
    this.#position = null;
  }

  #mustBlame(error: unknown): void {
    this.counts.errors++;
    assert(this.provider.blames(error), `a store fails only by a fault: ${(error as Error).stack}`);
  }
}

async function mustHold(kinds: readonly FaultKind[], syncEveryApply: boolean): Promise<Run["counts"]> {
  const total = { reopened: 0, lost: 0, corrupt: 0, errors: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.array(anAction, { minLength: 2, maxLength: 40 }),
      kinds.length === 0 ? fc.constant([]) : fc.array(faultOf(kinds), { maxLength: 6 }),
      fc.constantFrom(1, 2_000, 1_000_000),
      async (actions, faults, rewriteBytesMin) => {
        const run = new Run({ syncEveryApply, rewriteBytesMin });
        for (const fault of faults) run.disk.arm(fault);
        for (const action of actions) await run.act(action);
        await run.end();
        for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += run.counts[name];
      },
    ),
    { numRuns: 300 },
  );
  return total;
}

for (const syncEveryApply of [true, false]) {
  const title = `DiskStateProvider, ${syncEveryApply ? "synced" : "not synced"}:`;

  Deno.test(`${title} a crash leaves a prefix of the writes that holds all that was durable`, async () => {
    const { reopened, lost, corrupt, errors } = await mustHold([], syncEveryApply);
    assert(reopened > 500 && lost > (syncEveryApply ? -1 : 20), `${reopened} ${lost}`);
    assertEquals([corrupt, errors], [0, 0]);
  });

  Deno.test(`${title} the same under faults of the disk, whose errors are theirs`, async () => {
    const kinds = ["D1", "D2", "D3", "D4", "D7", "D8", "D9"] as const;
    const { corrupt, errors } = await mustHold(kinds, syncEveryApply);
    assert(corrupt === 0 && errors > 40, `${corrupt} ${errors}`);
  });

  Deno.test(`${title} damage is told, or older state is found, never other state`, async () => {
    const { corrupt } = await mustHold(["D5", "D5", "D6", "D3"], syncEveryApply);
    assert(corrupt > 10, `${corrupt}`);
  });
}
