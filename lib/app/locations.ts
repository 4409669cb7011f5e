import { BrokerUnavailableError, StreamError } from "../base/errors.ts";
import type { Adapter, Environment } from "../seams/adapter.ts";
import type { BlobStore } from "../seams/blob_store.ts";
import type { Broker } from "../seams/broker.ts";
import type { StateStoreProvider } from "../seams/state_store.ts";

/** Which import provides a scheme, for messages. */
const PROVIDED_BY: Readonly<Record<string, string>> = {
  kafka: "@turbine/turbine/kafka",
  kafkajs: "@turbine/turbine/kafkajs",
  rocksdb: "@turbine/turbine/rocksdb",
  s3: "@turbine/turbine/s3",
};

/** The option that a location belongs to, and the factory of an adapter for it. */
export type LocationKind = "broker" | "state" | "checkpoints";

type Factory<T> = (location: string, environment: Environment) => T;

function factoryOf(adapter: Adapter, kind: LocationKind): Factory<Broker | StateStoreProvider | BlobStore> | undefined {
  return kind === "broker" ? adapter.broker : kind === "state" ? adapter.state : adapter.blobs;
}

/**
 * Opens what a location string names, by the scheme of one of the adapters; objects are taken as they are.
 *
 * @param location Which option, and its value: an adapter's object or `scheme:...`.
 * @param more Adapters (the user's win over the built-in ones) and the environment they may use.
 * @returns The broker, state store provider or blob store.
 * @throws {TypeError} when no adapter has the scheme; the message names the import that provides it.
 */
export function resolveLocation<T extends Broker | StateStoreProvider | BlobStore>(
  { kind, place }: { readonly kind: LocationKind; readonly place: T | string },
  more: { readonly adapters: readonly Adapter[]; readonly environment: Environment },
): T {
  if (typeof place !== "string") return place;
  const scheme = place.slice(0, place.indexOf(":"));
  for (const adapter of more.adapters) {
    const factory = adapter.scheme === scheme ? factoryOf(adapter, kind) : undefined;
    if (factory !== undefined) return factory(place, more.environment) as T;
  }
  const known = more.adapters.filter((adapter) => factoryOf(adapter, kind) !== undefined)
    .map((adapter) => `${adapter.scheme}:`);
  const provider = PROVIDED_BY[scheme];
  const next = provider !== undefined
    ? `the scheme '${scheme}:' needs its adapter in 'adapters', imported from ${provider}`
    : `its scheme must be one of ${[...new Set(known)].map((each) => `'${each}'`).join(" ")}`;
  throw new TypeError(`Cannot open '${kind}' as ${next}: current value is '${place}'`);
}

/**
 * The error of a broker that cannot be reached when the app starts.
 *
 * @param broker Which one.
 * @param cause What it said.
 */
export function unreachable(broker: Broker, cause: unknown): BrokerUnavailableError {
  const other = "set 'broker' or TURBINE_BROKER to another address";
  const message = cause instanceof StreamError
    ? `${cause.message}; the app's broker is ${broker.location}: ${other} if it is elsewhere`
    : `Cannot reach the broker at ${broker.location}: ${
      cause instanceof Error ? cause.message : cause
    }, start it, or ${other}`;
  return new BrokerUnavailableError(message, { cause, context: { broker: broker.location } });
}
