import { assertEquals } from "@std/assert";
import { floors } from "./floors.ts";
import { projectOf } from "./project.ts";

/** Targets that exist, one for each kind of place. */
const HOUSE = {
  "lib/base/errors.ts": "",
  "lib/columns/schema.ts": "",
  "lib/codecs/codec.ts": "",
  "lib/codecs/json/json.ts": "",
  "lib/codecs/json/json_test.ts": "",
  "lib/seams/clock.ts": "",
  "lib/core/plan.ts": "",
  "lib/embedded/log.ts": "",
  "lib/operator/operator.ts": "",
  "lib/operators/where.ts": "",
  "lib/runtime/task.ts": "",
  "lib/app/turbine.ts": "",
  "lib/adapters/file/disk.ts": "",
  "lib/adapters/memory/store.ts": "",
  "lib/adapters/kafka/broker.ts": "",
  "lib/adapters/kafkajs/broker.ts": "",
  "testing/fake_clock.ts": "",
  "tools/tool.ts": "",
  "mod.ts": "",
};

/** Messages about one import. */
function problemsOf(from: string, to: string): string[] {
  const up = "../".repeat(from.split("/").length - 1) || "./";
  const project = projectOf({ ...HOUSE, [from]: `// why\nimport "${up}${to}";` });
  return floors(project).filter(({ path }) => path === from).map(({ line, message }) => `${line} ${message}`);
}

Deno.test("floors() allows lower floors, the own folder and below it", () => {
  const allowed = [
    ["lib/columns/a.ts", "lib/base/errors.ts"],
    ["lib/codecs/json/a.ts", "lib/codecs/codec.ts"],
    ["lib/codecs/text.ts", "lib/codecs/json/json.ts"],
    ["lib/core/a.ts", "lib/seams/clock.ts"],
    ["lib/runtime/a.ts", "lib/operator/operator.ts"],
    ["lib/app/a.ts", "lib/runtime/task.ts"],
    ["lib/app/a.ts", "lib/adapters/memory/store.ts"],
    ["lib/adapters/kafka/a.ts", "lib/adapters/kafka/broker.ts"],
    ["lib/adapters/kafka/a.ts", "lib/columns/schema.ts"],
    ["lib/adapters/memory/a.ts", "lib/embedded/log.ts"],
    ["lib/adapters/kafkajs/a.ts", "lib/adapters/kafka/broker.ts"],
    ["testing/a.ts", "lib/adapters/kafka/broker.ts"],
    ["lib/runtime/a_test.ts", "testing/fake_clock.ts"],
    ["lib/base/a_test.ts", "lib/app/turbine.ts"],
    ["mod.ts", "lib/adapters/file/disk.ts"],
  ] as const;
  for (const [from, to] of allowed) assertEquals(problemsOf(from, to), [], `${from} -> ${to}`);
});

Deno.test("floors() refuses higher floors, siblings, other adapters and what is outside", () => {
  const refused = [
    ["lib/base/a.ts", "lib/columns/schema.ts", "base (floor 0) must not import columns (floor 1)"],
    ["lib/seams/a.ts", "lib/codecs/codec.ts", "seams (floor 2) must not import codecs (floor 2)"],
    ["lib/embedded/a.ts", "lib/core/plan.ts", "embedded (floor 3) must not import core (floor 3)"],
    ["lib/runtime/a.ts", "lib/operators/where.ts", "runtime (floor 5) must not import operators (floor 5)"],
    ["lib/operator/a.ts", "lib/app/turbine.ts", "operator (floor 4) must not import app (floor 6)"],
    ["lib/core/a.ts", "lib/adapters/memory/store.ts", "core must not import adapters/memory"],
    ["lib/runtime/a.ts", "lib/adapters/file/disk.ts", "runtime must not import adapters/file"],
    ["lib/app/a.ts", "lib/adapters/kafka/broker.ts", "app must not import adapters/kafka"],
    [
      "lib/adapters/file/a.ts",
      "lib/adapters/memory/store.ts",
      "an adapter may import base, columns, seams and embedded only",
    ],
    [
      "lib/adapters/kafka/a.ts",
      "lib/adapters/kafkajs/broker.ts",
      "an adapter may import base, columns, seams and embedded only",
    ],
    ["lib/adapters/kafka/a.ts", "lib/codecs/codec.ts", "an adapter may import base, columns, seams and embedded only"],
    ["lib/app/a.ts", "testing/fake_clock.ts", "lib must not know testing/"],
    ["lib/base/a.ts", "tools/tool.ts", "lib must not know tools/"],
    ["lib/app/a.ts", "mod.ts", "lib must not import mod.ts"],
    ["mod.ts", "lib/adapters/kafka/broker.ts", "'.' must not reach adapters/kafka"],
    ["lib/codecs/a.ts", "lib/codecs/json/json_test.ts", "only tests may import a test"],
    ["testing/a.ts", "lib/codecs/json/json_test.ts", "only tests may import a test"],
    ["lib/base/a.ts", "lib/base/gone.ts", "there is no lib/base/gone.ts"],
  ] as const;
  for (const [from, to, reason] of refused) assertEquals(problemsOf(from, to), [`2 imports ${to}: ${reason}`]);
});

Deno.test("floors() counts imports of types and dynamic ones", () => {
  const project = projectOf({
    ...HOUSE,
    "lib/base/a.ts": 'import type { A } from "../app/turbine.ts"; const b = import("../core/plan.ts");',
  });
  assertEquals(floors(project).map(({ message }) => message), [
    "imports lib/app/turbine.ts: base (floor 0) must not import app (floor 6)",
    "imports lib/core/plan.ts: base (floor 0) must not import core (floor 3)",
  ]);
});

Deno.test("floors() wants every folder of lib on a floor and every adapter in a folder", () => {
  const project = projectOf({ "lib/helpers/a.ts": "", "lib/adapters/kafka.ts": "", "lib/loose.ts": "" });
  assertEquals(floors(project).map(({ path, message }) => `${path} ${message}`), [
    "lib/helpers/a.ts lib/helpers is on no floor",
    "lib/adapters/kafka.ts an adapter has a folder of its own",
    "lib/loose.ts lib/loose.ts is on no floor",
  ]);
});
