/** Options that were changed between two runs of a process: what an operator edits in a deployment. */
import type { TurbineOptions } from "../../lib/app/app_options.ts";
import type { SubscriptionSettings, SubscriptionSpec } from "../../lib/runtime/subscription_spec.ts";
import type { SimProcess } from "./contracts.ts";

/** What is different from the next start on. */
export interface ChangedOptions {
  /** Options of the app. */
  readonly app?: Pick<TurbineOptions, "checkpointIntervalMs" | "stateFlushIntervalMs">;
  /** Options of its subscriptions. */
  readonly subscription?: Partial<Pick<SubscriptionSettings, "batchRows" | "commitIntervalMs">>;
}

const CHANGED = new WeakMap<SimProcess, ChangedOptions>();

/**
 * Changes options of a process from its next start on.
 *
 * @param process Which one.
 * @param options What is different; all else is as it was drawn.
 */
export function changeOptions(process: SimProcess, options: ChangedOptions): void {
  CHANGED.set(process, options);
}

/** Options of the app that are different now. */
export function changedAppOptions(process: SimProcess): TurbineOptions {
  return CHANGED.get(process)?.app ?? {};
}

/** A subscription with what is different now. */
export function withChangedOptions(process: SimProcess, spec: SubscriptionSpec): SubscriptionSpec {
  const changed = CHANGED.get(process)?.subscription;
  return changed === undefined ? spec : { ...spec, settings: { ...spec.settings, ...changed } };
}
