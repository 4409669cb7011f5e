import { assertEquals } from "@std/assert";
import type { StepLabel } from "../../lib/seams/observer.ts";
import type { SimProcess } from "./contracts.ts";
import { StepHooks } from "./step_hooks.ts";

const processes = [0, 1].map((number) => ({ number }) as SimProcess);

Deno.test("StepHooks let what was added first happen at a fitting step, once, and the next at the next", () => {
  const hooks = new StepHooks();
  const seen: string[] = [];
  const add = (name: string, labels: StepLabel[], process?: number, skip = 0): void => {
    hooks.add({
      labels,
      process,
      skip,
      action: (by, label) => void seen.push(`${name} ${by.number} ${label}`),
    });
  };
  add("first", ["commit:before", "commit:after"], 1);
  add("second", ["commit:after"], undefined, 1);
  add("third", ["commit:after", "commit:before"]);
  hooks.stepped(processes[0]!, "flush:before");
  hooks.stepped(processes[0]!, "commit:after");
  assertEquals(seen, []);
  hooks.stepped(processes[1]!, "commit:before");
  hooks.stepped(processes[1]!, "commit:after");
  hooks.stepped(processes[1]!, "commit:after");
  hooks.stepped(processes[1]!, "commit:after");
  assertEquals(seen, ["first 1 commit:before", "second 1 commit:after", "third 1 commit:after"]);
});

Deno.test("StepHooks.clear() forgets what waits", () => {
  const hooks = new StepHooks();
  hooks.add({ labels: ["commit:after"], process: undefined, skip: 0, action: () => assertEquals(true, false) });
  hooks.clear();
  hooks.stepped(processes[0]!, "commit:after");
});
