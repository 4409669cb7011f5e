import { type Compression, COMPRESSIONS } from "./record_batch.ts";
import type { TransactionGeneration } from "./transaction_generation.ts";

/** TLS, with the names that `node:tls` has for its options. */
export interface KafkaTls {
  /** Certificates of the authorities to trust, PEM. @default {those that the runtime trusts} */
  ca?: string | readonly string[];
  /** The client's own certificate, PEM. @default {undefined} */
  cert?: string;
  /** Its private key, PEM. @default {undefined} */
  key?: string;
  /** Decrypts the private key. @default {undefined} */
  passphrase?: string;
  /** Name that the broker's certificate must have. @default {the host of the address} */
  servername?: string;
  /** Whether a certificate that nobody trusts is refused. @default {true} */
  rejectUnauthorized?: boolean;
}

/** User and password, sent as they are (use TLS) or proved by SCRAM. */
export interface KafkaPasswordSasl {
  /** How they are used. */
  mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
  /** User. */
  username: string;
  /** Password. */
  password: string;
}

/** A token of an OAuth server. */
export interface KafkaOauthSasl {
  /** Always `oauthbearer`. */
  mechanism: "oauthbearer";
  /**
   * Gets a token, each time one is needed: for every connection, and again before a broker ends the session. `extensions`
   * are sent with the token (RFC 7628) by the adapter `kafka`.
   */
  oauthBearerProvider: () => Promise<
    { readonly value: string; readonly extensions?: Readonly<Record<string, string>> }
  >;
}

/** How the client proves who it is. */
export type KafkaSasl = KafkaPasswordSasl | KafkaOauthSasl;

/** Options of {@linkcode kafkaBroker}. */
export interface KafkaOptions {
  /** Addresses `host:port` of some brokers of the cluster; the others are found through them. */
  brokers: readonly string[];
  /** TLS: `true` with the system's authorities, or options. @default {false} */
  ssl?: boolean | KafkaTls;
  /** SASL: PLAIN, SCRAM, OAUTHBEARER. @default {no authentication} */
  sasl?: KafkaSasl;
  /** Names this client in the broker's logs. @default {"turbine"} */
  clientId?: string;
  /** How long to wait for a connection, in milliseconds. @default {3_000} */
  connectTimeoutMs?: number;
  /** How long to wait for a reply, in milliseconds. @default {30_000} */
  requestTimeoutMs?: number;
  /**
   * Bound of the wait before a broker that could not be reached is tried again, in milliseconds; it doubles from failure to
   * failure, and the wait is at random up to it. @default {50}
   */
  reconnectBackoffMs?: number;
  /** Bound of every such wait, in milliseconds. @default {1_000} */
  reconnectBackoffMaxMs?: number;
  /** How long `committed` waits for stable offsets, in milliseconds. @default {60_000} */
  stableTimeoutMs?: number;
  /**
   * A rebalance waits for a member at least this long, and at least for its session timeout, in milliseconds: what a batch
   * may take, and the commit after it. @default {60_000}
   */
  rebalanceTimeoutMs?: number;
  /**
   * Longest time between heartbeats, in milliseconds; never more than a third of the session timeout. They go on while a
   * handler awaits something, however long its batch takes. A handler that does not let go of the event loop for a whole
   * session loses its partitions. @default {1_000}
   */
  heartbeatIntervalMs?: number;
  /** How long the broker holds a fetch when there is nothing, in milliseconds. @default {100} */
  fetchWaitMs?: number;
  /** How often members look for new partitions, in milliseconds. @default {60_000} */
  metadataMaxAgeMs?: number;
  /**
   * Bound of a record batch before compression, in bytes; a record that does not fit is refused. What a topic refuses as
   * larger than its `max.message.bytes` is cut and sent again. @default {900_000}
   */
  batchBytesMax?: number;
  /**
   * How records are compressed. Plain ones cost the least time; `zstd` and `lz4` make rows of JSON three to four times
   * smaller and take two to three times as long to write: for networks and disks that are slower than that. `gzip` and
   * `snappy` are for readers that know no other. All of them are read. @default {"none"}
   */
  compression?: Compression;
  /**
   * Bound of what the compressed records of one partition in one reply may hold, in bytes; a batch that holds more is
   * refused. @default {134_217_728}
   */
  decompressedBytesMax?: number;
  /**
   * Generation of the protocol of transactions: `auto` is the highest one that the cluster has finalized. Generation 1 is
   * spoken by all brokers; 2 (KIP-890) needs Kafka 4 with the feature `transaction.version` 2. @default {"auto"}
   */
  transactionProtocol?: "auto" | TransactionGeneration;
  /**
   * Protocol of consumer groups. `classic` is spoken by all brokers: members assign among themselves, sticky, and all
   * partitions are revoked at each rebalance. With `consumer` (KIP-848, Kafka 4 with the feature `group.version` 1) the
   * group assigns, and only partitions that leave are revoked; but the member epoch, under which offsets are committed,
   * grows at each change of the group for all members, and the session timeout is a configuration of the group
   * (`consumer.session.timeout.ms`), which members set if they may. All members of a group take the same one.
   * @default {"classic"}
   */
  groupProtocol?: GroupProtocol;
}

