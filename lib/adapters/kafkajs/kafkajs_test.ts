import { assertEquals } from "@std/assert";
import { processEnvironment } from "../kafka/process_environment.ts";
import { kafkajs, kafkajsBroker } from "./kafkajs.ts";

Deno.test("kafkajs makes brokers for its scheme, and their location names no secrets", () => {
  assertEquals(kafkajs.scheme, "kafkajs");
  assertEquals(kafkajs.broker!("kafkajs://a:1,b:2", processEnvironment()).location, "kafkajs://a:1,b:2");
  const sasl = { mechanism: "plain", username: "me", password: "secret" } as const;
  assertEquals(kafkajsBroker({ brokers: ["a:1"], sasl }).location, "kafkajs://a:1");
});

Deno.test("kafkajs has transactions and static members", () => {
  const { capabilities } = kafkajsBroker({ brokers: ["a:1"] });
  assertEquals([capabilities.isTransactional, capabilities.hasStaticMembers], [true, true]);
});
