import type { TopicMetadata } from "./protocol/metadata_calls.ts";

/**
 * What is known of a topic after brokers were asked again. A broker that has not heard of an election yet would lead back to
 * the old leader: of each partition the higher leader epoch counts.
 *
 * @param known What was known, if anything.
 * @param fresh What a broker told now.
 * @returns `fresh`, with the leaders of `known` where they are newer.
 */
export function newestLeaders(known: TopicMetadata | undefined, fresh: TopicMetadata): TopicMetadata {
  // Another incarnation begins with epochs of its own.
  if (known === undefined || known.topicId !== fresh.topicId) return fresh;
  const isOlder = (partition: number) => fresh.leaderEpochs[partition]! < (known.leaderEpochs[partition] ?? -1);
  if (!fresh.leaders.some((_, partition) => isOlder(partition))) return fresh;
  const pick = (name: "leaders" | "leaderEpochs") =>
    fresh[name].map((value, partition) => isOlder(partition) ? known[name][partition]! : value);
  return { ...fresh, leaders: pick("leaders"), leaderEpochs: pick("leaderEpochs") };
}
