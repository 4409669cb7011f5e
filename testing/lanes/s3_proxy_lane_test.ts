/**
 * The blob store on a real S3 server behind a proxy that delays, cuts, resets and swallows what passes. Runs when
 * TURBINE_TEST_S3 is set, as the other lanes of S3 do; server and proxy are started here.
 */
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { assert, assertEquals } from "@std/assert";
import { s3BlobStore } from "../../lib/adapters/s3/mod.ts";
import type { BlobStore } from "../../lib/seams/blob_store.ts";
import { S3_TEST_CREDENTIALS, S3_TEST_REGION, S3Server } from "../../tools/services/s3.ts";
import { type Toxic, Toxiproxy } from "../../tools/services/toxiproxy.ts";
import { SeededRandom } from "../seeded_random.ts";

const BUCKET = "proxy-lane";
const PART_BYTES = 5 * 1024 * 1024;
const LARGE_BYTES = PART_BYTES + 1;

/** What happens to the bytes on their way, one after the other. */
const TOXICS: Readonly<Record<string, Toxic>> = {
  "late replies": { type: "latency", stream: "downstream", attributes: { latency: 150, jitter: 100 } },
  "swallowed replies": { type: "timeout", stream: "downstream", attributes: { timeout: 0 } },
  "swallowed requests": { type: "timeout", stream: "upstream", attributes: { timeout: 0 } },
  "replies that are reset": { type: "reset_peer", stream: "downstream", attributes: { timeout: 0 } },
  "replies that break off": { type: "limit_data", stream: "downstream", attributes: { bytes: 100 } },
  "requests that break off": { type: "limit_data", stream: "upstream", attributes: { bytes: 9_000 } },
};

interface Scene {
  readonly proxy: Toxiproxy;
  /** A store through the proxy. */
  readonly store: BlobStore;
  /** One that nothing happens to. */
  readonly witness: BlobStore;
}

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

async function withScene(run: (scene: Scene) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "s3-proxy-" });
  const [port, apiPort, proxied] = [freePort(), freePort(), freePort()];
  const server = new S3Server(port, `${directory}/server`);
  try {
    await Deno.mkdir(`${directory}/server`);
    await server.start();
    const proxy = await Toxiproxy.start(apiPort, `${directory}/proxy`);
    await proxy.add("s3", { listen: `127.0.0.1:${proxied}`, upstream: `127.0.0.1:${port}` });
    const access = { region: S3_TEST_REGION, credentials: S3_TEST_CREDENTIALS };
    const client = new S3Client({ ...access, endpoint: server.endpoint, forcePathStyle: true });
    await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
    client.destroy();
    const options = { ...access, bucket: BUCKET, partBytes: PART_BYTES };
    const impatient = { requestTimeoutMs: 500, attemptsMax: 40, backoffBaseMs: 20, backoffCapMs: 100 };
    const store = s3BlobStore({ ...options, ...impatient, endpoint: `http://127.0.0.1:${proxied}` });
    const witness = s3BlobStore({ ...options, endpoint: server.endpoint });
    await run({ proxy, store, witness });
    await store.close();
    await witness.close();
  } finally {
    await Toxiproxy.stop(`${directory}/proxy`);
    await server.stop();
    await Deno.remove(directory, { recursive: true });
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const isSame = (left: Uint8Array | undefined, right: Uint8Array) =>
  left?.length === right.length && left.every((byte, at) => byte === right[at]);

if (Deno.env.get("TURBINE_TEST_S3") !== undefined) {
  for (const [what, toxic] of Object.entries(TOXICS)) {
    Deno.test(`S3BlobStore behind a proxy with ${what}: what is told is true, and all is done in the end`, () =>
      withScene(async ({ proxy, store, witness }) => {
        const random = new SeededRandom(what.length);
        const contents = Array.from({ length: 6 }, (_, at) => random.bytes(at === 5 ? LARGE_BYTES : 20_000));
        await store.create("read", contents[0]!);
        let isOver = false;
        // The work begins under the fault.
        let id = await proxy.poison("s3", toxic);
        const breaking = (async () => {
          while (!isOver) {
            await pause(100 + random.uint32() % 200);
            await proxy.heal("s3", id);
            await pause(300);
            id = await proxy.poison("s3", toxic);
          }
          await proxy.heal("s3", id);
        })();
        const work = contents.map(async (bytes, at) => {
          assertEquals(await store.create(`n${at}`, bytes), { isCreated: true });
          assert(isSame(await store.get("read"), contents[0]!));
        });
        await Promise.all([...work, pause(600)]);
        assertEquals((await store.list("")).length, contents.length + 1);
        await store.delete("read");
        isOver = true;
        await breaking;
        for (const [at, bytes] of contents.entries()) assert(isSame(await witness.get(`n${at}`), bytes), `n${at}`);
        assertEquals(await witness.get("read"), undefined);
      }));
  }
}
