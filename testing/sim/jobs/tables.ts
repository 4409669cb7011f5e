import { batchOf } from "../../../lib/columns/batch_of.ts";
import { rows } from "../../../lib/columns/rows.ts";
import { float64, int32, int64, type RowOf, utf8 } from "../../../lib/columns/schema.ts";
import { json } from "../../../lib/codecs/json/json.ts";
import { recordKey } from "../../../lib/codecs/record_key.ts";
import { stateTable } from "../../../lib/operator/state_table.ts";
import { topic } from "../../../lib/operator/topic.ts";
import type { SimJob, SimOptions } from "../contracts.ts";
import { INPUT, isInt32, jobApp, jobTopics, OUTPUT } from "./job_app.ts";
import { jobCheckers } from "./job_checkers.ts";
import { type Draft, KeyedWorkload, keysOf, poisonJson } from "./keyed_workload.ts";
import { objectOf, type SeenRecord } from "./record_texts.ts";
import { REFUSED, type RowReference, type Verdict } from "./row_reference.ts";

/** Changes of an account; the account stands in the record's key, one record without a key is about no account. */
const changes = topic(INPUT, {
  value: json({ id: int32(), account: recordKey(utf8({ nullable: true })), op: utf8(), amount: float64() }),
});
const accounts = topic(OUTPUT, {
  value: json({
    id: int32(),
    account: utf8(),
    count: int32(),
    sum: float64(),
    last: int64(),
    note: utf8({ nullable: true }),
    partition: int32(),
    offset: int32(),
  }),
  key: "account",
});

const totals = stateTable({
  key: utf8(),
  value: { count: int32(), sum: float64(), last: int64(), note: utf8({ nullable: true }) },
});
type Total = RowOf<typeof totals.value>;
const KEY = { account: utf8() };
/** Where records without a key are counted. */
const NO_ACCOUNT = "(none)";
/** Share of records that close an account. */
const CLOSING_SHARE = 0.08;
const KEYLESS_SHARE = 0.03;

/**
 * Keeps accounts in a declared table of several columns, nullable ones too, that are updated and deleted.
 *
 * @param options What was drawn.
 */
export function tables(options: SimOptions): SimJob {
  return {
    name: "tables",
    createApp: () =>
      jobApp(options, (app, settings) => {
        const { processingGuarantee } = settings;
        const more = { ...settings, processingGuarantee, publishTo: accounts, state: { totals } };
        app.subscribe(changes, more, async (batch, { state, input }) => {
          const made = [...rows(batch)].map((row) => ({ ...row, account: row.account ?? NO_ACCOUNT }));
          const names = [...new Set(made.map(({ account }) => account))];
          const column = (of: readonly string[]) =>
            batchOf(KEY, of.map((account) => ({ account }))).getChild("account");
          const known = new Map<string, Total>();
          for (const [at, row] of [...rows(await state.totals.getMany(column(names)))].entries()) {
            if (row.count !== null) known.set(names[at]!, row as Total);
          }
          const out = made.map((row, at) => {
            const total = changed(known.get(row.account), row);
            if (total === undefined) known.delete(row.account);
            else known.set(row.account, total);
            const { id, account } = row;
            const { partition } = input;
            return { id, account, ...total ?? CLOSED, partition, offset: input.offsets[at]! };
          });
          const [kept, gone] = [names.filter((name) => known.has(name)), names.filter((name) => !known.has(name))];
          const values = batchOf(totals.value, kept.map((name) => known.get(name)!));
          if (kept.length > 0) state.totals.putMany(column(kept), values);
          if (gone.length > 0) state.totals.deleteMany(column(gone));
          return batchOf(accounts.schema, out);
        });
      }),
    topics: jobTopics(options),
    workload: new KeyedWorkload({
      topic: INPUT,
      options,
      row: changeRow,
      poison: poisonJson,
      probe: (next) =>
        [...keysOf(options), null].map((key) => ({
          key,
          value: JSON.stringify({ id: next("").id, op: "add", amount: 0 }),
        })),
    }),
    checkers: (view) => jobCheckers(view, { place: "offset", reference: new TablesReference() }),
  };
}

const CLOSED: Total = { count: 0, sum: 0, last: 0n, note: null };

function changed(
  total: Total | undefined,
  row: { readonly id: number; readonly op: string; readonly amount: number },
): Total | undefined {
  if (row.op === "close") return undefined;
  const { count, sum } = total ?? CLOSED;
  const note = (count + 1) % 3 === 0 ? null : `n${row.id}`;
  return { count: count + 1, sum: sum + row.amount, last: BigInt(row.id), note };
}

function changeRow({ id, key, random }: Draft): { key: string | null; value: string } {
  const op = random.isHit(CLOSING_SHARE) ? "close" : "add";
  // Tenths cannot be held exactly: the order of additions shows in the sum.
  const amount = random.integer(-1_000, 1_000) / 10;
  return { key: random.isHit(KEYLESS_SHARE) ? null : key, value: JSON.stringify({ id, op, amount }) };
}

interface Account {
  count: number;
  sum: number;
  last: number;
  note: string | null;
}

/** Accounts by partition and name. */
export class TablesReference implements RowReference {
  readonly #accounts = new Map<string, Account>();

  /** Takes in the next record of its partition. */
  fold({ partition, offset, key, value }: SeenRecord): Verdict {
    const change = objectOf(value);
    if (change === undefined || !isInt32(change.id) || key === undefined) return REFUSED;
    if (typeof change.op !== "string" || typeof change.amount !== "number") return REFUSED;
    const account = key ?? NO_ACCOUNT;
    const place = `${partition}/${account}`;
    let now: Account = { count: 0, sum: 0, last: 0, note: null };
    if (change.op === "close") {
      this.#accounts.delete(place);
    } else {
      const before = this.#accounts.get(place) ?? now;
      const count = before.count + 1;
      now = { count, sum: before.sum + change.amount, last: change.id, note: count % 3 === 0 ? null : `n${change.id}` };
      this.#accounts.set(place, now);
    }
    return { kind: "row", place: offset, row: { id: change.id, account, ...now, partition, offset }, key: account };
  }
}
