/**
 * Kafka clients side by side on one broker: this library's driver (`kafka`), its codec over kafkajs's connections
 * (`kafkajs`), kafkajs as it comes (`stock`) and the Java client. Each client is a process of its own and runs alone; the
 * clients take turns, `--runs` times. Prints medians. A client's start, and the rounds that warm it up, are not counted.
 *
 * Two ratios to Java are printed. By wall time it is what a user sees, but the broker works on the same processors, and a
 * client that is faster than it waits for it. By processor time (of all threads of the client's process, in and out of the
 * kernel) it is what the client itself costs, whatever the broker does: rows that one core would bear.
 *
 *     deno task bench:kafka [--rows 1000000] [--runs 3] [--partitions 1] [--address HOST:PORT]
 *                           [--workloads consume,produce,transactions] [--clients kafka,kafkajs,stock,java]
 *                           [--core 0]   keeps each client on one core (by taskset), so that the broker has the others
 *
 * Without `--address` a broker is started for it, with the Java options of Kafka's own start script, and is gone afterwards.
 *
 * consume: values, keys, offsets and timestamps of every record can be addressed. produce: idempotent, acks=all, 10,000
 * rows, each batch awaited. transactions: about 10,000 rows read, written and committed with their offsets. Messages have
 * 90 bytes and a key of 8; read_committed throughout.
 */
import { parseArgs } from "node:util";
import { kafkaBroker } from "../lib/adapters/kafka/kafka.ts";
import { TestCluster } from "../testing/lanes/cluster/test_cluster.ts";
import { partsHome } from "../tools/services/service.ts";
import { benchRecords, type ClientTask, type Round, ROW_BYTES } from "./kafka_tasks.ts";

/** Rounds in a process that only warm it up. */
const WARM_UPS = 3;
const ROUNDS = 5;
/** A round of kafkajs's own producer would take minutes. */
const STOCK_SHARE: Readonly<Record<ClientTask["workload"], number>> = { consume: 1, produce: 0.1, transactions: 0.1 };

