import { assertEquals, assertRejects } from "@std/assert";
import { MemoryBroker } from "../../testing/memory_broker.ts";
import { MemoryBlobStore } from "../adapters/memory/memory_blob_store.ts";
import { Turbine } from "../app/turbine.ts";
import { FencedError } from "../base/errors.ts";
import { int32 } from "../columns/schema.ts";
import { json } from "../codecs/json/json.ts";
import { topic } from "../operator/topic.ts";
import type { Broker, ConsumerOptions } from "../seams/broker.ts";

const events = topic("events", { value: json({ id: int32() }) });

/** A broker whose members are fenced so often when they join; what is asked of them is written down. */
function fencing(times: number): { broker: Broker; asked: string[] } {
  const memory = new MemoryBroker();
  memory.createTopic("events");
  const asked: string[] = [];
  let left = times, members = 0;
  const broker = new Proxy<Broker>(memory, {
    get(target, name) {
      const method = Reflect.get(target, name, target);
      if (name !== "consumer") return typeof method === "function" ? method.bind(target) : method;
      return async (options: ConsumerOptions) => {
        const consumer = await memory.consumer(options);
        const member = ++members;
        const subscribe = consumer.subscribe.bind(consumer);
        consumer.subscribe = (topics, listener) => {
          asked.push(`subscribe ${member}`);
          return left-- > 0
            ? Promise.reject(new FencedError("Cannot join, a newer one is there"))
            : subscribe(topics, listener);
        };
        return consumer;
      };
    },
  });
  return { broker, asked };
}

function start(broker: Broker, instanceId?: string) {
  const app = new Turbine("fenced", { state: "memory:" });
  app.subscribe(events, {}, () => undefined);
  const checkpoints = new MemoryBlobStore();
  return app.start({ broker, checkpoints, ...(instanceId === undefined ? {} : { instanceId }) });
}

Deno.test("SubscriptionRunner.start() ends loudly when another process has its instance id, and asks that member no more", async () => {
  const { broker, asked } = fencing(9);
  await assertRejects(() => start(broker, "one"), FencedError, "another process runs with 'instanceId' 'one'");
  assertEquals(asked, ["subscribe 1"]);
  await broker.close();
});

Deno.test("SubscriptionRunner.start() goes on as a new member when a member without an instance id was fenced", async () => {
  const { broker, asked } = fencing(1);
  const app = await start(broker);
  while (asked.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
  assertEquals(asked, ["subscribe 1", "subscribe 2"]);
  await app.close();
  await broker.close();
});
