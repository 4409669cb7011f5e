import type { RecordRow } from "../../record_rows.ts";
import type { Feed } from "../contracts.ts";
import type { FaultKind } from "../fault_kinds.ts";
import type { FaultWorld, HandlerFault } from "../fault_world.ts";
import type { Injector, Injectors } from "./strike.ts";

/** Faults that lie in the data: the workload makes them, the plan only counts them. */
export type DataFaultKind = "U1" | "U6" | "U7" | "U8" | "U9";

/** The next batch of a process meets user code that misbehaves. */
function misbehave(how: HandlerFault): Injector {
  return (strike) =>
    strike.whenUp(({ number: process }) =>
      strike.world.strikeHandler(strike.fault, { process, how, ms: strike.lastingMs })
    );
}

/** Planned faults of data that wait for a record, by world. */
const WAITING = new WeakMap<FaultWorld, Map<FaultKind, (what: string) => void>>();

const countNext: Injector = (strike) => {
  let waiting = WAITING.get(strike.world);
  if (waiting === undefined) WAITING.set(strike.world, waiting = new Map());
  waiting.set(strike.fault.kind, (what) => strike.fire(what));
};

/** Injectors of the faults of user code and data. */
export const USER_FAULTS: Injectors<
  "U1" | "U2" | "U3" | "U4" | "U5" | "U6" | "U7" | "U8" | "U9" | "U10" | "U11"
> = {
  U1: countNext,
  U2: misbehave("throw"),
  U3: misbehave("reject"),
  U4: misbehave("wrong-shape"),
  U5: misbehave("mutate-input"),
  U6: countNext,
  U7: countNext,
  U8: countNext,
  U9: countNext,
  U10: misbehave("empty-batch"),
  U11: misbehave("slow"),
};

const KINDS: readonly DataFaultKind[] = ["U1", "U6", "U7", "U8", "U9"];

/** Kinds of data that a world has met, and how much of its data was looked through for those without a plan. */
const MET = new WeakMap<FaultWorld, { readonly kinds: Set<FaultKind>; feeds: number }>();
/** Feeds of a run that are looked through for data without a plan: looking is dear. */
const FEEDS_LOOKED_AT = 300;

/**
 * Fires the planned faults that wait for such data, and each kind once that comes without a plan: data are as they were
 * drawn for the run. To be called with everything that is fed.
 *
 * @param world The world.
 * @param feeds What is written.
 */
export function noteFedData(world: FaultWorld, feeds: readonly Feed[]): void {
  if (world.phase !== "warm-up" && world.phase !== "safety") return;
  const waiting = WAITING.get(world);
  let met = MET.get(world);
  if (met === undefined) MET.set(world, met = { kinds: new Set(), feeds: 0 });
  met.feeds += feeds.length;
  const isLooking = met.feeds <= FEEDS_LOOKED_AT;
  if ((waiting === undefined || waiting.size === 0) && !isLooking) return;
  for (const kind of KINDS) {
    const fire = waiting?.get(kind);
    if (fire === undefined && (met.kinds.has(kind) || !isLooking)) continue;
    const found = feeds.find((feed) => HAS[kind](feed.rows));
    if (found === undefined) continue;
    met.kinds.add(kind);
    waiting?.delete(kind);
    const unplanned = { kind, atMs: Math.floor(world.nowMs), process: 0, durationMs: 0, draw: 0 };
    const what = `${found.rows.length} records go to ${found.topic}:${found.partition}`;
    if (fire === undefined) world.fire(unplanned, what);
    else fire(what);
  }
}

/** Rows of one feed of which nearly all must have one key before it counts as hot. */
const HOT_ROWS_MIN = 8;
/** Epoch milliseconds of the years 1990 and 2100: what lies outside is extreme. */
const STAMPS = { from: 631_152_000_000, to: 4_102_444_800_000 };

const HAS: Readonly<Record<DataFaultKind, (rows: readonly RecordRow[]) => boolean>> = {
  U1: (rows) => rows.some(({ value }) => value !== null && !isObjectText(value)),
  U6: (rows) => new Set(rows.map(({ value }) => columnsOf(value)).filter((names) => names !== "")).size > 1,
  U7: (rows) => rows.some(({ key, value }) => (key ?? null) === null || value === null),
  U8: (rows) => rows.length >= HOT_ROWS_MIN && hottest(rows) >= 0.9 * rows.length,
  U9: (rows) => rows.some(hasExtremeStamp),
};

function textOf(value: string | Uint8Array): string {
  return typeof value === "string" ? value : new TextDecoder().decode(value);
}

function objectOf(value: string | Uint8Array | null): Record<string, unknown> | undefined {
  if (value === null) return undefined;
  try {
    const parsed: unknown = JSON.parse(textOf(value));
    return typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)
      ? parsed as Record<string, unknown>
      : undefined;
  } catch {
    return undefined;
  }
}

function isObjectText(value: string | Uint8Array): boolean {
  return objectOf(value) !== undefined;
}

function columnsOf(value: string | Uint8Array | null): string {
  return Object.keys(objectOf(value) ?? {}).sort().join();
}

function hottest(rows: readonly RecordRow[]): number {
  const counts = new Map<string, number>();
  let most = 0;
  for (const { key } of rows) {
    const name = typeof key === "string" ? key : key?.join() ?? "";
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    most = Math.max(most, count);
  }
  return most;
}

function hasExtremeStamp({ value, timestampMs }: RecordRow): boolean {
  const stamps = [
    timestampMs,
    ...Object.entries(objectOf(value) ?? {}).map(([name, at]) => /^(ts|at)$|At$|Ms$/.test(name) ? at : 0),
  ];
  return stamps.some((at) => typeof at === "number" && at !== 0 && (at < STAMPS.from || at >= STAMPS.to));
}
