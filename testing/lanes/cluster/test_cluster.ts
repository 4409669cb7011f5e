/** A Kafka of its own for a lane: one node or three, at free ports, gone with the process that started it. */
import { assert } from "@std/assert";
import {
  awaitNode,
  type KafkaLayout,
  type NodeJava,
  nodeLog,
  nodePid,
  portsOf,
  startNode,
  stopNode,
} from "../../../tools/services/kafka_node.ts";
import { sleep } from "../../../tools/services/service.ts";
import { Toxiproxy } from "../../../tools/services/toxiproxy.ts";
import type { TopicPartition } from "../../../lib/seams/broker.ts";
import { ClusterAdmin } from "./cluster_admin.ts";

/** What one of the nodes is for the cluster or for a client at a moment. */
export type NodeRole =
  | "controller"
  | { readonly leads: TopicPartition }
  | { readonly coordinates: string; readonly kind: "group" | "transaction" };

/** How far the interface of toxiproxy is from the plaintext port of the first node. */
const TOXIPROXY_PORT = 700;
/** Free ports are looked for from here on, well away from those of `services up` and from those that sockets are given. */
const [PORT_MIN, PORT_MAX] = [21_000, 30_000];

/** Options of {@linkcode TestCluster.start}. */
export interface TestClusterOptions {
  /** Number of nodes. */
  readonly nodes: 1 | 3;
  /** Whether clients may also connect through toxiproxy. @default {false} */
  readonly isProxied?: boolean;
  /** Further settings of every node. @default {{}} */
  readonly settings?: KafkaLayout["settings"];
  /** Options of Java. @default {"light"} */
  readonly java?: NodeJava;
}

/** A private cluster and what can be done to it. */
export class TestCluster implements AsyncDisposable {
  /** Administration, past all proxies. */
  readonly admin: ClusterAdmin;
  /** Numbers of the nodes. */
  readonly nodes: readonly number[];
  readonly #layout: KafkaLayout;
  readonly #toxiproxy: Toxiproxy | undefined;
  readonly #watchdog: Deno.ChildProcess;

  private constructor(layout: KafkaLayout, toxiproxy: Toxiproxy | undefined) {
    this.#layout = layout;
    this.#toxiproxy = toxiproxy;
    this.nodes = Array.from({ length: layout.nodes }, (_, at) => at + 1);
    this.admin = new ClusterAdmin(this.brokers);
    this.#watchdog = watch(layout.directory);
  }

