/** Random scenes: what else can happen to a job on a cluster, beside the bounces of the cells. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { sleep } from "../../../tools/services/service.ts";
import { SeededRandom } from "../../seeded_random.ts";
import { type Fate, KafkaProxy } from "../kafka_proxy.ts";
import { type Disturbance, DISTURBANCES, WORKERS } from "./disturbances.ts";
import { Scene, UNCOMMITTED_ROWS_MAX, type Verdict } from "./scene.ts";
import type { TestCluster } from "./test_cluster.ts";
import { placesOf } from "./verifier_check.ts";
import { FAILOVER_GRACE_MS, PARTITIONS, topicsOf } from "./verifier_data.ts";
import type { Guarantee, VerifierOptions } from "./verifier_job.ts";

/** What a scene is played with. */
export interface Play {
  /** Where; clients go through toxiproxy. */
  readonly cluster: TestCluster;
  /** The job's promise. */
  readonly guarantee: Guarantee;
  /** Rows that are fed in all. */
  readonly rows: number;
  /** About how fast. */
  readonly rowsPerSecond: number;
  /** Seed of everything that is left to chance. */
  readonly seed: number;
}

/** One kind of scene. */
export interface SceneKind {
  /** Name for tables. */
  readonly name: string;
  /** On what it can be played, if not on anything. */
  readonly only?: { readonly nodes: 1 | 3; readonly guarantee: Guarantee };
  /** Plays it. @throws {Error} when the promise is broken, with what was done and logged. */
  readonly play: (play: Play) => Promise<Verdict>;
}

/** Disturbances of a scene that mixes them, and of one that repeats one kind. */
const [MIXED, REPEATED] = [6, 3];

/** A static member is away for less than this: it needs the rest of its grace to start and to be heard of. */
const STATIC_AWAY_MS_MAX = FAILOVER_GRACE_MS / 2;
const GROWN_PARTITIONS = PARTITIONS + 3;

/** All kinds; each is played under both guarantees. */
export const SCENES: readonly SceneKind[] = [
  { name: "mixture", play: (play) => disturbed(play, (random) => shuffled(DISTURBANCES, random).slice(0, MIXED)) },
  ...DISTURBANCES.map((one) => ({
    name: one.name,
    play: (play: Play) => disturbed(play, () => new Array<Disturbance>(REPEATED).fill(one)),
  })),
  { name: "answers to EndTxn lost", only: { nodes: 1, guarantee: "exactly-once" }, play: endsLost },
  { name: "static restart inside the grace", play: staticInside },
  { name: "static restart beyond the grace", play: staticBeyond },
  { name: "partitions added", play: grown },
  { name: "partitions added to a job with state", play: grownWithState },
  { name: "offsets expired", play: expired },
  { name: "retention beyond our position", play: cut },
];

/** All elements in another order. */
export function shuffled<T>(all: readonly T[], random: SeededRandom): T[] {
  const rest = [...all];
  return all.map(() => rest.splice(random.uint32() % rest.length, 1)[0]!);
}

/** What a scene has beside the ordinary. */
interface Setting {
  /** Rows from this one on are of after a growth. @default {none} */
  readonly grownFrom?: number;
  /** What workers are told. @default {{}} */
  readonly worker?: Partial<VerifierOptions>;
}

/** Opens a scene with two workers that are at work. */
async function open(play: Play, { grownFrom = play.rows, worker = {} }: Setting = {}): Promise<Scene> {
  const how = { metadataMaxAgeMs: 2_000, ...worker };
  const scene = await Scene.open({ ...play, grownFrom, isProxied: true, worker: how });
  try {
    for (const id of WORKERS) scene.start(id);
    await scene.feeder.feedTo(500, play.rowsPerSecond);
    await scene.isShared();
    return scene;
  } catch (error) {
    const failure = scene.failure(error);
    await scene[Symbol.asyncDispose]();
    throw failure;
  }
}

/** Plays something in a scene, and adds to a failure what was done. */
async function playIn(scene: Scene, what: () => Promise<Verdict>): Promise<Verdict> {
  await using _scene = scene;
  try {
    return await what();
  } catch (error) {
    await scene.cluster.heal();
    throw scene.failure(error);
  }
}

