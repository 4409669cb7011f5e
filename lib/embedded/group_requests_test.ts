import { assert, assertEquals } from "@std/assert";
import type { Change } from "./change.ts";
import { EmbeddedCluster } from "./cluster.ts";
import type { Reply } from "./reply.ts";
import { snapshotChanges } from "./snapshot_changes.ts";

const at = (monotonicMs: number) => ({ wallMs: 0, monotonicMs });

function valueOf<T>(reply: Reply<T>): T {
  assert(reply.kind === "done", reply.kind === "refused" ? reply.message : "");
  return reply.value;
}

function codeOf(reply: Reply<unknown>): string {
  assert(reply.kind === "refused", "expected a refusal");
  return reply.code;
}

function made(partitions = 4): EmbeddedCluster {
  const cluster = new EmbeddedCluster();
  cluster.createTopic({ topic: "t", partitions, topicId: "id" }, at(0));
  return cluster;
}

interface Joining {
  instanceId?: string;
  isRejoin?: boolean;
  topics?: string[];
  ms?: number;
}

function join(cluster: EmbeddedCluster, memberId: string, options: Joining = {}): Reply<void> {
  const { instanceId = null, isRejoin = false, topics = ["t"], ms = 0 } = options;
  const timeouts = { sessionTimeoutMs: 100, rebalanceTimeoutMs: 300 };
  return cluster.join({ groupId: "g", memberId, instanceId, isRejoin, topics, ...timeouts }, at(ms));
}

function sync(cluster: EmbeddedCluster, memberId: string, instanceId: string | null = null, ms = 0) {
  return cluster.sync({ groupId: "g", memberId, instanceId }, at(ms));
}

function held(cluster: EmbeddedCluster, memberId: string, instanceId: string | null = null): number[] {
  const result = valueOf(sync(cluster, memberId, instanceId));
  assert(result.kind === "assigned", result.kind);
  return result.assignment.map(([, partition]) => partition);
}

function beat(cluster: EmbeddedCluster, memberId: string, ms = 0, instanceId: string | null = null) {
  const { generation } = cluster.state.groups.get("g")!;
  return cluster.heartbeat({ groupId: "g", memberId, generation, instanceId }, at(ms));
}

Deno.test("join: the first member is settled at once", () => {
  const cluster = made();
  valueOf(join(cluster, "a"));
  assertEquals(held(cluster, "a"), [0, 1, 2, 3]);
  assertEquals(cluster.state.groups.get("g")!.generation, 1);
});

Deno.test("join: nobody gets a partition before its holder has joined again", () => {
  const cluster = made();
  join(cluster, "a");
  held(cluster, "a");
  join(cluster, "b");
  assertEquals(valueOf(sync(cluster, "b")).kind, "pending");
  assertEquals(valueOf(beat(cluster, "a")), "rebalance");
  join(cluster, "a", { isRejoin: true });
  assertEquals(held(cluster, "a"), [0, 1]);
  assertEquals(held(cluster, "b"), [2, 3]);
});

Deno.test("join: a commit of the old generation is accepted until the rebalance is over, then refused", () => {
  const cluster = made();
  join(cluster, "a");
  held(cluster, "a");
  join(cluster, "b");
  const fence = { groupId: "g", memberId: "a", generation: 1, instanceId: null };
  const offsets = [{ topic: "t", partition: 0, offset: 1, leaderEpoch: -1, metadata: "" }];
  valueOf(cluster.commitOffsets({ fence, offsets }, at(0)));
  join(cluster, "a", { isRejoin: true });
  assertEquals(codeOf(cluster.commitOffsets({ fence, offsets }, at(0))), "illegal-generation");
});

Deno.test("rebalance timeout: a dynamic member that does not come back is out", () => {
  const cluster = made();
  join(cluster, "a");
  held(cluster, "a");
  join(cluster, "b", { ms: 10 });
  for (let ms = 50; ms < 310; ms += 50) {
    cluster.tick(at(ms));
    valueOf(beat(cluster, "a", ms));
    valueOf(sync(cluster, "b", null, ms));
  }
  assertEquals(cluster.nextDeadlineMs(), 310);
  cluster.tick(at(310));
  assertEquals(held(cluster, "b"), [0, 1, 2, 3]);
  assertEquals(codeOf(beat(cluster, "a", 311)), "unknown-member");
});

