import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { MemoryBroker } from "../memory_broker.ts";
import type { Broker } from "../../lib/seams/broker.ts";
import { BROKER_CASES, brokerContract, type BrokerHarness } from "./broker_contract.ts";

const TIMINGS = { patienceMs: 300, quietMs: 20, sessionTimeoutMs: 250, transactionTimeoutMs: 250 };

/** Cases as they are registered for a broker, and what is printed. */
function registered(
  bend: (broker: Broker) => Broker = (broker) => broker,
  skip: Record<string, string> = {},
): { cases: Map<string, () => Promise<void>>; printed: string[] } {
  const cases = new Map<string, () => Promise<void>>();
  const printed: string[] = [];
  const makeHarness = (): Promise<BrokerHarness> => {
    const broker = new MemoryBroker();
    return Promise.resolve({
      broker: bend(broker),
      timings: TIMINGS,
      prefix: "case",
      connect: () => Promise.resolve(bend(broker.connect())),
      close: () => broker.close(),
    });
  };
  const register = (name: string, run: () => Promise<void>) => void cases.set(name.replace("x: ", ""), run);
  brokerContract("x", makeHarness, { skip, register, print: (line) => printed.push(line) });
  return { cases, printed };
}

/** A broker one of whose methods is another. */
function bent<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get: (object, name) => {
      if (Object.hasOwn(methods, name)) return methods[name as keyof T];
      const member = Reflect.get(object, name, object);
      return typeof member === "function" ? member.bind(object) : member;
    },
  });
}

Deno.test("brokerContract: skipped cases are printed with their reason and not registered", () => {
  const name = Object.keys(BROKER_CASES)[3]!;
  const { cases, printed } = registered(undefined, { [name]: "no such thing" });
  assertEquals(printed, [`cannot: ${name}: no such thing`]);
  assertEquals(cases.size, Object.keys(BROKER_CASES).length - 1);
  assert(!cases.has(name));
});

Deno.test("brokerContract: a skip that names no case is a TypeError", () => {
  assertThrows(() => registered(undefined, { "no such case": "why" }), TypeError, "no such case");
});

Deno.test("brokerContract: a case whose need is not met is printed", async () => {
  const name = "a position that retention has passed is an error with the log's bounds";
  const { cases, printed } = registered();
  await cases.get(name)!();
  assertEquals(printed, [`cannot: ${name}: the adapter has no deleteRecordsBefore`]);
});

Deno.test("brokerContract: a capability that a broker denies leaves out its cases", async () => {
  const capabilities = {
    isTransactional: false,
    hasStaticMembers: false,
    hasStableOffsets: false,
    createsTopics: true,
  };
  const { cases, printed } = registered((broker) => bent(broker, { capabilities }));
  await cases.get("an empty transaction can be committed and aborted")!();
  assertEquals(printed, [
    "cannot: an empty transaction can be committed and aborted: the adapter has no isTransactional",
  ]);
});

Deno.test("brokerContract: finds a broker that loses metadata, and one that resets positions silently", async () => {
  const forgetful = registered((broker) =>
    bent(broker, {
      consumer: async (options) => {
        const consumer = await broker.consumer(options);
        return bent(consumer, {
          commit: (positions, group) =>
            consumer.commit(positions.map((position) => ({ ...position, metadata: "" })), group),
        });
      },
    })
  );
  await assertRejects(forgetful.cases.get("committed() tells offset and metadata as they were committed")!);
  const lax = registered((broker) =>
    bent(broker, {
      consumer: async (options) => {
        const consumer = await broker.consumer(options);
        return bent(consumer, { poll: (bounds) => consumer.poll(bounds).catch(() => []) });
      },
    })
  );
  await assertRejects(
    lax.cases.get("a position past the end is an error with the log's bounds, never a silent reset")!,
  );
});
