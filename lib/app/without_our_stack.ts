import { StreamError } from "../base/errors.ts";

/**
 * The error of an app that could not start, as it is to be read when nobody handles it: one message, which tells all that
 * the errors underneath told, and where in the user's program the app was run.
 *
 * @param error What start() threw; anything but an operational error is left as it is.
 * @param run What the user called: its caller is the first that stands in the stack.
 */
export function withoutOurStack(error: unknown, run: (...args: never[]) => unknown): unknown {
  if (!(error instanceof StreamError)) return error;
  delete error.cause;
  Error.captureStackTrace(error, run);
  return error;
}