async function disturbed(play: Play, choose: (random: SeededRandom) => readonly Disturbance[]): Promise<Verdict> {
  const { guarantee, rows, rowsPerSecond, seed } = play;
  const random = new SeededRandom(seed), chosen = choose(random);
  const scene = await open(play);
  return await playIn(scene, async () => {
    const phase = Math.floor(rows / (chosen.length + 1));
    for (const [at, disturbance] of chosen.entries()) {
      await scene.feeder.feedTo(Math.floor(phase * (at + 0.5)), rowsPerSecond);
      const happening = sleep(random.uint32() % 500).then(() => disturbance.happen(scene, random));
      await scene.feedDuring({ end: phase * (at + 1), rowsPerSecond }, happening);
    }
    const repeatedRowsMax = chosen.reduce((sum, disturbance) => sum + disturbance.repeatedRowsMax, 0);
    return await scene.finish(guarantee === "exactly-once" ? 0 : repeatedRowsMax, rowsPerSecond);
  });
}

/** API key of the request that ends a transaction. */
const END_TXN = 26;

/**
 * Connections are cut where it hurts most, between the end of a transaction and its answer, again and again; others are cut
 * before the broker has heard of it.
 */
async function endsLost(play: Play): Promise<Verdict> {
  const { rowsPerSecond, cluster, seed } = play;
  const random = new SeededRandom(seed);
  const proxy = new KafkaProxy(cluster.brokers[0]!);
  const met = { "reply-lost": 0, "request-lost": 0, pass: 0 };
  proxy.fate = (apiKey): Fate => {
    if (apiKey !== END_TXN) return "pass";
    const die = random.uint32() % 12, fate = die < 3 ? "reply-lost" : die < 4 ? "request-lost" : "pass";
    met[fate] += 1;
    return fate;
  };
  try {
    const scene = await open(play, { worker: { brokers: [proxy.address] } });
    return await playIn(scene, async () => {
      const verdict = await scene.finish(0, rowsPerSecond);
      scene.note(`ends of transactions met ${JSON.stringify(met)}`);
      assert(met["reply-lost"] > 0, "no answer to an end was lost");
      return verdict;
    });
  } finally {
    await proxy.close();
  }
}

/** A static member that is back in time finds its partitions; the group has not heard of anything. */
async function staticInside(play: Play): Promise<Verdict> {
  const { guarantee, rows, rowsPerSecond, seed } = play;
  const random = new SeededRandom(seed);
  const scene = await open(play);
  return await playIn(scene, async () => {
    let kills = 0;
    for (let time = 1; time <= REPEATED; time++) {
      const isKilled = random.uint32() % 2 === 0;
      if (isKilled) kills += 1;
      await scene.feedDuring(
        { end: Math.floor(rows * time / (REPEATED + 1)), rowsPerSecond },
        backInTime(scene, {
          id: WORKERS[time % WORKERS.length]!,
          isKilled,
          afterMs: random.uint32() % STATIC_AWAY_MS_MAX,
        }),
      );
    }
    return await scene.finish(guarantee === "exactly-once" ? 0 : kills * UNCOMMITTED_ROWS_MAX, rowsPerSecond);
  });
}

async function backInTime(
  scene: Scene,
  { id, isKilled, afterMs }: { readonly id: string; readonly isKilled: boolean; readonly afterMs: number },
): Promise<void> {
  const { cluster } = scene, before = scene.worker(id);
  const other = scene.workers.find((worker) => worker !== before)!;
  const [generation, changes, tasks] = [await cluster.generation(scene.groupId), other.changes, [...before.tasks]];
  scene.note(`worker ${id} is ${isKilled ? "killed" : "stopped"} and comes back after ${afterMs} ms`);
  if (isKilled) await before.kill();
  else await before.terminate();
  scene.forget(id);
  await sleep(afterMs);
  scene.start(id);
  await scene.isShared();
  assertEquals(scene.worker(id).tasks, tasks, "a static member has other partitions than before");
  assertEquals(await cluster.generation(scene.groupId), generation, "the group has another generation");
  assertEquals(other.changes, changes, "the other worker has heard of a restart");
}

/** A static member that is late finds that others have its partitions, and gets a share again. */
async function staticBeyond(play: Play): Promise<Verdict> {
  const { rows, rowsPerSecond, cluster } = play;
  const scene = await open(play);
  return await playIn(scene, async () => {
    await scene.feeder.feedTo(Math.floor(rows / 3), rowsPerSecond);
    const generation = await cluster.generation(scene.groupId);
    await scene.worker("a").terminate();
    scene.forget("a");
    scene.note("worker a is stopped");
    await scene.feedDuring(
      { end: Math.floor(rows * 2 / 3), rowsPerSecond },
      scene.until("the other worker has all partitions", () => scene.worker("b").tasks.length === PARTITIONS),
    );
    assert(await cluster.generation(scene.groupId) > generation, "the group has the same generation");
    scene.start("a");
    await scene.isShared();
    return await scene.finish(0, rowsPerSecond);
  });
}

