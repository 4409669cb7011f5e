/** What can happen to a running job: each of them ends by itself and leaves everything whole. */
import { assertEquals } from "@std/assert";
import { sleep } from "../../../tools/services/service.ts";
import type { SeededRandom } from "../../seeded_random.ts";
import { type Scene, UNCOMMITTED_ROWS_MAX } from "./scene.ts";
import type { NodeRole } from "./test_cluster.ts";
import { FAILOVER_GRACE_MS, topicsOf } from "./verifier_data.ts";

/** One kind. */
export interface Disturbance {
  /** Name for tables. */
  readonly name: string;
  /** Rows of each output that may come again under at-least-once. */
  readonly repeatedRowsMax: number;
  /** Lets it happen. */
  readonly happen: (scene: Scene, random: SeededRandom) => Promise<void>;
}

/** A number from `low` on and below `high`. */
function between(random: SeededRandom, low: number, high: number): number {
  return low + random.uint32() % (high - low);
}

function oneOf<T>(random: SeededRandom, all: readonly T[]): T {
  return all[random.uint32() % all.length]!;
}

/** Ids of the workers of every scene. */
export const WORKERS = ["a", "b"] as const;

/** What nodes are for a job. */
export function rolesOf(scene: Scene): readonly NodeRole[] {
  return [
    { leads: { topic: topicsOf(scene.name).input.name, partition: 0 } },
    { coordinates: scene.groupId, kind: "group" },
    "controller",
    { coordinates: `${scene.groupId}.a.0`, kind: "transaction" },
  ];
}

async function someNode(scene: Scene, random: SeededRandom, what: string): Promise<number> {
  const role = oneOf(random, rolesOf(scene)), node = await scene.cluster.nodeOf(role);
  scene.note(`${what} of node ${node}: ${JSON.stringify(role)}`);
  return node;
}

async function isWhole(scene: Scene): Promise<void> {
  await scene.until("all replicas are in sync", () => scene.cluster.admin.isWhole(scene.topics));
  await scene.isShared();
}

/** Something goes down, and is told before or is not. */
export interface Bounce<T> {
  /** Which one. */
  readonly id: T;
  /** Whether it is killed. */
  readonly isKilled: boolean;
}

/** A node goes down and comes back. */
export async function bounceNode(scene: Scene, { id: node, isKilled }: Bounce<number>): Promise<void> {
  const { cluster } = scene;
  if (isKilled) await cluster.kill(node);
  else await cluster.stop(node);
  await sleep(1_000);
  await cluster.restart(node);
  scene.note(`node ${node} is back`);
  await isWhole(scene);
}

/** A worker goes down and another process takes its place at once. */
export async function bounceWorker(scene: Scene, { id, isKilled }: Bounce<string>): Promise<void> {
  scene.note(`${isKilled ? "kill -9" : "clean restart"} of worker ${id}`);
  if (isKilled) await scene.worker(id).kill();
  else await scene.worker(id).terminate();
  scene.start(id);
  await scene.isShared();
}

async function pauseWorker(scene: Scene, random: SeededRandom, forMs: number): Promise<void> {
  const id = oneOf(random, WORKERS);
  scene.note(`worker ${id} stands still for ${forMs} ms`);
  scene.worker(id).signal("SIGSTOP");
  await sleep(forMs);
  scene.worker(id).signal("SIGCONT");
  // What it says of its partitions is old until it has heard that others have them.
  await sleep(1_000);
  await scene.isShared();
}

async function pauseNode(scene: Scene, random: SeededRandom): Promise<void> {
  const node = await someNode(scene, random, "pause"), forMs = between(random, 500, 8_000);
  await scene.cluster.pause(node);
  await sleep(forMs);
  await scene.cluster.resume(node);
  scene.note(`node ${node} goes on after ${forMs} ms`);
  await isWhole(scene);
}

/** Replies of a node vanish for a moment, then its connections are cut: whatever it has applied meanwhile is not known. */
async function loseReplies(scene: Scene, random: SeededRandom): Promise<void> {
  const { toxiproxy } = scene.cluster;
  for (let time = 0; time < LOSSES; time++) {
    // What ends transactions is met twice as often as anything else.
    const role = oneOf(random, [...rolesOf(scene), rolesOf(scene)[3]!]);
    const name = `n${await scene.cluster.nodeOf(role)}`, forMs = between(random, 5, 250);
    scene.note(`replies of ${name} are lost for ${forMs} ms: ${JSON.stringify(role)}`);
    const toxic = await toxiproxy.poison(name, { type: "timeout", stream: "downstream", attributes: { timeout: 0 } });
    await sleep(forMs);
    await toxiproxy.enable(name, false);
    await toxiproxy.heal(name, toxic);
    await toxiproxy.enable(name, true);
    await sleep(between(random, 100, 1_500));
  }
  await scene.isShared();
}

