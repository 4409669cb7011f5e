import { BrokerTimeoutError, BrokerUnavailableError } from "../../base/errors.ts";
import { applied, notApplied, type Outcome } from "../../base/outcome.ts";
import type { RecordSlab } from "../../columns/records.ts";
import type { OffsetEntry, PartitionEntry } from "../../embedded/change.ts";
import type { Times } from "../../embedded/cluster.ts";
import { partitionKey } from "../../embedded/cluster_state.ts";
import { done, type Refusal, type RefusalCode, type Reply } from "../../embedded/reply.ts";
import type {
  CommittedPosition,
  Consumer,
  ConsumerOptions,
  GroupMetadata,
  PollOptions,
  RebalanceListener,
  TopicPartition,
} from "../../seams/broker.ts";
import type { Client } from "./client.ts";
import { createMissingTopics } from "./create_topics.ts";
import { Membership } from "./membership.ts";
import { PASSING_REFUSALS } from "./passing_refusals.ts";
import { QuietTopics } from "./quiet_topics.ts";
import { outcomeOfError, refusalError, valueOf } from "./refusal_error.ts";

/** Offsets as the machines keep them. */
export function toEntries(positions: readonly CommittedPosition[]): OffsetEntry[] {
  return positions.map(({ topic, partition, offset, leaderEpoch, metadata }) => ({
    topic,
    partition,
    offset: Number(offset),
    leaderEpoch,
    metadata,
  }));
}

/** Offsets as the seam tells them. */
export function toPositions(entries: readonly OffsetEntry[]): CommittedPosition[] {
  return entries.map((entry) => ({ ...entry, offset: BigInt(entry.offset) }));
}

/** Partitions as the machines name them. */
export function toPlaces(partitions: readonly TopicPartition[]): PartitionEntry[] {
  return partitions.map(({ topic, partition }) => [topic, partition]);
}

/** Refusals after which committed offsets are asked for again. */
const UNSETTLED: ReadonlySet<RefusalCode> = new Set<RefusalCode>([...PASSING_REFUSALS, "unstable-offsets"]);

/** Where to read on in a partition. */
interface ReadFrom extends TopicPartition {
  /** Position; `null` when it is to be found. */
  readonly from: number | null;
  /** Leader epoch under which the record before it was read, or -1. */
  readonly lastEpoch: number;
}

/** What a fetch found. */
interface Fetched {
  readonly slabs: RecordSlab[];
  /** Positions of partitions that had none yet. */
  readonly begun: ReadFrom[];
  /** A partition that could not be read now. */
  passing: Refusal | null;
}

/**
 * A member of a group on an embedded broker. A new partition starts at the group's committed offset (once that is
 * stable), or at the log's start, unless `seek` was called for it.
 */
export class EmbeddedConsumer implements Consumer {
  readonly #client: Client;
  readonly #membership: Membership;
  readonly #isCommitted: boolean;
  readonly #positions = new Map<string, number>();
  /** Leader epoch of the record before the position, where it is known: tells whether the log was truncated behind us. */
  readonly #lastEpochs = new Map<string, number>();
  readonly #paused = new Set<string>();
  readonly #quiet: QuietTopics;
  #turn = 0;
  #isWoken = false;
  #isClosing = false;
  #polling: Promise<unknown> = Promise.resolve();
  #endWait: () => void = () => {};
  readonly #onClosed: (consumer: EmbeddedConsumer) => void;

  /**
   * @param client The connection.
   * @param options Group and isolation.
   * @param onClosed Told when it is closed.
   * @throws {TypeError} when the group id is empty.
   * @throws {RangeError} when the session timeout is not a number above 0.
   */
  constructor(
    client: Client,
    options: ConsumerOptions,
    onClosed: (consumer: EmbeddedConsumer) => void = () => {},
  ) {
    const { groupId, instanceId, sessionTimeoutMs = 60_000, isolation = "read_committed" } = options;
    if (groupId === "") {
      throw new TypeError("Cannot create consumer as 'groupId' must not be empty: current value is ''");
    }
    if (!(sessionTimeoutMs > 0)) {
      throw new RangeError(
        `Cannot create consumer as 'sessionTimeoutMs' must be a number > 0: current value is ${sessionTimeoutMs}`,
      );
    }
    this.#client = client;
    this.#onClosed = onClosed;
    this.#quiet = new QuietTopics(client.server.activity);
    this.#isCommitted = isolation === "read_committed";
    this.#membership = new Membership(client, { groupId, instanceId: instanceId ?? null, sessionTimeoutMs });
  }

  /** Joins the group; missing topics are created. */
  async subscribe(topics: readonly string[], listener: RebalanceListener): Promise<void> {
    this.#assertOpen();
    await createMissingTopics(this.#client, topics);
    await this.#membership.subscribe(topics, this.#tracking(listener));
  }

  /** Fetches; waits for news at most `timeoutMs`. */
  poll(options: PollOptions): Promise<readonly RecordSlab[]> {
    const polled = this.#poll(options);
    this.#polling = polled.catch(() => {});
    return polled;
  }

  /** Lets a running poll, or else the next one, return early. */
  wake(): void {
    this.#isWoken = true;
    this.#endWait();
  }

  /** Sets the position of an assigned partition. */
  seek(partition: TopicPartition, offset: bigint, leaderEpoch = -1): void {
    this.#setPosition({ ...partition, from: Number(offset), lastEpoch: leaderEpoch });
    this.#quiet.changed();
  }

  /** Stops fetching of partitions. */
  pause(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) this.#paused.add(partitionKey(topic, partition));
  }

