import { prepareSecurity, scramUsers, secureListeners, secureProperties } from "./kafka_security.ts";
import { launch, livingPid, partsHome, readText, run, runHome, type Service, sleep, stop } from "./service.ts";

const VERSION = "4.1.2";
const BASE_PORT = 19_092;
const CLUSTER_ID = "4L6g3nShT-eMCtK--X86sw";
const HOME = () => `${partsHome()}/kafka-${VERSION}`;
const RUN = () => runHome("kafka");

const LOG4J = `status=warn
appender.c.type=Console
appender.c.name=c
appender.c.layout.type=PatternLayout
appender.c.layout.pattern=%d{ISO8601} %-5p %c{1} %m%n
rootLogger.level=INFO
rootLogger.appenderRef.c.ref=c
`;

function dependency(group: string, artifact: string, version: string, exclusions: readonly string[] = []): string {
  const excluded = exclusions.map((name) =>
    `<exclusion><groupId>org.apache.kafka</groupId><artifactId>${name}</artifactId></exclusion>`
  );
  const tail = excluded.length === 0 ? "" : `<exclusions>${excluded.join("")}</exclusions>`;
  return `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version>${tail}</dependency>`;
}

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>turbine</groupId><artifactId>kafka-for-tests</artifactId><version>1</version><dependencies>
${dependency("org.apache.kafka", "kafka_2.13", VERSION)}
${dependency("org.apache.kafka", "kafka-tools", VERSION, ["connect-runtime", "connect-json", "connect-api"])}
${dependency("org.apache.logging.log4j", "log4j-slf4j-impl", "2.24.3")}
${dependency("org.apache.logging.log4j", "log4j-core", "2.24.3")}
</dependencies></project>
`;

/** Java flags of short-lived test brokers: small heap, quick start. */
const JAVA = [
  "-Xms128m",
  "-Xmx512m",
  "-XX:+UseSerialGC",
  "-XX:TieredStopAtLevel=1",
  "-Xshare:auto",
  "-Djava.awt.headless=true",
];

async function install(): Promise<void> {
  if (await readText(`${HOME()}/libs/.ok`) !== undefined) return;
  await Deno.mkdir(HOME(), { recursive: true });
  await Deno.writeTextFile(`${HOME()}/pom.xml`, POM);
  await Deno.writeTextFile(`${HOME()}/log4j2.properties`, LOG4J);
  for (let attempt = 1;; attempt++) {
    try {
      await run([
        "mvn",
        "-q",
        "-B",
        "-f",
        `${HOME()}/pom.xml`,
        "dependency:copy-dependencies",
        "-DincludeScope=runtime",
        `-DoutputDirectory=${HOME()}/libs`,
      ]);
      break;
    } catch (error) {
      if (attempt === 3) throw error;
      await sleep(2_000);
    }
  }
  await Deno.writeTextFile(`${HOME()}/libs/.ok`, "");
}

/** How many nodes there are, and the first one's port. */
interface Layout {
  readonly nodes: number;
  readonly basePort: number;
}

function properties(node: number, { nodes, basePort }: Layout): string {
  const port = basePort + node - 1;
  const voters = Array.from({ length: nodes }, (_, at) => `${at + 1}@127.0.0.1:${basePort + 100 + at}`).join(",");
  const [replicas, inSync] = nodes >= 3 ? [3, 2] : [1, 1];
  return `process.roles=broker,controller
