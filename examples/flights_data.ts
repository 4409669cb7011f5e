/** The 20,000 real US flight records that npm:vega-datasets carries. */

/** One flight; `date` in epoch milliseconds, `delay` in minutes (negative: early), `distance` in miles. */
export interface Flight {
  /** Departure, epoch milliseconds (the file has local text without a zone; it is read as UTC). */
  readonly date: number;
  /** Delay in minutes. */
  readonly delay: number;
  /** Distance in miles. */
  readonly distance: number;
  /** Airport of departure, three letters. */
  readonly origin: string;
  /** Airport of arrival, three letters. */
  readonly destination: string;
}

interface FileRow extends Omit<Flight, "date"> {
  readonly date: string;
}

const DATE = /^(\d{4})\/(\d{2})\/(\d{2}) (\d{2}):(\d{2})$/;

/**
 * Epoch milliseconds of a date as the file writes it.
 *
 * @param text For example `2001/01/01 00:47`.
 * @throws {RangeError} when it is written otherwise.
 */
export function parseDate(text: string): number {
  const match = DATE.exec(text);
  if (match === null) {
    throw new RangeError(
      `Cannot read a flight's date as it must look like 2001/01/01 00:47: current value is '${text}'`,
    );
  }
  const [, year, month, day, hour, minute] = match.map(Number) as [number, number, number, number, number, number];
  return Date.UTC(year, month - 1, day, hour, minute);
}

/** Reads the file; the package does not export it, so it is found in `node_modules/`. */
export async function loadFlights(): Promise<readonly Flight[]> {
  const path = new URL("../node_modules/vega-datasets/data/flights-20k.json", import.meta.url);
  const rows = JSON.parse(await Deno.readTextFile(path)) as FileRow[];
  return rows.map((row) => ({ ...row, date: parseDate(row.date) }));
}

/**
 * Flights [from, to) of an endless stream: the file again and again, each pass shifted by the file's own span.
 *
 * @param flights The file's rows.
 * @param from First flight.
 * @param to One past the last flight.
 */
export function flightsBetween(flights: readonly Flight[], from: number, to: number): Flight[] {
  const spanMs = flights.at(-1)!.date - flights[0]!.date + 60_000;
  const out: Flight[] = [];
  for (let at = from; at < to; at++) {
    const flight = flights[at % flights.length]!;
    out.push({ ...flight, date: flight.date + Math.floor(at / flights.length) * spanMs });
  }
  return out;
}
