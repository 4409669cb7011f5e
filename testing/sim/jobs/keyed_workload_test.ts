import { assert, assertEquals } from "@std/assert";
import { SeededRandom } from "../../seeded_random.ts";
import type { Feed, SimOptions } from "../contracts.ts";
import { swarmOptions } from "../swarm.ts";
import { EPOCH_MS, KeyedWorkload, keysOf, poisonJson } from "./keyed_workload.ts";

const OPTIONS: SimOptions = {
  ...swarmOptions(1, "small"),
  partitions: 3,
  rowsPerSecond: 50,
  keys: 20,
  hotShare: 0.6,
  poisonShare: 0,
  idleTimeoutMs: 3_000,
  isInputTransactional: false,
  batchRows: 16,
  latencyMs: 5,
  burstBatches: 0,
  hasStragglers: false,
};

/** What a workload feeds, with the pauses between. */
function run(drawn: Partial<SimOptions> = {}, seed = 1): { feeds: Feed[]; pauses: number[]; workload: KeyedWorkload } {
  const workload = new KeyedWorkload({
    topic: "in",
    options: { ...OPTIONS, ...drawn },
    row: ({ id, key, partition }) => ({ key, value: JSON.stringify({ id, key, partition }) }),
    poison: poisonJson,
    probe: (next) => keysOf(OPTIONS).map((key) => ({ key, value: JSON.stringify({ id: next(key).id }) })),
  });
  const random = new SeededRandom(seed);
  const feeds: Feed[] = [], pauses: number[] = [];
  for (let atMs = 0;;) {
    const next = workload.next(random, atMs);
    if (next === null) return { feeds, pauses, workload };
    feeds.push(...next.feeds);
    pauses.push(next.afterMs);
    atMs += next.afterMs;
  }
}

Deno.test("KeyedWorkload gives each record its own id, and most of them the hot key", () => {
  const { feeds } = run();
  const rows = feeds.flatMap(({ rows, partition }) => rows.map((row) => ({ ...row, partition })));
  const found = rows.map(({ value }) => JSON.parse(value as string));
  assert(rows.length > 500, `${rows.length} rows`);
  assertEquals(new Set(found.map(({ id }) => id)).size, rows.length);
  assertEquals(found.map(({ partition }) => partition), rows.map(({ partition }) => partition));
  const hot = rows.filter(({ key }) => key === "k0").length / rows.length;
  assert(hot > 0.5 && hot < 0.75, `${hot} of the rows have the hot key`);
  assertEquals(new Set(rows.map(({ key }) => key)), new Set(keysOf(OPTIONS)));
  assertEquals(new Set(rows.map(({ partition }) => partition)), new Set([0, 1, 2]));
});

Deno.test("KeyedWorkload comes in bursts and falls silent for longer than the idle time-out", () => {
  const { feeds, pauses } = run();
  const sizes = feeds.map(({ rows }) => rows.length).sort((a, b) => a - b);
  assert(sizes[0]! === 1 && sizes.at(-1)! > 50, `${sizes[0]} to ${sizes.at(-1)} rows at once`);
  assert(pauses.some((ms) => ms > 3_000), `the longest pause has ${Math.max(...pauses)} ms`);
  const { warmUpMs, safetyMs } = OPTIONS;
  const endMs = pauses.reduce((sum, ms) => sum + ms, 0);
  assert(endMs >= warmUpMs + safetyMs && endMs < warmUpMs + safetyMs + 9_000, `it ends after ${endMs} ms`);
});

Deno.test("KeyedWorkload feeds so many batches for one partition now and then", () => {
  const isBurst = ({ rows }: Feed) => rows.length === 20 * 16;
  assert(run({ burstBatches: 20 }).feeds.some(isBurst));
  assertEquals(run().feeds.filter(isBurst), []);
});

Deno.test("KeyedWorkload lets records come after a silence that were made before it, and ends with some", () => {
  const made: number[] = [];
  const options = { ...OPTIONS, hasStragglers: true };
  const workload = new KeyedWorkload({
    topic: "in",
    options,
    row: ({ id, nowMs }) => {
      made.push(nowMs - EPOCH_MS);
      return { key: null, value: JSON.stringify({ id }) };
    },
    poison: poisonJson,
    probe: () => [],
  });
  const random = new SeededRandom(3);
  const endMs = options.warmUpMs + options.safetyMs;
  /** How late records are, by the time at which they come. */
  const late = new Map<number, number>();
  for (let atMs = 0, next = workload.next(random, 0); next !== null; next = workload.next(random, atMs)) {
    for (const madeMs of made.splice(0)) {
      const lateMs = Math.floor(atMs) - madeMs;
      if (lateMs > 0) late.set(atMs, Math.max(late.get(atMs) ?? 0, lateMs));
    }
    atMs += next.afterMs;
  }
  const last = [...late].at(-1)!;
  assert(late.size > 1 && last[0] === endMs - 50, `stragglers came at ${[...late.keys()]} of ${endMs}`);
  assert(last[1] > 3_000, `${last[1]} ms late, so that the input has been idle for longer than its time-out`);
});

Deno.test("KeyedWorkload is the same for the same randomness, whatever it is asked for", () => {
  assertEquals(run().feeds, run().feeds);
  assert(JSON.stringify(run().feeds) !== JSON.stringify(run({}, 2).feeds));
});

Deno.test("KeyedWorkload writes in transactions when they are drawn, and some of them are aborted", () => {
  const shares = (feeds: readonly Feed[]) => {
    const count = (as: Feed["as"]) => feeds.filter((feed) => feed.as === as).length / feeds.length;
    return [count("plain"), count("committed"), count("aborted")];
  };
  assertEquals(shares(run().feeds), [1, 0, 0]);
  for (const share of shares(run({ isInputTransactional: true }).feeds)) {
    assert(share > 0.1 && share < 0.75, `${share}`);
  }
});

Deno.test("KeyedWorkload poisons its share of records, in every way", () => {
  const { feeds } = run({ poisonShare: 0.3 });
  const rows = feeds.flatMap((feed) => feed.rows);
  const isGood = ({ value }: { value: unknown }): boolean => {
    try {
      const { id } = JSON.parse(value as string);
      return Number.isInteger(id) && id < 2 ** 31;
    } catch {
      return false;
    }
  };
  const share = rows.filter((row) => !isGood(row)).length / rows.length;
  assert(share > 0.25 && share < 0.35, `${share} of the rows are poison`);
  const kinds = new Set(
    rows.filter((row) => !isGood(row)).map(({ value }) => {
      if (typeof value !== "string") return value === null ? "null" : "bytes";
      return value === "" ? "empty" : value[0] === "[" ? "list" : value.replaceAll(/[0-9k]+/g, "").slice(0, 9);
    }),
  );
  assert(kinds.size >= 7, `${[...kinds]}`);
});

Deno.test("KeyedWorkload has a probe of one record for each key and partition, with ids of their own", () => {
  const { feeds, workload } = run();
  const probes = [...workload.probe(), ...workload.probe()];
  assertEquals(probes.map(({ partition }) => partition), [0, 1, 2, 0, 1, 2]);
  for (const { rows } of probes) assertEquals(rows.map(({ key }) => key!), keysOf(OPTIONS));
  const ids = [...feeds, ...probes].flatMap(({ rows }) => rows.map(({ value }) => JSON.parse(value as string).id));
  assertEquals(new Set(ids).size, ids.length);
});
