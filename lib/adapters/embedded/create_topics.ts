import { BrokerUnavailableError } from "../../base/errors.ts";
import { done, type Reply } from "../../embedded/reply.ts";
import type { Client } from "./client.ts";
import { valueOf } from "./refusal_error.ts";

/** A new topic. */
export interface NewTopic {
  /** Topic name. */
  readonly topic: string;
  /** Number of partitions. */
  readonly partitions: number;
}

/** Creates topics that are missing; those that exist are left alone. */
export async function createTopics(client: Client, topics: readonly NewTopic[]): Promise<void> {
  const wanted = topics.map((topic) => ({ ...topic, topicId: client.newId() + client.newId() }));
  const { cluster } = client.server;
  const reply = await client.request("admin", (times): Reply<void> => {
    for (const topic of wanted) {
      const created = cluster.createTopic(topic, times);
      if (created.kind === "refused" && created.code !== "topic-exists") return created;
    }
    return done(undefined);
  });
  valueOf("create topics", reply);
}

/** Creates those topics that do not exist, with the default number of partitions. */
export async function createMissingTopics(client: Client, topics: readonly string[]): Promise<void> {
  if (client.isClosed) throw new BrokerUnavailableError("Cannot use the connection as it is closed, open a new one");
  const missing = topics.filter((topic) => !client.server.cluster.state.topics.has(topic));
  if (missing.length === 0) return;
  const partitions = client.options.defaultPartitions;
  await createTopics(client, missing.map((topic) => ({ topic, partitions })));
}
