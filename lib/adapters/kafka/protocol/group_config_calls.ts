import type { Call } from "./call.ts";

/** The protocol's numbers of topics and groups among what has configurations. */
const TOPIC_RESOURCE = 2;
const GROUP_RESOURCE = 32;
/** Sets a configuration to a value. */
const SET = 0;

/** What became of a look at, or a change of, configurations. */
export interface ConfigReply {
  /** Error code; 0 for none. */
  readonly errorCode: number;
  /** What the broker says. */
  readonly message: string | null;
  /** Values by name. */
  readonly values: ReadonlyMap<string, string>;
}

/** Reads configurations of a group, with the cluster's defaults where it has none of its own. */
export function describeGroupConfigCall(groupId: string, names: readonly string[]): Call<ConfigReply> {
  return describeConfigCall(GROUP_RESOURCE, groupId, names);
}

/** Reads configurations of a topic, with the cluster's defaults where it has none of its own. */
export function describeTopicConfigCall(topic: string, names: readonly string[]): Call<ConfigReply> {
  return describeConfigCall(TOPIC_RESOURCE, topic, names);
}

function describeConfigCall(resource: number, resourceName: string, names: readonly string[]): Call<ConfigReply> {
  return {
    apiKey: 32,
    version: 4,
    name: "DescribeConfigs",
    isFlexible: true,
    write: (w) => {
      w.compactArray([resourceName], (id) => {
        w.int8(resource).compactString(id).compactArray(names, (name) => w.compactString(name)).noTags();
      });
      w.boolean(false).boolean(false).noTags();
    },
    read: (r) => {
      r.int32();
      const [found] = r.compactArray(() => {
        const [errorCode, message] = [r.int16(), r.compactString()];
        r.int8();
        r.compactString();
        const values = new Map<string, string>();
        r.compactArray(() => {
          values.set(r.compactString() ?? "", r.compactString() ?? "");
          for (let byte = 0; byte < 3; byte++) r.int8();
          r.compactArray(() => {
            r.compactString();
            r.compactString();
            r.int8();
            r.tags();
          });
          r.int8();
          r.compactString();
          r.tags();
        });
        r.tags();
        return { errorCode, message, values };
      });
      return found ?? { errorCode: 0, message: null, values: new Map() };
    },
  };
}

/** Sets configurations of a group. */
export function alterGroupConfigCall(groupId: string, values: ReadonlyMap<string, string>): Call<ConfigReply> {
  return {
    apiKey: 44,
    version: 1,
    name: "IncrementalAlterConfigs",
    isFlexible: true,
    write: (w) => {
      w.compactArray([groupId], (id) => {
        w.int8(GROUP_RESOURCE).compactString(id).compactArray([...values], ([name, value]) => {
          w.compactString(name).int8(SET).compactString(value).noTags();
        }).noTags();
      });
      w.boolean(false).noTags();
    },
    read: (r) => {
      r.int32();
      const [changed] = r.compactArray(() => {
        const [errorCode, message] = [r.int16(), r.compactString()];
        r.int8();
        r.compactString();
        r.tags();
        return { errorCode, message, values };
      });
      return changed ?? { errorCode: 0, message: null, values };
    },
  };
}
