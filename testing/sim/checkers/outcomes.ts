/**
 * I-31 (in part): the outcome of every effect agrees with what has happened: what is told to be applied has taken effect
 * at the broker, and what is told not to be applied has not, and does not later.
 */
import type { ClientCall } from "../../../lib/adapters/embedded/client_calls.ts";
import type { Change } from "../../../lib/embedded/change.ts";
import type { CommittedPosition, ProduceRequest } from "../../../lib/seams/broker.ts";
import type { CallEvent, Checker, InvariantId, RunView, SeamCall } from "../contracts.ts";
import { outcomeOf } from "./producers_in_doubt.ts";
import { describeProcess, lifeKey, type SeamHandles } from "./seam_handles.ts";
import { failureOf } from "./takeovers.ts";

/** Requests that carry the effects of the seam, and the changes by which they are known. */
const EFFECTS: Readonly<Record<string, { readonly request: ClientCall; readonly changes: readonly Change["kind"][] }>> =
  {
    "consumer commit": { request: "commit", changes: ["offsets-committed"] },
    "transactional sendOffsets": { request: "sendOffsets", changes: ["transaction-offsets-staged"] },
    "transactional commit": { request: "endTransaction", changes: ["transaction-prepared"] },
    "transactional initialize": { request: "initialize", changes: ["transaction-initialized"] },
    "transactional produce": { request: "produce", changes: ["batch-appended"] },
    "producer produce": { request: "produce", changes: ["batch-appended"] },
  };

const METHODS: ReadonlySet<string> = new Set(Object.keys(EFFECTS).map((what) => what.split(" ")[1]!));

/** An effect that was asked for. */
interface Effect {
  /** Arguments of the call, by which its end is known. */
  readonly args: readonly unknown[];
  readonly what: string;
  readonly who: string;
  readonly changes: readonly Change["kind"][];
  readonly transactionalId: string | undefined;
  /** Whether any request was sent for it. */
  isSent: boolean;
  /** Whether a request was sent that may have been for it or for another one. */
  isBlurred: boolean;
  /** Whether one of its requests has changed what it should. */
  hasHappened: boolean;
  /** What its caller was told. */
  told: "applied" | "not-applied" | "unknown" | undefined;
}

/** A request that was sent for an effect. */
interface Request {
  readonly effect: Effect;
  landings: number;
}

/** Requests that are remembered, so that one that lands late is known. */
const REMEMBERED = 4_096;

/** Compares what callers are told with what has happened at the broker. */
export class Outcomes implements Checker {
  readonly invariants: readonly InvariantId[] = ["I-31"];
  readonly #view: RunView;
  readonly #handles: SeamHandles;
  /** Effects under way of each life, by request. */
  readonly #open = new Map<number, Map<ClientCall, Effect[]>>();
  readonly #requests = new Map<number, Request>();
  /** The effect whose call is being made just now. */
  #calling: Effect | undefined;
  #landing: Request | undefined;

  /**
   * @param view The run.
   * @param handles Who is who at the broker seam.
   */
  constructor(view: RunView, handles: SeamHandles) {
    this.#view = view;
    this.#handles = handles;
  }

  seam(call: SeamCall): void {
    this.#calling = undefined;
    if (!METHODS.has(call.method)) return;
    const effect = EFFECTS[`${call.kind} ${call.method}`];
    if (effect === undefined || isEmpty(call)) return;
    const life = lifeKey(call.process, call.incarnation);
    let open = this.#open.get(life);
    if (open === undefined) this.#open.set(life, open = new Map());
    let effects = open.get(effect.request);
    if (effects === undefined) open.set(effect.request, effects = []);
    if (call.phase === "called") {
      this.#calling = {
        args: call.args,
        what: `'${call.method}' of ${call.kind} ${call.handle}`,
        who: describeProcess(call.process, call.incarnation),
        changes: effect.changes,
        transactionalId: this.#handles.of(call)?.transactionalId,
        isSent: false,
        isBlurred: false,
        hasHappened: false,
        told: undefined,
      };
      effects.push(this.#calling);
    } else this.#settled(call, effects);
  }

  call(event: CallEvent): void {
    const { process, incarnation, id, call, phase } = event;
    if (phase === "sent") {
      const effects = this.#open.get(lifeKey(process, incarnation))?.get(call);
      // A request leaves within the call that is made for it, or is repeated for the only call there is.
      const effect = this.#calling ?? (effects?.length === 1 ? effects[0] : undefined);
      if (effects === undefined || effects.length === 0) return;
      if (effect === undefined || !effects.includes(effect)) {
        for (const each of effects) each.isBlurred = true;
        return;
      }
      effect.isSent = true;
      this.#requests.set(id, { effect, landings: 0 });
      if (this.#requests.size > REMEMBERED) this.#requests.delete(this.#requests.keys().next().value!);
    } else if (phase === "landed") {
      this.#landing = this.#requests.get(id);
      if (this.#landing !== undefined) this.#landing.landings++;
    }
  }

  change(change: Change): void {
    const { effect, landings } = this.#landing ?? {};
    if (effect === undefined || !effect.changes.includes(change.kind)) return;
    // On its way a request lets time pass, which may end transactions of others.
    if (
      change.kind === "transaction-prepared" && (!change.isCommit || change.transactionalId !== effect.transactionalId)
    ) {
      return;
    }
    effect.hasHappened = true;
    if (effect.told !== "not-applied" || landings! > 1) return;
    this.#view.violate(
      "I-31",
      `${effect.what} of ${effect.who} has happened after it was told not to be applied: expected its outcome to be unknown`,
    );
  }

  afterEvent(): void {
    this.#landing = undefined;
    this.#calling = undefined;
  }

  process(process: { readonly number: number }, what: string): void {
    if (what !== "starting") return;
    for (const life of this.#open.keys()) if (Math.floor(life / 1_048_576) === process.number) this.#open.delete(life);
  }

  #settled(call: SeamCall, effects: Effect[]): void {
    const at = effects.findIndex(({ args }) => args === call.args);
    if (at < 0) return;
    const [effect] = effects.splice(at, 1);
    const told = outcomeOf(call);
    effect!.told = told;
    // Without a request there was nothing to do.
    if (!effect!.isSent || effect!.isBlurred || told === "unknown" || (told === "applied") === effect!.hasHappened) {
      return;
    }
    this.#view.violate(
      "I-31",
      `${effect!.what} of ${effect!.who} was told to be ${told}${
        reasonOf(call)
      }: expected that to be so, found that it has ` +
        `${effect!.hasHappened ? "" : "not "}happened`,
    );
  }
}

function reasonOf(call: SeamCall): string {
  const error = failureOf(call);
  return error instanceof Error ? ` (${error.name}: ${error.message})` : "";
}

/** Whether a call asks for nothing. */
function isEmpty({ method, args }: SeamCall): boolean {
  if (method === "produce") return (args[0] as ProduceRequest).records.count === 0;
  if (method === "sendOffsets" || (method === "commit" && args.length > 0)) {
    return (args[0] as readonly CommittedPosition[]).length === 0;
  }
  return false;
}
