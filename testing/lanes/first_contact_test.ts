/** What stands on the screen when a job's broker is not what it should be: one message, and where the job was run. */
import { assertEquals } from "@std/assert";
import {
  type Answering,
  FakeKafka,
  metadataReply,
  USUAL,
  versionsReply,
} from "../../lib/adapters/kafka/fake_kafka_test.ts";
import { ByteWriter } from "../../lib/adapters/kafka/protocol/byte_writer.ts";

const JOB = new URL("./first_contact_job.ts", import.meta.url);
const [METADATA, HANDSHAKE, AUTHENTICATE] = [3, 17, 36] as const;
const [UNKNOWN_TOPIC, REFUSED] = [3, 58] as const;

/** Runs the job to its end, and gives what it wrote. */
async function screenOf(args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-check",
      "--allow-net=127.0.0.1",
      "--allow-env",
      "--allow-read",
      "--allow-sys",
      JOB.pathname,
    ]
      .concat(args),
    env: { NO_COLOR: "1" },
  }).output();
  assertEquals(code, 1);
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

async function lineOfRun(): Promise<number> {
  return (await Deno.readTextFile(JOB)).split("\n").indexOf("await app.run();") + 1;
}

async function assertScreen(args: readonly string[], message: string): Promise<void> {
  const screen = [
    `error: Uncaught (in promise) ${message}`,
    "await app.run();",
    "^",
    `    at async ${JOB.href}:${await lineOfRun()}:1`,
    "",
  ];
  assertEquals(await screenOf(args), screen.join("\n"));
}

/** A cluster without topics. */
const empty: Answering = ({ apiKey, address }) =>
  apiKey === METADATA ? metadataReply(address, [{ topic: "readings", errorCode: UNKNOWN_TOPIC }]) : null;

/** A listener that refuses whoever comes. */
const refusing: Answering = ({ apiKey, version }) => {
  if (apiKey === HANDSHAKE) return new ByteWriter().int16(0).int32(1).string("PLAIN").finish();
  if (apiKey !== AUTHENTICATE) {
    return versionsReply(version, [...USUAL.filter(([key]) => key !== AUTHENTICATE), [AUTHENTICATE, 0, 1]]);
  }
  return new ByteWriter().int16(REFUSED).string("Invalid username or password").bytes(new Uint8Array(0)).int64(0n)
    .finish();
};

for (const adapter of ["kafka", "kafkajs"] as const) {
  const elsewhere = (address: string) =>
    `; the app's broker is ${adapter}://${address}: set 'broker' or TURBINE_BROKER to another address if it is elsewhere`;

  Deno.test(`${adapter}: a job without a broker says so, and no more`, async () => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const address = `127.0.0.1:${(listener.addr as Deno.NetAddr).port}`;
    listener.close();
    const found = { kafka: "Connection refused (os error 111)", kafkajs: `connect ECONNREFUSED ${address}` };
    await assertScreen(
      [adapter, address],
      `BrokerUnavailableError: Cannot connect to broker ${address}: nobody listens there (${
        found[adapter]
      }), start it, or ` +
        `check address and port${elsewhere(address)}`,
    );
  });

  Deno.test(`${adapter}: a job whose topic is missing says so, and no more`, async () => {
    await FakeKafka.with(empty, async ({ address }) => {
      await assertScreen(
        [adapter, address],
        `UnknownTopicError: Topic 'readings' does not exist at ${adapter}://${address}; create it with 'kafka-topics.sh ` +
          `--bootstrap-server ${address} --create --topic readings --partitions 3', or set 'createTopics: true' on the topic`,
      );
    });
  });

  Deno.test(`${adapter}: a job with a wrong password says so, and no more`, async () => {
    await FakeKafka.with(refusing, async ({ address }) => {
      await assertScreen(
        [adapter, address, "not-hers"],
        `AuthorizationError: Cannot authenticate at broker ${address} by PLAIN: the broker refused user 'alice' (Invalid ` +
          "username or password), check user and password of 'sasl', and that the user has credentials for this mechanism",
      );
    });
  });
}