node.id=${node}
controller.quorum.voters=${voters}
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${port + 100}${secureListeners(port)}
advertised.listeners=PLAINTEXT://127.0.0.1:${port}${secureListeners(port)}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs=${RUN()}/n${node}/data
num.partitions=4
default.replication.factor=${replicas}
min.insync.replicas=${inSync}
offsets.topic.replication.factor=${replicas}
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=${replicas}
transaction.state.log.min.isr=${inSync}
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=${replicas}
share.coordinator.state.topic.min.isr=${inSync}
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
replica.lag.time.max.ms=5000
log.cleaner.dedupe.buffer.size=10485760
log.segment.bytes=67108864
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
auto.create.topics.enable=false
${secureProperties(RUN())}`;
}

async function startNode(node: number, layout: Layout): Promise<void> {
  const home = `${RUN()}/n${node}`;
  if (await livingPid(`${home}/pid`) !== undefined) return;
  await Deno.mkdir(home, { recursive: true });
  await Deno.writeTextFile(`${home}/server.properties`, properties(node, layout));
  const java = ["java", ...JAVA, `-Dlog4j2.configurationFile=${HOME()}/log4j2.properties`, "-cp", `${HOME()}/libs/*`];
  if (await readText(`${home}/data/meta.properties`) === undefined) {
    await run([
      ...java,
      "kafka.tools.StorageTool",
      "format",
      "-t",
      CLUSTER_ID,
      "-c",
      `${home}/server.properties`,
      ...scramUsers(),
    ]);
  }
  await launch([...java, "kafka.Kafka", `${home}/server.properties`], { log: `${home}/kafka.log`, pid: `${home}/pid` });
}

async function awaitNode(node: number): Promise<void> {
  const home = `${RUN()}/n${node}`;
  const end = Date.now() + 90_000;
  // The line is written after the broker is unfenced; an open port is too early.
  while (!(await readText(`${home}/kafka.log`))?.includes("Kafka Server started")) {
    const tail = async () => (await readText(`${home}/kafka.log`) ?? "").split("\n").slice(-20).join("\n");
    if (await livingPid(`${home}/pid`) === undefined) throw new Error(`Kafka node ${node} died:\n${await tail()}`);
    if (Date.now() > end) throw new Error(`Kafka node ${node} was not ready within 90 s:\n${await tail()}`);
    await sleep(100);
  }
}

async function knownNodes(): Promise<number[]> {
  const nodes: number[] = [];
  try {
    for await (const entry of Deno.readDir(RUN())) {
      const match = /^n(\d+)$/.exec(entry.name);
      if (match !== null) nodes.push(Number(match[1]));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return nodes.sort((a, b) => a - b);
}

async function addressOf(node: number): Promise<string> {
  const found = /PLAINTEXT:\/\/([^,\s]+)/.exec(await readText(`${RUN()}/n${node}/server.properties`) ?? "");
  return found?.[1] ?? "an unknown address";
}

/** Apache Kafka (KRaft) from Maven artifacts, one node or three, on 127.0.0.1:19092 and up (TURBINE_RUN_HOME and `--port` make a second one). */
export const kafka: Service = {
  name: "kafka",
  summary: "Apache Kafka 4.1 on 127.0.0.1:19092 (--nodes 1 | 3, --port N), also with TLS and SASL",
  async up(options): Promise<string> {
    const nodes = Number(options.get("nodes") ?? "1");
    if (nodes !== 1 && nodes !== 3) {
      throw new RangeError(`Cannot start kafka as '--nodes' must be 1 or 3: current value is ${options.get("nodes")}`);
    }
    const basePort = Number(options.get("port") ?? BASE_PORT);
    const present = await knownNodes();
    if (present.length > 0 && present.length !== nodes) await kafka.down();
    await install();
    await Deno.mkdir(RUN(), { recursive: true });
    await prepareSecurity(RUN(), basePort);
    const all = Array.from({ length: nodes }, (_, at) => at + 1);
    await Promise.all(all.map((node) => startNode(node, { nodes, basePort })));
    await Promise.all(all.map(awaitNode));
    return all.map((node) => `127.0.0.1:${basePort + node - 1}`).join(",");
  },
  async down(): Promise<void> {
    await Promise.all((await knownNodes()).map(async (node) => {
      const pid = await livingPid(`${RUN()}/n${node}/pid`);
      if (pid !== undefined) await stop(pid, 10_000);
    }));
    await Deno.remove(RUN(), { recursive: true }).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  },
  async status(): Promise<readonly string[]> {
    const lines: string[] = [];
    for (const node of await knownNodes()) {
      const pid = await livingPid(`${RUN()}/n${node}/pid`);
      if (pid !== undefined) lines.push(`node ${node} pid ${pid} at ${await addressOf(node)}`);
    }
    return lines;
  },
};
