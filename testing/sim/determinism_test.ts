import { assert, assertEquals } from "@std/assert";

/** Every line of the traces of some seeds, as a process of its own prints them. */
async function traces(seeds: string, v8Flags: readonly string[] = []): Promise<string[]> {
  const main = new URL("./main.ts", import.meta.url).href;
  const flags = ["--no-check", "--quiet", "--allow-read", "--allow-env", "--allow-sys"];
  if (v8Flags.length > 0) flags.push(`--v8-flags=${v8Flags.join(",")}`);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", ...flags, main, "--seeds", seeds, "--trace", "--json"],
    stdout: "piped",
    stderr: "inherit",
  });
  const { stdout } = await child.output();
  return new TextDecoder().decode(stdout).split("\n");
}

function assertSameTrace(one: readonly string[], other: readonly string[]): void {
  const at = one.findIndex((line, index) => line !== other[index]);
  if (at >= 0) assertEquals(other[at], one[at], `the traces part at line ${at + 1}`);
  assertEquals(other.length, one.length);
}

Deno.test("I-32: ten seeds give the same trace, byte for byte, in two processes and with other flags of the engine", async () => {
  const first = await traces("1..10");
  assert(first.length > 10_000, `ten runs leave a long trace, found ${first.length} lines`);
  assertSameTrace(first, await traces("1..10"));
  assertSameTrace(first, await traces("1..10", ["--no-opt", "--max-lazy", "--single-threaded"]));
});

Deno.test("I-32: another seed gives another trace", async () => {
  const one = await traces("1..1"), other = await traces("2..2");
  assert(one.join() !== other.join());
});
