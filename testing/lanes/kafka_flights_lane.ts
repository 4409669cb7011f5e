/**
 * The flights example on a real Kafka (TURBINE_TEST_KAFKA=host:port): its final table is that of a plain loop over the
 * file, also when the job is killed with kill -9 in the middle and started again.
 */
import { assert, assertEquals } from "@std/assert";
import { loadFlights } from "../../examples/flights_data.ts";
import { runFlights } from "../../examples/flights_process.ts";

const ADDRESS = Deno.env.get("TURBINE_TEST_KAFKA");
const ROWS = 20_000;

/** The table that the job must come to, by the simplest code. */
async function reference(): Promise<string> {
  const airports = new Map<string, { flights: number; total: number; worst: number }>();
  for (const { origin, delay } of (await loadFlights()).slice(0, ROWS)) {
    const own = airports.get(origin) ?? { flights: 0, total: 0, worst: -Infinity };
    airports.set(origin, { flights: own.flights + 1, total: own.total + delay, worst: Math.max(own.worst, delay) });
  }
  const rows = [...airports].map(([origin, { flights, total, worst }]) => ({
    origin,
    flights,
    mean_delay: total / flights,
    worst_delay: worst,
  }));
  return JSON.stringify(rows.sort((a, b) => a.origin.localeCompare(b.origin)));
}

function flightsTest(isExactlyOnce: boolean, isKilled: boolean): void {
  const guarantee = isExactlyOnce ? "exactly-once" : "at-least-once";
  const what = isKilled ? "also after kill -9 in the middle" : "uninterrupted";
  Deno.test(`flights on a real Kafka, ${guarantee}, come to the same final table, ${what}`, async () => {
    const directory = await Deno.makeTempDir({ prefix: "turbine-flights-" });
    const name = `flights-${crypto.randomUUID().slice(0, 8)}`;
    const options = { directory, name, broker: `kafka://${ADDRESS}`, rows: ROWS, isExactlyOnce, onLine: () => {} };
    try {
      if (isKilled) {
        const { committed, final } = await runFlights({ ...options, rate: 4_000, killAt: 9_000 });
        assert(final === undefined && committed < ROWS, `the job was not killed in the middle but at ${committed}`);
      }
      const { final } = await runFlights({ ...options, rate: isKilled ? 4_000 : 20_000 });
      assertEquals(final, await reference());
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}

for (const isExactlyOnce of ADDRESS === undefined ? [] : [false, true]) {
  for (const isKilled of [false, true]) flightsTest(isExactlyOnce, isKilled);
}

if (ADDRESS === undefined) console.log("TURBINE_TEST_KAFKA is not set: the example is not run on a real Kafka");
