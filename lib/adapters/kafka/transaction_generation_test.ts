import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { NotModelledError } from "../../base/errors.ts";
import { CALL_VERSIONS, transactionGeneration } from "./transaction_generation.ts";

function broker(level: number | undefined, versions: Readonly<Record<number, number>> = { 0: 12, 26: 5, 28: 5 }) {
  const entries = Object.entries(versions).map(([apiKey, maxVersion]) => [apiKey, { minVersion: 0, maxVersion }]);
  return {
    versions: Object.fromEntries(entries),
    features: level === undefined ? {} : { "transaction.version": level },
  };
}

Deno.test("generation 2 is spoken when the cluster has finalized it and the coordinator speaks all its versions", () => {
  assertEquals(transactionGeneration(broker(2), "auto"), 2);
  assertEquals(transactionGeneration(broker(3), "auto"), 2);
  assertEquals(transactionGeneration(broker(2), 2), 2);
  for (const level of [undefined, 0, 1]) assertEquals(transactionGeneration(broker(level), "auto"), 1);
  for (const old of [{ 0: 11, 26: 5, 28: 5 }, { 0: 12, 26: 4, 28: 5 }, { 0: 12, 26: 5, 28: 4 }, {}]) {
    assertEquals(transactionGeneration(broker(2, old), "auto"), 1);
  }
});

Deno.test("generation 1 is spoken when it is asked for", () => {
  assertEquals(transactionGeneration(broker(2), 1), 1);
  assertEquals(CALL_VERSIONS[1], { produce: 9, offsets: 3, end: 3 });
});

Deno.test("generation 2 that the cluster has not finalized is refused with the command that raises it", () => {
  const error = assertThrows(() => transactionGeneration(broker(1), 2), NotModelledError);
  assertStringIncludes(error.message, "transaction.version is 1");
  assertStringIncludes(error.message, "kafka-features.sh upgrade --feature transaction.version=2");
});
