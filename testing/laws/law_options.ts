import type { Arbitrary } from "fast-check";
import { checkOptionNames } from "../../lib/base/check_option_names.ts";
import type { SubscriptionSpec } from "../../lib/runtime/subscription_spec.ts";
import { appOf, type AppSource } from "../test_worker.ts";
import { topicRows } from "./topic_rows.ts";

/** Options of every law. */
export interface LawOptions {
  /** The subscription that is tested, alone. @default the only one of the app */
  subscription?: string;
  /** Input rows, in the order in which they are sent; then only what is done with them is drawn. @default drawn */
  rows?: readonly object[];
  /** Draws inputs. @default {topicRows(input topic)}: few keys, small numbers, event times that mostly rise */
  arbitrary?: Arbitrary<readonly object[]>;
  /** Most rows of an input that is drawn without `arbitrary`, and the last row before which a batch may be cut. @default {10} */
  rowsMax?: number;
  /** Partitions of the input topic; rows go to them by their key. @default {2} */
  partitions?: number;
  /** Cases. @default {30} */
  numRuns?: number;
  /** Seed of the cases. @default {1} */
  seed?: number;
  /** Runs one case alone: the path of a failure, with its seed. @default all cases */
  path?: string;
}

const NAMES = ["subscription", "rows", "arbitrary", "rowsMax", "partitions", "numRuns", "seed", "path"];

/** What a law is checked for. */
export interface LawSubject {
  /** The app, or what makes it. */
  readonly source: AppSource;
  /** The subscription, as one app has it. */
  readonly spec: SubscriptionSpec;
  /** Draws inputs. */
  readonly inputs: Arbitrary<readonly object[]> | readonly object[];
  /** Last row before which a batch may be cut. */
  readonly rowsMax: number;
  /** Partitions of the input topic. */
  readonly partitions: number;
}

/**
 * Finds out what a law is about.
 *
 * @param source The app, or what makes it.
 * @param options Which subscription, which input.
 * @param more Names of further options of the law.
 * @throws {TypeError} when an option does not exist, or the subscription or its input is not clear.
 * @throws {RangeError} when a number is out of range.
 */
export async function lawSubject(
  source: AppSource,
  options: LawOptions,
  more: readonly string[] = [],
): Promise<LawSubject> {
  checkOptionNames("law", options, [...NAMES, ...more]);
  const { rows, arbitrary, rowsMax = rows?.length ?? 10, partitions = 2, numRuns = 1 } = options;
  if (rows !== undefined && arbitrary !== undefined) {
    throw new TypeError("Cannot check a law as either 'rows' or 'arbitrary' may be given: current value is both");
  }
  if (rows?.length === 0) throw new TypeError("Cannot check a law as 'rows' must not be empty: current value is []");
  for (const [name, value] of [["rowsMax", rowsMax], ["partitions", partitions], ["numRuns", numRuns]] as const) {
    if (Number.isInteger(value) && value >= 1) continue;
    throw new RangeError(`Cannot check a law as '${name}' must be an integer >= 1: current value is ${value}`);
  }
  const app = await appOf(source);
  const names = app.subscriptions.map(({ name }) => `'${name}'`).join(", ");
  const { subscription = app.subscriptions.length === 1 ? app.subscriptions[0]!.name : undefined } = options;
  const spec = app.subscriptions.find(({ name }) => name === subscription);
  if (spec === undefined) {
    throw new TypeError(
      `Cannot check a law as 'subscription' must be one of ${names}: current value is ${subscription}`,
    );
  }
  const { input } = spec;
  if (rows === undefined && arbitrary === undefined && input.codec.isInferred === true) {
    throw new TypeError(
      `Cannot draw input as topic '${input.name}' has no schema, give 'rows' or 'arbitrary': current value is undefined`,
    );
  }
  return { source, spec, inputs: rows ?? arbitrary ?? topicRows(input, { rowsMax }), rowsMax, partitions };
}
