import { assertEquals, assertThrows } from "@std/assert";
import { checkAppOptions, resolveOptions, type TurbineOptions } from "./app_options.ts";
import { resolveSubscribeOptions } from "./subscribe_options.ts";
import { resolveLocation } from "./locations.ts";

const check = (options: Record<string, unknown>) => () => checkAppOptions("app", options as TurbineOptions);
const subscribe = (options: Record<string, unknown>) => () => resolveSubscribeOptions("readings", options as never);

Deno.test("a wrong app option names itself, what it may be, and its value", () => {
  assertThrows(
    check({ checkpointIntervalMs: -5 }),
    RangeError,
    "Cannot create app 'app' as 'checkpointIntervalMs' must be an integer >= 1: current value is -5",
  );
  assertThrows(
    check({ retainedCheckpoints: 0 }),
    RangeError,
    "'retainedCheckpoints' must be an integer from 1 to 1000: current value is 0",
  );
  assertThrows(
    check({ stateFlushIntervalMs: "1" }),
    TypeError,
    "'stateFlushIntervalMs' must be an integer >= 0: current value is '1'",
  );
  assertThrows(check({ failoverGraceMs: 1.5 }), RangeError, "current value is 1.5");
  assertThrows(
    check({ broker: "localhost" }),
    TypeError,
    "'broker' must be an adapter's object or a string such as 'file:./path': current value is 'localhost'",
  );
  assertThrows(
    check({ startFrom: "newest" }),
    TypeError,
    "'startFrom' must be 'earliest' | 'latest' | { atMs }: current value is 'newest'",
  );
  assertThrows(check({ adapters: [{}] }), TypeError, "'adapters' must be an array of adapters");
  assertThrows(check({ instanceId: "a b" }), TypeError, "current value is 'a b'");
});

Deno.test("an unknown option is refused with the names of those that exist", () => {
  assertThrows(check({ brokr: "memory:" }), TypeError, "there is no option 'brokr', only adapters, broker,");
  assertThrows(subscribe({ batchSize: 1 }), TypeError, "there is no option 'batchSize', only publishTo,");
});

Deno.test("an option that is not built yet is refused by name, not ignored", () => {
  assertThrows(check({ workers: 4 }), TypeError, "'workers' is not available in this release");
  assertThrows(check({ maxLagMs: 4 }), TypeError, "'maxLagMs' is not available in this release");
  for (const name of ["keyBy", "durability", "onLate", "standbyReplicas", "targetLatencyMs"]) {
    assertThrows(subscribe({ [name]: 1 }), TypeError, `'${name}' is not available in this release`);
  }
});

Deno.test("a name that cannot be part of groups and directories is refused", () => {
  for (const name of ["", "a/b", "a.b", "ä", "x".repeat(81)]) {
    assertThrows(() => checkAppOptions(name, {}), TypeError, "its name must be 1 to 80 characters");
  }
});

Deno.test("a wrong subscription option names itself, what it may be, and its value", () => {
  assertThrows(
    subscribe({ commitIntervalMs: -5 }),
    RangeError,
    "Cannot create subscription 'readings' as 'commitIntervalMs' must be an integer from 0 to 3600000: current value is -5",
  );
  assertThrows(subscribe({ batchRows: 0 }), RangeError, "'batchRows' must be an integer from 1 to 1000000");
  assertThrows(
    subscribe({ onRecordError: "ignore" }),
    TypeError,
    "'onRecordError' must be one of 'fail' | 'skip' | 'dead-letter': current value is 'ignore'",
  );
  assertThrows(
    subscribe({ processingGuarantee: "at-most-once" }),
    TypeError,
    "must be one of 'at-least-once' | 'exactly-once'",
  );
  assertThrows(
    subscribe({ state: { get: {} } }),
    TypeError,
    "must not be named like a method of state: current value is 'get'",
  );
  assertThrows(subscribe({ state: { last: {} } }), TypeError, "'last' must be a stateTable({ key, value })");
  assertThrows(subscribe({ deadLetter: "a b" }), TypeError, "current value is 'a b'");
});

Deno.test("run overrides win over the environment, the environment over the constructor, that over the default", () => {
  const constructorOptions = { broker: "memory:", state: "memory:a", checkpoints: "file:/c" };
  const environment = { TURBINE_STATE: "memory:b", TURBINE_CHECKPOINTS: "file:/e", TURBINE_BROKER: "" };
  const options = resolveOptions("app", { constructorOptions, environment, run: { checkpoints: "file:/r" } });
  assertEquals([options.broker, options.state, options.checkpoints], ["memory:", "memory:b", "file:/r"]);
  assertEquals(options.sources.broker, "constructor");
  assertEquals(options.sources.state, "environment");
  assertEquals(options.sources.checkpoints, "run");
  assertEquals(options.sources.taskTimeoutMs, "default");
  assertEquals(Object.isFrozen(options), true);
});

Deno.test("a wrong value from the environment names its variable", () => {
  const environment = { TURBINE_BROKER: "localhost" };
  assertThrows(() => resolveOptions("app", { constructorOptions: {}, environment }), TypeError, "from TURBINE_BROKER");
});

Deno.test("an unknown scheme names the import that provides it", () => {
  const more = { adapters: [], environment: undefined as never };
  assertThrows(
    () => resolveLocation({ kind: "state", place: "rocksdb:./s" }, more),
    TypeError,
    "imported from @turbine/turbine/rocksdb",
  );
  assertThrows(
    () => resolveLocation({ kind: "broker", place: "kafkajs://h:1" }, more),
    TypeError,
    "imported from @turbine/turbine/kafkajs",
  );
  assertThrows(
    () => resolveLocation({ kind: "broker", place: "kafka://h:1" }, more),
    TypeError,
    "imported from @turbine/turbine/kafka",
  );
  assertThrows(
    () => resolveLocation({ kind: "checkpoints", place: "s3://bucket" }, more),
    TypeError,
    "the scheme 's3:' needs its adapter in 'adapters', imported from @turbine/turbine/s3",
  );
  assertThrows(
    () => resolveLocation({ kind: "checkpoints", place: "ftp:x" }, more),
    TypeError,
    "current value is 'ftp:x'",
  );
});