  /** Starts a cluster with fresh data; ready when it resolves. */
  static async start(options: TestClusterOptions): Promise<TestCluster> {
    const { nodes, isProxied = false, settings = {}, java = "light" } = options;
    const directory = await Deno.makeTempDir({ prefix: "turbine-cluster-" });
    const layout: KafkaLayout = { nodes, basePort: freePorts(nodes), directory, isProxied, settings, java };
    const { basePort } = layout;
    const toxiproxy = isProxied
      ? await Toxiproxy.start(basePort + TOXIPROXY_PORT, `${directory}/toxiproxy`)
      : undefined;
    const cluster = new TestCluster(layout, toxiproxy);
    try {
      for (const node of isProxied ? cluster.nodes : []) {
        const { advertised, proxied } = portsOf(node, basePort);
        await toxiproxy!.add(`n${node}`, { listen: `127.0.0.1:${advertised}`, upstream: `127.0.0.1:${proxied}` });
      }
      await Promise.all(cluster.nodes.map((node) => startNode(node, layout)));
      await Promise.all(cluster.nodes.map((node) => awaitNode(node, layout)));
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Addresses for clients, direct. */
  get brokers(): string[] {
    return this.nodes.map((node) => `127.0.0.1:${portsOf(node, this.#layout.basePort).plaintext}`);
  }

  /** Addresses for clients, through toxiproxy. */
  get proxiedBrokers(): string[] {
    return this.nodes.map((node) => `127.0.0.1:${portsOf(node, this.#layout.basePort).advertised}`);
  }

  /** toxiproxy; the proxy of node 1 is called `n1`. */
  get toxiproxy(): Toxiproxy {
    assert(this.#toxiproxy !== undefined, "this cluster was started without proxies");
    return this.#toxiproxy;
  }

  /** Which node has a role now. */
  async nodeOf(role: NodeRole): Promise<number> {
    if (role === "controller") return await this.admin.controller();
    if ("leads" in role) return await this.admin.leaderOf(role.leads);
    return await this.admin.coordinatorOf(role.coordinates, role.kind);
  }

  /** kill -9: nothing of the node is left but its files. */
  async kill(node: number): Promise<void> {
    Deno.kill(await this.#pid(node), "SIGKILL");
    while (await nodePid(node, this.#layout) !== undefined) await sleep(10);
  }

  /** Stops a node in good order: it hands over what it leads first. */
  async stop(node: number): Promise<void> {
    await stopNode(node, this.#layout, 30_000);
  }

  /** Starts a node again that was killed or stopped, on its data. */
  async restart(node: number): Promise<void> {
    await startNode(node, this.#layout);
    await awaitNode(node, this.#layout);
  }

  /** SIGSTOP: the node stands still, its connections stay open. */
  async pause(node: number): Promise<void> {
    Deno.kill(await this.#pid(node), "SIGSTOP");
  }

  /** SIGCONT. */
  async resume(node: number): Promise<void> {
    Deno.kill(await this.#pid(node), "SIGCONT");
  }

  /** Whatever was done to nodes that run and to their connections is undone. */
  async heal(): Promise<void> {
    await this.#toxiproxy?.reset();
    for (const node of this.nodes) {
      const pid = await nodePid(node, this.#layout);
      if (pid === undefined) await this.restart(node);
      else Deno.kill(pid, "SIGCONT");
    }
  }

  /** The generation of a group of the classic protocol, as its coordinators logged it; -1 when it never was stable. */
  async generation(groupId: string): Promise<number> {
    const stabilized = (await this.log()).matchAll(/Stabilized group (\S+) generation (\d+)/g);
    return Math.max(
      -1,
      ...[...stabilized].filter(([, group]) => group === groupId).map(([, , number]) => Number(number)),
    );
  }

  /** What the nodes have logged since each was started last. */
  async log(): Promise<string> {
    return (await Promise.all(this.nodes.map((node) => nodeLog(node, this.#layout)))).join("\n");
  }

  /** Ends all nodes and removes their data. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.admin.close();
    const { directory } = this.#layout;
    await Promise.all(this.nodes.map((node) => stopNode(node, this.#layout, 0)));
    await Toxiproxy.stop(`${directory}/toxiproxy`);
    this.#watchdog.kill("SIGKILL");
    await this.#watchdog.status;
    await Deno.remove(directory, { recursive: true });
  }

  async #pid(node: number): Promise<number> {
    const pid = await nodePid(node, this.#layout);
    assert(pid !== undefined, `node ${node} does not run`);
    return pid;
  }
}

/** A lane that is killed must not leave a cluster behind. */
function watch(directory: string): Deno.ChildProcess {
  const script = `while kill -0 ${Deno.pid} 2>/dev/null; do sleep 1; done
for pid in "$1"/*/pid; do kill -CONT "$(cat "$pid")"; kill -9 "$(cat "$pid")"; done
sleep 1; rm -rf "$1"`;
  const args = ["-c", script, "watch", directory];
  const child = new Deno.Command("sh", { args, stdin: "null", stdout: "null", stderr: "null" }).spawn();
  child.unref();
  return child;
}

/** The first port of a cluster all of whose ports are free. */
function freePorts(nodes: number): number {
  for (let attempt = 0; attempt < 200; attempt++) {
    const first = PORT_MIN + 10 * Math.floor(Math.random() * (PORT_MAX - PORT_MIN) / 10);
    const numbers = Array.from({ length: nodes }, (_, at) => Object.values(portsOf(at + 1, first))).flat();
    if ([...numbers, first + TOXIPROXY_PORT].every(isFree)) return first;
  }
  throw new Error(`No free ports were found between ${PORT_MIN} and ${PORT_MAX}`);
}

function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
}
