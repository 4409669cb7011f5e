/** The cells of the cluster lane: who is bounced, how, under which promise, on how many nodes. */
import { sleep } from "../../../tools/services/service.ts";
import { SeededRandom } from "../../seeded_random.ts";
import { Scene, UNCOMMITTED_ROWS_MAX, type Verdict } from "./scene.ts";
import { bounceNode, bounceWorker, rolesOf, WORKERS } from "./disturbances.ts";
import type { TestCluster } from "./test_cluster.ts";
import type { Guarantee } from "./verifier_job.ts";

/** One cell. */
export interface Cell {
  /** How it goes down. */
  readonly fault: "clean restart" | "kill -9";
  /** What goes down. */
  readonly target: "worker" | "broker";
  /** What is promised nevertheless. */
  readonly guarantee: Guarantee;
  /** Nodes of the cluster. */
  readonly nodes: 1 | 3;
}

/** All sixteen; those of one cluster stand together. */
export const CELLS: readonly Cell[] = ([1, 3] as const).flatMap((nodes) =>
  (["at-least-once", "exactly-once"] as const).flatMap((guarantee) =>
    (["worker", "broker"] as const).flatMap((target) =>
      (["clean restart", "kill -9"] as const).map((fault) => ({ fault, target, guarantee, nodes }))
    )
  )
);

/** How big a cell is. */
export interface CellSize {
  /** Rows that are fed. */
  readonly rows: number;
  /** How often something goes down. */
  readonly bounces: number;
  /** About how fast rows are fed. */
  readonly rowsPerSecond: number;
  /** Seed of the moments. */
  readonly seed: number;
}

/** What happens in a cell. */
export function cellText({ fault, target }: Cell): string {
  return `${fault} of a ${target}`;
}

/** How many rows of each output may come again: a worker that closes in good order repeats none. */
export function repeatedRowsMax({ fault, target, guarantee }: Cell, bounces: number): number {
  if (guarantee === "exactly-once") return 0;
  if (target === "worker") return fault === "clean restart" ? 0 : bounces * UNCOMMITTED_ROWS_MAX;
  // A broker that goes down takes the replies of both workers with it.
  return 2 * bounces * UNCOMMITTED_ROWS_MAX;
}

/**
 * Runs a cell.
 *
 * @param cell Which one.
 * @param run How big, and a cluster of as many nodes as the cell says; it is whole again afterwards.
 * @throws {Error} when the promise is broken, with what the workers logged.
 */
export async function runCell(cell: Cell, run: CellSize & { readonly cluster: TestCluster }): Promise<Verdict> {
  const { rows, bounces, rowsPerSecond, seed, cluster } = run;
  await using scene = await Scene.open({ cluster, guarantee: cell.guarantee, rows });
  try {
    const random = new SeededRandom(seed);
    for (const id of WORKERS) scene.start(id);
    await scene.feeder.feedTo(500, rowsPerSecond);
    await scene.isShared();
    const phase = Math.floor(rows / (bounces + 1));
    for (let bounce = 0; bounce < bounces; bounce++) {
      await scene.feeder.feedTo(Math.floor(phase * (bounce + 0.5)), rowsPerSecond);
      await scene.feedDuring(
        { end: phase * (bounce + 1), rowsPerSecond },
        sleep(random.uint32() % 1_500).then(() => bounceOnce(cell, scene, bounce)),
      );
    }
    return await scene.finish(repeatedRowsMax(cell, bounces), rowsPerSecond);
  } catch (error) {
    throw scene.failure(error);
  }
}

async function bounceOnce({ fault, target }: Cell, scene: Scene, bounce: number): Promise<void> {
  const isKilled = fault === "kill -9";
  if (target === "worker") return await bounceWorker(scene, { id: WORKERS[bounce % WORKERS.length]!, isKilled });
  // Each bounce hits another role; on one node all are the same.
  const roles = rolesOf(scene), role = roles[bounce % roles.length]!;
  const node = await scene.cluster.nodeOf(role);
  scene.note(`${fault} of node ${node}: ${JSON.stringify(role)}`);
  await bounceNode(scene, { id: node, isKilled });
}
