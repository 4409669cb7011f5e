import { BrokerUnavailableError } from "../../base/errors.ts";
import { ForeignBytes } from "./frame_reader.ts";
import { TlsHandshakeError } from "./open_socket.ts";

/** What became of a connection that the other side ended. */
export const HUNG_UP = "the broker closed the connection";

/**
 * What was found and the next step, for an error of the first contact with a broker.
 *
 * @param error What came of an attempt to connect.
 * @param isTls Whether TLS was to be used.
 * @returns As it stands after "Cannot connect to broker ADDRESS: ".
 */
export function connectText(error: unknown, isTls: boolean): string {
  const found = (error instanceof Error ? error.message : String(error)).replace(/\.$/, "");
  if (error instanceof TlsHandshakeError) return handshakeText(found);
  if (error instanceof BrokerUnavailableError || error instanceof ForeignBytes) return found;
  if (error instanceof Deno.errors.NotCapable) {
    const place = /net access to "([^"]+)"/.exec(found)?.[1];
    const flag = place === undefined ? "--allow-net" : `--allow-net=${place}`;
    return `this process may not connect to it, run it with ${flag} (the cluster's other brokers need it too)`;
  }
  if (error instanceof Deno.errors.ConnectionRefused || /ECONNREFUSED/.test(found)) {
    return `nobody listens there (${found}), start it, or check address and port`;
  }
  if (/lookup address|Name or service not known|nodename nor servname|ENOTFOUND|EAI_AGAIN/i.test(found)) {
    return `its host name is not known (${found}), check the address`;
  }
  if (/fatal alert|certificate|secure TLS connection|SSL routines/i.test(found)) return handshakeText(found);
  const next = isTls ? "and that it is a TLS listener" : "and set 'ssl' if it is a TLS listener";
  const told = /^no reply within/.test(found) ? `somebody listens there but gave ${found}` : found;
  return `${told}, check address and port, ${next}`;
}

/**
 * What to do about a listener that closes a connection at the first call after the handshakes.
 *
 * @param sasl How the client authenticates, if it does.
 */
export function closedText(sasl: unknown): string {
  return sasl === undefined ? ", set 'sasl' if this listener wants authentication, or try again" : ", try again";
}

/**
 * Why a call cannot be sent to a broker, and the next step.
 *
 * @param call What was to be sent.
 * @param range Lowest and highest version that the broker speaks, if any.
 * @returns As it stands after "Cannot use broker ADDRESS: ".
 */
export function versionText(
  call: { readonly name: string; readonly version: number },
  range: { readonly minVersion: number; readonly maxVersion: number } | undefined,
): string {
  if (range === undefined) {
    return `it does not speak ${call.name}, use the address of a broker, not of a controller, and Kafka 2.8 or newer`;
  }
  const next = range.minVersion > call.version ? "use a newer version of this library" : "use Kafka 2.8 or newer";
  return `it speaks versions ${range.minVersion} to ${range.maxVersion} of ${call.name}, this client needs version ` +
    `${call.version}, ${next}`;
}

function handshakeText(found: string): string {
  if (/UnknownIssuer|CaUsedAsEndEntity|self.signed|unable to (verify|get)/i.test(found)) {
    return `its certificate is of an authority that is not trusted here (${found}), give the authority's as 'ssl.ca'`;
  }
  if (/NotValidForName|not valid for name|does not match certificate/i.test(found)) {
    return `its certificate is for another name (${found}), use that name as address, or set 'ssl.servername'`;
  }
  if (/Expired|NotValidYet|not yet valid/i.test(found)) {
    return `its certificate is not valid now (${found}), renew it, or set the clock`;
  }
  if (/alert/i.test(found)) {
    return `it refused the TLS handshake (${found}), check 'ssl.cert' and 'ssl.key' if it wants a certificate`;
  }
  return `the TLS handshake failed (${found}), leave 'ssl' away if it is a plaintext listener, or check the port`;
}
