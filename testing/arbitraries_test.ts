import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { binary, bool, float64, int32, int64, json, list, struct, timestampMs, utf8 } from "../mod.ts";
import { rows as rowsOf } from "../lib/columns/rows.ts";
import { STEP_LABELS } from "../lib/seams/observer.ts";
import { crashPlan, recordBatch, recordRow, workload, type WorkloadStep } from "./arbitraries.ts";

const SCHEMA = {
  text: utf8({ nullable: true }),
  bytes: binary({ nullable: true }),
  double: float64(),
  whole: int32({ nullable: true }),
  long: int64(),
  at: timestampMs({ nullable: true }),
  flag: bool({ nullable: true }),
  list: list(utf8({ nullable: true }), { nullable: true }),
  struct: struct({ inner: struct({ x: float64() }, { nullable: true }) }, { nullable: true }),
};

/** Draws often and requires that each of the things was seen. */
function mustSee<T>(arbitrary: fc.Arbitrary<T>, things: Readonly<Record<string, (value: T) => boolean>>): void {
  const unseen = new Set(Object.keys(things));
  for (const value of fc.sample(arbitrary, { numRuns: 2_000, seed: 1 })) {
    for (const name of unseen) if (things[name]!(value)) unseen.delete(name);
  }
  assertEquals([...unseen], []);
}

Deno.test("recordBatch() gives batches that any codec can write, and that read back the same", () => {
  const codec = json(SCHEMA);
  fc.assert(
    fc.property(recordBatch(SCHEMA), (batch) => {
      const { values, rejected } = codec.encoder().encode(batch);
      assertEquals(rejected, []);
      const decoded = codec.decoder().decode(values, 0, batch.numRows, null);
      assertEquals(
        [...rowsOf(decoded.batch)].map((row) => ({ ...row })),
        [...rowsOf(batch)].map((row) => ({ ...row })),
      );
    }),
    { numRuns: 200 },
  );
});

Deno.test("recordRow() reaches nulls wherever they may be, and the extremes of each type", () => {
  const nullables = Object.entries(SCHEMA).filter(([, type]) => type.nullable).map(([name]) =>
    name as keyof typeof SCHEMA
  );
  mustSee(recordRow(SCHEMA), {
    ...Object.fromEntries(nullables.map((name) => [`null ${name}`, (row) => row[name] === null])),
    "negative zero": (row) => Object.is(row.double, -0),
    "beyond 2^53": (row) => row.long > 2n ** 53n,
    "least int64": (row) => row.long === -(2n ** 63n),
    "least int32": (row) => row.whole === -(2 ** 31),
    "empty text": (row) => row.text === "",
    "text outside of the basic plane": (row) => /\p{Script=Linear_B}|[\u{10000}-\u{10ffff}]/u.test(row.text ?? ""),
    "null in a list": (row) => row.list?.includes(null) === true,
    "null in a struct": (row) => row.struct !== null && row.struct.inner === null,
  });
  for (const row of fc.sample(recordRow(SCHEMA), 500)) {
    for (const [name, type] of Object.entries(SCHEMA)) assert(type.nullable || row[name as keyof typeof row] !== null);
  }
});

Deno.test("recordBatch() reaches empty batches, slices and the most rows", () => {
  const batches = recordBatch({ x: int32({ nullable: true }) }, { rowsMax: 5 });
  mustSee(batches, {
    "no rows": (batch) => batch.numRows === 0,
    "most rows": (batch) => batch.numRows === 5,
    "a slice": (batch) => batch.data.children[0]!.offset > 0,
  });
  for (const batch of fc.sample(batches, 500)) assert(batch.numRows <= 5);
});

Deno.test("workload() numbers its rows, and reaches silence, bursts, a hot key and late rows", () => {
  const steps = workload({ stepsMax: 6, burstMax: 12, keys: 3 });
  const rowsIn = (value: readonly WorkloadStep[]) => value.flatMap((step) => step.kind === "rows" ? step.rows : []);
  for (const drawn of fc.sample(steps, 500)) {
    const rows = rowsIn(drawn);
    assertEquals(rows.map(({ id }) => id), rows.map((_, at) => at));
    assert(drawn.length >= 1 && drawn.length <= 6);
    assert(rows.every(({ key, atMs }) => /^k[012]$/.test(key) && atMs >= 0));
  }
  mustSee(steps, {
    silence: (drawn) => drawn.some(({ kind }) => kind === "silence"),
    burst: (drawn) => drawn.some((step) => step.kind === "rows" && step.rows.length > 9),
    "a single row": (drawn) => drawn.some((step) => step.kind === "rows" && step.rows.length === 1),
    "a late row": (drawn) => rowsIn(drawn).some(({ atMs }, at, all) => at > 0 && atMs < all[at - 1]!.atMs),
  });
  const keys = fc.sample(steps, { numRuns: 300, seed: 1 }).flatMap(rowsIn).map(({ key }) => key);
  assert(keys.filter((key) => key === "k0").length > keys.length / 2, "the first key is hot");
});

Deno.test("crashPlan() holds what exists, stays in its bounds, and reaches the empty plan and full ones", () => {
  const plans = crashPlan({ crashesMax: 2, faultsMax: 3 });
  for (const { crashes, faults } of fc.sample(plans, 500)) {
    assert(crashes.length <= 2 && faults.length <= 3);
    for (const { label } of crashes) assert(STEP_LABELS.includes(label));
  }
  mustSee(plans, {
    "nothing": ({ crashes, faults }) => crashes.length + faults.length === 0,
    "two crashes": ({ crashes }) => crashes.length === 2,
    "three faults": ({ faults }) => faults.length === 3,
    "a lost reply": ({ faults }) => faults.some(({ kind }) => kind === "reply-lost"),
    "another node": ({ crashes }) => crashes.some(({ node }) => node === "new"),
  });
  assertEquals(
    fc.sample(crashPlan({ labels: ["commit:before"], crashesMax: 1 }), 50)
      .flatMap(({ crashes }) => crashes).every(({ label }) => label === "commit:before"),
    true,
  );
});
