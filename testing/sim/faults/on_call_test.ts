import { assert, assertEquals, assertFalse } from "@std/assert";
import { fence, GROUP, metadata, TOPIC, writeCheckpoint } from "../checkers/fixtures_test.ts";
import { operatorOnCall } from "./on_call.ts";
import { inject } from "./inject.ts";
import { noteGrown } from "./operator.ts";
import { planned, PlayedWorld } from "./played_world_test.ts";

const PLACE = `${TOPIC}:0`;

/** A task with two checkpoints, which has committed offset 8. */
async function checkpointed(): Promise<PlayedWorld> {
  const world = new PlayedWorld();
  world.fill(20);
  const offset = { topic: TOPIC, partition: 0, offset: 8, leaderEpoch: -1, metadata: metadata(3) };
  world.broker.cluster.commitOffsets({ fence: fence("", -1), offsets: [offset] }, world.broker.times());
  for (const sequence of [1, 2]) await writeCheckpoint(world, { sequence });
  world.watch(operatorOnCall(world));
  world.nowMs = 10_000;
  return world;
}

/** The next reads find one object after the other gone. */
async function lose(world: PlayedWorld): Promise<void> {
  for (const name of world.blobs.names("app/in/0/lineage-first/")) {
    for (let draw = 0; draw < 64 && world.blobs.intact(name); draw++) {
      world.blobs.arm(planned("S13", { draw, atMs: 0 }));
      await world.blobs.get(name);
    }
  }
}

function stop(world: PlayedWorld, error = "RecoveryImpossibleError"): void {
  world.log(0, "error", "Cannot recover in/0", { partition: 0, error });
}

function committed(world: PlayedWorld): (number | string)[] {
  return world.broker.committedOffsets(GROUP).flatMap(({ offset, metadata }) => [offset, metadata]);
}

Deno.test("operatorOnCall() resets a task of whose state faults have left nothing, after a while", async () => {
  const world = await checkpointed();
  await lose(world);
  stop(world);
  stop(world);
  assertEquals([...world.excused.keys()], [PLACE]);
  assertFalse(world.askedNames.includes("crash"), "the operator is not there yet");
  world.pass(5_000);
  assertEquals(committed(world), [0, ""]);
});

Deno.test("operatorOnCall() leaves a task alone that stops though a checkpoint is whole, or though no fault took any", async () => {
  const whole = await checkpointed();
  stop(whole);
  const one = await checkpointed();
  for (let draw = 0; one.blobs.damaged.size === 0; draw++) {
    one.blobs.arm(planned("S13", { draw, atMs: 0 }));
    await one.blobs.get("app/in/0/lineage-first/000000000001/000000000001-manifest.json");
  }
  stop(one);
  for (const world of [whole, one]) {
    world.pass(10_000);
    assertEquals([...world.excused], []);
    assertEquals(committed(world)[0], 8);
  }
});

Deno.test("operatorOnCall() resets a task that stops where a fault had made that legal before", async () => {
  const world = await checkpointed();
  world.excuse(TOPIC, 0, "its topic was deleted");
  stop(world, "CheckpointIncompatibleError");
  world.pass(5_000);
  assertEquals(committed(world), [0, ""]);
  assertEquals(world.excused.get(PLACE), "its topic was deleted");
});

Deno.test("operatorOnCall() is not called by errors of other kinds or levels", async () => {
  const world = await checkpointed();
  world.excuse(TOPIC, 0, "x");
  stop(world, "DiskFullError");
  world.log(0, "warn", "x", { partition: 0, error: "RecoveryImpossibleError" });
  world.pass(5_000);
  assertEquals(committed(world)[0], 8);
});

Deno.test("an operator who deletes a checkpoint deletes its manifest first", async () => {
  const world = await checkpointed();
  const gone: string[] = [];
  world.blobs.watch({ onDelete: ({ name }) => void gone.push(name.slice(-13)) });
  inject(world, planned("O5"));
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  assertEquals(gone, ["manifest.json", "-000000.arrow"]);
  assert(world.blobs.names().some((name) => name.endsWith("000000000001-manifest.json")), "the older one stays");
});

Deno.test("operatorOnCall() resets a task whose checkpoint is of its topic before that was grown", async () => {
  const world = await checkpointed();
  stop(world, "CheckpointIncompatibleError");
  assertEquals([...world.excused.keys()], [], "nothing was grown");
  noteGrown(world, [{ topic: TOPIC, partition: 0 }]);
  stop(world);
  assertEquals([...world.excused.keys()], [], "that a topic was grown explains no lost state");
  stop(world, "CheckpointIncompatibleError");
  assertEquals([...world.excused], [[PLACE, "the number of partitions of its topic was raised"]]);
  world.pass(5_000);
  assertEquals(committed(world), [0, ""]);
});
