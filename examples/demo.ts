/**
 * What the project is for, in one run: the flights example runs once to its end; then again in a child process that is
 * killed with kill -9 in the middle, is started again, and must come to the same table.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { runFlights } from "./flights_process.ts";

const ROWS = 20_000, RATE = 4_000;

const directory = fileURLToPath(new URL(`../.turbine/demo-${Deno.pid}`, import.meta.url));
await Deno.mkdir(directory, { recursive: true });
const onLine = (line: string) => console.log(`  ${line}`);
try {
  console.log(`1. ${ROWS.toLocaleString("en")} real flights, uninterrupted`);
  const whole = await runFlights({ directory: `${directory}/whole`, rows: ROWS, rate: 20_000, onLine });
  console.log(`2. the same at ${RATE.toLocaleString("en")} flights a second, killed in the middle`);
  const paced = { directory: `${directory}/killed`, rows: ROWS, rate: RATE, onLine };
  const killed = await runFlights({ ...paced, killAt: Math.round(ROWS * 0.45) });
  if (killed.committed < ROWS * 0.4 || killed.committed > ROWS * 0.6) {
    console.log(`the kill came outside of 40 to 60 % of the run, at ${killed.committed}`);
    Deno.exitCode = 1;
  }
  console.log("3. started again: it goes on at the exact offset");
  const resumed = await runFlights(paced);
  if (whole.final === undefined || resumed.final !== whole.final) {
    console.log("resumed run DIFFERS from uninterrupted run");
    Deno.exitCode = 1;
  } else {
    console.log(`resumed run equals uninterrupted run (${JSON.parse(whole.final).length} airports compared)`);
  }
} finally {
  await Deno.remove(directory, { recursive: true });
}
