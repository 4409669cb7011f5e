import { assertEquals, assertThrows } from "@std/assert";
import { assignGroup, type GroupAssignment, joinProtocols } from "./assign_group.ts";
import { decodeSubscription } from "./assign_range.ts";
import { resolveOptions } from "./kafka_options.ts";
import type { JoinedMember } from "./protocol/group_calls.ts";

const NOTHING: GroupAssignment = { generation: -1, partitions: [] };
const held = (generation: number, ...partitions: readonly number[]): GroupAssignment => ({
  generation,
  partitions: partitions.map((partition) => ({ topic: "t", partition })),
});

function member(memberId: string, owned: GroupAssignment, instanceId: string | null = null): JoinedMember {
  const sticky = joinProtocols(["t"], owned).find(({ name }) => name === "sticky")!;
  return { memberId, instanceId, metadata: sticky.metadata };
}

function numbersOf(assignment: ReadonlyMap<string, readonly { readonly partition: number }[]>): unknown {
  return Object.fromEntries([...assignment].map(([id, places]) => [id, places.map(({ partition }) => partition)]));
}

Deno.test("joinProtocols(): one topic is assigned sticky before range, several by range, so that numbers stay together", () => {
  const names = (...topics: readonly string[]) => joinProtocols(topics, NOTHING).map(({ name }) => name);
  assertEquals(names("t"), ["sticky", "range"]);
  assertEquals(names("t", "u"), ["range", "sticky"]);
});

Deno.test("joinProtocols(): members that assign by range only read our subscription", () => {
  const [, range] = joinProtocols(["t"], held(3, 1, 2));
  assertEquals(decodeSubscription(range!.metadata), { topics: ["t"], userData: new Uint8Array(0) });
});

Deno.test("assignGroup() goes the way that the group uses", () => {
  const members = [member("a", held(3, 4, 5)), member("b", NOTHING)];
  const more = { partitionCounts: new Map([["t", 6]]), assigned: new Map<string, GroupAssignment>() };
  assertEquals(numbersOf(assignGroup("sticky", members, more)), { a: [2, 4, 5], b: [0, 1, 3] });
  assertEquals(numbersOf(assignGroup("range", members, more)), { a: [0, 1, 2], b: [3, 4, 5] });
});

Deno.test("assignGroup() gives static members back what the leader assigned to them, when they do not know it", () => {
  const assigned = new Map([["one", held(3, 4, 5)], ["two", held(3, 0, 1)]]);
  const more = { partitionCounts: new Map([["t", 6]]), assigned };
  const restarted = [member("a", NOTHING, "one"), member("b", NOTHING), member("c", NOTHING, "two")];
  assertEquals(numbersOf(assignGroup("sticky", restarted, more)), { a: [4, 5], b: [2, 3], c: [0, 1] });
  const knows = [member("a", held(5, 2, 3), "one"), member("b", NOTHING), member("c", NOTHING, "two")];
  assertEquals(numbersOf(assignGroup("sticky", knows, more)), { a: [2, 3], b: [4, 5], c: [0, 1] });
});

Deno.test("resolveOptions(): groups are of the classic protocol, unless it is said", () => {
  assertEquals(resolveOptions({ brokers: ["a:1"] }).groupProtocol, "classic");
  assertEquals(resolveOptions({ brokers: ["a:1"], groupProtocol: "consumer" }).groupProtocol, "consumer");
  const wrong = { brokers: ["a:1"], groupProtocol: "eager" as "classic" };
  assertThrows(() => resolveOptions(wrong), TypeError, "'classic' or 'consumer': current value is 'eager'");
});
