/**
 * A job on a real Kafka whose connections are cut at every kind of request that it sends: once before the broker gets it,
 * and once after the broker has answered. The job goes on; nothing is lost. Exactly-once: readers of what is committed see
 * each output once. At-least-once: output comes again only from a little before a cut.
 * Runs when TURBINE_TEST_KAFKA names a broker (`host:port`).
 */
import { assertEquals } from "@std/assert";
import { testKafka } from "./kafka_brokers.ts";
import { type CutJob, CutScene, type Stimulus } from "./kafka_cut_scene.ts";
import { type Cut, CUT_FATES } from "./kafka_cuts.ts";

const ADDRESS = testKafka();
const JOIN = "ConsumerGroupHeartbeat to join";
const LEAVE = "ConsumerGroupHeartbeat to leave";
/** What is sent once in the life of a topic or a group. */
const FIRST = ["CreateTopics", "IncrementalAlterConfigs"];
/** What every job sends. */
const COMMON = [
  "ApiVersions",
  "Fetch",
  "FindCoordinator",
  "InitProducerId",
  "ListOffsets",
  "Metadata",
  "OffsetFetch",
  "Produce",
];
const GROUPS: Readonly<Record<CutJob["groupProtocol"], readonly string[]>> = {
  classic: ["Heartbeat", "JoinGroup", "LeaveGroup", "SyncGroup"],
  consumer: ["ConsumerGroupHeartbeat", JOIN, LEAVE, "DescribeConfigs"],
};
const TRANSACTIONS: Readonly<Record<1 | 2, readonly string[]>> = {
  1: ["AddOffsetsToTxn", "AddPartitionsToTxn", "EndTxn", "TxnOffsetCommit"],
  2: ["EndTxn", "TxnOffsetCommit"],
};
/** Connections are made anew, and a member asks again where everything is. */
const AT_CONNECTING = ["ApiVersions", "FindCoordinator", "Metadata"];
/** A member comes or goes. */
const AT_MEMBERSHIP = [
  "DescribeConfigs",
  "InitProducerId",
  "JoinGroup",
  "LeaveGroup",
  "ListOffsets",
  "OffsetFetch",
  "SyncGroup",
  JOIN,
  LEAVE,
];

/** What a job sends again and again. */
function requestsOf({ guarantee, transactionProtocol, groupProtocol }: CutJob): string[] {
  const commits = guarantee === "exactly-once" ? TRANSACTIONS[transactionProtocol] : ["OffsetCommit"];
  return [...COMMON, ...GROUPS[groupProtocol], ...commits].sort();
}

function stimuliFor(name: string): readonly Stimulus[] {
  if (AT_MEMBERSHIP.includes(name)) return ["toggle", "toggle", "toggle"];
  return AT_CONNECTING.includes(name) ? ["cut", "toggle", "toggle"] : ["wait", "cut", "toggle", "toggle"];
}

/** A member whose goodbye is lost keeps its partitions for a session: that comes last. */
function inOrder(cuts: readonly Cut[]): Cut[] {
  const isLast = ({ name }: Cut) => name === "LeaveGroup" || name === LEAVE;
  return [...cuts.filter((cut) => !isLast(cut)), ...cuts.filter(isLast).reverse()];
}

/** What happened, or why it must not. */
async function runJob(job: CutJob, run: (scene: CutScene) => Promise<void>): Promise<string> {
  const { guarantee, transactionProtocol, groupProtocol } = job;
  const generation = guarantee === "exactly-once" ? `, generation ${transactionProtocol}` : "";
  const what = `${guarantee}${generation}, ${groupProtocol}`;
  const directory = await Deno.makeTempDir({ prefix: "turbine-kafka-cut-" });
  const scene = new CutScene(ADDRESS!, job, directory);
  try {
    await run(scene);
    const { records, repeated, returns } = await scene.finish();
    const cuts = `${scene.proxy.struck.length} cuts, ${scene.failedStarts.length} starts failed`;
    return `${what}: ${records} records, ${cuts}, ${repeated} rows came again in ${returns} places`;
  } catch (error) {
    throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
  } finally {
    await scene.close();
    await Deno.remove(directory, { recursive: true });
  }
}

/** Jobs that run at the same time: most of it they wait for sessions to end. */
async function runJobs(jobs: readonly CutJob[], run: (scene: CutScene, job: CutJob) => Promise<void>): Promise<void> {
  const ends = await Promise.allSettled(jobs.map((job) => runJob(job, (scene) => run(scene, job))));
  for (const end of ends) if (end.status === "fulfilled") console.log(`    ${end.value}`);
  const failed = ends.flatMap((end) => end.status === "rejected" ? [end.reason] : []);
  if (failed.length > 0) throw new AggregateError(failed, failed.map((error) => (error as Error).message).join("\n"));
}

/** Sends everything once without a cut, then cuts each request in turn. */
async function cutAll(scene: CutScene, job: CutJob): Promise<void> {
  const requests = requestsOf(job);
  const sent = () => [...scene.proxy.names].filter((name) => !FIRST.includes(name)).sort();
  await scene.start();
  await scene.toggle();
  await scene.toggle();
  await scene.sends(requests);
  assertEquals(sent(), requests);
  const cuts = inOrder(requests.flatMap((name) => CUT_FATES.map((fate) => ({ name, fate }))));
  for (const cut of cuts) await scene.cut(cut, stimuliFor(cut.name));
  assertEquals(scene.proxy.struck, cuts);
  assertEquals(sent(), requests, "what the job sends in trouble alone is cut as well");
}

if (ADDRESS === undefined) {
  console.log("cannot: cuts at each request of a job: TURBINE_TEST_KAFKA is not set to host:port");
} else {
  for (const groupProtocol of ["classic", "consumer"] as const) {
    const jobs: readonly CutJob[] = [
      { guarantee: "at-least-once", transactionProtocol: 2, groupProtocol },
      { guarantee: "exactly-once", transactionProtocol: 1, groupProtocol },
      { guarantee: "exactly-once", transactionProtocol: 2, groupProtocol },
    ];
    Deno.test(`${groupProtocol} group: a job goes on when connections are cut before and after each request`, () => {
      return runJobs(jobs, cutAll);
    });
    const first = groupProtocol === "classic" ? FIRST.slice(0, 1) : FIRST;
    for (const cut of first.flatMap((name) => CUT_FATES.map((fate) => ({ name, fate })))) {
      Deno.test(`${groupProtocol} group: the first start goes on when ${cut.name} is ${cut.fate}`, () => {
        return runJobs(jobs.slice(0, 1), (scene) => scene.start(cut));
      });
    }
  }
}
