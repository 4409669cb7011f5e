import { UnknownTopicError } from "../base/errors.ts";
import { randomId } from "../seams/random.ts";
import { JOURNAL_BYTES_MAX } from "../core/decision_journal.ts";
import { replayableInputs } from "../core/replayable_inputs.ts";
import { jsonValues } from "../codecs/value_codec.ts";
import type { Environment } from "../seams/adapter.ts";
import type { BlobStore } from "../seams/blob_store.ts";
import type { Broker, BrokerAdmin, TopicDescription } from "../seams/broker.ts";
import type { StateStoreProvider } from "../seams/state_store.ts";
import type { Topic } from "../operator/operator.ts";
import type { RunnerParts } from "../runtime/runner_parts.ts";
import type { SubscriptionSpec } from "../runtime/subscription_spec.ts";
import type { ResolvedOptions } from "./app_options.ts";
import { BUILT_IN_ADAPTERS } from "./built_in_adapters.ts";
import { resolveLocation, unreachable } from "./locations.ts";
import { RunningApp } from "./running_app.ts";

/** What is started: name, subscriptions and resolved options of an app. */
export interface AppDefinition {
  /** Name of the app. */
  readonly name: string;
  /** Its subscriptions. */
  readonly subscriptions: readonly SubscriptionSpec[];
  /** Options with their sources. */
  readonly options: ResolvedOptions;
  /** Clock, randomness, observer. */
  readonly environment: Environment;
  /** A broker that is open already and that the app does not close. */
  readonly openBroker?: Broker;
  /** Part of the transactional ids; unique among running instances. @default the instance id, else chosen here */
  readonly transactionInstance?: string;
  /** For tests: bytes that decisions may take in a commit. @default {JOURNAL_BYTES_MAX} */
  readonly journalBytesMax?: number;
}

/**
 * Opens broker and stores, checks and creates topics, and starts the runners of an app.
 *
 * @param definition What to start.
 * @returns The running app.
 * @throws {BrokerUnavailableError} when the broker cannot be reached.
 * @throws {UnknownTopicError} when a topic is missing and may not be created.
 * @throws {TypeError} when a location has no adapter.
 */
export async function startApp(definition: AppDefinition): Promise<RunningApp> {
  const { name, subscriptions, options, environment } = definition;
  const more = { adapters: [...options.adapters, ...BUILT_IN_ADAPTERS], environment };
  const state = resolveLocation<StateStoreProvider>({ kind: "state", place: options.state }, more);
  const blobs = resolveLocation<BlobStore>({ kind: "checkpoints", place: options.checkpoints }, more);
  const broker = definition.openBroker ?? resolveLocation<Broker>({ kind: "broker", place: options.broker }, more);
  const ownsBroker = definition.openBroker === undefined && typeof options.broker === "string";
  const opened: { close(): Promise<void> }[] = [];
  if (typeof options.checkpoints === "string") opened.push(blobs);
  if (ownsBroker) opened.push(broker);
  try {
    await openBroker(broker);
    checkGuarantees(name, broker, subscriptions);
    const admin = await broker.admin();
    opened.push(admin);
    const topics = await describeTopics(broker, admin, subscriptions);
    checkReplayable(subscriptions, topics);
    const parts: RunnerParts = {
      broker,
      admin,
      clusterId: await admin.clusterId(),
      topics,
      state,
      blobs,
      environment,
      valueCodec: options.stateCodec ?? jsonValues(),
      ensureTopic: topicCreator(broker, admin, topics),
      options: {
        instanceId: options.instanceId,
        transactionInstance: definition.transactionInstance ?? options.instanceId ??
          (broker.capabilities.createsTopics ? "local" : randomId(environment.random)),
        checkpointIntervalMs: options.checkpointIntervalMs,
        retainedCheckpoints: options.retainedCheckpoints,
        stateFlushIntervalMs: options.stateFlushIntervalMs,
        startFrom: options.startFrom,
        failoverGraceMs: options.failoverGraceMs,
        taskTimeoutMs: options.taskTimeoutMs,
        journalBytesMax: definition.journalBytesMax ?? JOURNAL_BYTES_MAX,
      },
    };
    const app = new RunningApp({
      name,
      subscriptions,
      parts,
      options,
      owned: opened.splice(0).reverse(),
    });
    await app.start();
    return app;
  } catch (error) {
    for (const each of opened.reverse()) await each.close().catch(() => undefined);
    throw error;
  }
}

