import { assert, assertEquals, assertFalse, assertNotEquals } from "@std/assert";
import { metadata, NAMES, writeCheckpoint, type WrittenCheckpoint } from "../checkers/fixtures_test.ts";
import { damageNewestCheckpoints, misreadNewestManifests } from "./damaged_checkpoints.ts";
import { inject } from "./inject.ts";
import { planned, PlayedWorld } from "./played_world_test.ts";
import { Strike } from "./strike.ts";

/** A task that has committed sequence 9 at 18 and has some checkpoints, oldest first. */
async function checkpointed(count: number): Promise<{ world: PlayedWorld; written: WrittenCheckpoint[] }> {
  const world = new PlayedWorld();
  world.nowMs = 10_000;
  world.fill(20);
  world.broker.cluster.overwriteOffsets({
    groupId: "app.in",
    offsets: [{ topic: "in", partition: 0, offset: 18, leaderEpoch: -1, metadata: metadata(9) }],
  }, world.broker.times());
  const written: WrittenCheckpoint[] = [];
  for (let sequence = 1; sequence <= count; sequence++) {
    written.push(await writeCheckpoint(world, { sequence, offset: 2 * sequence }));
  }
  return { world, written };
}

const isWhole = ({ blobs }: PlayedWorld, { name, file }: WrittenCheckpoint) => blobs.intact(name) && blobs.intact(file);

Deno.test("damageNewestCheckpoints() strikes the newest ones and leaves at least the oldest one whole", async () => {
  const left = new Set<number>();
  for (const kind of ["S6", "S13"] as const) {
    for (let draw = 0; draw < 40; draw++) {
      const { world, written } = await checkpointed(4);
      assert(damageNewestCheckpoints(new Strike(world, planned(kind, { draw }))));
      const whole = written.map((each) => isWhole(world, each));
      const count = whole.filter(Boolean).length;
      assertEquals(whole, written.map((_, at) => at < count));
      left.add(count);
    }
  }
  assertEquals([...left].sort(), [1, 3]);
});

Deno.test("damageNewestCheckpoints() leaves a task alone that has nothing else to go on with", async () => {
  const strike = (world: PlayedWorld) => damageNewestCheckpoints(new Strike(world, planned("S6")));
  assertFalse(strike(new PlayedWorld()));
  assertFalse(strike((await checkpointed(1)).world));
  const { world, written } = await checkpointed(2);
  // What the log does not reach cannot be gone on with, and a checkpoint that is damaged already is of no use either.
  world.broker.deleteRecordsBefore("in", 0, 3);
  assertFalse(strike(world));
  const damaged = await checkpointed(2);
  damaged.world.blobs.damageNow(planned("S6"), damaged.written[0]!.file, 1);
  assertFalse(strike(damaged.world));
  assert(written.every((each) => isWhole(world, each)));
});

Deno.test("inject() of S6 takes all machines away with the newest checkpoint, and strikes again at the cold restart", async () => {
  let crashes = 0;
  for (let draw = 0; draw < 12; draw++) {
    const { world, written } = await checkpointed(4);
    inject(world, planned("S6", { draw }));
    const lost = world.asked.filter(({ what }) => what === "crash");
    assertEquals(lost.length > 0, !isWhole(world, written[3]!));
    assert(lost.every(({ args }) => JSON.stringify(args[1]).includes('"new"')));
    crashes += lost.length;
    for (const strike of world.beforeColdRestart) strike();
    assertFalse(isWhole(world, written[3]!), `${NAMES.prefix} draw ${draw}`);
    assert(isWhole(world, written[0]!));
  }
  assert(crashes > 0);
});

Deno.test("misreadNewestManifests() shows a bad copy of the newest manifest for a while, and what is stored is whole", async () => {
  const { world, written } = await checkpointed(3);
  const read = async (at: number) => await world.blobs.get(written[at]!.name);
  const whole = await Promise.all([0, 1, 2].map(read));
  const fault = planned("S17", { durationMs: 500 });
  assert(misreadNewestManifests(new Strike(world, fault)));
  assert(written.every((each) => isWhole(world, each)));
  for (const at of [0, 1]) assertEquals(await read(at), whole[at]);
  const bad = await read(2);
  assertNotEquals(bad, whole[2]);
  assertEquals(await read(2), bad, "the same copy each time");
  assertEquals([world.firedKinds, world.blobs.hasLied(written[2]!.name)], [["S17"], true]);
  world.nowMs += 500;
  assertEquals(await read(2), whole[2]);
  assertFalse(misreadNewestManifests(new Strike((await checkpointed(1)).world, fault)), "there is nothing else");
});
