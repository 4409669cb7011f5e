import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { processEnvironment } from "./process_environment.ts";
import { s3, s3BlobStore } from "./mod.ts";
import { parseLocation } from "./s3_location.ts";
import { resolveOptions, type S3Options } from "./s3_options.ts";

Deno.test("parseLocation() reads bucket, prefix and parameters", () => {
  assertEquals(parseLocation("s3://bucket"), { bucket: "bucket", prefix: "" });
  assertEquals(parseLocation("s3://bucket/a/b"), { bucket: "bucket", prefix: "a/b" });
  const query = "endpoint=http%3A%2F%2F127.0.0.1%3A9&region=r&pathStyle=false&encryption=aws:kms&kmsKeyId=k";
  assertEquals(parseLocation(`s3://bucket/a?${query}`), {
    bucket: "bucket",
    prefix: "a",
    endpoint: "http://127.0.0.1:9",
    region: "r",
    isPathStyle: false,
    encryption: { type: "aws:kms", keyId: "k" },
  });
  assertEquals(parseLocation("s3://bucket?encryption=AES256").encryption, { type: "AES256" });
});

Deno.test("parseLocation() refuses other forms and names what was found", () => {
  const refused = {
    "s3:bucket": "it must be 's3://BUCKET/PREFIX'",
    "s3://": "it must be 's3://BUCKET/PREFIX'",
    "s3:///a": "it must be 's3://BUCKET/PREFIX'",
    "file:a": "it must be 's3://BUCKET/PREFIX'",
    "s3://b?regoin=x": "its parameters must be of endpoint, region, pathStyle, encryption, kmsKeyId",
    "s3://b?region=x&region=y": "'region' must be there once",
    "s3://b?pathStyle=1": "'pathStyle' must be true or false",
    "s3://b?encryption=none": "'encryption' must be AES256 or aws:kms",
    "s3://b?encryption=AES256&kmsKeyId=k": "'kmsKeyId' needs encryption=aws:kms",
  };
  for (const [location, words] of Object.entries(refused)) {
    const error = assertThrows(() => parseLocation(location), TypeError, words);
    assertEquals(error.message.endsWith(`current value is '${location}'`), true, error.message);
  }
});

Deno.test("secrets in a location or an endpoint are refused and not told", () => {
  for (
    const make of [
      () => parseLocation("s3://key:hush@bucket/a"),
      () => resolveOptions({ bucket: "bucket", endpoint: "http://key:hush@127.0.0.1" }),
      () => resolveOptions({ bucket: "bucket", credentials: { accessKeyId: "", secretAccessKey: "hush" } }),
    ]
  ) {
    const error = assertThrows(make, TypeError);
    assertEquals(error.message.includes("hush"), false);
  }
});

Deno.test("resolveOptions() fills in defaults, and a location that says where the store is", () => {
  const { location, root, isPathStyle, partBytes } = resolveOptions({ bucket: "bucket" });
  assertEquals([location, root, isPathStyle, partBytes], ["s3://bucket", "", false, 8 * 1024 * 1024]);
  const own = resolveOptions({ bucket: "bucket", prefix: "a/b/", endpoint: "https://s3.example/", region: "r" });
  assertEquals(own.location, "s3://bucket/a/b?endpoint=https://s3.example&region=r");
  assertEquals([own.root, own.isPathStyle, own.endpoint], ["a/b/", true, "https://s3.example"]);
  assertEquals(resolveOptions({ bucket: "bucket", backoffBaseMs: 9_000 }).backoffCapMs, 9_000);
});

Deno.test("resolveOptions() refuses what no server takes", () => {
  const wrong: readonly [Partial<S3Options>, typeof TypeError | typeof RangeError, string][] = [
    [{ bucket: "Bucket" }, TypeError, "'bucket' must be"],
    [{ bucket: "a" }, TypeError, "'bucket' must be"],
    [{ prefix: "a//b" }, TypeError, "segments"],
    [{ prefix: "../b" }, TypeError, "segments"],
    [{ endpoint: "127.0.0.1:9" }, TypeError, "'endpoint' must be"],
    [{ endpoint: "http://127.0.0.1/?a" }, TypeError, "'endpoint' must be"],
    [{ region: "" }, TypeError, "'region' must be"],
    [{ encryption: { type: "rot13" } as never }, TypeError, "'encryption.type' must be"],
    [{ partBytes: 1_000 }, RangeError, "'partBytes' must be an integer of 5242880 to"],
    [{ attemptsMax: 0 }, RangeError, "'attemptsMax' must be"],
    [{ requestTimeoutMs: 1.5 }, RangeError, "'requestTimeoutMs' must be"],
    [{ connectTimeoutMs: Infinity }, RangeError, "'connectTimeoutMs' must be"],
    [{ requestsMax: 0 }, RangeError, "'requestsMax' must be"],
    [{ backoffBaseMs: 10, backoffCapMs: 9 }, RangeError, "'backoffCapMs' must be"],
  ];
  for (const [options, kind, words] of wrong) {
    assertThrows(() => resolveOptions({ bucket: "bucket", ...options }), kind, words);
  }
  assertThrows(() => s3BlobStore({ bucket: "bucket", partByte: 1 } as never), TypeError, "current value is 'partByte'");
});

Deno.test("s3 opens stores of its scheme, and brokers and state are none of it", async () => {
  const store = s3.blobs!("s3://bucket/a?region=r", processEnvironment());
  assertEquals(store.location, "s3://bucket/a?region=r");
  await store.close();
  assertEquals([s3.scheme, s3.broker, s3.state], ["s3", undefined, undefined]);
  await assertRejects(() => store.get("../a"), TypeError);
});