/** Opens a broker, so that a wrong address is found before anything else. */
export async function openBroker(broker: Broker): Promise<void> {
  try {
    await broker.open();
  } catch (error) {
    if ((error as { code?: string }).code === "BrokerUnavailable" || !(error instanceof Error)) {
      throw unreachable(broker, error);
    }
    throw error;
  }
}

/**
 * State is restored by replay, so the input has to keep its records.
 *
 * @param subscriptions What is started.
 * @param topics Its topics as the broker describes them.
 * @throws {TypeError} when an input is known to be compacted.
 */
export function checkReplayable(
  subscriptions: readonly SubscriptionSpec[],
  topics: ReadonlyMap<string, TopicDescription>,
): void {
  for (const { name, input } of subscriptions) {
    const isCompacted = topics.get(input.name)?.isCompacted === true;
    const inputs = [{ topic: input.name, isCompacted, isTable: false }];
    const verdict = replayableInputs(inputs, { durability: "checkpoint", merge: "record-timestamp" });
    if (verdict.kind === "refused") throw new TypeError(`Cannot start subscription '${name}': ${verdict.reason}`);
  }
}

/** Exactly-once is a promise that the broker has to keep with us. */
function checkGuarantees(name: string, broker: Broker, subscriptions: readonly SubscriptionSpec[]): void {
  if (broker.capabilities.isTransactional) return;
  const refused = subscriptions.find((each) => each.settings.processingGuarantee === "exactly-once");
  if (refused === undefined) return;
  throw new TypeError(
    `Cannot start app '${name}' as subscription '${refused.name}' is exactly-once and the broker at ${broker.location} has no transactions: current value is 'exactly-once'`,
  );
}

/** Creates topics that are first heard of while the app runs, each asked for once. */
function topicCreator(
  broker: Broker,
  admin: BrokerAdmin,
  topics: ReadonlyMap<string, TopicDescription>,
): (topic: Topic) => Promise<void> {
  const asked = new Map<string, Promise<void>>();
  return (topic) => {
    const { name, partitions } = topic;
    if (topics.has(name) || !(broker.capabilities.createsTopics || topic.createTopics)) return Promise.resolve();
    let done = asked.get(name);
    if (done === undefined) {
      done = admin.createTopics([{ topic: name, partitions }]);
      asked.set(name, done);
      done.catch(() => asked.delete(name));
    }
    return done;
  };
}

/** Creates what may be created, then describes all topics of the subscriptions. */
async function describeTopics(
  broker: Broker,
  admin: BrokerAdmin,
  subscriptions: readonly SubscriptionSpec[],
): Promise<ReadonlyMap<string, TopicDescription>> {
  const wanted = new Map<string, { partitions: number; mayCreate: boolean }>();
  const want = (topic: Pick<Topic, "name" | "partitions" | "createTopics">) => {
    const before = wanted.get(topic.name);
    const mayCreate = topic.createTopics || broker.capabilities.createsTopics || before?.mayCreate === true;
    wanted.set(topic.name, { partitions: Math.max(topic.partitions, before?.partitions ?? 1), mayCreate });
  };
  for (const { input, publishTo, settings } of subscriptions) {
    want(input);
    if (publishTo !== null) want(publishTo);
    if (settings.onRecordError === "dead-letter") {
      want({ name: settings.deadLetter, partitions: 1, createTopics: input.createTopics });
    }
  }
  const found = new Map((await admin.describeTopics([...wanted.keys()])).map((each) => [each.topic, each]));
  const missing = [...wanted].filter(([name]) => !found.has(name));
  const toCreate = missing.filter(([, { mayCreate }]) => mayCreate);
  const refused = missing.find(([, { mayCreate }]) => !mayCreate);
  if (refused !== undefined) {
    const [topic, { partitions }] = refused;
    const server = /^\w+:\/\/(.+)$/.exec(broker.location)?.[1] ?? "HOST:PORT";
    throw new UnknownTopicError(
      `Topic '${topic}' does not exist at ${broker.location}; create it with 'kafka-topics.sh --bootstrap-server ${server} --create --topic ${topic} --partitions ${partitions}', or set 'createTopics: true' on the topic`,
      { context: { topic, broker: broker.location } },
    );
  }
  if (toCreate.length > 0) {
    await admin.createTopics(toCreate.map(([topic, { partitions }]) => ({ topic, partitions })));
    for (const each of await admin.describeTopics(toCreate.map(([topic]) => topic))) found.set(each.topic, each);
  }
  return found;
}
