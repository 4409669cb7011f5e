import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { FAULT_KINDS, type FaultKind } from "./fault_kinds.ts";
import {
  addFaultCounts,
  countFaults,
  FAULT_TABLE,
  faultCountsOf,
  formatFaultTable,
  SIMULATED_KINDS,
} from "./fault_table.ts";
import { INJECTORS } from "./faults/inject.ts";
import { planned } from "./faults/played_world_test.ts";

Deno.test("each of the 106 kinds of faults has exactly one entry in the table, and each simulated one an injector", () => {
  const kinds = Object.keys(FAULT_KINDS) as FaultKind[];
  assertEquals(kinds.length, 106);
  assertEquals(Object.keys(FAULT_TABLE), kinds);
  assertEquals(kinds.filter((kind) => INJECTORS[kind] !== undefined), [...SIMULATED_KINDS]);
  for (const kind of kinds) {
    const status = FAULT_TABLE[kind];
    assert(status === "simulated" || /^absent: \w.{10,}/.test(status), `${kind} ${status}`);
  }
});

Deno.test("countFaults() counts a fault that strikes several times once", () => {
  const twice = planned("N1"), never = planned("N1", { atMs: 20_000 }), other = planned("P1");
  const fired = [twice, twice, other].map((fault) => ({ fault, atMs: 0, what: "" }));
  assertEquals(countFaults([twice, never, other], fired), {
    N1: { planned: 2, fired: 1 },
    P1: { planned: 1, fired: 1 },
  });
});

Deno.test("addFaultCounts() adds up kind by kind", () => {
  const left = faultCountsOf({ P1: 2, N1: 1 }, { P1: 1 });
  const right = faultCountsOf({ P1: 3 }, { P1: 3, S2: 1 });
  assertEquals(addFaultCounts(left, right), {
    P1: { planned: 5, fired: 4 },
    N1: { planned: 1, fired: 0 },
    S2: { planned: 0, fired: 1 },
  });
});

Deno.test("formatFaultTable() lists every kind, the absent ones by name, and those that never struck", () => {
  const counts = faultCountsOf({ P1: 12, N1: 3 }, { P1: 9 });
  const text = formatFaultTable(counts);
  assertStringIncludes(text, "P1         12      9  a process crashes");
  assertStringIncludes(text, "O1          -      -  a newer release reads older checkpoints");
  assertStringIncludes(text, "absent: there is only one version of the format");
  assertStringIncludes(text, "1 of them struck");
  assertStringIncludes(text, "Simulated and not struck: P2,");
  const markdown = formatFaultTable(counts, { format: "markdown" }).split("\n");
  assertEquals(markdown[2], "| P1 | 12 | 9 | a process crashes |  |");
  assertEquals(markdown.filter((line) => line.startsWith("| ")).length, 2 + 106);
});