/** More partitions while a job without state runs: the workers find them, and begin each at its beginning. */
async function grown(play: Play): Promise<Verdict> {
  const { rows, rowsPerSecond } = play;
  const grownFrom = Math.floor(rows / 2);
  const scene = await open(play, { grownFrom, worker: { isStateless: true } });
  return await playIn(scene, async () => {
    await scene.feeder.feedTo(grownFrom, rowsPerSecond);
    await scene.grow(GROWN_PARTITIONS);
    await scene.feedDuring({ end: Math.floor((grownFrom + rows) / 2), rowsPerSecond }, scene.isShared());
    return await scene.finish(0, rowsPerSecond);
  });
}

/** With state it stops instead: keys have moved to other partitions, and their state has not. */
async function grownWithState(play: Play): Promise<Verdict> {
  const { rowsPerSecond } = play;
  const half = Math.floor(play.rows / 2);
  const scene = await open(play);
  return await playIn(scene, async () => {
    await scene.feeder.feedTo(half, rowsPerSecond);
    await scene.isCaughtUp();
    await scene.grow(GROWN_PARTITIONS);
    const told = /Cannot use checkpoint '[^']*\/(\d+)\/lineage-\S* '[^']*partitions\]?' is 5, the running task has 8/g;
    const refused = () =>
      new Set(scene.workers.flatMap(({ problems }) => [...problems.matchAll(told)].map(([, partition]) => partition)));
    await scene.until("all partitions with state are refused", () => refused().size === PARTITIONS);
    await scene.loseWorkers();
    return await scene.judge({ repeatedRowsMax: 0, processed: half });
  });
}

/** Feeds half, lets the workers commit it and close. */
async function halfWay(scene: Scene, { rows, rowsPerSecond }: Play): Promise<number> {
  const half = Math.floor(rows / 2);
  await scene.feeder.feedTo(half, rowsPerSecond);
  await scene.isCaughtUp();
  for (const id of WORKERS) {
    await scene.worker(id).terminate();
    scene.forget(id);
  }
  return half;
}

/** A worker that must not go on tells why, and ends. */
async function refuses(scene: Scene, why: RegExp): Promise<void> {
  const worker = scene.start("a");
  assert(await worker.ended() !== 0, "a worker that cannot go on ended as if nothing were wrong");
  assertMatch(worker.problems, why);
  scene.forget("a");
}

/**
 * The group has forgotten how far it came. At-least-once goes on where its state stands; exactly-once cannot know what was
 * published, and stops until it is told to begin anew.
 */
async function expired(play: Play): Promise<Verdict> {
  const { guarantee, rowsPerSecond, cluster } = play;
  const scene = await open(play);
  return await playIn(scene, async () => {
    const half = await halfWay(scene, play);
    await scene.until(
      "the group is empty and deleted",
      () => cluster.admin.deleteGroup(scene.groupId).then(() => true),
    );
    scene.note("the group is deleted");
    const isExactlyOnce = guarantee === "exactly-once";
    if (isExactlyOnce) await refuses(scene, /Cannot recover .* the group has no committed offset/);
    for (const id of WORKERS) scene.start(id, isExactlyOnce ? { onCrashRecovery: "rebuild-from-earliest" } : {});
    await scene.isShared();
    return await scene.finish(isExactlyOnce ? half : 0, rowsPerSecond);
  });
}

/** Records that were not read yet are gone: nobody goes on behind them as if they had never been. */
async function cut(play: Play): Promise<Verdict> {
  const { rows, rowsPerSecond, cluster } = play;
  const scene = await open(play);
  return await playIn(scene, async () => {
    const half = await halfWay(scene, play);
    await scene.feeder.feedTo(rows, rowsPerSecond);
    const places = placesOf([topicsOf(scene.name).input.name], PARTITIONS);
    for (const { topic, partition, logEnd } of await cluster.admin.bounds(places, true)) {
      await cluster.admin.deleteRecords({ topic, partition }, logEnd - 1n);
    }
    scene.note("records that were not read are gone");
    await refuses(scene, /is outside of the log of/);
    return await scene.judge({ repeatedRowsMax: 0, processed: half, isInputCut: true });
  });
}
