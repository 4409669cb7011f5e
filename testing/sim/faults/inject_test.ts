import { assert, assertEquals, assertFalse, assertGreater } from "@std/assert";
import { STEP_LABELS } from "../../../lib/seams/observer.ts";
import { fence, GROUP, metadata, TOPIC, TRANSACTIONAL_ID } from "../checkers/fixtures_test.ts";
import type { FaultKind } from "../fault_kinds.ts";
import { SIMULATED_KINDS } from "../fault_table.ts";
import { inject } from "./inject.ts";
import { OUT_TOPIC, planned, PlayedWorld } from "./played_world_test.ts";
import { noteFedData } from "./user_faults.ts";

/** Records, an open transaction, a member and a committed offset: something for every fault to strike. */
function busyWorld(): PlayedWorld {
  const world = new PlayedWorld();
  const { broker } = world;
  for (const partition of [0, 1, 0, 1]) world.fill(10, partition);
  for (const partition of [0, 1]) {
    const offset = { topic: TOPIC, partition, offset: 10, leaderEpoch: -1, metadata: metadata(3) };
    broker.cluster.commitOffsets({ fence: fence("", -1), offsets: [offset] }, broker.times());
  }
  const timeouts = { sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 10_000, isRejoin: false };
  const member = { groupId: GROUP, memberId: "member", instanceId: "one", topics: [TOPIC] };
  broker.cluster.join({ ...member, ...timeouts }, broker.times());
  const session = broker.cluster.initializeTransactions(
    { transactionalId: TRANSACTIONAL_ID, timeoutMs: 60_000 },
    broker.times(),
  );
  if (session.kind === "refused") throw new Error(session.message);
  const identity = { transactionalId: TRANSACTIONAL_ID, ...session.value };
  broker.cluster.addTransactionPartitions({ ...identity, partitions: [[OUT_TOPIC, 0]] }, broker.times());
  world.nowMs = 10_000;
  return world;
}

/** Lets everything happen that a fault may wait for. */
async function liveOn(world: PlayedWorld): Promise<void> {
  for (let turn = 0; turn < 70; turn++) {
    for (const label of STEP_LABELS) for (const { number } of world.processes) world.pastStep(number, label);
    world.pass(100);
  }
  const { blobs } = world;
  const name = "app/in/0/owners/000000000001";
  for (let turn = 0; turn < 3; turn++) {
    await blobs.create(`${name}${turn}`, new Uint8Array([1, 2, turn])).catch(() => {});
    await blobs.get(`${name}${turn}`).catch(() => {});
    await blobs.list("app/").catch(() => {});
  }
  world.pass(1_000);
}

/** Kinds that need a checkpoint, a file of the disk, an app or a kind of record that this world does not have. */
const ELSEWHERE: ReadonlySet<FaultKind> = new Set([
  "P10",
  "D1",
  "D2",
  "D3",
  "D4",
  "D5",
  "D6",
  "D7",
  "D8",
  "D9",
  "U1",
  "U6",
  "U7",
  "U8",
  "U9",
  "O2",
  "O4",
  "O5",
  "O8",
  "S17",
]);

for (const kind of SIMULATED_KINDS.filter((each) => !ELSEWHERE.has(each))) {
  Deno.test(`inject() lets ${kind} strike a busy world, and tells so`, async () => {
    const world = busyWorld();
    const fault = planned(kind);
    inject(world, fault);
    await liveOn(world);
    assertGreater(world.fired.length, 0);
    assert(world.fired.every((fired) => fired.fault === fault && fired.what.length > 3), JSON.stringify(world.fired));
  });
}

Deno.test("inject() asks the same of the same world each time", async () => {
  for (const kind of SIMULATED_KINDS) {
    const seen = [];
    for (let time = 0; time < 2; time++) {
      const world = busyWorld();
      inject(world, planned(kind, { draw: 77 }));
      await liveOn(world);
      seen.push(JSON.stringify([world.asked, world.fired, [...world.excused]]));
    }
    assertEquals(seen[0], seen[1], kind);
  }
});

Deno.test("inject() strikes a dead process's neighbour, and nobody when all are down for long", async () => {
  const world = busyWorld();
  world.processes[0]!.status = "dead";
  inject(world, planned("P7", { process: 0 }));
  assertEquals(world.asked.map(({ args }) => (args[1] as { process: number }).process), [1]);
  const empty = busyWorld();
  for (const process of empty.processes) process.status = "dead";
  inject(empty, planned("P7"));
  await liveOn(empty);
  assertEquals(empty.fired, []);
});

