/** Jobs for the tests of laws: three plausible mistakes, and how it is done right. */
import {
  batchOf,
  float64,
  int32,
  json,
  stateTable,
  timestampMs,
  topic,
  tumblingCount,
  Turbine,
  utf8,
} from "../../mod.ts";

export const readings = topic("readings", {
  value: json({ device: utf8(), ts: timestampMs(), celsius: float64() }),
  key: "device",
  eventTime: "ts",
  outOfOrdernessMs: 1_000,
});
export const means = topic("means", { value: json({ device: utf8(), mean: float64() }), key: "device" });
export const stamped = topic("stamped", {
  value: json({ device: utf8(), celsius: float64(), seenMs: timestampMs() }),
  key: "device",
});
export const numbered = topic("numbered", { value: json({ device: utf8(), number: int32() }), key: "device" });

/** Mistake: the mean of whatever happens to be in a batch. */
export function meanPerBatch(): Turbine {
  return new Turbine("thermostat").subscribe(readings, { publishTo: means }, (batch) => {
    const byDevice = Map.groupBy(batch, ({ device }) => device);
    const rows = [...byDevice].map(([device, own]) => ({
      device,
      mean: own.reduce((sum, { celsius }) => sum + celsius, 0) / own.length,
    }));
    return batchOf(means.schema, rows);
  });
}

const sums = stateTable({ key: utf8(), value: { n: int32(), sum: float64() } });

/** The mean so far, once for each row. */
export function meanSoFar(): Turbine {
  return new Turbine("thermostat").subscribe(
    readings,
    { publishTo: means, state: { sums } },
    async (batch, { state }) => {
      const rows: { device: string; mean: number }[] = [];
      for (const { device, celsius } of batch) {
        const before = await state.sums.get(device) ?? { n: 0, sum: 0 };
        const after = { n: before.n + 1, sum: before.sum + celsius };
        state.sums.put(device, after);
        rows.push({ device, mean: after.sum / after.n });
      }
      return batchOf(means.schema, rows);
    },
  );
}

/** The mean so far, once for each device of a batch: an update. */
export function meanUpdates(): Turbine {
  return new Turbine("thermostat").subscribe(
    readings,
    { publishTo: means, state: { sums } },
    async (batch, { state }) => {
      const rows: { device: string; mean: number }[] = [];
      for (const [device, own] of Map.groupBy(batch, (row) => row.device)) {
        const { n, sum } = await state.sums.get(device) ?? { n: 0, sum: 0 };
        const after = { n: n + own.length, sum: own.reduce((total, { celsius }) => total + celsius, sum) };
        state.sums.put(device, after);
        rows.push({ device, mean: after.sum / after.n });
      }
      return batchOf(means.schema, rows);
    },
  );
}

/** Mistake: the output says when it was made. */
export function stampedByClock(): Turbine {
  return new Turbine("stamps").subscribe(readings, { publishTo: stamped }, (batch) => {
    const rows = [...batch].map(({ device, celsius }) => ({ device, celsius, seenMs: Date.now() }));
    return batchOf(stamped.schema, rows);
  });
}

/** The output says how far event time had come. */
export function stampedByEventTime(): Turbine {
  return new Turbine("stamps").subscribe(readings, { publishTo: stamped }, (batch, { input }) => {
    const rows = [...batch].map(({ device, celsius }, row) => ({ device, celsius, seenMs: input.taskTimes[row]! }));
    return batchOf(stamped.schema, rows);
  });
}

/** Numbers kept where a restart finds them. */
export function numberedInState(): Turbine {
  return new Turbine("numbers").subscribe(readings, { publishTo: numbered }, async (batch, { state }) => {
    const rows: { device: string; number: number }[] = [];
    for (const { device } of batch) {
      const number = (await state.get<number>(device) ?? 0) + 1;
      state.put(device, number);
      rows.push({ device, number });
    }
    return batchOf(numbered.schema, rows);
  });
}

/** Mistake: numbers kept in a closure of the app, which a crash forgets. */
export function numberedInClosure(): Turbine {
  const numbers = new Map<string, number>();
  return new Turbine("numbers").subscribe(readings, { publishTo: numbered }, (batch) => {
    const rows = [...batch].map(({ device }) => {
      const number = (numbers.get(device) ?? 0) + 1;
      numbers.set(device, number);
      return { device, number };
    });
    return batchOf(numbered.schema, rows);
  });
}

/** Windows of event time, by device. */
export function windows(): Turbine {
  const counted = tumblingCount<typeof readings.schema, "device">({
    name: "per-device",
    sizeMs: 5_000,
    by: ["device"],
  });
  const counts = topic("counts", { value: json(counted.schema(readings.schema) as never) });
  return new Turbine("windows").subscribe(readings, { publishTo: counts as never }, counted as never);
}