  /** Fetches them again. */
  resume(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) {
      if (this.#paused.delete(partitionKey(topic, partition))) this.#quiet.changed();
    }
  }

  /** Partitions held now. */
  assignment(): readonly TopicPartition[] {
    return this.#membership.assignment;
  }

  /** What the group committed. */
  async committed(
    partitions: readonly TopicPartition[],
    options: { readonly isStable: boolean },
  ): Promise<readonly CommittedPosition[]> {
    this.#assertOpen();
    const { groupId } = this.groupMetadata();
    const request = { groupId, partitions: toPlaces(partitions), isStable: options.isStable };
    const timeoutMs = this.#client.options.stableTimeoutMs;
    const reply = await this.#client.requestPatiently(
      "committed",
      (times) => this.#client.server.cluster.committedOffsets(request, times),
      { codes: UNSETTLED, timeoutMs },
    );
    if (reply.kind === "refused" && reply.code === "unstable-offsets") {
      const message = `Offsets of group '${groupId}' stayed unstable for ${timeoutMs} ms: ${reply.message}, ` +
        "its producer must end it or its timeout must pass";
      throw new BrokerTimeoutError(message, { context: reply.context });
    }
    return toPositions(valueOf("read committed offsets", reply));
  }

  /** Commits outside of a transaction. */
  async commit(positions: readonly CommittedPosition[], group: GroupMetadata): Promise<Outcome<void>> {
    const request = { fence: group, offsets: toEntries(positions) };
    try {
      const reply = await this.#client.requestPatiently(
        "commit",
        (times) => this.#client.server.cluster.commitOffsets(request, times),
        { codes: PASSING_REFUSALS, timeoutMs: this.#client.options.requestTimeoutMs },
      );
      if (reply.kind === "done") return applied();
      return notApplied(refusalError(`commit offsets of group '${group.groupId}'`, reply));
    } catch (error) {
      return outcomeOfError(error);
    }
  }

  /** Who we are in the group now. */
  groupMetadata(): GroupMetadata {
    return this.#membership.metadata();
  }

  /** Leaves after an awaited `revoked`; a static member just goes silent, unless it is to leave. */
  async close(options: { readonly isDirty?: boolean; readonly isLeaving?: boolean } = {}): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.wake();
    await this.#polling;
    this.#onClosed(this);
    await this.#membership.leave(options);
  }

  /** The connection is gone without a goodbye: no call answers any more. */
  abandon(): void {
    this.#isClosing = true;
    this.wake();
  }

  async #poll(options: PollOptions): Promise<readonly RecordSlab[]> {
    this.#assertOpen();
    const { activity } = this.#client.server;
    const endMs = this.#client.monotonicMs() + options.timeoutMs;
    for (;;) {
      const seen = activity.count;
      await this.#membership.settle();
      const slabs = this.#membership.isMember ? await this.#fetch(options) : [];
      const leftMs = endMs - this.#client.monotonicMs();
      const isEarly = this.#isWoken;
      if (slabs.length > 0 || isEarly || leftMs <= 0) {
        // Data does not use a wake up: the next poll that would wait returns early instead.
        if (slabs.length === 0) this.#isWoken = false;
        return slabs;
      }
      this.#membership.isPolled = true;
      await this.#client.wait(seen, leftMs, (end) => void (this.#endWait = end));
      this.#membership.isPolled = false;
    }
  }

  async #fetch(options: PollOptions): Promise<RecordSlab[]> {
    const open = this.#unpaused();
    if (open.length === 0) return [];
    const first = this.#turn++ % open.length;
    const moment = this.#quiet.moment(this.#membership.assignment, this.#client.monotonicMs());
    if (!this.#client.isClosed && this.#quiet.isQuietAt(moment)) return [];
    const places = this.#inTurn(open, first);
    const { groupId } = this.groupMetadata();
    const reply = await this.#client.request("fetch", (times) => this.#read(places, { ...options, groupId, times }));
    const { slabs, begun, passing } = valueOf("poll", reply);
    for (const place of begun) {
      const key = partitionKey(place.topic, place.partition);
      if (!this.#positions.has(key) && this.#isAssigned(place)) this.#setPosition(place);
    }
    const kept: RecordSlab[] = [];
    for (const slab of slabs) {
      const key = partitionKey(slab.topic, slab.partition);
      // A seek while the reply was under way drops what was fetched.
      if (this.#positions.get(key) !== Number(slab.from)) continue;
      this.#setPosition({ ...slab, from: Number(slab.to), lastEpoch: slab.leaderEpoch });
      kept.push(slab);
    }
    if (kept.length === 0 && passing !== null) throw refusalError("poll", passing);
    this.#quiet.fetched(moment, slabs.length === 0 && places.every(({ from }) => from !== null));
    return kept;
  }

  #setPosition({ topic, partition, from, lastEpoch }: ReadFrom): void {
    const key = partitionKey(topic, partition);
    this.#positions.set(key, from!);
    if (lastEpoch >= 0) this.#lastEpochs.set(key, lastEpoch);
    else this.#lastEpochs.delete(key);
  }

  #isAssigned(place: TopicPartition): boolean {
    return this.#membership.assignment.some(({ topic, partition }) =>
      topic === place.topic && partition === place.partition
    );
  }

  #unpaused(): readonly TopicPartition[] {
    const { assignment } = this.#membership;
    if (this.#paused.size === 0) return assignment;
    return assignment.filter(({ topic, partition }) => !this.#paused.has(partitionKey(topic, partition)));
  }

  /** Where to read on; each poll begins one partition further, so that none starves. */
  #inTurn(places: readonly TopicPartition[], first: number): ReadFrom[] {
    return [...places.slice(first), ...places.slice(0, first)].map(({ topic, partition }) => {
      const key = partitionKey(topic, partition);
      return {
        topic,
        partition,
        from: this.#positions.get(key) ?? null,
        lastEpoch: this.#lastEpochs.get(key) ?? -1,
      };
    });
  }

  /** Carried out at the broker, perhaps late or twice: it looks at its arguments only. */
  #read(places: readonly ReadFrom[], options: PollOptions & { groupId: string; times: Times }): Reply<Fetched> {
    const fetched: Fetched = { slabs: [], begun: [], passing: null };
    let { maxRecords, maxBytes } = options;
    for (const place of places) {
      if (maxRecords <= 0 || maxBytes <= 0) break;
      const at = place.from === null ? this.#begin(place, options) : done(place);
      const reply = at.kind === "refused" ? at : this.#client.server.cluster.fetch(place, {
        from: at.value.from!,
        lastEpoch: at.value.lastEpoch,
        maxRecords,
        maxBytes,
        isCommitted: this.#isCommitted,
      });
      if (at.kind === "done" && place.from === null) fetched.begun.push(at.value);
      if (reply.kind === "refused") {
        // A deleted topic leaves with the rebalance that its deletion began; unstable offsets become stable.
        if (reply.code === "unknown-topic" || reply.code === "unstable-offsets") continue;
        if (!PASSING_REFUSALS.has(reply.code)) return reply;
        fetched.passing = reply;
        continue;
      }
      if (reply.value === null) continue;
      fetched.slabs.push(reply.value);
      maxRecords -= reply.value.records.count;
      maxBytes -= bytesOf(reply.value);
    }
    return done(fetched);
  }

  /** Where a partition that nobody sent anywhere begins: at the committed offset once it is stable, or the log's start. */
  #begin(
    { topic, partition }: TopicPartition,
    { groupId, times }: { readonly groupId: string; readonly times: Times },
  ): Reply<ReadFrom> {
    const { cluster } = this.#client.server;
    const request = { groupId, partitions: toPlaces([{ topic, partition }]), isStable: true };
    const committed = cluster.committedOffsets(request, times);
    if (committed.kind === "refused") return committed;
    const [entry] = committed.value;
    if (entry !== undefined) return done({ topic, partition, from: entry.offset, lastEpoch: entry.leaderEpoch });
    const bounds = cluster.bounds({ topic, partition });
    if (bounds.kind === "refused") return bounds;
    return done({ topic, partition, from: bounds.value.logStart, lastEpoch: -1 });
  }

  /** Forgets positions and pauses of partitions that go away. */
  #tracking(listener: RebalanceListener): RebalanceListener {
    const forget = (partitions: readonly TopicPartition[]) => {
      this.#quiet.changed();
      for (const { topic, partition } of partitions) {
        this.#positions.delete(partitionKey(topic, partition));
        this.#lastEpochs.delete(partitionKey(topic, partition));
        this.#paused.delete(partitionKey(topic, partition));
      }
    };
    return {
      assigned: (partitions) => {
        this.#quiet.changed();
        return listener.assigned(partitions);
      },
      revoked: async (partitions) => {
        await listener.revoked(partitions);
        forget(partitions);
      },
      lost: async (partitions) => {
        await listener.lost(partitions);
        forget(partitions);
      },
    };
  }

  #assertOpen(): void {
    if (this.#isClosing) throw new BrokerUnavailableError("Cannot use consumer as it is closed, open a new one");
  }
}

/** About how many bytes a slab holds. */
function bytesOf({ records }: RecordSlab): number {
  return spanBytes(records.keys) + spanBytes(records.values) + spanBytes(records.headers);
}

function spanBytes(spans: RecordSlab["records"]["keys"]): number {
  if (spans === null) return 0;
  const { starts, ends } = spans;
  let first = -1;
  let last = -1;
  for (let i = 0; i < starts.length && first < 0; i++) first = starts[i]!;
  for (let i = starts.length - 1; i >= 0 && last < 0; i--) if (starts[i]! >= 0) last = ends[i]!;
  return last - first;
}
