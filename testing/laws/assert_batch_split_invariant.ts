import fc, { type Arbitrary } from "fast-check";
import type { OutputMode } from "../../lib/operator/operator.ts";
import type { AppSource } from "../test_worker.ts";
import { checkLaw, LawBreach } from "./check_law.ts";
import { outputDifference, shownDifference, stateDifference, updateDifference } from "./law_difference.ts";
import { type LawOptions, type LawSubject, lawSubject } from "./law_options.ts";
import { type Piece, piecesOf, shownCuts, shownInput, unlessStopped } from "./law_pieces.ts";
import type { LawResults } from "./law_results.ts";
import { type LawInput, lawInput, LawRun } from "./law_run.ts";

/** Options of {@linkcode assertBatchSplitInvariant}. */
export interface BatchSplitOptions extends LawOptions {
  /**
   * What the output means. `append`: the same records in the same order in each partition. `update`: the last value of
   * each key is the same, and each value is one that comes out when each row is a batch of its own.
   *
   * @default what the subscription's step says; a function: `append`
   */
  output?: OutputMode;
}

/** How a run cuts and commits. */
interface Plan {
  /** Rows before which a batch ends, in each partition; `each`: every row is a batch. */
  readonly cuts: readonly number[] | "each";
  /** A commit after so many batches; 0: one at the end. */
  readonly commitEvery: number;
}

interface Case {
  readonly rows: readonly object[];
  readonly first: Plan;
  readonly second: Plan;
}

const LAW = "assertBatchSplitInvariant";
const ADVICE =
  "A batch is what had come when it was cut: load, options and restarts decide, and after a crash the same rows are cut " +
  'elsewhere. A mean per batch is such a handler: keep what it sums up in "context.state" and publish that, or count in ' +
  "windows of event time.";
const UPDATE_ADVICE = 'If only the last value of each key counts, pass { output: "update" }.';
const REPEAT_ADVICE =
  "Then the cuts are not to blame: it keeps something in a closure or in a variable of its module, where no restart finds " +
  'it again; keep it in "context.state". assertReplayDeterministic() looks for that.';

/**
 * Asserts that a subscription's results do not depend on where batches are cut and when they are committed: the same rows
 * under different cuts and commits give the same state and the same output. Everything that is processed again after a
 * crash is cut anew, so a handler for which this does not hold has no result of its own.
 *
 * The subscription runs as it is, on an in-memory broker; one partition is sent after the other. Meanwhile the globals of
 * time and randomness stand still, so that nothing but the cuts differs: tests in one process must not run beside it.
 *
 * @param source The app, or better a factory of it, which is called for each run.
 * @param options Subscription, input, what its output means; number of cases, seed and path of a failure.
 * @throws {LawError} when it does not hold; the message shows the smallest input and cuts that were found.
 * @throws {TypeError} when an option does not exist, or the subscription is not clear.
 * @throws {RangeError} when a number is out of range.
 *
 * @example A running mean out of state is one value, however batches are cut
 * ```ts
 * import { batchOf, float64, json, topic, Turbine, utf8 } from "@turbine/turbine";
 * import { assertBatchSplitInvariant } from "@turbine/turbine/testing";
 *
 * const readings = topic("readings", { value: json({ device: utf8(), celsius: float64() }), key: "device" });
 * const means = topic("means", { value: json({ device: utf8(), mean: float64() }), key: "device" });
 *
 * const createApp = () =>
 *   new Turbine("thermostat").subscribe(readings, { publishTo: means }, async (batch, { state }) => {
 *     const rows: { device: string; mean: number }[] = [];
 *     for (const { device, celsius } of batch) {
 *       const before = await state.get<{ n: number; sum: number }>(device) ?? { n: 0, sum: 0 };
 *       const { n, sum } = { n: before.n + 1, sum: before.sum + celsius };
 *       state.put(device, { n, sum });
 *       rows.push({ device, mean: sum / n });
 *     }
 *     return batchOf(means.schema, rows);
 *   });
 *
 * await assertBatchSplitInvariant(createApp, { numRuns: 5 });
 * ```
 */
export async function assertBatchSplitInvariant(source: AppSource, options: BatchSplitOptions = {}): Promise<void> {
  const subject = await lawSubject(source, options, ["output"]);
  const { publishTo, operator } = subject.spec;
  const { output = operator.outputMode } = options;
  if (output !== "append" && output !== "update") {
    throw new TypeError(`Cannot check a law as 'output' must be 'append' | 'update': current value is '${output}'`);
  }
  if (output === "update" && publishTo !== null && publishTo.key === null) {
    throw new TypeError(
      `Cannot compare updates of topic '${publishTo.name}' as it has no key, set one or 'output' to 'append': current value is 'update'`,
    );
  }
  const holds = (drawn: Case) => checkCase(subject, drawn, output);
  await checkLaw({ law: LAW, cases: casesOf(subject), holds }, options);
}

