/**
 * The blob store on a real S3 server: contract, races, large objects, and a server that is killed. Runs when TURBINE_TEST_S3
 * names the endpoint of one that `deno task services up s3` has started, for example `http://127.0.0.1:17900`.
 */
import {
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { assert, assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import { s3BlobStore, type S3Options } from "../../lib/adapters/s3/mod.ts";
import { BlobDeniedError, BlobError, BlobUnavailableError } from "../../lib/base/errors.ts";
import type { BlobStore, CreateResult } from "../../lib/seams/blob_store.ts";
import { S3_TEST_CREDENTIALS, S3_TEST_REGION, S3Server } from "../../tools/services/s3.ts";
import { blobStoreContract } from "../contracts/blob_store_contract.ts";
import { registerContract } from "../contracts/contract.ts";
import { SeededRandom } from "../seeded_random.ts";

const ENDPOINT = Deno.env.get("TURBINE_TEST_S3");
const PART_BYTES = 5 * 1024 * 1024;
const RUN = `lane-${Date.now().toString(36)}`;
let made = 0;

async function withClient<T>(endpoint: string, run: (client: S3Client) => Promise<T>): Promise<T> {
  const client = new S3Client({
    endpoint,
    region: S3_TEST_REGION,
    credentials: S3_TEST_CREDENTIALS,
    forcePathStyle: true,
  });
  try {
    return await run(client);
  } finally {
    client.destroy();
  }
}

async function makeBucket(endpoint: string): Promise<string> {
  const bucket = `${RUN}-${made++}`;
  await withClient(endpoint, (client) => client.send(new CreateBucketCommand({ Bucket: bucket })));
  return bucket;
}

function optionsOf(endpoint: string, bucket: string, more: Partial<S3Options> = {}): S3Options {
  return { endpoint, bucket, region: S3_TEST_REGION, credentials: S3_TEST_CREDENTIALS, partBytes: PART_BYTES, ...more };
}

async function unfinished(endpoint: string, bucket: string): Promise<number> {
  const found = await withClient(
    endpoint,
    (client) => client.send(new ListMultipartUploadsCommand({ Bucket: bucket })),
  );
  return found.Uploads?.length ?? 0;
}

const isSame = (left: Uint8Array | undefined, right: Uint8Array) =>
  left?.length === right.length && left.every((byte, at) => byte === right[at]);

if (ENDPOINT !== undefined) registerLane(ENDPOINT);

function registerLane(endpoint: string): void {
  const prefixes = new WeakMap<BlobStore, S3Options>();
  let bucket: Promise<string> | undefined;
  const open = (options: S3Options) => {
    const store = s3BlobStore(options);
    prefixes.set(store, options);
    return store;
  };
  registerContract(
    "S3BlobStore on a real server",
    blobStoreContract({
      open: async () =>
        open(optionsOf(endpoint, await (bucket ??= makeBucket(endpoint)), { prefix: `case/${made++}` })),
      openAgain: (store) => Promise.resolve(open(prefixes.get(store)!)),
    }),
  );
  registerRaces(endpoint);
  registerLarge(endpoint);
  registerRefusals(endpoint);
  registerKills();
}

function registerRaces(endpoint: string): void {
  Deno.test("S3BlobStore on a real server: of two writers that race for one name exactly one wins", async () => {
    const options = optionsOf(endpoint, await makeBucket(endpoint));
    const writers = [s3BlobStore(options), s3BlobStore(options)];
    for (let round = 0; round < 50; round++) {
      const name = `race/${round}`;
      const results = await Promise.all(writers.map((store, at) => store.create(name, Uint8Array.of(round, at))));
      const winner = results.findIndex((result) => result.isCreated);
      assertEquals(results.filter((result) => result.isCreated).length, 1);
      assertEquals([...existing(results[1 - winner]!)!], [round, winner]);
    }
    for (const store of writers) await store.close();
  });

  Deno.test("S3BlobStore on a real server: writers of the same bytes are told apart", async () => {
    const options = optionsOf(endpoint, await makeBucket(endpoint));
    const stores = Array.from({ length: 4 }, () => s3BlobStore(options));
    for (let round = 0; round < 10; round++) {
      const results = await Promise.all(stores.map((store) => store.create(`same/${round}`, Uint8Array.of(1))));
      assertEquals(results.filter((result) => result.isCreated).length, 1);
    }
    for (const store of stores) await store.close();
  });

  Deno.test("S3BlobStore on a real server: of three large objects of one name exactly one is there, and no parts stay", async () => {
    const options = optionsOf(endpoint, await makeBucket(endpoint));
    const writers = Array.from({ length: 3 }, () => s3BlobStore(options));
    const contents = writers.map((_, at) => new Uint8Array(PART_BYTES + 1).fill(at + 1));
    const results = await Promise.all(writers.map((store, at) => store.create("large", contents[at]!)));
    const winner = results.findIndex((result) => result.isCreated);
    assertEquals(results.filter((result) => result.isCreated).length, 1);
    for (const store of writers) assert(isSame(await store.get("large"), contents[winner]!));
    for (const result of results) if (!result.isCreated) assert(isSame(result.existing, contents[winner]!));
    assertEquals(await unfinished(endpoint, options.bucket), 0);
    for (const store of writers) await store.close();
  });
}

function existing(result: CreateResult): Uint8Array | undefined {
  return result.isCreated ? undefined : result.existing;
}

function registerLarge(endpoint: string): void {
  Deno.test("S3BlobStore on a real server: an object of five parts comes back whole, and its name is taken", async () => {
    const options = optionsOf(endpoint, await makeBucket(endpoint), { prefix: "a/b" });
    const store = s3BlobStore(options);
    const bytes = new SeededRandom(3).bytes(4 * PART_BYTES + 7);
    assertEquals(await store.create("large/one", bytes), { isCreated: true });
    assert(isSame(await store.get("large/one"), bytes));
    assertEquals([...await store.list("large/")], [{ name: "large/one", size: bytes.length }]);
    assert(isSame(existing(await store.create("large/one", bytes)), bytes));
    assertEquals(existing(await store.create("large/one", Uint8Array.of(1)))?.length, bytes.length);
    assertEquals(await unfinished(endpoint, options.bucket), 0);
    await store.close();
  });

  Deno.test("S3BlobStore on a real server: abortTornUploads() takes what was begun before, and nothing else", async () => {
    const options = optionsOf(endpoint, await makeBucket(endpoint), { prefix: "p" });
    const store = s3BlobStore(options);
    for (const Key of ["p/torn", "q/torn"]) {
      await withClient(endpoint, async (client) => {
        const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket: options.bucket, Key }));
        const part = { Bucket: options.bucket, Key, UploadId, PartNumber: 1, Body: new Uint8Array(10) };
        await client.send(new UploadPartCommand(part));
      });
    }
    assertEquals(await store.list(""), []);
    assertEquals(await store.abortTornUploads("", 60_000), 0);
    assertEquals(await store.abortTornUploads("", -60_000), 1);
    assertEquals(await unfinished(endpoint, options.bucket), 1);
    await store.close();
  });
}

