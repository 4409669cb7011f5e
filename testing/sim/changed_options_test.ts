import { assertEquals, assertStrictEquals } from "@std/assert";
import type { SubscriptionSpec } from "../../lib/runtime/subscription_spec.ts";
import { changedAppOptions, changeOptions, withChangedOptions } from "./changed_options.ts";
import { PlayedRun } from "./checkers/fixtures_test.ts";

Deno.test("changeOptions() changes what was named, for that process alone", () => {
  const [changed, other] = new PlayedRun().processes;
  const spec = { name: "in", settings: { batchRows: 64, commitIntervalMs: 100 } } as unknown as SubscriptionSpec;
  changeOptions(changed!, { app: { checkpointIntervalMs: 7 }, subscription: { batchRows: 3 } });
  assertEquals(changedAppOptions(changed!), { checkpointIntervalMs: 7 });
  assertEquals(withChangedOptions(changed!, spec).settings.batchRows, 3);
  assertEquals(withChangedOptions(changed!, spec).settings.commitIntervalMs, 100);
  assertEquals(changedAppOptions(other!), {});
  assertStrictEquals(withChangedOptions(other!, spec), spec);
});
