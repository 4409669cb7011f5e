import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  BlobDeniedError,
  type BlobError,
  BlobPreconditionError,
  BlobThrottledError,
  BlobTimeoutError,
  BlobUnavailableError,
} from "../../base/errors.ts";
import { blobStoreContract } from "../../../testing/contracts/blob_store_contract.ts";
import { registerContract } from "../../../testing/contracts/contract.ts";
import { type FakeCall, FakeS3 } from "./fake_s3_test.ts";
import { s3BlobStore } from "./s3.ts";
import type { S3BlobStore } from "./s3_blob_store.ts";
import type { S3Options } from "./s3_options.ts";

const PART_BYTES = 5 * 1024 * 1024;
const LARGE = new Uint8Array(PART_BYTES + 3).fill(5);
const KEYS = { accessKeyId: "test", secretAccessKey: "never-told" };

function storeOn(fake: FakeS3, more: Partial<S3Options> = {}): S3BlobStore {
  return s3BlobStore({
    bucket: "bucket",
    prefix: "p",
    endpoint: fake.endpoint,
    region: "here",
    credentials: KEYS,
    attemptsMax: 3,
    backoffBaseMs: 1,
    backoffCapMs: 5,
    partBytes: PART_BYTES,
    ...more,
  });
}

function rule(
  name: string,
  run: (fake: FakeS3, store: S3BlobStore) => Promise<void>,
  more: Partial<S3Options> = {},
): void {
  Deno.test(name, async () => {
    const fake = new FakeS3();
    await fake.start();
    const store = storeOn(fake, more);
    try {
      await run(fake, store);
    } finally {
      await store.close();
      await fake.stop();
    }
  });
}