function registerRefusals(endpoint: string): void {
  Deno.test("S3BlobStore on a real server: a wrong secret is an error that names bucket and endpoint", async () => {
    const bucket = await makeBucket(endpoint);
    const credentials = { ...S3_TEST_CREDENTIALS, secretAccessKey: "wrong-secret-wrong" };
    const store = s3BlobStore(optionsOf(endpoint, bucket, { credentials }));
    for (const call of callsOf(store)) {
      const error = await assertRejects(call, BlobDeniedError, "access is refused");
      assertStringIncludes(error.message, `bucket '${bucket}' at ${endpoint}`);
      assertEquals(error.message.includes("wrong-secret"), false);
      assertEquals(error.outcome, "not-applied");
    }
    await store.close();
  });

  Deno.test("S3BlobStore on a real server: a missing bucket is an error, and no missing object", async () => {
    const store = s3BlobStore(optionsOf(endpoint, `${RUN}-nowhere`));
    for (const call of callsOf(store)) {
      const error = await assertRejects(call, BlobUnavailableError, `there is no bucket '${RUN}-nowhere'`);
      assertStringIncludes(error.message, `create bucket '${RUN}-nowhere' at ${endpoint}`);
    }
    await store.close();
  });
}

function callsOf(store: BlobStore): (() => Promise<unknown>)[] {
  return [
    () => store.get("a"),
    () => store.create("a", new Uint8Array(1)),
    () => store.create("a", new Uint8Array(PART_BYTES + 1)),
    () => store.list(""),
    () => store.delete("a"),
  ];
}

