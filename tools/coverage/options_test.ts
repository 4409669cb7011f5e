import { assertEquals, assertThrows } from "@std/assert";
import { parseOptions } from "./options.ts";

Deno.test("parseOptions() reads commands, folders and thresholds, each as often as it stands there", () => {
  const options = parseOptions([
    ..."--run --profile a --profile b --folder lib/base --without lib/adapters/kafkajs --junit-path=/x".split(" "),
    "--command",
    "deno task sim",
    "--least",
    "lib lines 90",
  ]);
  assertEquals(options, {
    isRun: true,
    commands: ["deno task sim"],
    profiles: ["a", "b"],
    folders: ["lib/base"],
    unmeasured: ["lib/adapters/kafkajs"],
    thresholds: [{ folder: "lib", measure: "lines", percent: 90 }],
    testOptions: ["--junit-path=/x"],
  });
  assertEquals(parseOptions([]).folders, ["lib/core", "lib/embedded", "lib/runtime"]);
});

Deno.test("parseOptions() refuses what it does not know, and an option without its value", () => {
  for (const args of [["--runs"], ["--profile"], ["lib"]]) assertThrows(() => parseOptions(args), TypeError, args[0]!);
});
