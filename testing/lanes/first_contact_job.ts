/** A job as a user writes it, on a broker that is not what it should be. Arguments: adapter, address, and a password if any. */
import { kafkaBroker } from "../../lib/adapters/kafka/mod.ts";
import { kafkajsBroker } from "../../lib/adapters/kafkajs/mod.ts";
import { json, topic, Turbine, utf8 } from "../../mod.ts";

const [adapter, address, password] = Deno.args;
const credentials = password === undefined
  ? {}
  : { sasl: { mechanism: "plain", username: "alice", password } as const };
const makeBroker = adapter === "kafkajs" ? kafkajsBroker : kafkaBroker;

const readings = topic("readings", { value: json({ device: utf8() }), key: "device", partitions: 3 });
const app = new Turbine("thermostat", {
  broker: makeBroker({ brokers: [address!], ...credentials }),
  state: "memory:",
  checkpoints: "memory:",
});
app.subscribe(readings, {}, (batch) => batch);

await app.run();
