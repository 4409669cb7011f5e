import { AuthorizationError } from "../../base/errors.ts";

const UNSUPPORTED_MECHANISM = 33;
const ILLEGAL_STATE = 34;

/**
 * The error of a listener that does not take a mechanism.
 *
 * @param address `host:port`.
 * @param found The mechanism, the error code, and the mechanisms that are offered, if that was told.
 */
export function handshakeError(
  address: string,
  found: { readonly mechanism: string; readonly errorCode: number; readonly mechanisms: readonly string[] | null },
): AuthorizationError {
  const { mechanism, errorCode, mechanisms } = found;
  const context = { address, mechanism, code: errorCode };
  const tried = `Cannot authenticate at broker ${address} by ${mechanism}`;
  if (errorCode === UNSUPPORTED_MECHANISM) {
    const offered = mechanisms === null
      ? "this listener does not offer it, set 'sasl.mechanism' to one that it offers"
      : `this listener offers ${mechanisms.join(", ") || "no mechanism"}, set 'sasl.mechanism' to one of these`;
    return new AuthorizationError(`${tried}: ${offered}`, { context });
  }
  if (errorCode === ILLEGAL_STATE) {
    return new AuthorizationError(
      `${tried}: this listener takes no authentication, leave 'sasl' away or use the address of a SASL listener`,
      { context },
    );
  }
  return new AuthorizationError(`${tried}: the broker answered error code ${errorCode}, look at its log`, { context });
}

/**
 * The error of credentials that a broker refused. It names the user, never a secret.
 *
 * @param address `host:port`.
 * @param found The mechanism, the user (`null` for a token), and what the broker said.
 */
export function refusedError(
  address: string,
  found: { readonly mechanism: string; readonly user: string | null; readonly message: string | null },
): AuthorizationError {
  const { mechanism, user, message } = found;
  const said = message === null || message === "" ? "" : ` (${message.replace(/\.$/, "")})`;
  const [who, check] = user === null
    ? ["the token", "check its issuer, audience and scope"]
    : [`user '${user}'`, "check user and password of 'sasl', and that the user has credentials for this mechanism"];
  return new AuthorizationError(
    `Cannot authenticate at broker ${address} by ${mechanism}: the broker refused ${who}${said}, ${check}`,
    { context: { address, mechanism } },
  );
}
