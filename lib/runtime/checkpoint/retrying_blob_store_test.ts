import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { MemoryBlobStore } from "../../adapters/memory/memory_blob_store.ts";
import {
  BlobDeniedError,
  BlobPreconditionError,
  BlobThrottledError,
  BlobTimeoutError,
  BlobUnavailableError,
} from "../../base/errors.ts";
import { FaultyBlobs, Recorder, text } from "./fixtures_test.ts";
import { RetryingBlobStore } from "./retrying_blob_store.ts";

const TRANSIENT = [new BlobThrottledError("slow"), new BlobTimeoutError("late"), new BlobUnavailableError("away")];

Deno.test("RetryingBlobStore tries again when the store is throttled, late or away, with growing waits", async () => {
  const blobs = new FaultyBlobs(new MemoryBlobStore());
  const environment = new Recorder();
  const store = new RetryingBlobStore(blobs, environment, { baseMs: 100, capMs: 300 });
  blobs.plan = (index) => index < 6 ? { before: TRANSIENT[index % 3]! } : undefined;
  assertEquals(await store.create("a", text("x")), { isCreated: true });
  assertEquals(blobs.calls.length, 7);
  assertEquals(environment.sleeps.length, 6);
  for (const [attempt, ms] of environment.sleeps.entries()) assert(ms <= Math.min(300, 100 * 2 ** attempt));
  assertEquals(environment.logs.length, 6);
});

Deno.test("RetryingBlobStore gives up after its attempts and says why in the store's own words", async () => {
  const blobs = new FaultyBlobs(new MemoryBlobStore());
  blobs.plan = () => ({ before: TRANSIENT[0]! });
  for (const [attemptsMax, calls] of [[1, 1], [3, 3], [undefined, 8]] as const) {
    blobs.calls.length = 0;
    const store = new RetryingBlobStore(blobs, new Recorder(), attemptsMax === undefined ? {} : { attemptsMax });
    await assertRejects(() => store.get("a"), BlobThrottledError, "slow");
    assertEquals(blobs.calls.length, calls);
  }
});

Deno.test("RetryingBlobStore does not repeat what a repetition cannot mend", async () => {
  const blobs = new FaultyBlobs(new MemoryBlobStore());
  for (const error of [new BlobDeniedError("no"), new BlobPreconditionError("taken"), new TypeError("bug")]) {
    blobs.calls.length = 0;
    blobs.plan = () => ({ before: error });
    await assertRejects(() => new RetryingBlobStore(blobs, new Recorder()).list("a"), Error, error.message);
    assertEquals(blobs.calls.length, 1);
  }
});

Deno.test("RetryingBlobStore ends retrying when its signal aborts", async () => {
  const blobs = new FaultyBlobs(new MemoryBlobStore());
  const controller = new AbortController();
  blobs.plan = (index) => {
    if (index === 1) controller.abort();
    return { before: TRANSIENT[2]! };
  };
  const store = new RetryingBlobStore(blobs, new Recorder(), { signal: controller.signal });
  await assertRejects(() => store.delete("a"), BlobUnavailableError);
  assertEquals(blobs.calls.length, 2);
});

Deno.test("RetryingBlobStore passes every call on, and refuses to try less than once", async () => {
  const blobs = new MemoryBlobStore();
  const store = new RetryingBlobStore(blobs, new Recorder());
  await store.create("a/b", text("x"));
  assertEquals(await store.get("a/b"), text("x"));
  assertEquals(await store.list("a"), [{ name: "a/b", size: 1 }]);
  await store.delete("a/b");
  assertEquals(await store.list(""), []);
  await store.close();
  await assertRejects(() => blobs.list(""), BlobUnavailableError);
  assertThrows(() => new RetryingBlobStore(blobs, new Recorder(), { attemptsMax: 0 }), RangeError, "'attemptsMax'");
});
