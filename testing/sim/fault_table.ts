import type { FiredFault } from "./contracts.ts";
import { FAULT_KIND_LIST } from "./fault_durations.ts";
import { FAULT_KINDS, type FaultKind, type PlannedFault } from "./fault_kinds.ts";

/** Whether a kind is simulated, or why not. */
export type FaultStatus = "simulated" | `absent: ${string}`;

/** Kinds whose subject does not exist in a simulated world, each with the reason. All others are simulated. */
const ABSENT: Readonly<Partial<Record<FaultKind, string>>> = {
  D10: "the store of the simulation is one log, so no part of it stands anywhere else than the others",
  O1: "there is only one version of the format",
};

/** Each kind with its status. */
export const FAULT_TABLE: Readonly<Record<FaultKind, FaultStatus>> = Object.freeze(
  Object.fromEntries(FAULT_KIND_LIST.map((kind) => {
    const reason = ABSENT[kind];
    return [kind, reason === undefined ? "simulated" : `absent: ${reason}`];
  })) as Record<FaultKind, FaultStatus>,
);

/** Kinds that can strike. */
export const SIMULATED_KINDS: readonly FaultKind[] = Object.freeze(
  FAULT_KIND_LIST.filter((kind) => FAULT_TABLE[kind] === "simulated"),
);

/** How often a kind was planned, and how many of these faults struck. */
export interface FaultCount {
  /** Faults of the plans. */
  readonly planned: number;
  /** Faults that struck at least once. */
  readonly fired: number;
}

/** Counts by kind; kinds without an entry count as 0. */
export type FaultCounts = Readonly<Partial<Record<FaultKind, FaultCount>>>;

/**
 * Counts the faults of a run.
 *
 * @param plan What was planned.
 * @param fired What struck; a fault that strikes several times counts once.
 */
export function countFaults(plan: readonly PlannedFault[], fired: readonly FiredFault[]): FaultCounts {
  const counts: Partial<Record<FaultKind, FaultCount>> = {};
  for (const { kind } of plan) counts[kind] = { planned: (counts[kind]?.planned ?? 0) + 1, fired: 0 };
  for (const { kind } of new Set(fired.map(({ fault }) => fault))) {
    const { planned = 0, fired: before = 0 } = counts[kind] ?? {};
    counts[kind] = { planned, fired: before + 1 };
  }
  return counts;
}

/**
 * Counts of runs that were added up elsewhere.
 *
 * @param planned Faults of the plans, by kind.
 * @param fired How often each kind struck.
 */
export function faultCountsOf(
  planned: Readonly<Record<string, number>>,
  fired: Readonly<Record<string, number>>,
): FaultCounts {
  return Object.fromEntries(FAULT_KIND_LIST.flatMap((kind) => {
    const count = { planned: planned[kind] ?? 0, fired: fired[kind] ?? 0 };
    return count.planned + count.fired === 0 ? [] : [[kind, count]];
  }));
}

/** Adds counts up, as of the runs of a campaign. */
export function addFaultCounts(left: FaultCounts, right: FaultCounts): FaultCounts {
  const sum: Partial<Record<FaultKind, FaultCount>> = {};
  for (const kind of FAULT_KIND_LIST) {
    const one = left[kind], other = right[kind];
    if (one === undefined && other === undefined) continue;
    sum[kind] = {
      planned: (one?.planned ?? 0) + (other?.planned ?? 0),
      fired: (one?.fired ?? 0) + (other?.fired ?? 0),
    };
  }
  return sum;
}

/**
 * The table of faults of a run or a campaign.
 *
 * @param counts By kind.
 * @param options `format`: plain text, or a Markdown table. @default {"text"}
 */
export function formatFaultTable(
  counts: FaultCounts,
  options: { readonly format?: "text" | "markdown" } = {},
): string {
  const rows = FAULT_KIND_LIST.map((kind) => {
    const { planned = 0, fired = 0 } = counts[kind] ?? {};
    const status = FAULT_TABLE[kind];
    const cells = status === "simulated" ? [String(planned), String(fired)] : ["-", "-"];
    return [kind, ...cells, FAULT_KINDS[kind], status === "simulated" ? "" : status];
  });
  const silent = SIMULATED_KINDS.filter((kind) => (counts[kind]?.fired ?? 0) === 0);
  const totals = [
    `${FAULT_KIND_LIST.length} kinds: ${SIMULATED_KINDS.length} simulated, ${
      SIMULATED_KINDS.length - silent.length
    } of them struck, ${FAULT_KIND_LIST.length - SIMULATED_KINDS.length} absent.`,
    `Absent: ${FAULT_KIND_LIST.filter((kind) => FAULT_TABLE[kind] !== "simulated").join(", ")}.`,
    `Simulated and not struck: ${silent.join(", ") || "none"}.`,
  ];
  const header = ["kind", "planned", "fired", "what happens", "status"];
  const lines = options.format === "markdown" ? markdown(header, rows) : text(header, rows);
  return [...lines, "", ...totals].join("\n");
}

function markdown(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(header), "| --- | ---: | ---: | --- | --- |", ...rows.map(line)];
}

function text(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = header.map((name, at) => Math.max(name.length, ...rows.map((row) => row[at]!.length)));
  return [header, ...rows].map((row) =>
    row.map((cell, at) => at === 1 || at === 2 ? cell.padStart(widths[at]!) : cell.padEnd(widths[at]!)).join("  ")
      .trimEnd()
  );
}
