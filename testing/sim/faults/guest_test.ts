import { assertEquals } from "@std/assert";
import { GROUP, TOPIC } from "../checkers/fixtures_test.ts";
import { inviteGuest } from "./guest.ts";
import { PlayedWorld } from "./played_world_test.ts";

function memberIds(world: PlayedWorld): string[] {
  return world.broker.members(GROUP).map(({ memberId }) => memberId);
}

Deno.test("a guest holds what it is given for its time, and leaves", () => {
  const world = new PlayedWorld();
  inviteGuest(world, { groupId: GROUP, memberId: "foreign-a", topics: [TOPIC], forMs: 1_000 });
  world.pass(300);
  assertEquals(world.broker.members(GROUP)[0]!.assignment.length, 2);
  world.pass(1_000);
  assertEquals(memberIds(world), []);
});

Deno.test("a guest takes part in rebalances", () => {
  const world = new PlayedWorld();
  inviteGuest(world, { groupId: GROUP, memberId: "foreign-a", topics: [TOPIC], forMs: 5_000 });
  inviteGuest(world, { groupId: GROUP, memberId: "foreign-b", topics: [TOPIC], forMs: 2_000 });
  world.pass(1_000);
  assertEquals(world.broker.members(GROUP).map(({ assignment }) => assignment.length), [1, 1]);
  world.pass(2_000);
  assertEquals(world.broker.members(GROUP).map(({ assignment }) => assignment.length), [2]);
});

Deno.test("a guest outlasts a coordinator that moves, also when it wants to leave", () => {
  const world = new PlayedWorld();
  inviteGuest(world, { groupId: GROUP, memberId: "foreign-a", topics: [TOPIC], forMs: 1_000 });
  world.pass(100);
  world.broker.moveCoordinator(GROUP, { forMs: 1e9 });
  world.pass(2_000);
  assertEquals(memberIds(world), ["foreign-a"]);
  world.broker.moveCoordinator(GROUP, { forMs: 0 });
  world.pass(500);
  assertEquals(memberIds(world), []);
});
