import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  batchOf,
  CheckpointIncompatibleError,
  int32,
  json,
  RecoveryImpossibleError,
  type RunningApp,
  type SubscribeOptions,
  topic,
  Turbine,
  type TurbineOptions,
} from "../../mod.ts";
import { MemoryBlobStore } from "../adapters/memory/memory_blob_store.ts";
import { MemoryBroker } from "../../testing/memory_broker.ts";

const numbers = topic("numbers", { value: json({ n: int32() }) });
const sums = topic("sums", { value: json({ sum: int32() }) });

/** A broker, and where checkpoints go: what outlives an app. */
class World {
  readonly broker = new MemoryBroker();
  readonly blobs = new MemoryBlobStore();
  readonly logged: string[] = [];

  constructor(...values: readonly number[]) {
    this.broker.createTopic("numbers");
    this.put(...values);
  }

  /** Puts numbers; the record timestamp of n is n seconds. */
  put(...values: readonly number[]): void {
    this.broker.put("numbers", values.map((n) => ({ value: JSON.stringify({ n }), timestampMs: n * 1_000 })));
  }

  /** A job that publishes the sum of all numbers so far, after each one. */
  app(options: SubscribeOptions<typeof sums.schema> = {}, more: TurbineOptions = {}): Turbine {
    const observer = { step: () => {}, log: (_: string, message: string) => void this.logged.push(message) };
    const app = new Turbine("app", {
      broker: this.broker,
      checkpoints: this.blobs,
      checkpointIntervalMs: 20,
      stateFlushIntervalMs: 5,
      environment: { observer },
      ...more,
    });
    const settings = { publishTo: sums, batchRows: 1, commitIntervalMs: 1, ...options };
    app.subscribe(numbers, settings, async (batch, { state }) => {
      const sum = (await state.get<number>("sum") ?? 0) + batch.getChild("n").get(0)!;
      state.put("sum", sum);
      return batchOf(sums.schema, [{ sum }]);
    });
    return app;
  }

  /** Runs an app until its input is committed and something more holds. */
  async runThrough(app: Turbine, holds: () => boolean | Promise<boolean> = () => true): Promise<void> {
    const running = await app.start();
    await until(running, async () => await isCaughtUp(running) && await holds());
    await running.close();
    if (running.failure !== undefined) throw running.failure;
  }

  found(): number[] {
    return this.broker.read("sums").map(({ value }) => JSON.parse(value!).sum);
  }
}

async function isCaughtUp(running: RunningApp): Promise<boolean> {
  const [at] = await running.offsets(numbers);
  return at !== undefined && at.committed === at.logEnd;
}

async function until(running: RunningApp, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !await holds(); tries++) {
    if (running.failure !== undefined) throw running.failure;
    assert(tries < 2_000, "waited in vain");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

Deno.test("startFrom: a subscription that never committed begins where it says, later ones where they stopped", async () => {
  const cases = [["earliest", [1, 3, 10]], ["latest", [7]], [{ atMs: 1_500 }, [2, 9]], [{ atMs: 3_000 }, [7]]] as const;
  for (const [startFrom, expected] of cases) {
    const world = new World(1, 2);
    const running = await world.app({}, { startFrom }).start();
    await until(running, () => isCaughtUp(running));
    world.put(7);
    await until(running, async () => world.found().length === expected.length && await isCaughtUp(running));
    await running.close();
    assertEquals(world.found(), [...expected]);
    world.put(100);
    await world.runThrough(world.app({}, { startFrom: "latest" }));
    assertEquals(world.found().slice(expected.length), [expected.at(-1)! + 100]);
  }
});

/** An app ran, was closed; then its checkpoints and the beginning of its input were lost. */
async function afterLoss(): Promise<World> {
  const world = new World(1, 2, 3);
  await world.runThrough(world.app());
  for (const { name } of await world.blobs.list("")) await world.blobs.delete(name);
  world.broker.deleteRecordsBefore("numbers", 0, 2);
  world.put(10);
  return world;
}

Deno.test("onCrashRecovery: without state 'fail' says so and changes nothing", async () => {
  const world = await afterLoss();
  await assertRejects(() => world.runThrough(world.app()), RecoveryImpossibleError, "'onCrashRecovery'");
  assertEquals(world.found(), [1, 3, 6]);
});

Deno.test("onCrashRecovery: 'rebuild-from-earliest' rebuilds the state from what the log still holds, in silence", async () => {
  const world = await afterLoss();
  await world.runThrough(world.app({ onCrashRecovery: "rebuild-from-earliest" }));
  assertEquals(world.found(), [1, 3, 6, 13]);
});

Deno.test("onCrashRecovery: 'resume-empty' goes on at the committed offset without state", async () => {
  const world = await afterLoss();
  await world.runThrough(world.app({ onCrashRecovery: "resume-empty" }));
  assertEquals(world.found(), [1, 3, 6, 10]);
});

Deno.test("handlerVersion: a checkpoint of another version is refused loudly and nothing is deleted", async () => {
  const world = new World(1, 2, 3);
  await world.runThrough(world.app({ handlerVersion: 1 }));
  const names = async () => (await world.blobs.list("")).map(({ name }) => name);
  const before = await names();
  world.put(4);
  await assertRejects(() => world.runThrough(world.app({ handlerVersion: 2 })), CheckpointIncompatibleError, "handler");
  for (const name of before) assert((await names()).includes(name), `${name} is gone`);
  await world.runThrough(world.app({ handlerVersion: 1 }));
  assertEquals(world.found(), [1, 3, 6, 10]);
});

Deno.test("retainedCheckpoints: so many manifests stay, the newest among them", async () => {
  for (const retainedCheckpoints of [1, 3]) {
    const world = new World();
    const running = await world.app({}, { retainedCheckpoints, checkpointIntervalMs: 1 }).start();
    for (let n = 1; n <= 8; n++) {
      world.put(n);
      await until(running, () => isCaughtUp(running));
      await until(running, () => running.status()[0]!.tasks[0]!.checkpointed === BigInt(n));
    }
    await running.close();
    const names = (await world.blobs.list("")).map(({ name }) => name);
    assertEquals(names.filter((name) => name.endsWith("manifest.json")).length, retainedCheckpoints);
    world.put(9);
    await world.runThrough(world.app());
    assertEquals(world.found().at(-1), 45);
  }
});

Deno.test("closeTimeoutMs: a handler that does not end is left behind, loudly, and its batch is processed again", async () => {
  const world = new World(1);
  let isStuck = true;
  const app = new Turbine("app", {
    broker: world.broker,
    checkpoints: world.blobs,
    closeTimeoutMs: 30,
    environment: { observer: { step: () => {}, log: (_, message) => void world.logged.push(message) } },
  });
  const entered = Promise.withResolvers<void>();
  const freed = Promise.withResolvers<void>();
  app.subscribe(numbers, { publishTo: sums, commitIntervalMs: 1 }, async (batch) => {
    entered.resolve();
    if (isStuck) await freed.promise;
    return batchOf(sums.schema, batch.getChild("n").toJSON().map((n) => ({ sum: n })));
  });
  const running = await app.start();
  await entered.promise;
  await running.close();
  assert(world.logged.some((line) => line.includes("Cannot close app 'app' within 30 ms")), world.logged.join("\n"));
  assertEquals(world.found(), []);
  isStuck = false;
  freed.resolve();
  await world.runThrough(app);
  assertEquals(world.found(), [1]);
});
