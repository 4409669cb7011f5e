import { STEP_LABELS, type StepLabel } from "../../lib/seams/observer.ts";
import type { Checker, FiredFault, SimProcess } from "./contracts.ts";
import { FAULT_KIND_LIST } from "./fault_durations.ts";
import type { FaultKind } from "./fault_kinds.ts";

/** What may happen to a process at a step. */
export type StepFault = "crash" | "pause";

/** Labels of the paths on which every kind of fault should have struck: commit, checkpoint, restore. */
export const PROTOCOL_LABELS: readonly StepLabel[] = Object.freeze(
  STEP_LABELS.filter((label) =>
    /^(commit|produce|transaction|offsets|apply|flush|checkpoint|restore|producer):/.test(label)
  ),
);

/** Cells that were hit, and how often: plain JSON, so that runs in different processes can be added up. */
export interface CoverageSummary {
  /** By `label` and `crash` or `pause`, as `commit:before/crash`. */
  readonly steps: Readonly<Record<string, number>>;
  /** By fault kind and label of the step that came last before it, as `N2/commit:before`. */
  readonly faults: Readonly<Record<string, number>>;
  /** How often each label was passed. */
  readonly labels: Readonly<Record<string, number>>;
}

/** A cell that was never hit. */
export type EmptyCell =
  | { readonly kind: "step"; readonly label: StepLabel; readonly what: StepFault }
  | { readonly kind: "fault"; readonly fault: FaultKind; readonly label: StepLabel };

/**
 * Counts which faults struck at which steps. A fault belongs to the step that its process passed last; a fault that strikes
 * no single process belongs to the last step of any process.
 */
export class CoverageGrid implements Checker {
  readonly invariants = [] as const;
  readonly #steps = new Map<string, number>();
  readonly #faults = new Map<string, number>();
  readonly #labels = new Map<string, number>();
  readonly #last = new Map<number, StepLabel>();
  #lastOfAny: StepLabel | undefined;
  readonly #relevant: ReadonlySet<FaultKind>;

  /**
   * @param options `kinds`: kinds that can strike at all. @default {all}
   */
  constructor(options: { readonly kinds?: readonly FaultKind[] } = {}) {
    this.#relevant = new Set(options.kinds ?? FAULT_KIND_LIST);
  }

  /** A labelled step of a process. */
  step(process: SimProcess, label: StepLabel): void {
    add(this.#labels, label);
    this.#last.set(process.number, label);
    this.#lastOfAny = label;
  }

  /** A process crashed or stood still. */
  process(process: SimProcess, what: string): void {
    const label = this.#last.get(process.number);
    if (label === undefined) return;
    if (what === "crashed") add(this.#steps, `${label}/crash`);
    if (what === "paused") add(this.#steps, `${label}/pause`);
    if (what === "starting" || what === "closed") this.#last.delete(process.number);
  }

  /** A fault has struck. */
  fault({ fault }: FiredFault): void {
    const label = this.#last.get(fault.process) ?? this.#lastOfAny;
    if (label !== undefined) add(this.#faults, `${fault.kind}/${label}`);
  }

  /** What was hit. */
  summary(): CoverageSummary {
    return { steps: sorted(this.#steps), faults: sorted(this.#faults), labels: sorted(this.#labels) };
  }

  /** Adds what another run hit. */
  merge(summary: CoverageSummary): void {
    addAll(this.#steps, summary.steps);
    addAll(this.#faults, summary.faults);
    addAll(this.#labels, summary.labels);
  }

  /** Cells that were never hit, in the order of the tables: to be aimed at by guided runs. */
  emptyCells(): EmptyCell[] {
    const empty: EmptyCell[] = [];
    for (const label of STEP_LABELS) {
      for (const what of ["crash", "pause"] as const) {
        if (!this.#steps.has(`${label}/${what}`)) empty.push({ kind: "step", label, what });
      }
    }
    for (const fault of this.#relevant) {
      for (const label of PROTOCOL_LABELS) {
        if (!this.#faults.has(`${fault}/${label}`)) empty.push({ kind: "fault", fault, label });
      }
    }
    return empty;
  }

  /** Both tables as text, with the empty cells listed. */
  format(): string {
    const width = Math.max(...STEP_LABELS.map((label) => label.length));
    const lines = [`${"step".padEnd(width)}  ${"passed".padStart(9)}  ${"crash".padStart(7)}  ${"pause".padStart(7)}`];
    for (const label of STEP_LABELS) {
      const cells = [
        String(this.#labels.get(label) ?? 0).padStart(9),
        String(this.#steps.get(`${label}/crash`) ?? "-").padStart(7),
        String(this.#steps.get(`${label}/pause`) ?? "-").padStart(7),
      ];
      lines.push(`${label.padEnd(width)}  ${cells.join("  ")}`);
    }
    return [...lines, "", ...this.#faultLines()].join("\n");
  }

  #faultLines(): string[] {
    const kinds = [...this.#relevant];
    const cells = kinds.length * PROTOCOL_LABELS.length;
    const missing = kinds.map((kind) =>
      [kind, PROTOCOL_LABELS.filter((label) => !this.#faults.has(`${kind}/${label}`))] as const
    );
    const empty = missing.reduce((sum, [, labels]) => sum + labels.length, 0);
    const hit = cells - empty;
    const lines = [`fault kind x step of commit, checkpoint and restore: ${hit} of ${cells} cells hit`];
    for (const [kind, labels] of missing) {
      if (labels.length === 0) continue;
      const text = labels.length === PROTOCOL_LABELS.length ? "all" : labels.join(" ");
      lines.push(`  ${kind} empty (${labels.length}): ${text}`);
    }
    return lines;
  }
}

function add(counts: Map<string, number>, key: string, times = 1): void {
  counts.set(key, (counts.get(key) ?? 0) + times);
}

function addAll(counts: Map<string, number>, more: Readonly<Record<string, number>>): void {
  for (const [key, times] of Object.entries(more)) add(counts, key, times);
}

function sorted(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort(([a], [b]) => a < b ? -1 : 1));
}
