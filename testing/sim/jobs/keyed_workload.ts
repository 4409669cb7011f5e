import { SeededRandom } from "../../seeded_random.ts";
import type { RecordRow } from "../../record_rows.ts";
import type { Feed, SimOptions, SimWorkload } from "../contracts.ts";
import { burstRows, sustainedFlow } from "./flow.ts";

/** Wall time of the simulated start: event times lie after it. */
export const EPOCH_MS = 1_700_000_000_000;
/** Partitions that ids have room for. */
const PARTITIONS_MAX = 32;

/** Share of turns in which many batches come at once. */
const BURST_SHARE = 0.015;
/** Share of silences after which records come that were made before, and of partitions that get some. */
const STRAGGLER_SHARE = 0.5;
/** The last silence is longer than the idle time-out by so much: windows close in it. */
const LAST_SILENCE_MS = 4_000;
/** The last stragglers come so long before the end of the input. */
const BEFORE_END_MS = 50;

/** What a record is made of. */
export interface Draft {
  /** Unique in the workload. */
  readonly id: number;
  /** Partition that the record goes to. */
  readonly partition: number;
  /** Key of the workload: `k0` is the hot one. */
  readonly key: string;
  /** Epoch milliseconds of the moment of writing. */
  readonly nowMs: number;
  /** Randomness of the workload. */
  readonly random: SeededRandom;
}

/** What a job wants its input to be like. */
export interface KeyedWorkloadOptions {
  /** Input topic. */
  readonly topic: string;
  /** What was drawn for the run. */
  readonly options: SimOptions;
  /** Makes a good record. */
  readonly row: (draft: Draft) => RecordRow;
  /** Makes a record that cannot be read; gets a good one. */
  readonly poison: (row: RecordRow, random: SeededRandom) => RecordRow;
  /** Records of the probe for one partition; drafts have the id of the next record. */
  readonly probe: (next: (key: string) => Draft) => readonly RecordRow[];
  /** Least share of poison. @default {0} */
  readonly poisonShareMin?: number;
}

/**
 * Input with unique ids, a hot key and cold ones, steady flow, bursts, single rows and silence that is long enough for
 * idle closes; some of it poison, some of it in transactions, some of these aborted. It ends with the time of faults.
 *
 * Stragglers are records that were made just before a silence and come after it: late by what an idle input has decided,
 * and by nothing else. With them the input ends in a silence and a last straggler.
 */
export class KeyedWorkload implements SimWorkload {
  readonly #made: KeyedWorkloadOptions;
  readonly #numbers: number[];
  /** When the partitions were written last; 0: never. */
  readonly #writtenMs: number[];
  #random = new SeededRandom(0);
  #nowMs = EPOCH_MS;
  #isAfterSilence = false;
  #ending: "no" | "silence" | "over" = "no";

  /** @param made Topic, options of the run and how records are made. */
  constructor(made: KeyedWorkloadOptions) {
    this.#made = made;
    this.#numbers = new Array(made.options.partitions).fill(0);
    this.#writtenMs = new Array(made.options.partitions).fill(0);
  }

