import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { createHash, createHmac, pbkdf2Sync } from "node:crypto";
import { ScramClient, type ScramHash } from "./scram.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (message: Uint8Array | null) => new TextDecoder().decode(message!);

/** Example of RFC 7677, section 3. */
const EXAMPLE = {
  user: { username: "user", password: "pencil" },
  nonce: "rOprNGfwEbeRWgbNEkqO",
  first: "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
  serverFirst: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
  final: "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
  serverFinal: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
};

function exampleClient(): ScramClient {
  return new ScramClient(EXAMPLE.user, { hash: "sha256", nonce: EXAMPLE.nonce });
}

Deno.test("ScramClient proves the password as RFC 7677 shows it, and takes the server's proof", async () => {
  const client = exampleClient();
  assertEquals(text(await client.start()), EXAMPLE.first);
  assertEquals(text(await client.next(bytes(EXAMPLE.serverFirst))), EXAMPLE.final);
  assertEquals(await client.next(bytes(EXAMPLE.serverFinal)), null);
});

/** What a server knows of a user, and how it answers: RFC 5802, written for the server's side. */
function serverOf(hash: ScramHash, password: string, first: string) {
  const size = hash === "sha256" ? 32 : 64;
  const salted = pbkdf2Sync(password, "salt", 5000, size, hash);
  const hmac = (key: Uint8Array, message: string) => createHmac(hash, key).update(message).digest();
  const bare = first.slice(3);
  const nonce = `${/r=([^,]+)/.exec(bare)![1]}server`;
  const challenge = `r=${nonce},s=${btoa("salt")},i=5000`;
  const storedKey = createHash(hash).update(hmac(salted, "Client Key")).digest();
  return {
    challenge,
    /** The server's last message. */
    judge: (final: string) => {
      const [, without, proof] = /^(.*),p=(.*)$/.exec(final)!;
      const message = `${bare},${challenge},${without}`;
      const signature = hmac(storedKey, message);
      const clientKey = Uint8Array.from(atob(proof!), (char, at) => char.charCodeAt(0) ^ signature[at]!);
      const isProved = createHash(hash).update(clientKey).digest().equals(storedKey);
      return isProved ? `v=${hmac(hmac(salted, "Server Key"), message).toString("base64")}` : "e=invalid-proof";
    },
  };
}

for (const hash of ["sha256", "sha512"] as const) {
  Deno.test(`ScramClient convinces a server that knows the password by ${hash}, and is convinced by it`, async () => {
    const client = new ScramClient({ username: "a,b=c", password: "pässword" }, { hash });
    const first = text(await client.start());
    assertMatch(first, /^n,,n=a=2Cb=3Dc,r=[A-Za-z0-9+/]{32}$/);
    const server = serverOf(hash, "pässword", first);
    const final = text(await client.next(bytes(server.challenge)));
    assertEquals(await client.next(bytes(server.judge(final))), null);
  });

  Deno.test(`ScramClient with another password convinces nobody by ${hash}`, async () => {
    const client = new ScramClient({ username: "a", password: "wrong" }, { hash });
    const server = serverOf(hash, "right", text(await client.start()));
    const final = text(await client.next(bytes(server.challenge)));
    const { message } = await assertRejects(() => client.next(bytes(server.judge(final))), Error);
    assertEquals(message, "it answered 'invalid-proof'");
  });
}

Deno.test("ScramClient takes another nonce each time", async () => {
  const [one, two] = [1, 2].map(() => new ScramClient(EXAMPLE.user, { hash: "sha256" }));
  assert(text(await one!.start()) !== text(await two!.start()));
});

const REFUSED: readonly (readonly [what: string, serverFirst: string, why: string])[] = [
  ["a nonce that is not its own", EXAMPLE.serverFirst.replace("r=rOpr", "r=xOpr"), "does not continue"],
  ["its nonce without the server's part", `r=${EXAMPLE.nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`, "does not continue"],
  ["few iterations", EXAMPLE.serverFirst.replace("i=4096", "i=4095"), "4095 iterations, which are not 4096 to"],
  ["iterations for minutes", EXAMPLE.serverFirst.replace("i=4096", "i=999999999"), "999999999 iterations"],
  ["an extension that it must understand", `m=x,${EXAMPLE.serverFirst}`, "no SCRAM message"],
  ["no salt", EXAMPLE.serverFirst.replace(/,s=[^,]+/, ""), "no SCRAM message"],
  ["nothing", "", "no SCRAM message"],
];
for (const [what, serverFirst, why] of REFUSED) {
  Deno.test(`ScramClient refuses ${what}`, async () => {
    const client = exampleClient();
    await client.start();
    const { message } = await assertRejects(() => client.next(bytes(serverFirst)), Error);
    assertStringIncludes(message, why);
  });
}

for (const serverFinal of [EXAMPLE.serverFinal.replace("v=6", "v=7"), "v=", "v=AAAA", "", "x=6rriTRBi23Wp"]) {
  Deno.test(`ScramClient does not trust a server that answers '${serverFinal}' in the end`, async () => {
    const client = exampleClient();
    await client.start();
    await client.next(bytes(EXAMPLE.serverFirst));
    const { message } = await assertRejects(() => client.next(bytes(serverFinal)), Error);
    assertStringIncludes(message, "could not prove that it knows the password");
  });
}