/** Protocols of consumer groups. */
export type GroupProtocol = "classic" | "consumer";

const GROUP_PROTOCOLS: readonly unknown[] = ["classic", "consumer"];

const TRANSACTION_PROTOCOLS: readonly unknown[] = ["auto", 1, 2];

/** Addresses and bounds, with their defaults; TLS and SASL are the connections' own. */
export type ResolvedKafkaOptions = Readonly<Required<Omit<KafkaOptions, "ssl" | "sasl">>>;

const DEFAULTS = {
  connectTimeoutMs: 3_000,
  requestTimeoutMs: 30_000,
  reconnectBackoffMs: 50,
  reconnectBackoffMaxMs: 1_000,
  stableTimeoutMs: 60_000,
  rebalanceTimeoutMs: 60_000,
  heartbeatIntervalMs: 1_000,
  fetchWaitMs: 100,
  metadataMaxAgeMs: 60_000,
  batchBytesMax: 900_000,
  decompressedBytesMax: 2 ** 27,
};

/**
 * Checks options and adds the defaults.
 *
 * @param options What the user gave.
 * @param scheme Names the adapter in messages.
 * @throws {TypeError} when an address is not `host:port`.
 * @throws {RangeError} when a number is out of its range.
 */
export function resolveOptions(
  options: Omit<KafkaOptions, "ssl" | "sasl">,
  scheme: string = "kafka",
): ResolvedKafkaOptions {
  const { clientId = "turbine", brokers, compression = "none", transactionProtocol = "auto" } = options;
  const { groupProtocol = "classic" } = options;
  if (brokers.length === 0) {
    throw new TypeError(`Cannot create ${scheme} broker as 'brokers' must name one address: current value is []`);
  }
  for (const address of brokers) parseAddress(address, scheme);
  if (!COMPRESSIONS.includes(compression)) {
    const names = COMPRESSIONS.map((name) => `'${name}'`).join(", ");
    throw new TypeError(
      `Cannot create ${scheme} broker as 'compression' must be one of ${names}: current value is '${compression}'`,
    );
  }
  if (!TRANSACTION_PROTOCOLS.includes(transactionProtocol)) {
    throw new TypeError(
      `Cannot create ${scheme} broker as 'transactionProtocol' must be 'auto', 1 or 2: current value is ` +
        `'${transactionProtocol}'`,
    );
  }
  if (!GROUP_PROTOCOLS.includes(groupProtocol)) {
    throw new TypeError(
      `Cannot create ${scheme} broker as 'groupProtocol' must be 'classic' or 'consumer': current value is ` +
        `'${groupProtocol}'`,
    );
  }
  const numbers = resolveNumbers(options, scheme);
  return Object.freeze({
    brokers: [...brokers],
    clientId,
    compression,
    transactionProtocol,
    groupProtocol,
    ...numbers,
  });
}

function resolveNumbers(options: Partial<typeof DEFAULTS>, scheme: string): typeof DEFAULTS {
  const numbers = { ...DEFAULTS };
  for (const name of Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[]) {
    const value = options[name] ?? DEFAULTS[name];
    const least = name === "fetchWaitMs" || name === "stableTimeoutMs" ? 0 : 1;
    if (!Number.isSafeInteger(value) || value < least) {
      throw new RangeError(
        `Cannot create ${scheme} broker as '${name}' must be an integer >= ${least}: current value is ${value}`,
      );
    }
    numbers[name] = value;
  }
  if (numbers.reconnectBackoffMaxMs < numbers.reconnectBackoffMs) {
    throw new RangeError(
      `Cannot create ${scheme} broker as 'reconnectBackoffMaxMs' must be at least 'reconnectBackoffMs' ` +
        `(${numbers.reconnectBackoffMs}): current value is ${numbers.reconnectBackoffMaxMs}`,
    );
  }
  return numbers;
}

/** Host and port of an address; IPv6 addresses stand in brackets. @throws {TypeError} when it is not `host:port`. */
export function parseAddress(
  address: string,
  scheme: string = "kafka",
): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/@,[\]]+)):(\d{1,5})$/.exec(address);
  const port = Number(match?.[3]);
  if (match === null || port < 1 || port > 65_535) {
    throw new TypeError(
      `Cannot create ${scheme} broker as an address must be host:port with a port from 1 to 65535: current value is '${address}'`,
    );
  }
  return { host: match[1] ?? match[2]!, port };
}

/**
 * Addresses in a location.
 *
 * @param location `scheme://host:port[,host:port...]`.
 * @param scheme Its scheme.
 * @throws {TypeError} when it has another form.
 */
export function parseLocation(location: string, scheme: string): string[] {
  const start = `${scheme}://`;
  const list = location.startsWith(start) ? location.slice(start.length).replace(/\/$/, "") : "";
  const addresses = list.split(",").map((address) => address.trim());
  try {
    for (const address of addresses) parseAddress(address, scheme);
    return addresses;
  } catch (error) {
    throw new TypeError(
      `Cannot open 'broker' as its location must be ${scheme}://host:port[,host:port...]: current value is '${location}'`,
      { cause: error },
    );
  }
}
