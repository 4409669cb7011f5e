import type { Checker } from "./contracts.ts";

/** What a checker may be told. */
type Hook = Exclude<keyof Checker, "invariants">;

/** A checker that is told of something. */
type Told<H extends Hook> = Checker & Required<Pick<Checker, H>>;

function toldOf<H extends Hook>(checkers: readonly Checker[], hook: H): readonly Told<H>[] {
  return checkers.filter((checker): checker is Told<H> => checker[hook] !== undefined);
}

/** The checkers of a run by what they are told of: most are told of little, and something happens all the time. */
export class Watchers {
  /** Told of changes at the broker. */
  readonly change: readonly Told<"change">[];
  /** Told of labelled steps. */
  readonly step: readonly Told<"step">[];
  /** Told of log lines. */
  readonly log: readonly Told<"log">[];
  /** Told of requests. */
  readonly call: readonly Told<"call">[];
  /** Told of calls of the broker seam. */
  readonly seam: readonly Told<"seam">[];
  /** Told of calls of local state stores. */
  readonly state: readonly Told<"state">[];
  /** Told of processes. */
  readonly process: readonly Told<"process">[];
  /** Told of faults. */
  readonly fault: readonly Told<"fault">[];
  /** Called after each event. */
  readonly afterEvent: readonly Told<"afterEvent">[];
  /** Called when everything is healed and processed. */
  readonly quiet: readonly Told<"quiet">[];
  /** Called at the end. */
  readonly end: readonly Told<"end">[];

  /** @param checkers All of them, in the order in which they are told. */
  constructor(checkers: readonly Checker[]) {
    this.change = toldOf(checkers, "change");
    this.step = toldOf(checkers, "step");
    this.log = toldOf(checkers, "log");
    this.call = toldOf(checkers, "call");
    this.seam = toldOf(checkers, "seam");
    this.state = toldOf(checkers, "state");
    this.process = toldOf(checkers, "process");
    this.fault = toldOf(checkers, "fault");
    this.afterEvent = toldOf(checkers, "afterEvent");
    this.quiet = toldOf(checkers, "quiet");
    this.end = toldOf(checkers, "end");
  }
}
