import type { KafkaOptions, KafkaTls } from "./kafka_options.ts";
import { plainKey } from "./open_socket.ts";
import { MECHANISMS } from "./sasl.ts";

/**
 * Checks TLS and SASL options.
 *
 * @param options What the user gave.
 * @throws {TypeError} when they cannot be used.
 */
export function checkSecurity({ ssl, sasl, brokers }: Pick<KafkaOptions, "ssl" | "sasl" | "brokers">): void {
  if (typeof ssl === "object") checkTls(ssl, brokers);
  if (sasl === undefined) return;
  checkMechanism(sasl.mechanism, { scheme: "kafka", names: Object.keys(MECHANISMS) });
  const needed = sasl.mechanism === "oauthbearer"
    ? [["oauthBearerProvider", typeof sasl.oauthBearerProvider === "function", "a function"]] as const
    : [
      ["username", isText(sasl.username), "a text without zero characters"],
      ["password", isText(sasl.password), "a text without zero characters"],
    ] as const;
  for (const [name, isGood, form] of needed) {
    // The value is not shown: it may be a secret.
    if (!isGood) throw new TypeError(`Cannot create kafka broker as 'sasl.${name}' must be ${form}`);
  }
}

/**
 * Checks a mechanism of SASL.
 *
 * @param mechanism What the user gave.
 * @param more Names the adapter in messages, and the mechanisms that it has.
 * @throws {TypeError} when there is no such mechanism.
 */
export function checkMechanism(
  mechanism: string,
  { scheme, names }: { readonly scheme: string; readonly names: readonly string[] },
): void {
  if (names.includes(mechanism)) return;
  throw new TypeError(
    `Cannot create ${scheme} broker as 'sasl.mechanism' must be one of ${
      names.map((name) => `'${name}'`).join(", ")
    }: current value is '${mechanism}'`,
  );
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value !== "" && !value.includes("\0");
}

function checkTls(
  { rejectUnauthorized, cert, key, passphrase, servername }: KafkaTls,
  brokers: readonly string[],
): void {
  if (rejectUnauthorized === false) {
    throw new TypeError(
      "Cannot create kafka broker as 'ssl.rejectUnauthorized' must be true, give the certificate of the brokers' authority " +
        "as 'ssl.ca' instead, and 'ssl.servername' if they are reached by another name: current value is false",
    );
  }
  if ((cert === undefined) !== (key === undefined)) {
    const missing = cert === undefined ? "cert" : "key";
    throw new TypeError(
      `Cannot create kafka broker as 'ssl.cert' and 'ssl.key' must be given together: 'ssl.${missing}' is missing`,
    );
  }
  if (passphrase !== undefined && key === undefined) {
    throw new TypeError(
      "Cannot create kafka broker as 'ssl.passphrase' must come with 'ssl.key': 'ssl.key' is missing",
    );
  }
  if (key !== undefined) checkKey(key, passphrase);
  const other = brokers.find((address) => address.slice(0, address.lastIndexOf(":")) !== servername);
  if (cert !== undefined && servername !== undefined && other !== undefined) {
    throw new TypeError(
      "Cannot create kafka broker as 'ssl.servername' must not differ from the addresses when 'ssl.cert' is given, use " +
        `addresses that the brokers' certificates name: current value is '${servername}'`,
    );
  }
}

function checkKey(key: string, passphrase: string | undefined): void {
  try {
    plainKey(key, passphrase);
  } catch (error) {
    throw new TypeError("Cannot create kafka broker as 'ssl.passphrase' must decrypt 'ssl.key', a private key in PEM", {
      cause: error,
    });
  }
}