function casesOf({ inputs, rowsMax }: LawSubject): Arbitrary<Case> {
  const plan: Arbitrary<Plan> = fc.record({
    cuts: fc.oneof(
      { withCrossShrink: true },
      { weight: 2, arbitrary: fc.constant([] as readonly number[]) },
      {
        weight: 3,
        arbitrary: fc.uniqueArray(fc.integer({ min: 1, max: Math.max(1, rowsMax - 1) }), { maxLength: 6 }),
      },
      { weight: 1, arbitrary: fc.constant("each" as const) },
    ),
    commitEvery: fc.nat({ max: 2 }),
  });
  const rows = Array.isArray(inputs)
    ? fc.constant(inputs as readonly object[])
    : inputs as Arbitrary<readonly object[]>;
  return fc.record({ rows, first: plan, second: plan });
}

/** Compares runs two by two: of appends the two that were drawn, of updates each with the finest cuts that there are. */
async function checkCase(subject: LawSubject, drawn: Case, output: OutputMode): Promise<void> {
  const input = lawInput(drawn.rows, subject);
  if (input.parts.length === 0) return;
  const run = (plan: Planned) =>
    unlessStopped(() => runPlan(subject, input, plan), () => `with ${plan.text} and ${shownInput(input)}`);
  const finest = planned(input, { cuts: "each", commitEvery: 0 });
  const [first, second] = [drawn.first, drawn.second].map((plan) => planned(input, plan)) as [Planned, Planned];
  const pairs = output === "append" ? [[first, second]] as const : [[first, finest], [second, finest]] as const;
  const results = new Map<string, LawResults>();
  for (const pair of pairs) {
    const [coarse, fine] = pair.toSorted((a, b) => a.pieces.length - b.pieces.length) as [Planned, Planned];
    for (const plan of [coarse, fine]) if (!results.has(plan.text)) results.set(plan.text, await run(plan));
    if (coarse.text === fine.text) continue;
    const [one, two] = [results.get(coarse.text)!, results.get(fine.text)!];
    const compared = output === "append" ? outputDifference(one, two) : updateDifference(one, two);
    const found = compared ?? stateDifference(one, two);
    if (found === undefined) continue;
    const again = await run(coarse);
    const repeated = outputDifference(one, again) ?? stateDifference(one, again);
    const { name, publishTo } = subject.spec;
    if (repeated !== undefined) {
      throw new LawBreach(
        `The ${repeated.kind} of subscription '${name}' differs between two runs with the same ${coarse.text}:\n` +
          `${shownDifference(repeated, ["first", "then"])}\nfrom ${shownInput(input)}\n${REPEAT_ADVICE}`,
      );
    }
    const isUpdate = output === "append" && found.kind === "output" && publishTo !== null && publishTo.key !== null &&
      updateDifference(one, two) === undefined;
    throw new LawBreach(
      `The ${found.kind} of subscription '${name}' depends on where batches are cut:\n` +
        `${shownDifference(found, [`with ${coarse.text}`, `with ${fine.text}`])}\nfrom ${
          shownInput(input)
        }\n${ADVICE}` +
        (isUpdate ? `\n${UPDATE_ADVICE}` : ""),
    );
  }
}

interface Planned {
  readonly pieces: readonly Piece[];
  readonly commitEvery: number;
  /** As messages show it; plans of one text are one plan. */
  readonly text: string;
}

function planned(input: LawInput, { cuts, commitEvery }: Plan): Planned {
  const pieces = piecesOf(input, (row) => cuts === "each" || cuts.includes(row));
  const isAtEnd = commitEvery === 0 || commitEvery >= pieces.length;
  const commits = isAtEnd ? "" : commitEvery === 1 ? " (each batch committed alone)" : " (two batches to a commit)";
  return { pieces, commitEvery: isAtEnd ? 0 : commitEvery, text: `${shownCuts(pieces)}${commits}` };
}

function runPlan(subject: LawSubject, input: LawInput, plan: Planned): Promise<LawResults> {
  return LawRun.of(subject, {}, async (run) => {
    for (const [at, piece] of plan.pieces.entries()) {
      await run.process(input, piece);
      if (plan.commitEvery > 0 && (at + 1) % plan.commitEvery === 0) await run.commit();
    }
  });
}
