import { jsonValues } from "../../lib/codecs/value_codec.ts";
import { toHex } from "../../lib/base/hex.ts";
import { spanBytes } from "../../lib/columns/spans.ts";
import type { ValueCodec } from "../../lib/base/value_codec.ts";
import type { SubscriptionSpec } from "../../lib/runtime/subscription_spec.ts";
import { TaskState } from "../../lib/runtime/state/task_state.ts";
import type { StateStore, StateStoreProvider } from "../../lib/seams/state_store.ts";
import { committedSlabs } from "../committed_slabs.ts";
import type { MemoryBroker } from "../memory_broker.ts";
import { shownBytes, shownJson } from "./shown.ts";

/** A published record. */
export interface LawOutput {
  /** Partition that it went to. */
  readonly partition: number;
  /** Key, or `null`. */
  readonly key: string | null;
  /** Value, or `null`. */
  readonly value: string | null;
}

/** What remains of a run. */
export interface LawResults {
  /** Committed records of all topics but the input, by topic, in order of partition and offset. */
  readonly outputs: ReadonlyMap<string, readonly LawOutput[]>;
  /** State as people read it: what it is the state of, and its value. */
  readonly state: ReadonlyMap<string, string>;
  /** State as it is stored, in hexadecimal digits. */
  readonly storedState: ReadonlyMap<string, string>;
}

/** Committed records of all topics but one. */
export function readOutputs(broker: MemoryBroker, inputTopic: string): ReadonlyMap<string, readonly LawOutput[]> {
  const outputs = new Map<string, LawOutput[]>();
  const topics = [...broker.cluster.state.topics.keys()].filter((name) => name !== inputTopic).toSorted();
  for (const topic of topics) {
    const found: LawOutput[] = [];
    for (const { partition, records: { keys, values, count } } of committedSlabs(broker.cluster, topic)) {
      for (let row = 0; row < count; row++) {
        const key = keys === null ? null : spanBytes(keys, row);
        const value = spanBytes(values, row);
        found.push({
          partition,
          key: key === null ? null : shownBytes(key),
          value: value === null ? null : shownBytes(value),
        });
      }
    }
    if (found.length > 0) outputs.set(topic, found);
  }
  return outputs;
}

/** Where the state of a subscription is. */
export interface StatePlace {
  /** The subscription. */
  readonly spec: SubscriptionSpec;
  /** How its free-form values are written. @default JSON */
  readonly valueCodec: ValueCodec | undefined;
  /** Its stores, closed. */
  readonly provider: StateStoreProvider;
  /** Partitions of its input. */
  readonly partitions: number;
}

/** Reads the state of all tasks of a subscription. */
export async function readState(place: StatePlace): Promise<Pick<LawResults, "state" | "storedState">> {
  const { spec: { application, name: subscription }, provider, partitions } = place;
  const state = new Map<string, string>(), storedState = new Map<string, string>();
  for (let partition = 0; partition < partitions; partition++) {
    const store = await provider.open({ application, subscription, partition });
    try {
      await readStore(store, place, { partition, state, storedState });
    } finally {
      await store.close();
    }
  }
  return { state, storedState };
}

/** Stored keys begin with a hash of four bytes, the length of the operator's id in one byte, and the id. */
const HASH_BYTES = 4;

async function readStore(
  store: StateStore,
  { spec, valueCodec = jsonValues() }: StatePlace,
  into: { partition: number; state: Map<string, string>; storedState: Map<string, string> },
): Promise<void> {
  const where = `of partition ${into.partition}`;
  const tasks = await TaskState.open(store, { valueCodec });
  const tables = new Map(Object.entries(spec.settings.state).map(([name, table]) => [`state.${name}`, table]));
  const found = new Set<string>();
  for await (const { count, keys, values } of store.scan({}, 1_000)) {
    for (let row = 0; row < count; row++) {
      const key = spanBytes(keys, row)!, value = spanBytes(values, row)!;
      const idEnd = HASH_BYTES + 1 + key[HASH_BYTES]!;
      const id = shownBytes(key.subarray(HASH_BYTES + 1, idEnd));
      if (id.startsWith("\u0000")) continue;
      into.storedState.set(`${toHex(key)} ${where}`, toHex(value));
      found.add(id);
      if (id === "") {
        const name = shownBytes(key.subarray(idEnd));
        const bytes = await tasks.keyed("").getBytes(name);
        into.state.set(`'${name}' ${where}`, bytes === undefined ? "missing" : shownValue(bytes, valueCodec));
      } else if (!tables.has(id)) {
        const name = shownBytes(key.subarray(idEnd));
        into.state.set(`${JSON.stringify(name)} of operator '${id}' ${where}`, `0x${toHex(value)}`);
      }
    }
  }
  for (const [id, table] of tables) {
    if (!found.has(id)) continue;
    for await (const [key, value] of tasks.table(id, table).entries()) {
      into.state.set(`${id.slice("state.".length)} ${shownJson(key)} ${where}`, shownJson(value));
    }
  }
}

function shownValue(bytes: Uint8Array, codec: ValueCodec): string {
  try {
    return shownJson(codec.decode(bytes));
  } catch {
    return shownBytes(bytes);
  }
}
