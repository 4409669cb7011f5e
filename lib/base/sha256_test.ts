import { createHash } from "node:crypto";
import { assertEquals, assertThrows } from "@std/assert";
import { InvariantError } from "./assert.ts";
import { toHex } from "./hex.ts";
import { Sha256, sha256Hex, sha256HexOfText } from "./sha256.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

// FIPS 180-4 / NIST CAVP examples.
const VECTORS: readonly (readonly [string, string])[] = [
  ["", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
  ["abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
  [
    "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
  ],
  [
    "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
    "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
  ],
];

Deno.test("sha256Hex() gives the digests that FIPS 180-4 lists", () => {
  for (const [message, digest] of VECTORS) assertEquals(sha256Hex(bytes(message)), digest);
});

Deno.test("sha256Hex() of a million times 'a' is the digest that FIPS 180-4 lists", () => {
  const digest = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
  assertEquals(sha256Hex(new Uint8Array(1_000_000).fill(0x61)), digest);
});

Deno.test("sha256Hex() agrees with the platform at every length around block bounds", () => {
  for (let length = 0; length < 300; length++) {
    const message = Uint8Array.from({ length }, (_, i) => (i * 31 + length) & 255);
    assertEquals(sha256Hex(message), createHash("sha256").update(message).digest("hex"), `length ${length}`);
  }
});

Deno.test("sha256HexOfText() is the digest of the text's UTF-8, ASCII or not", () => {
  for (let length = 0; length < 200; length++) {
    for (const text of ["a".repeat(length), "a".repeat(length) + "é€😀", "é" + "a".repeat(length)]) {
      assertEquals(sha256HexOfText(text), sha256Hex(bytes(text)), `${length} characters`);
    }
  }
});

Deno.test("Sha256.update() gives the same digest however the message is cut", () => {
  const message = Uint8Array.from({ length: 1_000 }, (_, i) => i & 255);
  for (const step of [1, 3, 55, 63, 64, 65, 127, 500]) {
    const hash = new Sha256();
    for (let at = 0; at < message.length; at += step) hash.update(message.subarray(at, at + step));
    assertEquals(toHex(hash.digest()), sha256Hex(message), `step ${step}`);
  }
});

Deno.test("Sha256 refuses bytes after its digest", () => {
  const hash = new Sha256();
  hash.digest();
  assertThrows(() => hash.update(new Uint8Array(1)), InvariantError, "after its digest");
  assertThrows(() => hash.digest(), InvariantError, "one digest");
});