Deno.test("session timeout: a silent member is out, the others divide what it had", () => {
  const cluster = made();
  join(cluster, "a");
  held(cluster, "a");
  join(cluster, "b");
  join(cluster, "a", { isRejoin: true });
  beat(cluster, "b", 60);
  cluster.tick(at(100));
  assertEquals(codeOf(beat(cluster, "a", 100)), "unknown-member");
  assertEquals(valueOf(beat(cluster, "b", 100)), "rebalance");
  join(cluster, "b", { isRejoin: true, ms: 100 });
  assertEquals(held(cluster, "b"), [0, 1, 2, 3]);
});

Deno.test("leave: the last member leaves an empty group, whose generation goes on", () => {
  const cluster = made();
  join(cluster, "a");
  valueOf(cluster.leave({ groupId: "g", memberId: "a", instanceId: null }, at(0)));
  assertEquals(cluster.state.groups.get("g")!.phase, "empty");
  join(cluster, "b");
  assertEquals(cluster.state.groups.get("g")!.generation, 3);
});

Deno.test("static member: a restart takes over without a rebalance and fences the older member", () => {
  const cluster = made();
  join(cluster, "a1", { instanceId: "a" });
  join(cluster, "b1", { instanceId: "b" });
  join(cluster, "a1", { instanceId: "a", isRejoin: true });
  assertEquals(held(cluster, "a1", "a"), [0, 1]);
  held(cluster, "b1", "b");
  const { generation } = cluster.state.groups.get("g")!;
  join(cluster, "a2", { instanceId: "a" });
  assertEquals(held(cluster, "a2", "a"), [0, 1]);
  assertEquals(valueOf(beat(cluster, "b1", 0, "b")), "stable");
  assertEquals(cluster.state.groups.get("g")!.generation, generation);
  assertEquals(codeOf(beat(cluster, "a1", 0, "a")), "fenced-instance");
  assertEquals(codeOf(join(cluster, "a1", { instanceId: "a", isRejoin: true })), "fenced-instance");
});

Deno.test("static member: other topics at a restart are a rebalance", () => {
  const cluster = made();
  cluster.createTopic({ topic: "u", partitions: 1, topicId: "id2" }, at(0));
  join(cluster, "a1", { instanceId: "a" });
  held(cluster, "a1", "a");
  join(cluster, "a2", { instanceId: "a", topics: ["u"] });
  const result = valueOf(sync(cluster, "a2", "a"));
  assert(result.kind === "assigned");
  assertEquals(result.assignment, [["u", 0]]);
  assertEquals(result.generation, 2);
});

Deno.test("static member: a rebalance that it misses does not throw it out, its session does", () => {
  const cluster = made();
  join(cluster, "a1", { instanceId: "a" });
  held(cluster, "a1", "a");
  join(cluster, "b");
  for (let ms = 50; ms <= 300; ms += 50) {
    beat(cluster, "a1", ms, "a");
    sync(cluster, "b", null, ms);
    cluster.tick(at(ms));
  }
  assertEquals(held(cluster, "b").length, 2);
  const stale = cluster.heartbeat({ groupId: "g", memberId: "a1", generation: 1, instanceId: "a" }, at(300));
  assertEquals(codeOf(stale), "illegal-generation");
  join(cluster, "a1", { instanceId: "a", isRejoin: true, ms: 300 });
  assertEquals(held(cluster, "a1", "a").length, 2);
});

Deno.test("partitions added: members that subscribe divide anew", () => {
  const cluster = made(2);
  join(cluster, "a");
  held(cluster, "a");
  valueOf(cluster.addPartitions({ topic: "t", partitions: 3 }, at(0)));
  assertEquals(valueOf(beat(cluster, "a")), "rebalance");
  join(cluster, "a", { isRejoin: true });
  assertEquals(held(cluster, "a"), [0, 1, 2]);
});

function restarted(cluster: EmbeddedCluster): EmbeddedCluster {
  const other = new EmbeddedCluster();
  for (const change of snapshotChanges(cluster)) other.apply(change as Change);
  return other;
}

Deno.test("restart of the broker: dynamic members are gone, the generation goes on", () => {
  const cluster = made();
  join(cluster, "a");
  const after = restarted(cluster);
  assertEquals(codeOf(beat(after, "a")), "unknown-member");
  join(after, "a2");
  assertEquals(after.state.groups.get("g")!.generation, 2);
});