  /** The next records, and when to ask again; `null` at the end. */
  next(random: SeededRandom, atMs: number): { readonly feeds: readonly Feed[]; readonly afterMs: number } | null {
    const { options } = this.#made;
    this.#random = random;
    this.#nowMs = EPOCH_MS + Math.floor(atMs);
    if (atMs >= options.warmUpMs + options.safetyMs) return null;
    const special = this.#ended(random, atMs) ?? this.#afterSilence(random);
    if (special !== undefined) return special;
    const mood = random.float();
    if (mood < 0.04) {
      this.#isAfterSilence = true;
      return { feeds: [], afterMs: this.#silenceMs(random) };
    }
    const afterMs = random.integer(20, 400);
    if (mood > 1 - BURST_SHARE && burstRows(options) > 0) return { feeds: [this.#burst(random)], afterMs };
    const mean = sustainedFlow(options) * afterMs / 1_000;
    // Whole rows of a fractional mean, and now and then many at once.
    const rows = Math.floor(mean * (mood < 0.08 ? random.integer(5, 20) : 1) + random.float());
    return { feeds: this.#feeds(rows, random), afterMs };
  }

  /** One record for each key and partition. */
  probe(): readonly Feed[] {
    const { topic, probe } = this.#made;
    return this.#numbers.map((_, partition) => ({
      topic,
      partition,
      rows: probe((key) => this.#draft(partition, key, this.#random)),
    }));
  }

  /** The last silence, and what comes after it. */
  #ended(random: SeededRandom, atMs: number): ReturnType<SimWorkload["next"]> | undefined {
    const { hasStragglers, idleTimeoutMs, warmUpMs, safetyMs } = this.#made.options;
    if (!hasStragglers || idleTimeoutMs === null) return undefined;
    const leftMs = warmUpMs + safetyMs - atMs;
    if (this.#ending === "no" && leftMs <= idleTimeoutMs + LAST_SILENCE_MS) {
      this.#ending = "silence";
      return { feeds: [], afterMs: Math.max(1, leftMs - BEFORE_END_MS) };
    }
    if (this.#ending !== "silence") return undefined;
    this.#ending = "over";
    return { feeds: this.#stragglers(random), afterMs: leftMs };
  }

  #afterSilence(random: SeededRandom): ReturnType<SimWorkload["next"]> | undefined {
    if (!this.#isAfterSilence) return undefined;
    this.#isAfterSilence = false;
    if (!this.#made.options.hasStragglers || !random.isHit(STRAGGLER_SHARE)) return undefined;
    return { feeds: this.#stragglers(random), afterMs: random.integer(20, 1_000) };
  }

  /** A record that was made when its partition was written last, for some partitions. */
  #stragglers(random: SeededRandom): Feed[] {
    const { topic } = this.#made;
    const nowMs = this.#nowMs;
    const feeds: Feed[] = [];
    for (const [partition, writtenMs] of this.#writtenMs.entries()) {
      if (writtenMs === 0 || !random.isHit(STRAGGLER_SHARE)) continue;
      this.#nowMs = writtenMs;
      feeds.push({ topic, partition, rows: this.#rows(partition, 1, random), as: this.#fate(random) });
    }
    this.#nowMs = nowMs;
    return feeds;
  }

  #burst(random: SeededRandom): Feed {
    const { topic, options } = this.#made;
    const partition = random.integer(0, options.partitions - 1);
    const rows = this.#rows(partition, burstRows(options), random);
    return { topic, partition, rows, as: this.#fate(random) };
  }

  #silenceMs(random: SeededRandom): number {
    const idleMs = this.#made.options.idleTimeoutMs ?? 1_000;
    return random.integer(200, 2_000 + 2 * idleMs);
  }

  /** Rows go to few partitions at a time: others are idle meanwhile, and batches are not all of one row. */
  #feeds(rows: number, random: SeededRandom): Feed[] {
    const { topic, options } = this.#made;
    if (rows === 0) return [];
    const places = random.integer(1, Math.min(3, options.partitions));
    const feeds: Feed[] = [];
    for (let place = 0, left = rows; place < places && left > 0; place++) {
      const count = place === places - 1 ? left : random.integer(1, left);
      left -= count;
      const partition = random.integer(0, options.partitions - 1);
      feeds.push({ topic, partition, rows: this.#rows(partition, count, random), as: this.#fate(random) });
    }
    return feeds;
  }

  #fate(random: SeededRandom): NonNullable<Feed["as"]> {
    if (!this.#made.options.isInputTransactional) return "plain";
    const draw = random.float();
    return draw < 0.6 ? "committed" : draw < 0.8 ? "aborted" : "plain";
  }

  #rows(partition: number, count: number, random: SeededRandom): RecordRow[] {
    const { options, poisonShareMin = 0, row, poison } = this.#made;
    const poisonShare = Math.max(options.poisonShare, poisonShareMin);
    this.#writtenMs[partition] = this.#nowMs;
    return Array.from({ length: count }, () => {
      const good = row(this.#draft(partition, this.#key(random), random));
      return random.isHit(poisonShare) ? poison(good, random) : good;
    });
  }

  #key(random: SeededRandom): string {
    const { keys, hotShare } = this.#made.options;
    return `k${random.isHit(hotShare) ? 0 : random.integer(0, keys - 1)}`;
  }

  #draft(partition: number, key: string, random: SeededRandom): Draft {
    const number = this.#numbers[partition]!++;
    return { id: number * PARTITIONS_MAX + partition, partition, key, nowMs: this.#nowMs, random };
  }
}

/** All keys that the workload of these options draws from. */
export function keysOf(options: SimOptions): string[] {
  return Array.from({ length: options.keys }, (_, at) => `k${at}`);
}

/**
 * Makes a record of JSON unreadable, in one of several ways.
 *
 * @param row A good record whose value has a whole number in the column `id`.
 * @param random Decides in which way.
 */
export function poisonJson(row: RecordRow, random: SeededRandom): RecordRow {
  const good = row.value as string;
  switch (random.integer(0, 7)) {
    case 0:
      return { ...row, value: null };
    case 1:
      return { ...row, value: "" };
    case 2:
      return { ...row, value: good.slice(0, random.integer(1, good.length - 1)) };
    case 3:
      return { ...row, value: new Uint8Array([0xff, 0xfe, 0x00, 0xc3, 0x28]) };
    case 4:
      return { ...row, value: `[${good}]` };
    case 5:
      return { ...row, value: good.replace(/"id":\d+/, '"id":"seven"') };
    case 6:
      return { ...row, value: good.replace(/"id":\d+,/, "") };
    default:
      return { ...row, value: good.replace(/"id":\d+/, '"id":3000000000') };
  }
}