Deno.test("inject() does not strike once everything is to become well again", async () => {
  for (const kind of ["P1", "P4", "G6", "T4", "P8"] as const) {
    const world = busyWorld();
    for (const process of world.processes) process.status = "dead";
    inject(world, planned(kind));
    world.phase = "liveness";
    for (const process of world.processes) process.status = "running";
    await liveOn(world);
    assertEquals(world.fired, [], kind);
  }
});

Deno.test("faults that lie in the data strike when such a record is fed, once for each that was planned and once without a plan", () => {
  const rows: Readonly<Record<string, readonly { key?: string; value: string | null; timestampMs?: number }[]>> = {
    U1: [{ key: "a", value: '{"id":1' }],
    U6: [{ key: "a", value: '{"id":1}' }, { key: "a", value: '{"id":1,"more":2}' }],
    U7: [{ value: '{"id":1}' }],
    U8: Array.from({ length: 10 }, () => ({ key: "hot", value: "{}" })),
    U9: [{ key: "a", value: "{}", timestampMs: -5 }],
  };
  const feeds = (kind: string) => [{ topic: TOPIC, partition: 0, rows: rows[kind]! }];
  for (const kind of Object.keys(rows) as FaultKind[]) {
    const world = busyWorld();
    const fault = planned(kind);
    inject(world, fault);
    noteFedData(world, [{ topic: TOPIC, partition: 0, rows: [{ key: "a", value: '{"id":1}', timestampMs: 1e12 }] }]);
    assertEquals(world.fired, [], `${kind} by a plain record`);
    noteFedData(world, feeds(kind));
    noteFedData(world, feeds(kind));
    assertEquals(world.fired.filter((fired) => fired.fault.kind === kind).map((fired) => fired.fault), [fault]);
    const calm = busyWorld();
    noteFedData(calm, feeds(kind));
    noteFedData(calm, feeds(kind));
    assertEquals(calm.firedKinds.filter((fired) => fired === kind), [kind]);
  }
});

Deno.test("loss is excused exactly where a fault makes it legal", async () => {
  const excusing: Readonly<Partial<Record<FaultKind, number>>> = { B3: 1, B4: 1, B5: 1, B7: 2, G8: 2, O7: 1 };
  for (const kind of SIMULATED_KINDS) {
    const world = busyWorld();
    inject(world, planned(kind));
    await liveOn(world);
    assertEquals(world.excused.size, excusing[kind] ?? 0, kind);
    for (const place of world.excused.keys()) assert(place.startsWith(`${TOPIC}:`), place);
  }
});

Deno.test("a topic that was created again is reset by the operator: offsets at the log's start, no checkpoints", async () => {
  const world = busyWorld();
  const { blobs, broker } = world;
  const manifest = "app/in/0/lineage-a/000000000001/000000000001-manifest.json";
  const claim = "app/in/0/owners/000000000001";
  for (const name of [manifest, claim]) await blobs.create(name, new Uint8Array([1]));
  inject(world, planned("B7"));
  assertEquals(broker.committedOffsets(GROUP), []);
  await liveOn(world);
  assertEquals(broker.committedOffsets(GROUP).map(({ partition, offset, metadata }) => [partition, offset, metadata]), [
    [0, 0, ""],
    [1, 0, ""],
  ]);
  assertEquals(blobs.names().filter((name) => name === manifest || name === claim), [claim]);
  assertFalse(world.processes.some(({ status }) => status === "dead"), "the operator starts the job again");
});

Deno.test("committed offsets that expired under exactly-once are put back where a checkpoint tells of state", async () => {
  const world = busyWorld();
  world.options = { ...world.options, guarantee: "exactly-once" };
  await world.blobs.create("app/in/0/lineage-first/000000000001/000000000001-manifest.json", new Uint8Array([1]));
  const before = world.broker.committedOffsets(GROUP);
  inject(world, planned("G8"));
  await liveOn(world);
  assertEquals([...world.excused.keys()], [`${TOPIC}:1`], "only the task without state may begin anew");
  assertEquals(world.broker.committedOffsets(GROUP), [before[0]!]);
});
