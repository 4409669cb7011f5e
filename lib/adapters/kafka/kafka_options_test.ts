import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { parseAddress, parseLocation, resolveOptions } from "./kafka_options.ts";

Deno.test("parseLocation() reads one address or several", () => {
  assertEquals(parseLocation("kafka://localhost:9092", "kafka"), ["localhost:9092"]);
  assertEquals(parseLocation("kafka://a.example:9092,10.0.0.1:19092/", "kafka"), ["a.example:9092", "10.0.0.1:19092"]);
  assertEquals(parseLocation("kafka://[::1]:9092", "kafka"), ["[::1]:9092"]);
});

for (
  const location of [
    "kafka:",
    "kafka://",
    "kafka://localhost",
    "kafka://localhost:0",
    "kafka://localhost:70000",
    "kafka://localhost:9092,",
    "kafka://user@localhost:9092",
    "kafka://localhost:9092/topic",
    "kafkajs://localhost:9092",
    "localhost:9092",
  ]
) {
  Deno.test(`parseLocation() refuses '${location}' and tells the form`, () => {
    const { message } = assertThrows(() => parseLocation(location, "kafka"), TypeError);
    assertStringIncludes(message, "kafka://host:port[,host:port...]");
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
    "Cannot create kafka broker as 'batchBytesMax' must be an integer >= 1: current value is 0",
  );
  assertThrows(() => resolveOptions({ brokers: [] }), TypeError);
  assertThrows(() => resolveOptions({ brokers: ["nowhere"] }), TypeError);
  assertThrows(() => resolveOptions({ brokers: ["a:1"], transactionProtocol: 3 as 2 }), TypeError, "'auto', 1 or 2");
});

Deno.test("resolveOptions() takes a generation of transactions", () => {
  const generations = ([undefined, "auto", 1, 2] as const).map((transactionProtocol) =>
    resolveOptions({ brokers: ["a:1"], ...transactionProtocol === undefined ? {} : { transactionProtocol } })
  );
  assertEquals(generations.map((options) => options.transactionProtocol), ["auto", "auto", 1, 2]);
});

Deno.test("resolveOptions() compresses nothing unless it is told, and knows all codecs of Kafka", () => {
  assertEquals(resolveOptions({ brokers: ["a:1"] }).compression, "none");
  for (const compression of ["none", "gzip", "snappy", "lz4", "zstd"] as const) {
    assertEquals(resolveOptions({ brokers: ["a:1"], compression }).compression, compression);
  }
  const { message } = assertThrows(
    () => resolveOptions({ brokers: ["a:1"], compression: "brotli" as "zstd" }, "kafkajs"),
    TypeError,
  );
  assertEquals(
    message,
    "Cannot create kafkajs broker as 'compression' must be one of 'none', 'gzip', 'snappy', 'lz4', 'zstd': current value " +
      "is 'brotli'",
  );
});
