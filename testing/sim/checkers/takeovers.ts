/**
 * I-12: after FencedError or AssignmentLostError no seam is called except to close; a fenced producer never aborts or
 * commits.
 */
import { isTakeover } from "../../../lib/core/error_policy.ts";
import type { GroupMetadata } from "../../../lib/seams/broker.ts";
import type { Checker, InvariantId, RunView, SeamCall } from "../contracts.ts";
import { describeProcess } from "./seam_handles.ts";

/** What a consumer that was fenced may still do: to close, and what never leaves the process. */
const LOCAL: ReadonlySet<string> = new Set(["close", "wake", "seek", "pause", "resume"]);

interface Takeover {
  readonly method: string;
  readonly error: Error;
  /** Fence under which nothing may be committed any more; `undefined` when the whole handle is done. */
  readonly fence: string | undefined;
}

/** Watches what is still called after somebody else has taken over. */
export class Takeovers implements Checker {
  readonly invariants: readonly InvariantId[] = ["I-12"];
  readonly #view: RunView;
  readonly #over = new Map<string, Takeover>();

  /** @param view The run. */
  constructor(view: RunView) {
    this.#view = view;
  }

  seam(call: SeamCall): void {
    if (call.kind === "listener" || call.kind === "admin") return;
    if (call.phase === "settled") return this.#settled(call);
    if (this.#over.size === 0) return;
    const takeover = this.#over.get(keyOf(call));
    if (takeover === undefined) return;
    const { method, args, kind } = call;
    if (takeover.fence !== undefined) {
      if (method !== "commit" || fenceOf(args[1] as GroupMetadata) !== takeover.fence) return;
    } else if (kind === "consumer" ? LOCAL.has(method) : method === "close") return;
    this.#view.violate(
      "I-12",
      `${describeProcess(call.process, call.incarnation)} called '${method}' of ${kind} ${call.handle} after its ` +
        `'${takeover.method}' had ended with ${takeover.error.name}: expected nothing but 'close' (${takeover.error.message})`,
    );
  }

  process(process: { readonly number: number }, what: string): void {
    if (what !== "starting") return;
    for (const key of this.#over.keys()) if (key.startsWith(`${process.number}.`)) this.#over.delete(key);
  }

  #settled(call: SeamCall): void {
    const error = failureOf(call);
    if (!(error instanceof Error) || !isTakeover(error)) return;
    const { kind, method, args } = call;
    const fence = kind === "consumer" && method === "commit" ? fenceOf(args[1] as GroupMetadata) : undefined;
    // A member that lost its partitions may join again; one that was fenced may not.
    if (kind === "consumer" && fence === undefined && (error as { code?: string }).code !== "Fenced") return;
    this.#over.set(keyOf(call), { method, error, fence });
  }
}

/** Why a call that has settled did not take effect, as far as is known. */
export function failureOf(call: SeamCall): unknown {
  if (call.error !== undefined) return call.error;
  const outcome = call.value as { kind?: string; error?: unknown } | undefined;
  return outcome !== null && typeof outcome === "object" && outcome.kind !== "applied" ? outcome.error : undefined;
}

/** Text of a fence, to be compared. */
export function fenceOf({ memberId, generation }: GroupMetadata): string {
  return `${memberId} ${generation}`;
}

function keyOf({ process, incarnation, handle }: SeamCall): string {
  return `${process.number}.${incarnation}.${handle}`;
}
