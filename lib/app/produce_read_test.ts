import { assertEquals, assertRejects } from "@std/assert";
import { BrokerUnavailableError, SerializationError, StateLockedError } from "../base/errors.ts";
import { batchOf } from "../columns/batch_of.ts";
import {
  bool,
  float64,
  int64,
  json,
  list,
  struct,
  text,
  topic,
  Turbine,
  type TurbineOptions,
  utf8,
} from "../../mod.ts";
import { kafkajs } from "../adapters/kafkajs/mod.ts";
import { rocksdb } from "../adapters/rocksdb/rocksdb.ts";

const events = topic("events", {
  value: json({ key: utf8({ nullable: true }), x: float64(), n: int64({ nullable: true }) }),
  key: "key",
});
const rows = [{ key: "a", x: 1.5, n: 2n ** 62n }, { key: null, x: -0, n: null }, { key: 'b\u2028"', x: 1e300, n: -1n }];
const quiet = { observer: { step: () => {}, log: () => {} } };
const memoryApp = (name = "app") => new Turbine(name, { broker: "memory:", environment: quiet });

Deno.test("app.produce() and app.read() give any rows back before, while and after the app runs", async () => {
  const app = memoryApp();
  app.subscribe(events, {}, () => {});
  await app.produce(events, rows);
  assertEquals(await app.read(events), rows);
  await using running = await app.start();
  await running.produce(events, rows.slice(0, 1));
  await app.produce(events, batchOf(events.schema, rows.slice(1)));
  assertEquals(await running.read(events), [...rows, ...rows]);
  await running.close();
  assertEquals(await app.read(events), [...rows, ...rows]);
});

Deno.test("app.produce() of a slice of a batch writes the rows of the slice", async () => {
  const nested = topic("nested", {
    value: json({
      id: utf8(),
      tags: list(utf8({ nullable: true })),
      at: struct({ isHome: bool() }, { nullable: true }),
    }),
  });
  const some = [
    { id: "1", tags: [], at: null },
    { id: "2", tags: ["x", null], at: { isHome: true } },
    { id: "3", tags: ["y"], at: { isHome: false } },
  ];
  const app = memoryApp();
  await app.produce(nested, batchOf(nested.schema, some).slice(1, 3));
  assertEquals(await app.read(nested), some.slice(1));
});

Deno.test("app.read() begins where 'from' says", async () => {
  let wallMs = 1_000;
  const clock = { wallMs: () => wallMs, monotonicMs: () => wallMs, sleep: () => Promise.resolve() };
  const app = new Turbine("app", { broker: "memory:", environment: { ...quiet, clock } });
  const ids = async (from: "earliest" | "latest" | { atMs: number }) =>
    (await app.read(events, { from })).map(({ key }) => key);
  for (const key of ["1000", "2000", "3000"]) {
    wallMs = Number(key);
    await app.produce(events, [{ key, x: 0, n: null }]);
  }
  assertEquals(await ids("earliest"), ["1000", "2000", "3000"]);
  assertEquals(await ids({ atMs: 1_001 }), ["2000", "3000"]);
  assertEquals(await ids({ atMs: 3_000 }), ["3000"]);
  assertEquals(await ids({ atMs: 3_001 }), []);
  assertEquals(await ids("latest"), []);
});

Deno.test("a reader goes on where its last call ended, and keeps what it could not read", async () => {
  await using running = await memoryApp().start();
  const lines = topic("events", { value: text() });
  await using reader = running.reader(events);
  assertEquals(await reader.rows(), []);
  await running.produce(events, rows);
  assertEquals(await reader.rows(), rows);
  await running.produce(lines, [{ value: '{"x":' }, { value: '{"x":7}' }]);
  assertEquals(await reader.rows(), [{ key: null, x: 7, n: null }]);
  assertEquals(reader.unreadable.map(({ partition, offset }) => [partition, offset]), [[0, 3]]);
  assertEquals(await reader.rows(), []);
});

Deno.test("app.produce() writes all rows or none: a row that JSON cannot hold is named", async () => {
  const app = memoryApp();
  for (const x of [NaN, Infinity, -Infinity]) {
    await assertRejects(
      () => app.produce(events, [rows[0]!, { key: "k", x, n: null }]),
      SerializationError,
      "Cannot write row 1 to topic 'events': column 'x'",
    );
  }
  await assertRejects(() => app.produce(events, [{ key: "\ud800", x: 1, n: null }]), TypeError, "lone surrogates");
  await assertRejects(() => app.produce(events, [{ key: "k", x: 1, n: 2n ** 63n }]), TypeError, "wants a bigint of 64");
  await assertRejects(() => app.produce(events, [{ key: "k", n: 1n } as never]), TypeError, "column 'x'");
  await assertRejects(() => app.produce(events, [{ ...rows[0]!, z: 1 } as never]), TypeError, "current value is 'z'");
  await assertRejects(() => app.produce("bare", [{ a: 1 }, { a: 1n }]), SerializationError, "row 1");
  await assertRejects(() => app.produce("a b", [{}]), TypeError, "current value is 'a b'");
  assertEquals(await app.read(events), []);
});

Deno.test("a bare topic name is JSON with inferred columns, written and read", async () => {
  const app = memoryApp();
  await app.produce("bare", [{ a: 1, b: "x" }, { a: 2.5 }]);
  assertEquals(await app.read("bare"), [{ a: 1, b: "x" }, { a: 2.5, b: null }] as never);
});

Deno.test("no broker at the address is a BrokerUnavailableError that names it and the next step, wherever it is met", async () => {
  const options: TurbineOptions = { adapters: [kafkajs], broker: "kafkajs://127.0.0.1:1", environment: quiet };
  const app = new Turbine("app", options);
  app.subscribe(events, {}, () => {});
  const calls = [() => app.start(), () => app.run(), () => app.produce(events, rows), () => app.read(events)];
  for (const call of calls) {
    const error = await assertRejects(call as () => Promise<unknown>, BrokerUnavailableError, "kafkajs://127.0.0.1:1");
    assertEquals(error.message.includes("set 'broker' or TURBINE_BROKER to another address"), true);
    assertEquals(error.code, "BrokerUnavailable");
  }
});

Deno.test("a directory that is held is a StateLockedError that names the directory and its holder", async () => {
  const directory = await Deno.makeTempDir({ prefix: "turbine-locked-" });
  const appOn = (broker: string) => {
    const places = { broker, state: `rocksdb:${directory}/state`, checkpoints: `file:${directory}/checkpoints` };
    const app = new Turbine("app", { adapters: [rocksdb], ...places, environment: quiet });
    app.subscribe(events, { name: "copy" }, (batch, { state }) => state.put("rows", batch.numRows));
    return app;
  };
  try {
    const holder = await appOn(`file:${directory}/broker`).start();
    try {
      const second = appOn(`file:${directory}/broker`);
      for (const call of [() => second.start(), () => second.produce(events, rows)]) {
        const error = await assertRejects(call as () => Promise<unknown>, StateLockedError, `${directory}/broker`);
        assertEquals(error.message.includes(`process ${Deno.pid}`), true);
      }
      const other = appOn("memory:");
      const error = await assertRejects(() => other.start(), StateLockedError, `${directory}/state/app/copy/0`);
      assertEquals(error.message.includes(`${Deno.pid}`), true);
    } finally {
      await holder.close();
    }
    await (await appOn(`file:${directory}/broker`).start()).close();
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
