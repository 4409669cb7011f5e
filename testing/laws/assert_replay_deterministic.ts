import fc, { type Arbitrary } from "fast-check";
import type { AppSource } from "../test_worker.ts";
import { checkLaw, indented, LawBreach } from "./check_law.ts";
import { type LawDifference, outputDifference, shownDifference, storedStateDifference } from "./law_difference.ts";
import { type LawOptions, type LawSubject, lawSubject } from "./law_options.ts";
import { type Piece, piecesOf, shownInput, unlessStopped } from "./law_pieces.ts";
import type { LawResults } from "./law_results.ts";
import { FIRST_WALL_MS, type LawInput, lawInput, LawRun } from "./law_run.ts";
import type { Touched } from "./stand_ins.ts";

/** Options of {@linkcode assertReplayDeterministic}. */
export type ReplayOptions = LawOptions;

interface Case {
  readonly rows: readonly object[];
  /** Rows of a batch, the same in all runs. */
  readonly batchRows: number;
  /** So many batches are processed before a close that keeps the state. */
  readonly saved: number;
  /** So many more before the crash. */
  readonly lost: number;
  /** Whether those are committed, so that they are replayed silently; else they are processed once more. */
  readonly isCommitted: boolean;
  /** Where the process comes back: with its local state, or from a checkpoint. */
  readonly node: "same" | "new";
}

type Results = LawResults & { readonly touched: readonly Touched[] };

const LAW = "assertReplayDeterministic";
/** Wall time at the start of the second run: another day, hour, minute and millisecond. */
const SECOND_WALL_MS = FIRST_WALL_MS + 402 * 86_400_000 + 26_591_337;
const ADVICE =
  "Handlers must depend on records, state and context.watermarkMs only; look for Date.now(), Math.random(), state in " +
  "closures or module variables.";

/**
 * Asserts that processing the same records again gives the same result to the byte: a run without trouble is compared with
 * one at another wall time and with other randomness that is closed and started again, crashes, restores its state from
 * disk or from a checkpoint, and replays or repeats the batches since. Batches are cut at the same rows in both; whether
 * cuts matter is for {@linkcode assertBatchSplitInvariant}.
 *
 * Give a factory: each start then has an app of its own, as each process has. Variables of the job's module are found too,
 * as the second run finds them as the first one left them; `freshModule()` gives each start a module of its own. The
 * globals of time and randomness are replaced meanwhile: tests in one process must not run beside it.
 *
 * @param source The app, or better a factory of it, which is called for each start.
 * @param options Subscription, input; number of cases, seed and path of a failure.
 * @throws {LawError} when it does not hold; the message shows the smallest input that was found, and what was used.
 * @throws {TypeError} when an option does not exist, or the subscription is not clear.
 * @throws {RangeError} when a number is out of range.
 *
 * @example Numbers out of state survive a crash
 * ```ts
 * import { batchOf, int32, json, topic, Turbine, utf8 } from "@turbine/turbine";
 * import { assertReplayDeterministic } from "@turbine/turbine/testing";
 *
 * const orders = topic("orders", { value: json({ item: utf8() }) });
 * const numbered = topic("numbered", { value: json({ item: utf8(), number: int32() }) });
 *
 * const createApp = () =>
 *   new Turbine("shop").subscribe(orders, { publishTo: numbered }, async (batch, { state }) => {
 *     let number = await state.get<number>("number") ?? 0;
 *     const rows = [...batch].map(({ item }) => ({ item, number: ++number }));
 *     state.put("number", number);
 *     return batchOf(numbered.schema, rows);
 *   });
 *
 * await assertReplayDeterministic(createApp, { numRuns: 5 });
 * ```
 */
export async function assertReplayDeterministic(source: AppSource, options: ReplayOptions = {}): Promise<void> {
  const subject = await lawSubject(source, options);
  await checkLaw({ law: LAW, cases: casesOf(subject), holds: (drawn) => checkCase(subject, drawn) }, options);
}

function casesOf({ inputs, rowsMax }: LawSubject): Arbitrary<Case> {
  const rows = Array.isArray(inputs)
    ? fc.constant(inputs as readonly object[])
    : inputs as Arbitrary<readonly object[]>;
  return fc.record({
    rows,
    batchRows: fc.integer({ min: 1, max: 3 }),
    saved: fc.nat({ max: Math.ceil(rowsMax / 2) }),
    lost: fc.nat({ max: Math.ceil(rowsMax / 2) }),
    isCommitted: fc.boolean(),
    node: fc.constantFrom("same" as const, "new" as const),
  });
}

