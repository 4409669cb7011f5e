/**
 * Jobs whose checkpoints are in a bucket of a real S3 server of their own, started here. Runs when TURBINE_TEST_S3 is set,
 * as the other lane of S3 does.
 */
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { assert, assertEquals } from "@std/assert";
import { s3 } from "../../lib/adapters/s3/mod.ts";
import { batchOf, int32, json, type RunningApp, topic, Turbine } from "../../mod.ts";
import { S3_TEST_CREDENTIALS, S3_TEST_REGION, S3Server } from "../../tools/services/s3.ts";
import { MemoryBroker } from "../memory_broker.ts";

const BUCKET = "job-lane";
const numbers = topic("numbers", { value: json({ n: int32() }) });
const sums = topic("sums", { value: json({ sum: int32() }) });

/** A broker and an S3 server: what outlives an app. */
class World {
  readonly broker = new MemoryBroker();
  readonly server: S3Server;

  constructor(port: number, directory: string) {
    this.server = new S3Server(port, directory);
    this.broker.createTopic("numbers");
  }

  put(...values: readonly number[]): void {
    this.broker.put("numbers", values.map((n) => ({ value: JSON.stringify({ n }), timestampMs: n * 1_000 })));
  }

  found(): number[] {
    return this.broker.read("sums").map(({ value }) => JSON.parse(value!).sum);
  }

  /** A job that publishes the sum of all numbers so far. */
  app(): Turbine {
    const app = new Turbine("app", {
      adapters: [s3],
      broker: this.broker,
      checkpoints: `s3://${BUCKET}/jobs?endpoint=${this.server.endpoint}&region=${S3_TEST_REGION}`,
      checkpointIntervalMs: 10,
      stateFlushIntervalMs: 5,
    });
    app.subscribe(numbers, { publishTo: sums, batchRows: 1, commitIntervalMs: 1 }, async (batch, { state }) => {
      const sum = (await state.get<number>("sum") ?? 0) + batch.getChild("n").get(0)!;
      state.put("sum", sum);
      return batchOf(sums.schema, [{ sum }]);
    });
    return app;
  }
}

async function until(running: RunningApp, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !await holds(); tries++) {
    if (running.failure !== undefined) throw running.failure;
    assert(tries < 3_000, "waited in vain");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const isCheckpointed = (running: RunningApp, position: bigint) => () =>
  running.status()[0]!.tasks[0]?.checkpointed === position;

async function withWorld(run: (world: World) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "s3-job-" });
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const world = new World(port, directory);
  try {
    await world.server.start();
    const { endpoint } = world.server;
    const options = { endpoint, region: S3_TEST_REGION, credentials: S3_TEST_CREDENTIALS, forcePathStyle: true };
    const client = new S3Client(options);
    await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
    client.destroy();
    // The usual chain finds them there.
    Deno.env.set("AWS_ACCESS_KEY_ID", S3_TEST_CREDENTIALS.accessKeyId);
    Deno.env.set("AWS_SECRET_ACCESS_KEY", S3_TEST_CREDENTIALS.secretAccessKey);
    await run(world);
  } finally {
    await world.server.stop();
    await Deno.remove(directory, { recursive: true });
  }
}

if (Deno.env.get("TURBINE_TEST_S3") !== undefined) {
  Deno.test("a job restores its state from a bucket when its disk and the beginning of the log are gone", () =>
    withWorld(async (world) => {
      world.put(1, 2, 3);
      const first = await world.app().start();
      await until(first, isCheckpointed(first, 3n));
      await first.close();
      world.broker.deleteRecordsBefore("numbers", 0, 3);
      world.put(10);
      const second = await world.app().start();
      await until(second, isCheckpointed(second, 4n));
      await second.close();
      assertEquals(world.found(), [1, 3, 6, 16]);
    }));

  Deno.test("a job goes on while its S3 server is gone, and makes checkpoints again once it is back", () =>
    withWorld(async (world) => {
      world.put(1);
      const running = await world.app().start();
      await until(running, isCheckpointed(running, 1n));
      await world.server.kill();
      for (let n = 2; n <= 20; n++) {
        world.put(n);
        await until(running, () => world.found().length === n);
      }
      await world.server.start();
      await until(running, isCheckpointed(running, 20n));
      await running.close();
      world.broker.deleteRecordsBefore("numbers", 0, 20);
      world.put(1);
      const second = await world.app().start();
      await until(second, () => world.found().length === 21);
      await second.close();
      assertEquals(world.found().slice(-2), [210, 211]);
    }));
}
