import { assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { NotModelledError } from "../../base/errors.ts";
import { processEnvironment } from "../kafka/process_environment.ts";
import { kafkajs, kafkajsBroker } from "./kafkajs.ts";

Deno.test("kafkajs makes brokers for its scheme, and their location names no secrets", () => {
  assertEquals(kafkajs.scheme, "kafkajs");
  assertEquals(kafkajs.broker!("kafkajs://a:1,b:2", processEnvironment()).location, "kafkajs://a:1,b:2");
  const sasl = { mechanism: "plain", username: "me", password: "secret" } as const;
  assertEquals(kafkajsBroker({ brokers: ["a:1"], sasl }).location, "kafkajs://a:1");
});

Deno.test("transactionalProducer() tells that there are no transactions and what to do", async () => {
  const broker = kafkajsBroker({ brokers: ["a:1"] });
  assertEquals(broker.capabilities.isTransactional, false);
  const error = await broker.transactionalProducer({ transactionalId: "x" }).catch((failure: unknown) => failure);
  assertInstanceOf(error, NotModelledError);
  assertStringIncludes(error.message, "at-least-once");
});