async function checkCase(subject: LawSubject, drawn: Case): Promise<void> {
  const input = lawInput(drawn.rows, subject);
  const pieces = piecesOf(input, (row) => row % drawn.batchRows === 0);
  if (pieces.length === 0) return;
  const { batchRows } = drawn;
  const shown = () => `${crashText(drawn, pieces)}; the input was ${shownInput(input)}`;
  const one = await unlessStopped(
    () => LawRun.of(subject, { seed: 1, batchRows }, (run) => withoutTrouble(run, input, pieces)),
    shown,
  );
  const second = { seed: 2, wallMs: SECOND_WALL_MS, batchRows };
  const two = await unlessStopped(
    () => LawRun.of(subject, second, (run) => withCrash(run, { input, pieces, drawn })),
    shown,
  );
  if (difference(one, two) === undefined) return;
  // Is it the crash, or would any second run be another one?
  const again = await LawRun.of(subject, second, (run) => withoutTrouble(run, input, pieces));
  const [found, other, how] = difference(one, again) === undefined
    ? [difference(one, two)!, two, `after a crash; ${crashText(drawn, pieces)}`] as const
    : [difference(one, again)!, again, "in a second run, at another wall time and with other randomness"] as const;
  throw new LawBreach(breachText(subject, { found, touched: [...one.touched, ...other.touched], how, input }));
}

function difference(one: Results, two: Results): LawDifference | undefined {
  return outputDifference(one, two) ?? storedStateDifference(one, two);
}

async function withoutTrouble(run: LawRun, input: LawInput, pieces: readonly Piece[]): Promise<void> {
  for (const piece of pieces) await run.process(input, piece);
}

async function withCrash(
  run: LawRun,
  { input, pieces, drawn }: { readonly input: LawInput; readonly pieces: readonly Piece[]; readonly drawn: Case },
): Promise<void> {
  const { saved, crashed } = placesOf(drawn, pieces);
  for (let at = 0; at <= pieces.length; at++) {
    if (at === saved && saved > 0) await run.save();
    if (at === crashed) {
      if (drawn.isCommitted) await run.commit();
      await run.crash(drawn.node);
    }
    const piece = pieces[at];
    if (piece === undefined) break;
    // What is repeated after the crash is of one partition: the order between partitions is nobody's promise.
    if (at > 0 && pieces[at - 1]!.partition !== piece.partition) await run.commit();
    await run.process(input, piece);
  }
}

/** Before which batches the state is saved, and the process crashes. */
function placesOf({ saved, lost }: Case, { length }: readonly Piece[]): { saved: number; crashed: number } {
  return { saved: Math.min(saved, length), crashed: Math.min(saved + lost, length) };
}

function crashText(drawn: Case, pieces: readonly Piece[]): string {
  const { saved, crashed } = placesOf(drawn, pieces);
  const from = saved === 0 ? "no state was saved" : `the state was saved after ${counted(saved)}`;
  const lost = crashed - saved;
  const how = lost === 0 ? "nothing since" : `${counted(lost)} since ${drawn.isCommitted ? "" : "and not committed"}`;
  const place = drawn.node === "same" ? "the same node" : "another node";
  return `${from}, ${how.trimEnd()}, and the process came back on ${place}`;
}

function counted(batches: number): string {
  return batches === 1 ? "1 batch" : `${batches} batches`;
}

function breachText(
  { spec }: LawSubject,
  parts: { found: LawDifference; touched: readonly Touched[]; how: string; input: LawInput },
): string {
  const { found, touched, how, input } = parts;
  const used = [...new Map(touched.map((each) => [each.what, each])).values()];
  return [
    `Processing the same records again gave another result: the ${found.kind} of subscription '${spec.name}' differs ` +
    `${how}:`,
    shownDifference(found, ["at first", "again"]),
    `from ${shownInput(input)}`,
    ADVICE,
    used.length === 0
      ? "No global of time or randomness was used: look for state outside of the context first."
      : `It used\n${indented(used.map(({ what, at }) => `${what} ${at}`.trimEnd()))}`,
  ].join("\n");
}
