/** One node of a Kafka for tests, at any ports and in any directory: `services up kafka` and the cluster lanes start theirs by it. */
import { scramUsers, secureListeners, secureProperties } from "./kafka_security.ts";
import { launch, livingPid, partsHome, readText, run, sleep, stop } from "./service.ts";

const VERSION = "4.1.2";
const CLUSTER_ID = "4L6g3nShT-eMCtK--X86sw";
const HOME = () => `${partsHome()}/kafka-${VERSION}`;

/** How far a node's other ports are from its plaintext one. */
const PORTS = { controller: 100, proxied: 500, advertised: 600 } as const;

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

const JAVA = {
  /** Short-lived test brokers: small heap, quick start. */
  light: ["-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"],
  /** Brokers whose speed counts: the options that Kafka's own start script sets. */
  server: [
    "-server",
    "-Xms1g",
    "-Xmx1g",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
  ],
} as const;

/** Which options nodes are started with. */
export type NodeJava = keyof typeof JAVA;

/** Downloads what a node needs, once. */
export async function installKafka(): Promise<void> {
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

/** A cluster: how many nodes, where they listen and what they have beside the plaintext listener. */
export interface KafkaLayout {
  /** Number of nodes: one, or three whose topics have three replicas and need two. */
  readonly nodes: 1 | 3;
  /** Plaintext port of the first node; the others follow. */
  readonly basePort: number;
  /** Where configuration, data, logs and process ids go. */
  readonly directory: string;
  /** Whether they also listen with TLS and SASL. @default {false} */
  readonly isSecure?: boolean;
  /**
   * Whether they also have a listener that clients are sent to through another port, where a proxy may listen.
   * @default {false}
   */
  readonly isProxied?: boolean;
  /** Further settings of every node. @default {{}} */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** Options of Java: a quick start, or a broker as it runs in production. @default {"light"} */
  readonly java?: NodeJava;
}

/** Ports of a node. */
export interface NodePorts {
  /** Where clients connect directly. */
  readonly plaintext: number;
  /** Where nodes talk about the cluster. */
  readonly controller: number;
  /** Where the proxy connects. */
  readonly proxied: number;
  /** Where the proxy listens. */
  readonly advertised: number;
}

/** The ports of a node. @param node Its number, from 1. @param basePort Plaintext port of the first one. */
export function portsOf(node: number, basePort: number): NodePorts {
  const plaintext = basePort + node - 1;
  return {
    plaintext,
    controller: plaintext + PORTS.controller,
    proxied: plaintext + PORTS.proxied,
    advertised: plaintext + PORTS.advertised,
  };
}

function listenersOf(node: number, { basePort, isSecure = false, isProxied = false }: KafkaLayout): string {
  const { plaintext, controller, proxied, advertised } = portsOf(node, basePort);
  const secure = isSecure ? secureListeners(plaintext) : "";
  const proxy = (port: number) => isProxied ? `,PROXY://127.0.0.1:${port}` : "";
  return `listeners=PLAINTEXT://127.0.0.1:${plaintext},CONTROLLER://127.0.0.1:${controller}${secure}${proxy(proxied)}
advertised.listeners=PLAINTEXT://127.0.0.1:${plaintext}${secure}${proxy(advertised)}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXY:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
`;
}

function properties(node: number, layout: KafkaLayout): string {
  const { nodes, basePort, directory, isSecure = false, settings = {} } = layout;
  const voters = Array.from(
    { length: nodes },
    (_, at) => `${at + 1}@127.0.0.1:${portsOf(at + 1, basePort).controller}`,
  ).join(",");
  const [replicas, inSync] = nodes >= 3 ? [3, 2] : [1, 1];
  return `process.roles=broker,controller
node.id=${node}
controller.quorum.voters=${voters}
${listenersOf(node, layout)}log.dirs=${directory}/n${node}/data
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
${Object.entries(settings).map(([name, value]) => `${name}=${value}\n`).join("")}${
    isSecure ? secureProperties(directory) : ""
  }`;
}

/** Where a node's files are. */
function homeOf(node: number, { directory }: KafkaLayout): string {
  return `${directory}/n${node}`;
}

/** The process of a node, if it runs. */
export async function nodePid(node: number, layout: KafkaLayout): Promise<number | undefined> {
  return await livingPid(`${homeOf(node, layout)}/pid`);
}

/** What a node has logged since it was started last. */
export async function nodeLog(node: number, layout: KafkaLayout): Promise<string> {
  return await readText(`${homeOf(node, layout)}/kafka.log`) ?? "";
}

/**
 * Starts a node on the data that it has, or on none; leaves one alone that runs. It is ready when
 * {@linkcode awaitNode} resolves.
 *
 * @param node Its number, from 1.
 * @param layout The cluster.
 */
export async function startNode(node: number, layout: KafkaLayout): Promise<void> {
  const home = homeOf(node, layout);
  if (await nodePid(node, layout) !== undefined) return;
  await installKafka();
  await Deno.mkdir(home, { recursive: true });
  await Deno.writeTextFile(`${home}/server.properties`, properties(node, layout));
  const flags = [...JAVA[layout.java ?? "light"], "-Xshare:auto", "-Djava.awt.headless=true"];
  const java = ["java", ...flags, `-Dlog4j2.configurationFile=${HOME()}/log4j2.properties`, "-cp", `${HOME()}/libs/*`];
  if (await readText(`${home}/data/meta.properties`) === undefined) {
    await run([
      ...java,
      "kafka.tools.StorageTool",
      "format",
      "-t",
      CLUSTER_ID,
      "-c",
      `${home}/server.properties`,
      ...layout.isSecure ? scramUsers() : [],
    ]);
  }
  await Deno.rename(`${home}/kafka.log`, `${home}/kafka.log.before`).catch(ignoreMissing);
  await launch([...java, "kafka.Kafka", `${home}/server.properties`], { log: `${home}/kafka.log`, pid: `${home}/pid` });
}

/** Waits until a node that was started takes part in the cluster. */
export async function awaitNode(node: number, layout: KafkaLayout): Promise<void> {
  const end = Date.now() + 90_000;
  // The line is written after the broker is unfenced; an open port is too early.
  while (!(await nodeLog(node, layout)).includes("Kafka Server started")) {
    const tail = async () => (await nodeLog(node, layout)).split("\n").slice(-20).join("\n");
    if (await nodePid(node, layout) === undefined) throw new Error(`Kafka node ${node} died:\n${await tail()}`);
    if (Date.now() > end) throw new Error(`Kafka node ${node} was not ready within 90 s:\n${await tail()}`);
    await sleep(100);
  }
}

/** Stops a node in good order, and by force when that takes too long. */
export async function stopNode(node: number, layout: KafkaLayout, graceMs: number = 10_000): Promise<void> {
  const pid = await nodePid(node, layout);
  if (pid !== undefined) await stop(pid, graceMs);
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
