/** versitygw from the Go module proxy: an S3 server over a directory, whose conditional writes are atomic. */
import { launch, livingPid, partsHome, readText, run, runHome, type Service, sleep, stop } from "./service.ts";

const VERSION = "1.8.0";
const PORT = 17_900;
const HOME = () => `${partsHome()}/versitygw-${VERSION}`;
const RUN = () => runHome("s3");

/** Key pair of the servers that are started here; they listen on loopback only. */
export const S3_TEST_CREDENTIALS = { accessKeyId: "turbine", secretAccessKey: "turbine-secret" } as const;

/** Region that they say they are in. */
export const S3_TEST_REGION = "us-east-1";

/** Builds the program, once, with modules and build cache of its own, which are not needed afterwards. */
async function install(): Promise<void> {
  if (await readText(`${HOME()}/.ok`) !== undefined) return;
  const go = `${HOME()}/go`;
  await Deno.mkdir(go, { recursive: true });
  const places = [`GOBIN=${HOME()}`, `GOPATH=${go}`, `GOMODCACHE=${go}/pkg/mod`, `GOCACHE=${go}/cache`];
  const target = `github.com/versity/versitygw/cmd/versitygw@v${VERSION}`;
  for (let attempt = 1;; attempt++) {
    try {
      // Without the flag the modules could not be deleted again.
      await run(["env", ...places, "CGO_ENABLED=0", "GOFLAGS=-modcacherw", "go", "install", "-ldflags=-s -w", target]);
      break;
    } catch (error) {
      if (attempt === 3) throw error;
      await sleep(2_000);
    }
  }
  await Deno.remove(go, { recursive: true });
  await Deno.writeTextFile(`${HOME()}/.ok`, "");
}

/** An S3 server of one process, with its objects in a directory. */
export class S3Server {
  /** `http://host:port`. */
  readonly endpoint: string;
  readonly #directory: string;
  readonly #port: number;

  /**
   * @param port Where it listens on loopback.
   * @param directory Where objects, log and process id go.
   */
  constructor(port: number, directory: string) {
    this.#port = port;
    this.#directory = directory;
    this.endpoint = `http://127.0.0.1:${port}`;
  }

  /** Starts it on the objects that it has, or leaves it alone when it runs; ready when it resolves. */
  async start(): Promise<void> {
    if (await this.pid() !== undefined) return;
    await install();
    await Deno.mkdir(`${this.#directory}/data`, { recursive: true });
    const { accessKeyId, secretAccessKey } = S3_TEST_CREDENTIALS;
    const keys = [`ROOT_ACCESS_KEY=${accessKeyId}`, `ROOT_SECRET_KEY=${secretAccessKey}`];
    const listen = ["--port", `127.0.0.1:${this.#port}`, "--region", S3_TEST_REGION, "--health", "/health"];
    const command = ["env", ...keys, `${HOME()}/versitygw`, ...listen, "--quiet", "--keep-alive"];
    const log = `${this.#directory}/log`;
    await launch([...command, "posix", `${this.#directory}/data`], { log, pid: `${this.#directory}/pid` });
    const end = Date.now() + 30_000;
    while (!await this.#isReady()) {
      const tail = async () => (await readText(log) ?? "").split("\n").slice(-20).join("\n");
      if (await this.pid() === undefined) throw new Error(`The S3 server died:\n${await tail()}`);
      if (Date.now() > end) throw new Error(`The S3 server was not ready within 30 s:\n${await tail()}`);
      await sleep(30);
    }
  }

  /** Its process, if it runs. */
  async pid(): Promise<number | undefined> {
    return await livingPid(`${this.#directory}/pid`);
  }

  /** Stops it in good order, and by force when that takes too long. */
  async stop(): Promise<void> {
    const pid = await this.pid();
    if (pid !== undefined) await stop(pid, 3_000);
  }

  /** Stops it at once, whatever it is at. */
  async kill(): Promise<void> {
    const pid = await this.pid();
    if (pid === undefined) return;
    Deno.kill(pid, "SIGKILL");
    while (await this.pid() !== undefined) await sleep(10);
  }

  async #isReady(): Promise<boolean> {
    try {
      const response = await fetch(`${this.endpoint}/health`);
      await response.body?.cancel();
      return response.ok;
    } catch {
      return false;
    }
  }
}

/** versitygw on 127.0.0.1:17900, or another port. */
export const s3: Service = {
  name: "s3",
  summary: "versitygw 1.8, an S3 server on 127.0.0.1:17900 (--port N)",
  async up(options): Promise<string> {
    // One that runs already stays at its port.
    const running = await livingPid(`${RUN()}/pid`) === undefined ? undefined : await readText(`${RUN()}/port`);
    const server = new S3Server(Number(running ?? options.get("port") ?? PORT), RUN());
    await server.start();
    await Deno.writeTextFile(`${RUN()}/port`, new URL(server.endpoint).port);
    const { accessKeyId, secretAccessKey } = S3_TEST_CREDENTIALS;
    return `${server.endpoint} AWS_ACCESS_KEY_ID=${accessKeyId} ` +
      `AWS_SECRET_ACCESS_KEY=${secretAccessKey} AWS_REGION=${S3_TEST_REGION}`;
  },
  async down(): Promise<void> {
    await new S3Server(PORT, RUN()).stop();
    await Deno.remove(RUN(), { recursive: true }).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  },
  async status(): Promise<readonly string[]> {
    const pid = await livingPid(`${RUN()}/pid`);
    return pid === undefined ? [] : [`pid ${pid} at http://127.0.0.1:${await readText(`${RUN()}/port`)}`];
  },
};
