/** `deno task sim:points`: a crash and a pause at every labelled step, one by one and in pairs. */
import { parseArgs } from "node:util";
import { STEP_LABELS, type StepLabel } from "../../lib/seams/observer.ts";
import { allCheckers } from "./checkers/mod.ts";
import type { RunView, SimOptions } from "./contracts.ts";
import { PROTOCOL_LABELS } from "./coverage_grid.ts";
import type { FaultKind, PlannedFault } from "./fault_kinds.ts";
import { inject } from "./faults/inject.ts";
import { jobFor } from "./jobs/jobs.ts";
import { type RunResult, runSimulation } from "./run.ts";
import { swarmOptions } from "./swarm.ts";
import type { SimWorld } from "./world.ts";

type Guarantee = SimOptions["guarantee"];

/** Where one run is struck. */
interface Point {
  readonly guarantee: Guarantee;
  readonly node: "same" | "new";
  readonly what: "crash" | "pause";
  readonly label: StepLabel;
  /** How many times the label is passed first. */
  readonly skip: number;
  /** A second crash, at this label, after the first one. */
  readonly then?: StepLabel;
}

const GUARANTEES: readonly Guarantee[] = ["at-least-once", "exactly-once"];

/** A short run that passes every label: faults at fixed times lead to the rare ones. */
function scenario(guarantee: Guarantee): { options: SimOptions; plan: PlannedFault[] } {
  const options: SimOptions = {
    ...swarmOptions(1, "small"),
    job: "windows",
    guarantee,
    processes: 2,
    partitions: 2,
    batchRows: 8,
    commitIntervalMs: 150,
    checkpointIntervalMs: 1_000,
    retainedCheckpoints: 2,
    stateFlushIntervalMs: 300,
    failoverGraceMs: 3_000,
    idleTimeoutMs: 300,
    isStatic: true,
    transactionVersion: 2,
    isStateSynced: true,
    diskLatencyMs: 0,
    replayRowsMax: null,
    isInputTransactional: false,
    latencyMs: 2,
    requestTimeoutMs: 400,
    rowsPerSecond: 16,
    burstBatches: 0,
    hasStragglers: false,
    keys: 4,
    hotShare: 0,
    poisonShare: 0.05,
    onRecordError: "skip",
    warmUpMs: 500,
    safetyMs: 11_000,
    rates: {},
  };
  // The draw 2 lets the ends of transactions be lost at once, not when time jumps.
  const at = (kind: FaultKind, atMs: number, process: number, durationMs = 0): PlannedFault => {
    return { kind, atMs, process, durationMs, draw: kind === "T1" || kind === "T2" ? 2 : 1 };
  };
  const plan = [
    at("T12", 1_000, 0),
    at("G9", 1_500, 0),
    at("T1", 4_200, 1),
    at("T2", 2_200, 1),
    at("G6", 3_000, 0),
    at("P3", 3_600, 0, 5_000),
    at("P1", 8_800, 1, 300),
    at("P5", 9_800, 0, 300),
    at("T10", 10_200, 1, 300),
  ];
  return { options, plan };
}

/** What no planned fault brings about for certain: a refused send of offsets, and a store that lags at a crash. */
function visitRareLabels(world: SimWorld): void {
  const fault: PlannedFault = { kind: "G5", atMs: 0, process: 0, durationMs: 0, draw: 0 };
  world.after(2_600, () => world.strike(fault, { calls: ["sendOffsets"], fate: "refused" }));
  const lagging: PlannedFault = { ...fault, kind: "P1" };
  world.after(7_000, () =>
    world.whenStep(["apply:after"], {}, ({ number }) => {
      world.fire(lagging, "crash before a flush");
      world.crash(number, { restartAfterMs: 200, node: "same" });
    }));
}

async function play(guarantee: Guarantee, prepare: (world: SimWorld) => void): Promise<RunResult> {
  const { options, plan } = scenario(guarantee);
  const job = jobFor(options);
  const checkers = (view: RunView) => [...allCheckers(view), ...job.checkers?.(view) ?? []];
  return await runSimulation({
    options,
    job,
    plan,
    inject,
    checkers,
    prepare: (world) => {
      visitRareLabels(world);
      prepare(world);
    },
  });
}

/** How often the scenario passes each label before it is healed. */
async function occurrences(guarantee: Guarantee): Promise<Map<StepLabel, number>> {
  const counts = new Map<StepLabel, number>();
  const result = await play(guarantee, (world) => {
    const count = (): void =>
      world.whenStep(STEP_LABELS, {}, (_, label) => {
        counts.set(label, (counts.get(label) ?? 0) + 1);
        if (!world.isHealed) count();
      });
    count();
  });
  if (result.violation !== undefined) {
    throw new Error(`The scenario itself fails: ${result.violation.invariant} ${result.violation.message}`);
  }
  return counts;
}

