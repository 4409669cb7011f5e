/** One row of the table. */
export interface Airport {
  /** Airport, three letters. */
  readonly origin: string;
  /** Flights so far. */
  readonly flights: number;
  /** Mean delay in minutes. */
  readonly mean_delay: number;
  /** Worst delay in minutes. */
  readonly worst_delay: number;
}

/** Keeps the last row of each airport and prints the ten latest ones. */
export class LiveTable {
  readonly #airports = new Map<string, Airport>();
  readonly #isPlain: boolean;
  #lines = 0;
  #shownAt = 0;
  #committedBefore = 0;

  /** @param options `isPlain`: one line for each change instead of a redrawn table. */
  constructor(options: { readonly isPlain: boolean }) {
    this.#isPlain = options.isPlain;
  }

  /** Takes in rows that were published; a later row of an airport replaces an earlier one. */
  take(rows: readonly Airport[]): void {
    for (const airport of rows) this.#airports.set(airport.origin, airport);
  }

  /** Airports with at least `flightsMin` flights, worst mean first. */
  worst(flightsMin: number): Airport[] {
    return [...this.#airports.values()].filter((airport) => airport.flights >= flightsMin)
      .sort((a, b) => b.mean_delay - a.mean_delay || a.origin.localeCompare(b.origin)).slice(0, 10);
  }

  /** Shows the state of things, at most four times a second. */
  show(progress: { readonly committed: number; readonly fed: number }): void {
    const at = performance.now();
    if (progress.committed === this.#committedBefore || at - this.#shownAt < 100) return;
    const seconds = (at - this.#shownAt) / 1_000;
    const rate = this.#shownAt === 0 ? 0 : (progress.committed - this.#committedBefore) / seconds;
    this.#shownAt = at;
    this.#committedBefore = progress.committed;
    const head = `committed ${progress.committed} of ${progress.fed} flights, ${Math.round(rate)} rows/s`;
    if (this.#isPlain) return console.log(head);
    const lines = [head, ...this.#table()];
    const up = this.#lines === 0 ? "" : `\x1b[${this.#lines}A\x1b[J`;
    console.log(up + lines.join("\n"));
    this.#lines = lines.length;
  }

  /** Prints the ten worst airports, and all airports as one line of JSON for comparison. */
  final(): void {
    console.log(`\n${this.#table().join("\n")}`);
    const all = [...this.#airports.values()].sort((a, b) => a.origin.localeCompare(b.origin));
    console.log(`final ${JSON.stringify(all)}`);
  }

  #table(): string[] {
    const rows = this.worst(20).map((airport) =>
      `  ${airport.origin}  ${String(airport.flights).padStart(7)}  ${airport.mean_delay.toFixed(2).padStart(10)}  ${
        String(airport.worst_delay).padStart(11)
      }`
    );
    return ["  airport  flights  mean delay  worst delay", ...rows];
  }
}
