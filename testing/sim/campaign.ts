/** `deno task campaign`: seeds until the time is over, and a table of what was met on the way. */
import { parseArgs } from "node:util";
import type { Profile } from "./contracts.ts";
import { campaignText } from "./campaign_text.ts";
import { effortText, type RunSummary, RunTotals } from "./run_summary.ts";
import { runSlices, type SeedSlice } from "./seed_slices.ts";

/** Shares of a campaign's time, and seeds of a slice. */
const PLAN: readonly { readonly profile: Profile; readonly share: number; readonly seeds: number }[] = [
  { profile: "small", share: 0.55, seeds: 400 },
  { profile: "standard", share: 0.45, seeds: 40 },
];

interface Spent {
  readonly profile: Profile;
  readonly share: number;
  readonly seeds: number;
  next: number;
  cpuMs: number;
  readonly totals: RunTotals;
}

/** The profile that is furthest behind its share gets the next slice. */
function* slicesUntil(endMs: number, spent: readonly Spent[]): Generator<SeedSlice> {
  while (Date.now() < endMs) {
    const due = spent.reduce((a, b) => (b.cpuMs / b.share < a.cpuMs / a.share ? b : a));
    const from = due.next;
    due.next += due.seeds;
    // What is under way counts as done, so that slices of one profile do not follow each other meanwhile.
    due.cpuMs += 1;
    yield { from, to: from + due.seeds - 1, profile: due.profile };
  }
}

function commit(): string {
  const { stdout } = new Deno.Command("git", { args: ["rev-parse", "--short", "HEAD"] }).outputSync();
  return new TextDecoder().decode(stdout).trim();
}

if (import.meta.main) {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      minutes: { type: "string", default: "30" },
      jobs: { type: "string", default: "2" },
      first: { type: "string" },
      out: { type: "string" },
    },
  });
  const minutes = Number(values.minutes), jobs = Number(values.jobs);
  if (!(minutes > 0) || !Number.isInteger(jobs) || jobs < 1) {
    console.error("Usage: deno task campaign --minutes M [--jobs N] [--first SEED] [--out FILE.md]");
    Deno.exit(2);
  }
  const startMs = Date.now();
  // Other seeds each day; the seed base is printed, so that a campaign can be repeated.
  const first = values.first === undefined ? Math.floor(startMs / 1_000) * 1_000 : Number(values.first);
  const spent: Spent[] = PLAN.map((each) => ({ ...each, next: first, cpuMs: 0, totals: new RunTotals() }));
  const finished = (summary: RunSummary, { profile }: SeedSlice): void => {
    const of = spent.find((each) => each.profile === profile)!;
    of.totals.merge(summary);
    of.cpuMs += summary.cpuMs;
    for (const { seed, invariant, message } of summary.failed) {
      console.log(`FAILED ${profile} seed ${seed}: ${invariant} ${message}`);
    }
    if (summary.failed.length > 0) keep(summary);
  };
  await runSlices(slicesUntil(startMs + minutes * 60_000, spent), { jobs, finished });
  const all = new RunTotals();
  for (const { totals } of spent) all.merge(totals.summary());
  const summary = all.summary();
  const text = campaignText(summary, {
    profiles: spent.map(({ profile, totals }) => ({ profile, summary: totals.summary() })),
    date: new Date(startMs).toISOString().slice(0, 10),
    commit: commit(),
    minutes: (Date.now() - startMs) / 60_000,
    firstSeed: first,
    machine: `${navigator.hardwareConcurrency} cores, Deno ${Deno.version.deno}`,
  });
  if (values.out !== undefined) Deno.writeTextFileSync(values.out, text);
  console.log(text);
  console.log(effortText(summary));
  console.log(`${summary.passed} passed, ${summary.failed.length} failed`);
  if (summary.failed.length > 0) Deno.exit(1);
}

/** Failing seeds are kept: they are run first by whoever mends them. */
function keep({ failed }: RunSummary): void {
  Deno.mkdirSync(".turbine/sim", { recursive: true });
  const lines = failed.map((each) => JSON.stringify(each) + "\n").join("");
  Deno.writeTextFileSync(".turbine/sim/failing-seeds.jsonl", lines, { append: true });
}
