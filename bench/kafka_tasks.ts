import type { Records } from "../lib/columns/records.ts";

/** What a client is to do. */
export interface ClientTask {
  /** Which loop. */
  readonly workload: "consume" | "produce" | "transactions";
  /** `host:port`. */
  readonly address: string;
  /** Topic to read from. */
  readonly input: string;
  /** Topic to write to. */
  readonly output: string;
  /** Partitions of both. */
  readonly partitions: number;
  /** Rows of a round. */
  readonly rows: number;
  /** Rounds; the first ones warm up. */
  readonly rounds: number;
}

/** What a round took. */
export interface Round {
  /** Rows. */
  readonly rows: number;
  /** Wall time. */
  readonly seconds: number;
  /** Processor time of the client's process. */
  readonly cpuSeconds: number;
}

/** The key of a row: 8 bytes. */
export function benchKey(row: number): string {
  return `u${String((row * 7_919) % 1_000_000).padStart(7, "0")}`;
}

/** A message of 90 bytes. */
export function benchValue(row: number): string {
  const text = `{"id":"${benchKey(row)}","seq":${row},"amount":${((row * 31) % 100_000) / 100}}`;
  return `${text.slice(0, -1)}${" ".repeat(90 - text.length)}}`;
}

/** Bytes of a key and its message. */
export const ROW_BYTES = 98;

/** Records in one buffer. */
export function benchRecords(count: number): Records {
  const bytes = new Uint8Array(count * ROW_BYTES);
  const keys = { bytes, starts: new Int32Array(count), ends: new Int32Array(count) };
  const values = { bytes, starts: new Int32Array(count), ends: new Int32Array(count) };
  const encoder = new TextEncoder();
  for (let row = 0, at = 0; row < count; row++) {
    keys.starts[row] = at;
    at += encoder.encodeInto(benchKey(row), bytes.subarray(at)).written;
    keys.ends[row] = values.starts[row] = at;
    at += encoder.encodeInto(benchValue(row), bytes.subarray(at)).written;
    values.ends[row] = at;
  }
  return { count, keys, values, timestamps: null, headers: null };
}