function strike(world: SimWorld, process: number, { what, node }: Pick<Point, "what" | "node">): void {
  const { failoverGraceMs } = world.options;
  const kind = what === "crash" ? "P1" : "P3";
  const fault: PlannedFault = { kind, atMs: world.nowMs, process, durationMs: 0, draw: 0 };
  world.fire(fault, `${what} at the point`);
  if (what === "crash") world.crash(process, { restartAfterMs: 400, node });
  else {
    world.pause(process, failoverGraceMs * 1.5);
    // The zombie's machine is lost soon after it came back.
    if (node === "new") {
      world.after(failoverGraceMs * 1.5 + 200, () => world.crash(process, { restartAfterMs: 400, node }));
    }
  }
}

async function playPoint(point: Point): Promise<RunResult & { readonly wasStruck: boolean }> {
  let wasStruck = false;
  const result = await play(point.guarantee, (world) => {
    world.whenStep([point.label], { skip: point.skip }, ({ number }) => {
      wasStruck = true;
      strike(world, number, point);
      const { then } = point;
      if (then !== undefined) world.whenStep([then], {}, (second) => strike(world, second.number, point));
    });
  });
  return { ...result, wasStruck };
}

/** First, middle and last time. */
function skipsOf(count: number): number[] {
  return [...new Set([0, Math.floor(count / 2), count - 1])];
}

/** Labels that no run of this guarantee passes. */
function isAbsent(label: StepLabel, guarantee: Guarantee): boolean {
  if (guarantee === "exactly-once") return false;
  return label.startsWith("transaction:") || label.startsWith("offsets:") || label.startsWith("commit:resolved-") ||
    label === "commit:aborted";
}

async function allPoints(): Promise<Point[]> {
  const points: Point[] = [];
  for (const guarantee of GUARANTEES) {
    const counts = await occurrences(guarantee);
    const missing = STEP_LABELS.filter((label) => !counts.has(label) && !isAbsent(label, guarantee));
    if (missing.length > 0) {
      throw new Error(`The ${guarantee} scenario does not pass ${missing.join(", ")}: every label must be reached`);
    }
    for (const [label, count] of counts) {
      for (const skip of skipsOf(count)) {
        for (const what of ["crash", "pause"] as const) {
          for (const node of ["same", "new"] as const) points.push({ guarantee, node, what, label, skip });
        }
      }
    }
    for (const label of PROTOCOL_LABELS) {
      const count = counts.get(label);
      if (count === undefined) continue;
      for (const then of PROTOCOL_LABELS) {
        if (counts.has(then)) {
          points.push({ guarantee, node: "same", what: "crash", label, skip: Math.floor(count / 2), then });
        }
      }
    }
  }
  return points;
}

function describe({ guarantee, node, what, label, skip, then }: Point): string {
  const second = then === undefined ? "" : `, then at ${then}`;
  return `${guarantee}: ${what} at ${label} (time ${skip + 1})${second}, back on the ${node} node`;
}

interface Tally {
  passed: number;
  failed: string[];
  cells: string[];
}

async function playAll(points: readonly Point[], isLoud: boolean): Promise<Tally> {
  const tally: Tally = { passed: 0, failed: [], cells: [] };
  for (const point of points) {
    const { violation, wasStruck } = await playPoint(point);
    const name = describe(point);
    if (violation !== undefined) tally.failed.push(`${name}: ${violation.invariant} ${violation.message}`);
    else if (!wasStruck) tally.failed.push(`${name}: the label was not passed`);
    else {
      tally.passed++;
      tally.cells.push(`${point.guarantee}/${point.node}/${point.what}/${point.label}`);
    }
    if (isLoud && (violation !== undefined || !wasStruck)) console.log(tally.failed.at(-1));
  }
  return tally;
}

if (import.meta.main) {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      jobs: { type: "string", default: "1" },
      part: { type: "string" },
      only: { type: "string" },
      singles: { type: "boolean", default: false },
    },
  });
  const jobs = Math.max(1, Number(values.jobs));
  const all = (await allPoints()).filter((point) =>
    (values.only === undefined || describe(point).includes(values.only)) &&
    (!values.singles || point.then === undefined)
  );
  if (values.part !== undefined) {
    const part = Number(values.part);
    console.log(JSON.stringify(await playAll(all.filter((_, at) => at % jobs === part), false)));
  } else {
    const tallies = jobs === 1 ? [await playAll(all, true)] : await Promise.all(
      Array.from({ length: jobs }, async (_, part) => {
        const flags = ["run", "--no-check", "--quiet", "--allow-read", "--allow-env", "--allow-sys"];
        const child = new Deno.Command(Deno.execPath(), {
          args: [...flags, import.meta.url, ...Deno.args, "--part", String(part)],
          stdout: "piped",
          stderr: "inherit",
        });
        return JSON.parse(new TextDecoder().decode((await child.output()).stdout)) as Tally;
      }),
    );
    const failed = tallies.flatMap((tally) => tally.failed);
    const passed = tallies.reduce((sum, tally) => sum + tally.passed, 0);
    if (jobs > 1) { for (const text of failed) console.log(text); }
    const cells = new Set(tallies.flatMap((tally) => tally.cells));
    console.log(`${cells.size} cells of step label x {crash, pause} x guarantee x {same, new node}`);
    console.log(`${passed} passed, ${failed.length} failed`);
    if (failed.length > 0) Deno.exit(1);
  }
}