Deno.test("restart of the broker: static members keep their partitions without a rebalance", () => {
  const cluster = made();
  join(cluster, "a1", { instanceId: "a" });
  join(cluster, "b1", { instanceId: "b" });
  join(cluster, "a1", { instanceId: "a", isRejoin: true });
  join(cluster, "a2", { instanceId: "a" });
  const after = restarted(cluster);
  assertEquals(valueOf(beat(after, "a2", 0, "a")), "stable");
  assertEquals(codeOf(beat(after, "a1", 0, "a")), "fenced-instance");
  join(after, "b2", { instanceId: "b" });
  assertEquals(held(after, "b2", "b"), held(cluster, "b1", "b"));
  assertEquals(after.state.groups.get("g")!.generation, 2);
});

Deno.test("restart of the broker: partitions of dynamic members go to the static ones", () => {
  const cluster = made();
  join(cluster, "a1", { instanceId: "a" });
  join(cluster, "b");
  join(cluster, "a1", { instanceId: "a", isRejoin: true });
  const after = restarted(cluster);
  assertEquals(valueOf(beat(after, "a1", 0, "a")), "rebalance");
  join(after, "a1", { instanceId: "a", isRejoin: true });
  assertEquals(held(after, "a1", "a"), [0, 1, 2, 3]);
});

Deno.test("restart of the broker: a static member that stays away is dropped after its session", () => {
  const cluster = made();
  join(cluster, "a1", { instanceId: "a" });
  const after = restarted(cluster);
  after.tick(at(1_000));
  assertEquals(valueOf(beat(after, "a1", 1_050, "a")), "stable");
  after.tick(at(1_150));
  assertEquals(codeOf(beat(after, "a1", 1_150, "a")), "unknown-member");
});

Deno.test("offsets: a client that is no member commits while the group is empty only", () => {
  const cluster = made();
  const fence = { groupId: "g", memberId: "", generation: -1, instanceId: null };
  const offsets = [{ topic: "t", partition: 0, offset: 1, leaderEpoch: -1, metadata: "" }];
  valueOf(cluster.commitOffsets({ fence, offsets }, at(0)));
  join(cluster, "a");
  assertEquals(codeOf(cluster.commitOffsets({ fence, offsets }, at(0))), "unknown-member");
  assertEquals(codeOf(cluster.overwriteOffsets({ groupId: "g", offsets }, at(0))), "group-not-empty");
  assertEquals(codeOf(cluster.deleteOffsets({ groupId: "g", partitions: [["t", 0]] }, at(0))), "group-not-empty");
});

Deno.test("offsets: unknown partitions and long metadata are refused as a whole", () => {
  const cluster = made();
  const fence = { groupId: "g", memberId: "", generation: -1, instanceId: null };
  const good = { topic: "t", partition: 0, offset: 1, leaderEpoch: -1, metadata: "" };
  const commit = (offsets: (typeof good)[]) => cluster.commitOffsets({ fence, offsets }, at(0));
  assertEquals(codeOf(commit([good, { ...good, partition: 9 }])), "unknown-topic");
  assertEquals(codeOf(commit([good, { ...good, metadata: "ü".repeat(2_049) }])), "metadata-too-large");
  valueOf(commit([{ ...good, metadata: "ü".repeat(2_048) }]));
});

Deno.test("offsets: what a deleted topic had is forgotten", () => {
  const cluster = made();
  const fence = { groupId: "g", memberId: "", generation: -1, instanceId: null };
  const offsets = [{ topic: "t", partition: 0, offset: 1, leaderEpoch: -1, metadata: "" }];
  valueOf(cluster.commitOffsets({ fence, offsets }, at(0)));
  valueOf(cluster.deleteTopic("t", at(0)));
  cluster.createTopic({ topic: "t", partitions: 1, topicId: "other" }, at(0));
  assertEquals(valueOf(cluster.committedOffsets({ groupId: "g", partitions: [["t", 0]], isStable: true })), []);
});

Deno.test("groups: an empty group can be deleted with its offsets, others not", () => {
  const cluster = made();
  join(cluster, "a");
  assertEquals(codeOf(cluster.deleteGroup("g", at(0))), "group-not-empty");
  cluster.leave({ groupId: "g", memberId: "a", instanceId: null }, at(0));
  valueOf(cluster.deleteGroup("g", at(0)));
  assertEquals(cluster.state.groups.has("g"), false);
});
