import { CoverageGrid } from "./coverage_grid.ts";
import { faultCountsOf, formatFaultTable, SIMULATED_KINDS } from "./fault_table.ts";
import { MARKS } from "./marks.ts";
import { effortText, type RunSummary } from "./run_summary.ts";

/** Where and when a campaign was run. */
export interface CampaignFacts {
  /** What each profile came to. */
  readonly profiles: readonly { readonly profile: string; readonly summary: RunSummary }[];
  /** Day, `YYYY-MM-DD`. */
  readonly date: string;
  /** Commit. */
  readonly commit: string;
  /** How long it took. */
  readonly minutes: number;
  /** First seed of each profile. */
  readonly firstSeed: number;
  /** Cores and runtime. */
  readonly machine: string;
}

/**
 * A campaign as a page: what was run, what failed, which faults struck, which marks and cells were met and which were not.
 *
 * @param summary Sum over all runs.
 * @param facts Where and when.
 */
export function campaignText(summary: RunSummary, facts: CampaignFacts): string {
  const { date, commit, minutes, firstSeed, machine, profiles } = facts;
  const grid = new CoverageGrid({ kinds: SIMULATED_KINDS });
  grid.merge(summary.grid);
  const missing = Object.keys(MARKS).filter((mark) => summary.marks[mark] === undefined);
  const marks = Object.entries(summary.marks).sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    `# Campaign of ${date}`,
    "",
    `Commit ${commit}, ${minutes.toFixed(0)} minutes, seeds from ${firstSeed}, ${machine}.`,
    "",
    ...profiles.map(({ profile, summary: each }) => `- ${profile}: ${effortText(each)}; ${each.failed.length} failed`),
    "",
    "## Failed seeds",
    "",
    ...summary.failed.length === 0
      ? ["None."]
      : summary.failed.map((each) => `- ${each.profile} ${each.seed}: ${each.invariant} ${each.message}`),
    "",
    "## Faults",
    "",
    formatFaultTable(faultCountsOf(summary.planned, summary.fired), { format: "markdown" }),
    "",
    `## Marks (${marks.length} of ${Object.keys(MARKS).length} seen)`,
    "",
    "| mark | seen |",
    "| ---- | ---: |",
    ...marks.map(([mark, count]) => `| ${mark} | ${count} |`),
    "",
    missing.length === 0 ? "Every mark was seen." : `Not seen: ${missing.join(", ")}.`,
    "",
    "## Cells of fault and step",
    "",
    "```",
    grid.format(),
    "```",
    "",
  ].join("\n");
}
