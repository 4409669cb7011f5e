import { assertEquals } from "@std/assert";
import { newestLeaders } from "./newest_leaders.ts";
import type { TopicMetadata } from "./protocol/metadata_calls.ts";

function topic(leaders: readonly number[], leaderEpochs: readonly number[], topicId = "1"): TopicMetadata {
  return { errorCode: 0, topic: "t", topicId, leaders, leaderEpochs };
}

Deno.test("newestLeaders() takes of each partition the leader of the higher epoch", () => {
  const found = newestLeaders(topic([1, 2, 3], [5, 5, 5]), topic([4, 4, 4], [4, 5, 6]));
  assertEquals(found, topic([1, 4, 4], [5, 5, 6]));
});

Deno.test("newestLeaders() takes all of another incarnation, and the partitions that are new", () => {
  const recreated = topic([4], [0], "2");
  assertEquals(newestLeaders(topic([1], [9]), recreated), recreated);
  assertEquals(newestLeaders(topic([1], [9]), topic([2, 3], [1, 0])), topic([1, 3], [9, 0]));
  assertEquals(newestLeaders(undefined, recreated), recreated);
});
