/**
 * I-31 (in part): every error that surfaces is in the table of errors; none is a broken invariant of the library; and an
 * error of a store is to be blamed on a fault that was injected.
 */
import { InvariantError } from "../../../lib/base/assert.ts";
import { type ErrorCode, StreamError } from "../../../lib/base/errors.ts";
import { ERROR_POLICY } from "../../../lib/core/error_policy.ts";
import type { LogLevel, StepDetail } from "../../../lib/seams/observer.ts";
import type { Checker, InvariantId, RunView, SeamCall, SimProcess, StateCall } from "../contracts.ts";
import { describeProcess } from "./seam_handles.ts";
import { failureOf } from "./takeovers.ts";

/** Errors that nothing but a fault of the object store explains. */
const BLOB_CODES: ReadonlySet<string> = new Set<ErrorCode>([
  "BlobTimeout",
  "BlobThrottled",
  "BlobDenied",
  "BlobUnavailable",
]);
/** Errors that nothing but a fault of the local disk explains. */
const DISK_CODES: ReadonlySet<string> = new Set<ErrorCode>(["DiskFull", "DiskUnavailable"]);

/** Watches errors. */
export class SurfacedErrors implements Checker {
  readonly invariants: readonly InvariantId[] = ["I-31"];
  readonly #view: RunView;
  readonly #names: ReadonlySet<string> = new Set(Object.keys(ERROR_POLICY).map((code) => `${code}Error`));

  /** @param view The run. */
  constructor(view: RunView) {
    this.#view = view;
  }

  seam(call: SeamCall): void {
    if (call.phase !== "settled") return;
    const error = failureOf(call);
    if (error !== undefined) this.#check(call.process, error, `'${call.method}' of a ${call.kind}`);
  }

  state(call: StateCall): void {
    if (call.error !== undefined) this.#check(call.process, call.error, `'${call.method}' of a state store`);
  }

  log(process: SimProcess, level: LogLevel, message: string, detail: StepDetail): void {
    const { error } = detail;
    if (typeof error !== "string" || level === "debug" || level === "info") return;
    if (this.#names.has(error)) return;
    this.#view.violate(
      "I-31",
      `${
        describeProcess(process)
      } logged an error that is not in the table: expected one of its names, found '${error}' ` +
        `(${message})`,
    );
  }

  process(process: SimProcess, what: string, error?: Error): void {
    if (what === "failed" && error !== undefined) this.#check(process, error, "the app");
  }

  quiet(): void {
    for (const process of this.#view.processes) {
      if (process.status !== "running") continue;
      for (const { name, failures } of process.app?.status() ?? []) {
        for (const [partition, error] of failures) this.#check(process, error, `task ${partition} of '${name}'`);
      }
    }
  }

  #check(process: SimProcess, error: unknown, from: string): void {
    const where = `${from} in ${describeProcess(process)}`;
    if (error instanceof InvariantError || !(error instanceof StreamError) || !(error.code in ERROR_POLICY)) {
      const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      this.#view.violate("I-31", `${where} gave an error that is not in the table: ${text}`);
      return;
    }
    if (BLOB_CODES.has(error.code) && !this.#view.blobs.blames(error)) this.#unexplained(where, error, "object store");
    if (DISK_CODES.has(error.code) && !this.#isDiskToBlame(process, error)) this.#unexplained(where, error, "disk");
  }

  /** The disk of before a crash, or of another machine, may have thrown it. */
  #isDiskToBlame(process: SimProcess, error: Error): boolean {
    return process.disk.blames(error) || this.#view.fired.some(({ fault }) => fault.kind.startsWith("D"));
  }

  #unexplained(where: string, error: StreamError, what: string): void {
    this.#view.violate(
      "I-31",
      `${where} gave an error that no fault explains: expected a fault of the ${what} to blame for ${error.name}: ` +
        error.message,
    );
  }
}
