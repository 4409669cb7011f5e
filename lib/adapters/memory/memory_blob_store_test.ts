import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { BlobPreconditionError, BlobUnavailableError } from "../../base/errors.ts";
import { blobStoreContract } from "../../../testing/contracts/blob_store_contract.ts";
import { registerContract } from "../../../testing/contracts/contract.ts";
import { MemoryBlobStore } from "./memory_blob_store.ts";

registerContract(
  "MemoryBlobStore",
  blobStoreContract({
    open: () => Promise.resolve(new MemoryBlobStore()),
    openAgain: (store) => Promise.resolve((store as MemoryBlobStore).openAgain()),
  }),
);

Deno.test("MemoryBlobStore refuses every call after close()", async () => {
  const store = new MemoryBlobStore();
  await store.create("a", new Uint8Array(1));
  await store.close();
  await assertRejects(() => store.get("a"), BlobUnavailableError, "the store is closed");
  await assertRejects(() => store.list(""), BlobUnavailableError, "the store is closed");
  assertEquals((await store.openAgain().get("a"))?.length, 1);
});

Deno.test("MemoryBlobStore.create() refuses an object below another object and one named like a folder", async () => {
  const store = new MemoryBlobStore();
  await store.create("a", new Uint8Array(1));
  await store.create("b/c", new Uint8Array(1));
  await assertRejects(() => store.create("a/b", new Uint8Array(1)), BlobPreconditionError, "'a' is there");
  await assertRejects(() => store.create("b", new Uint8Array(1)), BlobPreconditionError, "'b/c' is there");
});

Deno.test("MemoryBlobStore.damage() changes what is read, and wants an object that is there", async () => {
  const store = new MemoryBlobStore();
  await store.create("a", Uint8Array.of(1, 2, 3));
  store.damage("a", (bytes) => bytes.subarray(0, 2));
  assertEquals([...(await store.get("a"))!], [1, 2]);
  assertThrows(() => store.damage("b", (bytes) => bytes), RangeError, "current value is b");
});
