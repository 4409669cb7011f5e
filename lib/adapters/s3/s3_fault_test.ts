import { assertEquals } from "@std/assert";
import { s3Fault } from "./s3_fault.ts";

const raised = (name: string, more: object = {}) => Object.assign(new Error(`${name} was said`), { name, ...more });
const answered = (status: number, name = "Unknown") => raised(name, { $metadata: { httpStatusCode: status } });

Deno.test("s3Fault() takes an effect for possible unless it is certain that there was none", () => {
  const unknown = [
    raised("Error", { code: "ECONNRESET" }),
    raised("TimeoutError", { code: "ECONNRESET" }),
    raised("Error", { code: "EHOSTUNREACH" }),
    raised("Error", { cause: { code: "EPIPE" } }),
    raised("AbortError"),
    raised("TypeError"),
    answered(500),
    answered(502),
    answered(408),
    answered(200, "SyntaxError"),
  ];
  for (const error of unknown) assertEquals([s3Fault(error).outcome, s3Fault(error).isPassing], ["unknown", true]);
  const certain = [
    raised("Error", { code: "ECONNREFUSED" }),
    raised("Error", { cause: { code: "ENOTFOUND" } }),
    raised("TimeoutError", { message: "the request socket did not establish a connection with the server" }),
    raised("CredentialsProviderError"),
    raised("NotCapable"),
    answered(400),
    answered(403),
    answered(409),
    answered(412),
    answered(429),
    answered(503, "SlowDown"),
  ];
  for (const error of certain) assertEquals(s3Fault(error).outcome, "not-applied", error.name);
});

Deno.test("s3Fault() tells kinds apart by code, then by status", () => {
  const kinds = [
    [answered(404, "NoSuchBucket"), "no-bucket"],
    [answered(404, "NotFound"), "missing"],
    [answered(404, "NoSuchUpload"), "upload-gone"],
    [answered(409, "ConditionalRequestConflict"), "conflict"],
    [answered(409, "ObjectParentIsFile"), "collides"],
    [answered(412), "taken"],
    [answered(301), "other-region"],
    [answered(400, "ExpiredToken"), "denied"],
    [answered(403, "RequestTimeTooSkewed"), "clock-skewed"],
    [answered(429), "throttled"],
    [answered(400, "BadDigest"), "damaged"],
    [answered(400), "refused"],
    [raised("Error", { message: "Region is missing" }), "no-region"],
    [raised("Error", { code: "DEPTH_ZERO_SELF_SIGNED_CERT" }), "untrusted"],
  ] as const;
  for (const [error, kind] of kinds) assertEquals(s3Fault(error).kind, kind, error.message);
});

Deno.test("s3Fault() gives status, code and words in one line", () => {
  assertEquals(s3Fault(answered(403, "AccessDenied")).text, "403: AccessDenied was said");
  assertEquals(
    s3Fault(raised("X", { message: "two\n  lines", $metadata: { httpStatusCode: 500 } })).text,
    "500 X: two lines",
  );
  assertEquals(s3Fault(raised("", { message: "" })).text, "no reason given");
});
