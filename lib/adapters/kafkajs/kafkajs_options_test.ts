import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { NotModelledError } from "../../base/errors.ts";
import { kafkajs, kafkajsBroker } from "./kafkajs.ts";
import { parseAddress, parseLocation, resolveOptions } from "./kafkajs_options.ts";
import { processEnvironment } from "./process_environment.ts";

Deno.test("parseLocation() reads one address or several", () => {
  assertEquals(parseLocation("kafkajs://localhost:9092"), ["localhost:9092"]);
  assertEquals(parseLocation("kafkajs://a.example:9092,10.0.0.1:19092/"), ["a.example:9092", "10.0.0.1:19092"]);
  assertEquals(parseLocation("kafkajs://[::1]:9092"), ["[::1]:9092"]);
});

for (
  const location of [
    "kafkajs:",
    "kafkajs://",
    "kafkajs://localhost",
    "kafkajs://localhost:0",
    "kafkajs://localhost:70000",
    "kafkajs://localhost:9092,",
    "kafkajs://user@localhost:9092",
    "kafkajs://localhost:9092/topic",
    "kafka://localhost:9092",
    "localhost:9092",
  ]
) {
  Deno.test(`parseLocation() refuses '${location}' and tells the form`, () => {
    const { message } = assertThrows(() => parseLocation(location), TypeError);
    assertStringIncludes(message, "kafkajs://host:port[,host:port...]");
    assertStringIncludes(message, `current value is '${location}'`);
  });
}

Deno.test("parseAddress() takes the brackets from IPv6 addresses", () => {
  assertEquals(parseAddress("[fe80::1]:9092"), { host: "fe80::1", port: 9092 });
});

Deno.test("resolveOptions() adds defaults and freezes", () => {
  const options = resolveOptions({ brokers: ["a:1"], connectTimeoutMs: 5 });
  assertEquals([options.connectTimeoutMs, options.requestTimeoutMs, options.clientId], [5, 30_000, "turbine"]);
  assertEquals(Object.isFrozen(options), true);
});

Deno.test("resolveOptions() refuses what cannot be", () => {
  const { message } = assertThrows(() => resolveOptions({ brokers: ["a:1"], batchBytesMax: 0 }), RangeError);
  assertEquals(
    message,
    "Cannot create kafkajs broker as 'batchBytesMax' must be an integer >= 1: current value is 0",
  );
  assertThrows(() => resolveOptions({ brokers: [] }), TypeError);
  assertThrows(() => resolveOptions({ brokers: ["nowhere"] }), TypeError);
});

Deno.test("kafkajs makes brokers for its scheme, and their location names no secrets", () => {
  assertEquals(kafkajs.scheme, "kafkajs");
  assertEquals(kafkajs.broker!("kafkajs://a:1,b:2", processEnvironment()).location, "kafkajs://a:1,b:2");
  const sasl = { mechanism: "plain", username: "me", password: "secret" } as const;
  assertEquals(kafkajsBroker({ brokers: ["a:1"], sasl }).location, "kafkajs://a:1");
});

Deno.test("transactionalProducer() tells that there are no transactions and what to do", async () => {
  const broker = kafkajsBroker({ brokers: ["a:1"] });
  assertEquals(broker.capabilities.isTransactional, false);
  const error = await broker.transactionalProducer({ transactionalId: "x" }).catch((failure) => failure);
  assertEquals(error instanceof NotModelledError, true);
  assertStringIncludes(error.message, "at-least-once");
});
