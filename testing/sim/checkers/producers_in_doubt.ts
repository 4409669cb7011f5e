/** I-14: after an unknown outcome of a transaction no other begins with the same producer id and epoch. */
import type { Checker, InvariantId, RunView, SeamCall } from "../contracts.ts";
import { describeProcess } from "./seam_handles.ts";

/** Watches transactional producers whose last outcome is unknown. */
export class ProducersInDoubt implements Checker {
  readonly invariants: readonly InvariantId[] = ["I-14"];
  readonly #view: RunView;
  readonly #doubts = new Map<string, string>();

  /** @param view The run. */
  constructor(view: RunView) {
    this.#view = view;
  }

  seam(call: SeamCall): void {
    if (call.kind !== "transactional") return;
    const { method, phase, process, incarnation, handle } = call;
    const key = `${process.number}.${incarnation}.${handle}`;
    if (method === "begin") {
      const doubt = this.#doubts.get(key);
      if (doubt === undefined) return;
      this.#view.violate(
        "I-14",
        `${
          describeProcess(process, incarnation)
        } began a transaction with producer ${handle}, whose '${doubt}' has an ` +
          `unknown outcome: expected a new producer, as what is still on its way could land in this transaction`,
      );
      return;
    }
    if (phase !== "settled") return;
    const kind = outcomeOf(call);
    if (method === "initialize") {
      // A new epoch: what is on its way is refused.
      if (kind === "applied") this.#doubts.delete(key);
    } else if (kind === "unknown") {
      this.#view.mark(`unknown outcome of ${method}`);
      this.#doubts.set(key, method);
    }
  }

  process(process: { readonly number: number }, what: string): void {
    if (what !== "starting") return;
    for (const key of this.#doubts.keys()) if (key.startsWith(`${process.number}.`)) this.#doubts.delete(key);
  }
}

/** What became of a call that has settled, as its caller was told. */
export function outcomeOf(call: SeamCall): "applied" | "not-applied" | "unknown" {
  if (call.error !== undefined) {
    return (call.error as { outcome?: string }).outcome === "unknown" ? "unknown" : "not-applied";
  }
  const { kind } = (call.value ?? {}) as { kind?: string };
  return kind === "unknown" || kind === "not-applied" ? kind : "applied";
}
