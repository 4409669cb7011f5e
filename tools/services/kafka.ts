import { awaitNode, installKafka, type KafkaLayout, startNode, stopNode } from "./kafka_node.ts";
import { prepareSecurity } from "./kafka_security.ts";
import { livingPid, readText, runHome, type Service } from "./service.ts";

const BASE_PORT = 19_092;
const RUN = () => runHome("kafka");

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
    const layout: KafkaLayout = { nodes, basePort, directory: RUN(), isSecure: true };
    await installKafka();
    await Deno.mkdir(RUN(), { recursive: true });
    await prepareSecurity(RUN(), basePort);
    const all = Array.from({ length: nodes }, (_, at) => at + 1);
    await Promise.all(all.map((node) => startNode(node, layout)));
    await Promise.all(all.map((node) => awaitNode(node, layout)));
    return all.map((node) => `127.0.0.1:${basePort + node - 1}`).join(",");
  },
  async down(): Promise<void> {
    const layout: KafkaLayout = { nodes: 1, basePort: BASE_PORT, directory: RUN() };
    await Promise.all((await knownNodes()).map((node) => stopNode(node, layout)));
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
