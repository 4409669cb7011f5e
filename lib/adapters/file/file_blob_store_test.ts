import { assert, assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BlobPreconditionError, BlobUnavailableError } from "../../base/errors.ts";
import { blobStoreContract } from "../../../testing/contracts/blob_store_contract.ts";
import { registerContract } from "../../../testing/contracts/contract.ts";
import { FileBlobStore } from "./file_blob_store.ts";
import { TEMPORARY_PREFIX } from "./durable.ts";

const directoryOf = (location: string) => location.slice("file:".length);

registerContract(
  "FileBlobStore",
  blobStoreContract({
    open: async () => new FileBlobStore(await mkdtemp(join(tmpdir(), "blobs-"))),
    openAgain: (store) => Promise.resolve(new FileBlobStore(directoryOf(store.location))),
    dispose: (store) => rm(directoryOf(store.location), { recursive: true }),
  }),
);

async function withDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "blobs-"));
  try {
    await run(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

Deno.test("FileBlobStore creates its directory with the first object only", async () => {
  await withDirectory(async (directory) => {
    const store = new FileBlobStore(join(directory, "not/yet"));
    assertEquals(await store.list(""), []);
    assertEquals(await readdir(directory), []);
    await store.create("a", new Uint8Array(1));
    assertEquals(await readdir(join(directory, "not/yet")), ["a"]);
  });
});

Deno.test("FileBlobStore leaves no temporary file behind, winner or loser", async () => {
  await withDirectory(async (directory) => {
    const store = new FileBlobStore(directory);
    await Promise.all(Array.from({ length: 8 }, () => store.create("a", new Uint8Array(10))));
    assertEquals(await readdir(directory), ["a"]);
  });
});

Deno.test("FileBlobStore.list() hides temporary files of a writer that was killed", async () => {
  await withDirectory(async (directory) => {
    const store = new FileBlobStore(directory);
    await store.create("x/a", new Uint8Array(1));
    await writeFile(join(directory, "x", `${TEMPORARY_PREFIX}1-2-3`), "half");
    assertEquals((await store.list("")).map((entry) => entry.name), ["x/a"]);
  });
});

Deno.test("FileBlobStore.list() shows neither links nor empty folders", async () => {
  await withDirectory(async (directory) => {
    await mkdir(join(directory, "empty"));
    await symlink("/etc/hosts", join(directory, "link"));
    assertEquals(await new FileBlobStore(directory).list(""), []);
  });
});

Deno.test("FileBlobStore.create() refuses an object below another object and one named like a folder", async () => {
  await withDirectory(async (directory) => {
    const store = new FileBlobStore(directory);
    await store.create("a", new Uint8Array(1));
    await store.create("b/c", new Uint8Array(1));
    await assertRejects(() => store.create("a/b", new Uint8Array(1)), BlobPreconditionError, "folder of another one's");
    await assertRejects(() => store.create("b", new Uint8Array(1)), BlobPreconditionError, "folder of another one's");
  });
});

Deno.test("FileBlobStore refuses every call after close() and names the object", async () => {
  const store = new FileBlobStore("/nowhere");
  await store.close();
  for (const call of [() => store.get("a"), () => store.create("a", new Uint8Array(1)), () => store.delete("a")]) {
    await assertRejects(call, BlobUnavailableError, "'a' in file:/nowhere: the store is closed");
  }
  await assertRejects(() => store.list("a"), BlobUnavailableError, "the store is closed");
});

Deno.test("FileBlobStore on a path that is a file says so", async () => {
  await withDirectory(async (directory) => {
    await writeFile(join(directory, "file"), "");
    const store = new FileBlobStore(join(directory, "file"));
    const error = await assertRejects(() => store.create("a", new Uint8Array(1)));
    assertInstanceOf(error, BlobPreconditionError);
    assertStringIncludes(error.message, store.location);
  });
});

Deno.test({
  name: "FileBlobStore names the Deno flags when permission is missing",
  permissions: { read: true, write: false },
  fn: async () => {
    const error = await assertRejects(() => new FileBlobStore("/tmp/denied").create("a", new Uint8Array(1)));
    assertEquals((error as { code?: unknown }).code, "BlobDenied");
    assertStringIncludes(error.message, "--allow-write=/tmp/denied");
    assert(error.cause instanceof Error);
  },
});