async function seen(fake: FakeS3, call: FakeCall, times: number): Promise<void> {
  for (let tries = 0; fake.count(call) < times; tries++) {
    assert(tries < 2_000, `waited in vain for ${times} of '${call}'`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

const bytesOf = (text: string) => new TextEncoder().encode(text);
const ERROR_500 = { answer: { status: 500, code: "InternalError" } };

const fakes = new Map<string, FakeS3>();
registerContract(
  "S3BlobStore",
  blobStoreContract({
    open: async () => {
      const fake = new FakeS3();
      await fake.start();
      const store = storeOn(fake);
      fakes.set(store.location, fake);
      return store;
    },
    openAgain: (store) => Promise.resolve(storeOn(fakes.get(store.location)!)),
    dispose: (store) => fakes.get(store.location)!.stop(),
  }),
);

rule("S3BlobStore.create() asks for put-if-absent, and keys begin with the prefix", async (fake, store) => {
  await store.create("a/b", bytesOf("x"));
  assertEquals(fake.seen, ["put p/a/b"]);
  assertEquals(fake.headers.get("put")!["if-none-match"], "*");
  assertEquals(fake.headers.get("put")!["x-amz-server-side-encryption"], undefined);
});

rule("S3BlobStore asks for encryption at each write when it is told to", async (fake, store) => {
  await store.create("small", bytesOf("x"));
  await store.create("large", LARGE);
  for (const call of ["put", "begin"] as const) {
    assertEquals(fake.headers.get(call)!["x-amz-server-side-encryption"], "aws:kms");
    assertEquals(fake.headers.get(call)!["x-amz-server-side-encryption-aws-kms-key-id"], "key-1");
  }
}, { encryption: { type: "aws:kms", keyId: "key-1" } });

for (const answer of ["cut", "silence", { status: 500, code: "InternalError" }] as const) {
  const what = typeof answer === "string" ? answer : "status 500";
  rule(`S3BlobStore.create() knows its object again when the reply is lost (${what})`, async (fake, store) => {
    fake.fail("put", { answer, isApplied: true });
    assertEquals(await store.create("a", bytesOf("x")), { isCreated: true });
    assertEquals(fake.seen, ["put p/a", "put p/a", "get p/a"]);
  }, { requestTimeoutMs: 300 });

  rule(`S3BlobStore.create() tries again when the request is lost (${what})`, async (fake, store) => {
    fake.fail("put", { answer });
    assertEquals(await store.create("a", bytesOf("x")), { isCreated: true });
    assertEquals(fake.seen, ["put p/a", "put p/a"]);
  }, { requestTimeoutMs: 300 });
}

rule("S3BlobStore.create() after lost replies loses against others, also with the same bytes", async (fake, store) => {
  fake.put("p/a", bytesOf("x"), { "turbine-writer": "somebody" });
  fake.fail("put", { answer: "cut" });
  assertEquals(await store.create("a", bytesOf("x")), { isCreated: false, existing: bytesOf("x") });
});

rule("S3BlobStore.create() compares bytes where the server keeps no metadata", async (fake, store) => {
  fake.put("p/a", bytesOf("x"));
  fake.put("p/b", bytesOf("x"));
  fake.fail("put", { answer: "cut" });
  assertEquals(await store.create("a", bytesOf("x")), { isCreated: true });
  assertEquals((await store.create("b", bytesOf("x"))).isCreated, false);
});

rule("S3BlobStore.create() reads back what came of it when every reply was lost", async (fake, store) => {
  fake.fail("put", { answer: "cut", isApplied: true }, 3);
  assertEquals(await store.create("a", bytesOf("x")), { isCreated: true });
  assertEquals(fake.seen, ["put p/a", "put p/a", "put p/a", "get p/a"]);
});

rule("S3BlobStore.create() tells that its outcome is unknown when nothing can be read back", async (fake, store) => {
  fake.fail("put", { answer: "cut", isApplied: true }, 3);
  fake.fail("get", ERROR_500, 3);
  const error = await assertRejects(() => store.create("a", bytesOf("x")), BlobUnavailableError, "in 3 attempts");
  assertEquals(error.outcome, "unknown");
});

rule("S3BlobStore.create() tells that its outcome is unknown when there is nothing yet", async (fake, store) => {
  fake.fail("put", { answer: "silence" }, 3);
  const error = await assertRejects(() => store.create("a", bytesOf("x")), BlobTimeoutError, "no answer within 80 ms");
  assertEquals(error.outcome, "unknown");
}, { requestTimeoutMs: 80 });

rule("S3BlobStore.create() takes a 409 for a conflict, not for success", async (fake, store) => {
  fake.fail("put", { answer: { status: 409, code: "ConditionalRequestConflict" } });
  assertEquals(await store.create("a", bytesOf("x")), { isCreated: true });
  assertEquals(fake.seen, ["put p/a", "put p/a"]);
  fake.fail("put", { answer: { status: 409, code: "ConditionalRequestConflict" } }, 3);
  fake.put("p/b", bytesOf("theirs"));
  assertEquals(await store.create("b", bytesOf("x")), { isCreated: false, existing: bytesOf("theirs") });
});

rule("S3BlobStore.create() gives up on conflicts that do not end, and nothing has happened", async (fake, store) => {
  fake.fail("put", { answer: { status: 409, code: "ConditionalRequestConflict" } }, 1_000);
  const error = await assertRejects(() => store.create("a", bytesOf("x")), BlobPreconditionError, "other writes");
  assertEquals(error.outcome, "not-applied");
});

rule("S3BlobStore.create() tries again when the name was deleted after it was found taken", async (fake, store) => {
  fake.fail("put", { answer: { status: 412, code: "PreconditionFailed" } });
  assertEquals(await store.create("a", bytesOf("x")), { isCreated: true });
  assertEquals(fake.seen, ["put p/a", "get p/a", "put p/a"]);
});

rule("S3BlobStore.create() of a name that this server cannot have is refused", async (fake, store) => {
  fake.fail("put", { answer: { status: 409, code: "ObjectParentIsFile" } });
  await assertRejects(() => store.create("a/b", bytesOf("x")), BlobPreconditionError, "a folder of another one's");
  assertEquals(fake.count("put"), 1);
});

rule("S3BlobStore.create() writes a large object in parts, if its name is free", async (fake, store) => {
  assertEquals(await store.create("large", LARGE), { isCreated: true });
  assertEquals(fake.seen.map((seen) => seen.split(" ")[0]), ["head", "begin", "part", "part", "complete", "head"]);
  assertEquals(fake.headers.get("complete")!["if-none-match"], "*");
  assertEquals((await store.get("large"))?.length, LARGE.length);
  assertEquals((await store.create("large", LARGE)).isCreated, false);
  assertEquals(fake.count("begin"), 1);
});

rule("S3BlobStore.create() aborts an upload that fails, and nothing is there", async (fake, store) => {
  fake.fail("part", ERROR_500, 1_000);
  const error = await assertRejects(() => store.create("large", LARGE), BlobUnavailableError, "500");
  assertEquals([fake.uploads.size, fake.objects.size, fake.count("abort")], [0, 0, 1]);
  assertEquals([error.context["name"], error.outcome], ["large", "not-applied"]);
});

rule("S3BlobStore.create() sends a part again", async (fake, store) => {
  fake.fail("part", { answer: "cut" });
  assertEquals(await store.create("large", LARGE), { isCreated: true });
  assertEquals(fake.objects.get("p/large")!.bytes.length, LARGE.length);
});

rule("S3BlobStore.create() loses against who completed first, and aborts its upload", async (fake, store) => {
  fake.fail("head", { answer: { status: 404, code: "NotFound" } });
  fake.put("p/large", bytesOf("theirs"));
  assertEquals(await store.create("large", LARGE), { isCreated: false, existing: bytesOf("theirs") });
  assertEquals([fake.count("complete"), fake.uploads.size], [1, 0]);
});

for (const answer of ["cut", { status: 500, code: "InternalError" }] as const) {
  const what = typeof answer === "string" ? answer : "status 500";
  rule(`S3BlobStore.create() never repeats a completion, it looks what came of it (${what})`, async (fake, store) => {
    fake.fail("complete", { answer, isApplied: true });
    assertEquals(await store.create("large", LARGE), { isCreated: true });
    assertEquals([fake.count("begin"), fake.count("complete"), fake.objects.size], [1, 1, 1]);
  });

  rule(`S3BlobStore.create() begins an upload anew when its completion was lost (${what})`, async (fake, store) => {
    fake.fail("complete", { answer }, 2);
    assertEquals(await store.create("large", LARGE), { isCreated: true });
    assertEquals([fake.count("begin"), fake.count("complete"), fake.uploads.size], [3, 3, 0]);
  });
}

rule(
  "S3BlobStore.create() tells of an unknown outcome when completions stay without an answer",
  async (fake, store) => {
    fake.fail("complete", { answer: "cut" }, 100);
    const error = await assertRejects(
      () => store.create("large", LARGE),
      BlobUnavailableError,
      "the connection failed",
    );
    assertEquals([error.outcome, fake.count("complete"), fake.uploads.size], ["unknown", 3, 0]);
  },
);

rule("S3BlobStore.create() believes no completion that has left another object, or none", async (fake, store) => {
  fake.fail("complete", { answer: { status: 200, code: "" } });
  assertEquals(await store.create("large", LARGE), { isCreated: true });
  assertEquals([fake.count("complete"), fake.objects.get("p/large")!.bytes.length], [2, LARGE.length]);
  fake.fail("complete", { answer: { status: 200, code: "" } });
  const creating = store.create("other", LARGE);
  await seen(fake, "complete", 3);
  fake.put("p/other", bytesOf("theirs"), { "turbine-writer": "somebody" });
  assertEquals(await creating, { isCreated: false, existing: bytesOf("theirs") });
});

rule("S3BlobStore.create() remembers a lost completion when the server is gone afterwards", async (fake, store) => {
  fake.fail("complete", { answer: "cut" });
  const creating = store.create("large", LARGE);
  await seen(fake, "abort", 1);
  fake.fail("begin", { answer: { status: 403, code: "AccessDenied" } }, 100);
  fake.fail("head", { answer: { status: 403, code: "AccessDenied" } }, 100);
  const error = await assertRejects(() => creating, BlobDeniedError);
  assertEquals(error.outcome, "unknown");
});

rule("S3BlobStore.create() loses a large object whose completion was lost against another one", async (fake, store) => {
  fake.fail("complete", { answer: "cut" });
  const creating = store.create("large", LARGE);
  await seen(fake, "complete", 1);
  fake.put("p/large", LARGE, { "turbine-writer": "somebody" });
  assertEquals((await creating).isCreated, false);
});

rule(
  "S3BlobStore.create() begins an upload anew after a conflict, and when it was aborted by others",
  async (fake, store) => {
    fake.fail("complete", { answer: { status: 409, code: "ConditionalRequestConflict" } });
    fake.fail("complete", { answer: { status: 404, code: "NoSuchUpload" } });
    assertEquals(await store.create("large", LARGE), { isCreated: true });
    assertEquals([fake.count("begin"), fake.count("complete"), fake.uploads.size], [3, 3, 0]);
  },
);

rule("S3BlobStore.abortTornUploads() takes uploads of its prefix", async (fake, store) => {
  for (const key of ["p/a", "p/b/c", "q/a"]) fake.uploads.set(`id ${key}`, { key, metadata: {}, parts: new Map() });
  assertEquals(await store.abortTornUploads("b/", 1_000), 1);
  assertEquals(await store.abortTornUploads("", 1_000), 1);
  assertEquals([...fake.uploads.keys()], ["id q/a"]);
});

for (const answer of ["half, cut", "half, silence", "cut", "silence"] as const) {
  rule(`S3BlobStore.get() reads again after an answer that breaks off (${answer})`, async (fake, store) => {
    fake.put("p/a", new Uint8Array(100_000).fill(3));
    fake.fail("get", { answer });
    assertEquals((await store.get("a"))?.length, 100_000);
    assertEquals(fake.count("get"), 2);
  }, { requestTimeoutMs: 200 });
}

rule("S3BlobStore.get() never takes half an object for a whole one", async (fake, store) => {
  fake.put("p/a", new Uint8Array(100_000).fill(3));
  fake.fail("get", { answer: "half, cut" }, 3);
  await assertRejects(() => store.get("a"), BlobUnavailableError, "Cannot read 'a' in s3://bucket/p?endpoint=");
});

rule("S3BlobStore.list() pages through everything, once and in order", async (fake, store) => {
  fake.pageSize = 3;
  const names = Array.from({ length: 10 }, (_, at) => `n${at}`);
  for (const name of names) fake.put(`p/${name}`, bytesOf(name));
  fake.put("p/folder/", new Uint8Array(0));
  fake.put("q/other", new Uint8Array(0));
  fake.fail("list", ERROR_500);
  assertEquals((await store.list("")).map(({ name }) => name), names);
  assertEquals(fake.count("list"), 5);
});

rule("S3BlobStore.list() refuses a listing that ends nowhere", async (fake, store) => {
  fake.pageSize = 0;
  fake.put("p/a", bytesOf("x"));
  await assertRejects(() => store.list(""), BlobUnavailableError, "there is more, and not where");
});

rule(
  "S3BlobStore.delete() is repeated after a lost reply, and tells when its outcome is unknown",
  async (fake, store) => {
    fake.put("p/a", bytesOf("x"));
    fake.fail("delete", { answer: "cut", isApplied: true });
    await store.delete("a");
    assertEquals(fake.objects.size, 0);
    fake.fail("delete", { answer: "cut", isApplied: true }, 3);
    const error = await assertRejects(() => store.delete("a"), BlobUnavailableError);
    assertEquals(error.outcome, "unknown");
  },
);

rule("S3BlobStore sends a write once for each attempt, also after one that went well", async (fake, store) => {
  await store.create("a", bytesOf("x"));
  fake.fail("put", { answer: "cut", isApplied: true });
  fake.fail("get", ERROR_500);
  const error = await assertRejects(() => store.create("b", bytesOf("x")), BlobUnavailableError);
  assertEquals([error.outcome, fake.count("put")], ["unknown", 2]);
}, { attemptsMax: 1 });

rule("S3BlobStore bounds how long a connect takes, not how long an answer does", async (fake, store) => {
  fake.fail("put", { answer: { status: 412, code: "PreconditionFailed" }, afterMs: 250 });
  fake.fail("get", { answer: { status: 404, code: "NoSuchKey" }, afterMs: 250 });
  assertEquals(await store.create("a", bytesOf("x")), { isCreated: true });
  assertEquals(fake.seen, ["put p/a", "get p/a", "put p/a"]);
}, { connectTimeoutMs: 50 });

interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly kind: new (message: string) => BlobError;
  readonly words: string;
  readonly tries: number;
}

const REFUSALS: readonly Refusal[] = [
  { status: 404, code: "NoSuchBucket", kind: BlobUnavailableError, words: "create bucket 'bucket' at ", tries: 1 },
  { status: 403, code: "AccessDenied", kind: BlobDeniedError, words: "allow s3:GetObject", tries: 1 },
  { status: 403, code: "SignatureDoesNotMatch", kind: BlobDeniedError, words: "check that the credentials", tries: 1 },
  { status: 400, code: "ExpiredToken", kind: BlobDeniedError, words: "check that the credentials", tries: 1 },
  { status: 403, code: "RequestTimeTooSkewed", kind: BlobDeniedError, words: "set the clock", tries: 3 },
  { status: 301, code: "PermanentRedirect", kind: BlobUnavailableError, words: "set 'region'", tries: 1 },
  { status: 503, code: "SlowDown", kind: BlobThrottledError, words: "lower 'requestsMax'", tries: 3 },
  { status: 501, code: "NotImplemented", kind: BlobUnavailableError, words: "use a server with conditional", tries: 1 },
  { status: 400, code: "KeyTooLongError", kind: BlobUnavailableError, words: "refused the request", tries: 1 },
  { status: 503, code: "ServiceUnavailable", kind: BlobUnavailableError, words: "the server failed", tries: 3 },
];

for (const { status, code, kind, words, tries } of REFUSALS) {
  rule(`S3BlobStore tells of ${status} ${code} with bucket, endpoint and next step`, async (fake, store) => {
    fake.fail("get", { answer: { status, code } }, 100);
    fake.fail("put", { answer: { status, code }, headers: { "x-amz-bucket-region": "elsewhere" } }, 100);
    const error = await assertRejects(() => store.create("a", bytesOf("x")), kind, words);
    assertEquals(fake.count("put"), tries);
    assertEquals(error.outcome, code === "ServiceUnavailable" ? "unknown" : "not-applied");
    assertStringIncludes(error.message, fake.endpoint);
    assertStringIncludes(error.message, "'bucket'");
    assert(!error.message.includes(KEYS.secretAccessKey));
    if (status === 301) assertStringIncludes(error.message, "its region is elsewhere");
    assertEquals((await assertRejects(() => store.get("a"), kind, words)).outcome, "not-applied");
  });
}

Deno.test("S3BlobStore tells that a server that is not there was not reached, and nothing has happened", async () => {
  const fake = new FakeS3();
  await fake.start();
  const store = storeOn(fake);
  await fake.stop();
  const error = await assertRejects(() => store.create("a", bytesOf("x")), BlobUnavailableError, "in 3 attempts");
  assertEquals(error.outcome, "not-applied");
  await store.close();
});

rule("S3BlobStore has no more requests under way than it may", async (fake, store) => {
  await Promise.all(Array.from({ length: 30 }, (_, at) => store.create(`n${at}`, bytesOf("x"))));
  assertEquals(fake.count("put"), 30);
  assert(fake.mostAtOnce <= 2, `${fake.mostAtOnce} at once`);
}, { requestsMax: 2 });

rule("S3BlobStore.close() ends what is under way, and later calls fail", async (fake, store) => {
  fake.fail("get", { answer: "silence" });
  const reading = assertRejects(() => store.get("a"), BlobTimeoutError, "the store was closed meanwhile");
  await seen(fake, "get", 1);
  await store.close();
  await reading;
  for (const call of [() => store.get("a"), () => store.create("a", new Uint8Array(1)), () => store.list("")]) {
    await assertRejects(call, BlobUnavailableError, "the store is closed");
  }
});
