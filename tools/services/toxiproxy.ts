/** toxiproxy from the Go module proxy: TCP proxies whose connections can be slowed down, cut or silenced while they run. */
import { launch, livingPid, partsHome, readText, run, runHome, type Service, sleep, stop } from "./service.ts";

const VERSION = "2.5.0";
const API_PORT = 8_474;
const HOME = () => `${partsHome()}/toxiproxy-${VERSION}`;
const RUN = () => runHome("toxiproxy");

/** Builds the program, once. */
async function install(): Promise<void> {
  if (await readText(`${HOME()}/.ok`) !== undefined) return;
  await Deno.mkdir(HOME(), { recursive: true });
  const target = `github.com/Shopify/toxiproxy/v2/cmd/server@v${VERSION}`;
  await run(["env", `GOBIN=${HOME()}`, "CGO_ENABLED=0", "go", "install", "-ldflags=-s -w", target]);
  await Deno.writeTextFile(`${HOME()}/.ok`, "");
}

/** What a toxic does to the bytes that pass: see toxiproxy's README for its attributes. */
export interface Toxic {
  /** `latency`, `timeout` (silence; 0 for ever), `reset_peer`, `bandwidth`, `limit_data` ... */
  readonly type: string;
  /** Bytes to the broker, or its replies. */
  readonly stream: "upstream" | "downstream";
  /** Settings of the type. */
  readonly attributes: Readonly<Record<string, number>>;
}

/** A running toxiproxy, through its HTTP interface. */
export class Toxiproxy {
  readonly #address: string;

  /** @param address `host:port` of its interface. */
  constructor(address: string) {
    this.#address = address;
  }

  /**
   * Starts one, or leaves one alone that runs; ready when it resolves.
   *
   * @param port Port of its interface.
   * @param directory Where log and process id go.
   */
  static async start(port: number, directory: string): Promise<Toxiproxy> {
    const proxy = new Toxiproxy(`127.0.0.1:${port}`);
    if (await livingPid(`${directory}/pid`) !== undefined) return proxy;
    await install();
    await Deno.mkdir(directory, { recursive: true });
    const files = { log: `${directory}/toxiproxy.log`, pid: `${directory}/pid` };
    await launch(["env", "LOG_LEVEL=warn", `${HOME()}/server`, "-host", "127.0.0.1", "-port", `${port}`], files);
    const end = Date.now() + 20_000;
    while (!await proxy.#call("GET", "/version").then(() => true, () => false)) {
      if (Date.now() > end) throw new Error(`toxiproxy was not ready within 20 s:\n${await readText(files.log)}`);
      await sleep(30);
    }
    return proxy;
  }

  /** Ends the one that was started with this directory. */
  static async stop(directory: string): Promise<void> {
    const pid = await livingPid(`${directory}/pid`);
    if (pid !== undefined) await stop(pid, 3_000);
  }

  /** Makes a proxy: what connects to `listen` is connected to `upstream`, both `host:port`. */
  async add(name: string, { listen, upstream }: { readonly listen: string; readonly upstream: string }): Promise<void> {
    await this.#call("POST", "/proxies", { name, listen, upstream, enabled: true });
  }

  /** A proxy that is not enabled has cut all connections and takes no more. */
  async enable(name: string, isEnabled: boolean): Promise<void> {
    await this.#call("POST", `/proxies/${name}`, { enabled: isEnabled });
  }

  /** Adds a toxic to a proxy, for the connections it has and for new ones. @returns Its name, for `heal`. */
  async poison(name: string, toxic: Toxic): Promise<string> {
    const id = `${toxic.type}-${toxic.stream}`;
    await this.#call("POST", `/proxies/${name}/toxics`, { name: id, toxicity: 1, ...toxic });
    return id;
  }

  /** Takes a toxic away. */
  async heal(name: string, toxic: string): Promise<void> {
    await this.#call("DELETE", `/proxies/${name}/toxics/${toxic}`);
  }

  /** Enables all proxies and takes all toxics away. */
  async reset(): Promise<void> {
    await this.#call("POST", "/reset");
  }

  async #call(method: string, path: string, body?: unknown): Promise<void> {
    const response = await fetch(`http://${this.#address}${path}`, {
      method,
      ...body === undefined ? {} : { body: JSON.stringify(body) },
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`toxiproxy refused ${method} ${path}: ${response.status} ${text}`);
  }
}

/** toxiproxy on 127.0.0.1:8474, or another port. */
export const toxiproxy: Service = {
  name: "toxiproxy",
  summary: "toxiproxy 2.5 with its interface on 127.0.0.1:8474 (--port N)",
  async up(options): Promise<string> {
    const port = Number(options.get("port") ?? API_PORT);
    await Toxiproxy.start(port, RUN());
    await Deno.writeTextFile(`${RUN()}/port`, `${port}`);
    return `127.0.0.1:${port}`;
  },
  down: () => Toxiproxy.stop(RUN()),
  async status(): Promise<readonly string[]> {
    const pid = await livingPid(`${RUN()}/pid`);
    return pid === undefined ? [] : [`pid ${pid} at 127.0.0.1:${await readText(`${RUN()}/port`)}`];
  },
};
