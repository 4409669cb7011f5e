import { createPrivateKey } from "node:crypto";
import type { KafkaTls } from "./kafka_options.ts";

/** One connection to a server, plain or in TLS. */
export interface Socket {
  /** Reads what is there, at least one byte; `null` at the end. */
  read(into: Uint8Array): Promise<number | null>;
  /** Writes some of the bytes, and tells how many. */
  write(bytes: Uint8Array): Promise<number>;
  /** Closes; what is under way fails. Throws when it is closed. */
  close(): void;
}

/** Where to connect to. */
export interface SocketPlace {
  /** Host name or address. */
  readonly host: string;
  /** Port. */
  readonly port: number;
}

/**
 * Connects, and in TLS shakes hands.
 *
 * @param place Where to connect to.
 * @param tls How TLS is used, or `null` for plain TCP.
 * @param signal Gives up.
 */
export async function openSocket(place: SocketPlace, tls: KafkaTls | null, signal: AbortSignal): Promise<Socket> {
  if (tls === null) return await openTcp(place, signal);
  const secured = await openTls(place, tls, signal);
  const giveUp = () => secured.close();
  if (signal.aborted) giveUp();
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    await secured.handshake();
    signal.throwIfAborted();
    return secured;
  } catch (error) {
    if (!signal.aborted) secured.close();
    throw new TlsHandshakeError(error);
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

/** What came of a handshake. */
export class TlsHandshakeError extends Error {
  /** @param cause What TLS says. */
  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.name = "TlsHandshakeError";
  }
}

async function openTcp({ host, port }: SocketPlace, signal: AbortSignal): Promise<Deno.TcpConn> {
  const connection = await Deno.connect({ hostname: host, port, signal });
  connection.setNoDelay(true);
  return connection;
}

async function openTls(place: SocketPlace, tls: KafkaTls, signal: AbortSignal): Promise<Deno.TlsConn> {
  const caCerts = tls.ca === undefined ? [] : typeof tls.ca === "string" ? [tls.ca] : [...tls.ca];
  if (tls.cert === undefined || tls.key === undefined) {
    return await Deno.startTls(await openTcp(place, signal), { hostname: tls.servername ?? place.host, caCerts });
  }
  // Only this way of connecting takes a certificate of the client; it cannot be given up, so a late one is closed.
  const connecting = Deno.connectTls({
    hostname: place.host,
    port: place.port,
    caCerts,
    cert: tls.cert,
    key: plainKey(tls.key, tls.passphrase),
  });
  const aborted = Promise.withResolvers<never>();
  const giveUp = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    return await Promise.race([connecting, aborted.promise]);
  } catch (error) {
    if (signal.aborted) connecting.then((late) => late.close(), () => {});
    throw error;
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

/**
 * A private key as TLS takes it, without its passphrase.
 *
 * @param key PEM.
 * @param passphrase What it is encrypted with, if it is.
 * @throws {Error} when the passphrase is wrong, or the key is none.
 */
export function plainKey(key: string, passphrase: string | undefined): string {
  if (passphrase === undefined) return key;
  return String(createPrivateKey({ key, passphrase, format: "pem" }).export({ type: "pkcs8", format: "pem" }));
}
