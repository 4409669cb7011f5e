/** A job with a plausible mistake: it keeps what it knows in a variable of its module. */
import { batchOf, Turbine } from "../../mod.ts";
import { numbered, readings } from "./fixtures_test.ts";

const numbers = new Map<string, number>();

/** Numbers the readings of each device. */
export function createApp(): Turbine {
  return new Turbine("numbers").subscribe(readings, { publishTo: numbered }, (batch) => {
    const rows = [...batch].map(({ device }) => {
      const number = (numbers.get(device) ?? 0) + 1;
      numbers.set(device, number);
      return { device, number };
    });
    return batchOf(numbered.schema, rows);
  });
}