async function cutConnections(scene: Scene, random: SeededRandom): Promise<void> {
  const { toxiproxy, nodes } = scene.cluster;
  for (let time = 0; time < LOSSES; time++) {
    const names = random.uint32() % 2 === 0 ? nodes.map((node) => `n${node}`) : [`n${oneOf(random, nodes)}`];
    const forMs = between(random, 0, 400);
    scene.note(`${names} are cut off for ${forMs} ms`);
    for (const name of names) await toxiproxy.enable(name, false);
    await sleep(forMs);
    for (const name of names) await toxiproxy.enable(name, true);
    await sleep(between(random, 100, 1_500));
  }
  await scene.isShared();
}

async function slowDown(scene: Scene, random: SeededRandom): Promise<void> {
  const { toxiproxy, nodes } = scene.cluster;
  const latency = between(random, 20, 250), forMs = between(random, 2_000, 6_000);
  scene.note(`everything takes ${latency} ms for ${forMs} ms`);
  for (const node of nodes) {
    await toxiproxy.poison(`n${node}`, {
      type: "latency",
      stream: "downstream",
      attributes: { latency, jitter: Math.floor(latency / 2) },
    });
  }
  await sleep(forMs);
  await toxiproxy.reset();
  await scene.isShared();
}

async function rollingRestart(scene: Scene): Promise<void> {
  for (const id of WORKERS) await bounceWorker(scene, { id, isKilled: false });
}

/** The other worker takes everything over at once, and gives a share back. */
async function drainAndRejoin(scene: Scene): Promise<void> {
  for (const id of WORKERS) {
    scene.note(`worker ${id} is drained`);
    scene.worker(id).signal("SIGUSR1");
    const others = scene.workers.filter((worker) => worker !== scene.worker(id));
    const startMs = performance.now();
    await scene.until(
      "the other workers have its partitions",
      () => scene.worker(id).tasks.length === 0 && others.flatMap(({ tasks }) => tasks).length === scene.partitions,
    );
    const tookMs = performance.now() - startMs;
    // Who waits for the session of the one that left has not been told.
    assertEquals(tookMs < FAILOVER_GRACE_MS, true, `a drained worker's partitions were idle for ${tookMs} ms`);
    await sleep(500);
    scene.worker(id).signal("SIGUSR2");
    await scene.isShared();
  }
}

/** How often connections are cut in one disturbance. */
const LOSSES = 6;

/** All kinds that leave the job as it was. */
export const DISTURBANCES: readonly Disturbance[] = [
  {
    name: "worker paused inside the grace",
    repeatedRowsMax: 0,
    happen: (scene, random) => pauseWorker(scene, random, between(random, 200, FAILOVER_GRACE_MS / 2)),
  },
  {
    name: "worker paused beyond the grace",
    repeatedRowsMax: UNCOMMITTED_ROWS_MAX,
    happen: (scene, random) => pauseWorker(scene, random, FAILOVER_GRACE_MS + between(random, 1_000, 5_000)),
  },
  {
    name: "worker killed",
    repeatedRowsMax: UNCOMMITTED_ROWS_MAX,
    happen: (scene, random) => bounceWorker(scene, { id: oneOf(random, WORKERS), isKilled: true }),
  },
  { name: "rolling restart", repeatedRowsMax: 0, happen: rollingRestart },
  { name: "drain and rejoin", repeatedRowsMax: 0, happen: drainAndRejoin },
  { name: "broker paused", repeatedRowsMax: 2 * UNCOMMITTED_ROWS_MAX, happen: pauseNode },
  {
    name: "broker killed",
    repeatedRowsMax: 2 * UNCOMMITTED_ROWS_MAX,
    happen: async (scene, random) =>
      await bounceNode(scene, { id: await someNode(scene, random, "kill -9"), isKilled: true }),
  },
  {
    name: "broker restarted",
    repeatedRowsMax: 2 * UNCOMMITTED_ROWS_MAX,
    happen: async (scene, random) =>
      await bounceNode(scene, { id: await someNode(scene, random, "clean restart"), isKilled: false }),
  },
  { name: "replies lost", repeatedRowsMax: 2 * LOSSES * UNCOMMITTED_ROWS_MAX, happen: loseReplies },
  { name: "connections cut", repeatedRowsMax: 2 * LOSSES * UNCOMMITTED_ROWS_MAX, happen: cutConnections },
  { name: "latency", repeatedRowsMax: 0, happen: slowDown },
];