interface Measured {
  readonly rounds: readonly Round[];
  readonly rssMb: number;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

async function output(command: readonly string[]): Promise<string> {
  const [program, ...args] = command;
  const child = new Deno.Command(program!, { args, stdin: "null", stdout: "piped", stderr: "inherit" });
  const { code, stdout } = await child.output();
  if (code !== 0) throw new Error(`Client ended with code ${code}: ${command.join(" ")}`);
  return new TextDecoder().decode(stdout).trim().split("\n").at(-1)!;
}

async function measure(client: string, task: ClientTask, core: string | undefined): Promise<Measured> {
  const pin = core === undefined ? [] : ["taskset", "-c", core];
  const share = client === "stock" ? STOCK_SHARE[task.workload] : 1;
  const mine = { ...task, rows: Math.max(10_000, Math.round(task.rows * share)) };
  if (client !== "java") {
    const script = new URL("./kafka_clients.ts", import.meta.url).pathname;
    const flags = ["--quiet", "--no-check", "--allow-all"];
    return JSON.parse(await output([...pin, Deno.execPath(), "run", ...flags, script, client, JSON.stringify(mine)]));
  }
  const home = (await Array.fromAsync(Deno.readDir(partsHome()))).find(({ name }) => name.startsWith("kafka-"));
  if (home === undefined) throw new Error("Cannot find the Java client, run first: deno task services up kafka");
  const source = new URL("./kafka_java/KafkaClientBench.java", import.meta.url).pathname;
  const { workload, address, input, output: to, rows, rounds } = mine;
  const args = [workload, address, input, to, String(rows), String(rounds), "none"];
  const quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error";
  const level = "-Dlog4j2.level=ERROR";
  return JSON.parse(
    await output([...pin, "java", quiet, level, "-cp", `${partsHome()}/${home.name}/libs/*`, source, ...args]),
  );
}

/** Rows in the input for each that is read: no client is to wait at the end of the log for more. */
const SURPLUS = 1.25;

/** Creates the topics and fills the input. */
async function prepare(task: ClientTask): Promise<void> {
  const broker = kafkaBroker({ brokers: [task.address] });
  const { input, output: to, partitions, rows } = task;
  await (await broker.admin()).createTopics([{ topic: input, partitions }, { topic: to, partitions }]);
  const producer = await broker.producer();
  const records = benchRecords(10_000);
  const spread = Int32Array.from({ length: 10_000 }, (_, row) => row % partitions);
  for (let row = 0; row < SURPLUS * rows; row += 10_000) {
    const outcome = await producer.produce({ topic: input, records, partitions: spread });
    if (outcome.kind !== "applied") throw outcome.error;
  }
  await broker.close();
}

function table(workload: string, results: ReadonlyMap<string, readonly Measured[]>): string {
  const figures = [...results].map(([client, runs]) => {
    const rounds = runs.flatMap((run) => run.rounds.slice(WARM_UPS));
    return {
      client,
      rate: median(rounds.map(({ rows, seconds }) => rows / seconds)),
      cpu: median(rounds.map(({ rows, cpuSeconds }) => (cpuSeconds / rows) * 1e6)),
      rssMb: median(runs.map(({ rssMb }) => rssMb)),
    };
  });
  const java = figures.find(({ client }) => client === "java");
  const lines = figures.map(({ client, rate, cpu, rssMb }) => {
    const megabytes = (rate * ROW_BYTES / 1e6).toFixed(0);
    const ofJava = java === undefined
      ? ["-", "-", "-"]
      : [rate / java.rate, java.cpu / cpu, rssMb / java.rssMb].map((ratio) => ratio.toFixed(2));
    const cells = [
      client,
      `${(rate / 1e6).toFixed(2)} M`,
      megabytes,
      ofJava[0],
      cpu.toFixed(2),
      ofJava[1],
      rssMb,
      ofJava[2],
    ];
    return `| ${cells.join(" | ")} |`;
  });
  return [
    `${workload}:`,
    "",
    "| client | rows/s | MB/s | x Java by wall time | CPU s per M rows | x Java by CPU time | peak MiB | of Java's |",
    "| ------ | -----: | ---: | ------------------: | ---------------: | -----------------: | -------: | --------: |",
    ...lines,
    "",
  ].join("\n");
}

if (import.meta.main) {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      rows: { type: "string", default: "1000000" },
      runs: { type: "string", default: "3" },
      partitions: { type: "string", default: "1" },
      address: { type: "string" },
      workloads: { type: "string", default: "consume,produce,transactions" },
      clients: { type: "string", default: "kafka,kafkajs,stock,java" },
      core: { type: "string" },
    },
  });
  await using cluster = values.address === undefined ? await TestCluster.start({ nodes: 1, java: "server" }) : null;
  const name = `bench-${Date.now().toString(36)}`;
  const base = {
    address: values.address ?? cluster!.brokers[0]!,
    input: `${name}-input`,
    output: `${name}-output`,
    partitions: Number(values.partitions),
    rows: Number(values.rows),
    rounds: WARM_UPS + ROUNDS,
  };
  await prepare({ ...base, workload: "consume" });
  for (const workload of values.workloads.split(",") as ClientTask["workload"][]) {
    const results = new Map<string, Measured[]>(values.clients.split(",").map((client) => [client, []]));
    // The broker warms up too, so the first turn does not count; then each client goes first as often as last.
    for (let turn = 0; turn <= Number(values.runs); turn++) {
      const order = turn % 2 === 0 ? [...results] : [...results].reverse();
      for (const [client, runs] of order) {
        if (turn === 0 && client === "stock") continue;
        const measured = await measure(client, { ...base, workload }, values.core);
        if (turn > 0) runs.push(measured);
      }
    }
    console.log(table(workload, results));
  }
}