/** How one create ended: what it told, or the error. */
interface Told {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly end: CreateResult | unknown;
}

/** Among them two large ones. */
const OBJECTS_MIN = 8;

async function createUntil(store: BlobStore, { prefix, isOver }: { prefix: string; isOver: () => boolean }) {
  const told: Told[] = [];
  for (let at = 0; at < OBJECTS_MIN || !isOver(); at++) {
    const name = `${prefix}/${at}`;
    const bytes = new Uint8Array(at % 4 === 3 ? PART_BYTES + 1 + at : 20_000).fill(at & 255);
    const end = await store.create(name, bytes).catch((error: unknown) => error);
    told.push({ name, bytes, end });
    if (end instanceof Error) await pause(5);
  }
  return told;
}

async function withKilledServer(more: Partial<S3Options>, check: (told: Told[], store: BlobStore) => Promise<void>) {
  const directory = await Deno.makeTempDir({ prefix: "s3-lane-" });
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const server = new S3Server(port, directory);
  const random = new SeededRandom(port);
  try {
    await server.start();
    const options = optionsOf(server.endpoint, await makeBucket(server.endpoint));
    const stores = [s3BlobStore({ ...options, ...more }), s3BlobStore({ ...options, ...more })];
    let isOver = false;
    const writing = stores.map((store, at) => createUntil(store, { prefix: `w${at}`, isOver: () => isOver }));
    for (let round = 0; round < 4; round++) {
      await pause(30 + random.uint32() % 170);
      await server.kill();
      await server.start();
    }
    await pause(50);
    isOver = true;
    const told = (await Promise.all(writing)).flat();
    const witness = s3BlobStore(options);
    await check(told, witness);
    for (const store of [...stores, witness]) await store.close();
  } finally {
    await server.stop();
    await Deno.remove(directory, { recursive: true });
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function registerKills(): void {
  Deno.test("S3BlobStore on a real server: writers get over a server that is killed and started again", async () => {
    const patience = { attemptsMax: 30, backoffCapMs: 200 };
    await withKilledServer(patience, async (told, store) => {
      for (const { name, bytes, end } of told) {
        assertEquals(end, { isCreated: true }, name);
        assert(isSame(await store.get(name), bytes), name);
      }
      assertEquals((await store.list("")).length, told.length);
    });
  });

  Deno.test("S3BlobStore on a real server: what create() tells is true when the server is killed meanwhile", async () => {
    await withKilledServer({ attemptsMax: 1 }, async (told, store) => {
      const failed = told.filter(({ end }) => end instanceof Error);
      assert(failed.length > 0, "no create was cut off");
      for (const { name, bytes, end } of told) {
        const found = await store.get(name);
        if (end instanceof Error) {
          assertInstanceOf(end, BlobError);
          if (end.outcome === "not-applied") assertEquals(found, undefined, end.message);
          else assert(found === undefined || isSame(found, bytes), `${name} is torn`);
        } else {
          assertEquals(end, { isCreated: true });
          assert(isSame(found, bytes), `${name} was acknowledged`);
        }
      }
    });
  });
}
