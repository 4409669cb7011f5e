import { assert, assertEquals } from "@std/assert";
import type { Records } from "../columns/records.ts";
import { spanBytes, spansOf } from "../columns/spans.ts";
import type { Change } from "./change.ts";
import type { EmbeddedCluster } from "./cluster.ts";
import { type Op, PARTITIONS, SENDERS } from "./cluster_ops_test.ts";
import { findLog } from "./cluster_state.ts";
import { LogModel } from "./log_model_test.ts";
import { REMEMBERED_BATCHES } from "./partition_producers.ts";
import type { Reply } from "./reply.ts";
import type { ProducerSession } from "./transaction_requests.ts";

const PASSING = ["not-leader", "not-enough-replicas", "not-coordinator", "concurrent-transactions"];
const OUTSIDER = { groupId: "open", memberId: "", generation: -1, instanceId: null };

function text(values: readonly string[], stampMs: number): { records: Records; keys: (string | null)[] } {
  const keys = values.map((value, i) => i % 3 === 0 ? null : `k${Number(value.slice(1)) % 5}`);
  const records = {
    count: values.length,
    keys: spansOf(keys),
    values: spansOf(values.map((value) => value.endsWith("0") ? null : value)),
    timestamps: Float64Array.from(values, (_, i) => stampMs + i),
    headers: null,
  };
  return { records, keys };
}

interface Reader {
  position: number;
  lastEpoch: number;
  /** The entry that it passed last. */
  lastId: number | null;
}

/** Drives a cluster with operations, and keeps the simplest possible list of what must be in each partition. */
export class Driver {
  monotonicMs = 0;
  readonly logs: LogModel[] = Array.from({ length: PARTITIONS }, () => new LogModel());
  readonly #sessions = new Map<string, ProducerSession>();
  readonly #sequences = new Map<string, number>();
  readonly #readers = new Map<string, Reader>();
  /** Last epoch of those that have no other. */
  readonly #exhausted = new Map<string, number>();
  /** Ends that were decided by the producer; all others are aborts by the coordinator. */
  readonly #decided = new Map<string, boolean>();
  #counter = 0;
  #ids = 0;

  constructor(readonly cluster: EmbeddedCluster) {
    cluster.onChange((change) => this.#note(change));
  }

  get times() {
    return { wallMs: 1_000_000 + this.monotonicMs, monotonicMs: this.monotonicMs };
  }

  start(version: 1 | 2): void {
    this.cluster.nameCluster("c");
    this.cluster.setTransactionVersion(version);
    this.cluster.createTopic({ topic: "t", partitions: PARTITIONS, topicId: "id" }, this.times);
    for (const name of SENDERS) this.#initialize(name);
  }

  /** Carries out one operation. */
  run(op: Op): void {
    this.cluster.tick(this.times);
    this.#carryOut(op);
    for (const [partition, model] of this.logs.entries()) {
      const log = findLog(this.cluster.state, "t", partition)!;
      const { logStart, lastStableOffset, logEnd } = log;
      assertEquals([logStart, lastStableOffset, logEnd], [model.start, model.stable(), model.end], JSON.stringify(op));
    }
    assert(this.cluster.nextDeadlineMs() > this.monotonicMs || this.#isSettledByTick(), "a tick leaves nothing due");
  }

  #isSettledByTick(): boolean {
    this.cluster.tick(this.times);
    return this.cluster.nextDeadlineMs() > this.monotonicMs;
  }

  /** Control records come when their coordinator gets to it: they are taken from the changes. */
  #note(change: Change): void {
    if (change.kind !== "marker-appended") return;
    const { partition, producerId, producerEpoch, transactionalId, isCommit } = change;
    if (transactionalId !== null) assertEquals(isCommit, this.#decided.get(transactionalId) ?? false);
    const id = this.#ids++;
    const entry = { id, batch: id, key: null, value: null, sequence: -1, isTransactional: true, isGone: false };
    this.logs[partition]!.entries.push({ ...entry, producerId, producerEpoch, isCommit });
  }

  #carryOut(op: Op): unknown {
    const place = { topic: "t", partition: "partition" in op ? op.partition : 0 };
    const model = this.logs[place.partition]!;
    const offset = "part" in op ? model.start + Math.floor(((model.end - model.start) * op.part) / 100) : 0;
    const { cluster, times } = this;
    switch (op.op) {
      case "produce":
        return this.#produce(SENDERS[op.sender]!, op);
      case "initialize":
        return this.#initialize(SENDERS[op.sender]!);
      case "exhaust":
        return this.#exhaust(SENDERS[op.sender]!);
      case "end":
        return this.#end(SENDERS[op.sender]!, op.isCommit);
      case "offsets": {
        const name = SENDERS[op.sender]!;
        const entry = { topic: "t", partition: 0, offset: op.offset, leaderEpoch: -1, metadata: `m${op.offset}` };
        if (name === "plain") return null;
        const request = { transactionalId: name, ...this.#sessions.get(name)!, fence: OUTSIDER, offsets: [entry] };
        this.#beginIfNeeded(name);
        return cluster.stageOffsets(request, times);
      }
      case "commit-offset": {
        const offsets = [{ ...place, offset: op.offset, leaderEpoch: -1, metadata: "" }];
        return cluster.commitOffsets({ fence: OUTSIDER, offsets }, times);
      }
      case "delete-before":
        assertEquals(cluster.deleteRecordsBefore(place, offset).kind, "done");
        return model.start = offset;
      case "compact":
        assertEquals(cluster.compact(place, { upTo: offset }).kind, "done");
        return model.compact(offset);
      case "truncate":
        return this.#truncate(place, offset);
      case "abort-hanging":
        return assertEquals(cluster.abortHanging(place, times).kind, "done");
      case "leader":
        return cluster.bumpLeaderEpoch(place);
      case "leaderless":
        return cluster.setLeaderless(place, op.isOn);
      case "short":
        return cluster.setReplicasShort(place, op.isOn);
      case "move":
        if (op.what === "group") return cluster.moveCoordinator("open", op.ms, times);
        return cluster.moveTransactionCoordinator("tx-a", op.ms, times);
      case "restart":
        return cluster.restart(times);
      case "hold":
        return cluster.holdMarkers(op.isHeld);
      case "wait":
        this.monotonicMs += op.ms;
        return cluster.tick(this.times);
      case "member": {
        const who = { groupId: "members", memberId: `m${op.member}`, instanceId: op.member === 0 ? "static" : null };
        if (!op.isJoin) return cluster.leave(who, times);
        const timeouts = { sessionTimeoutMs: 700, rebalanceTimeoutMs: 300, isRejoin: false };
        return cluster.join({ ...who, ...timeouts, topics: ["t"] }, times);
      }
      case "fetch":
        return this.#fetch(offset, op);
      case "read-on":
        return this.#readOn(op);
    }
  }

  #initialize(name: string): unknown {
    const reply: Reply<ProducerSession> = name === "plain"
      ? this.cluster.allocateProducer()
      : this.cluster.initializeTransactions({ transactionalId: name, timeoutMs: 1_000 }, this.times);
    if (reply.kind === "done") this.#adopt(name, reply.value);
    return reply;
  }

  #exhaust(name: string): boolean {
    if (this.cluster.exhaustEpochs(name).kind !== "done") return false;
    this.#exhausted.set(name, this.cluster.state.transactions.get(name)!.producerEpoch);
    return true;
  }

  #adopt(name: string, session: ProducerSession): void {
    const old = this.#sessions.get(name);
    if (old?.producerId === session.producerId && old.producerEpoch === session.producerEpoch) return;
    const last = this.#exhausted.get(name);
    // What a timeout has bumped before is the last one, and its producer may hear of it only now.
    if (last !== undefined && (old?.producerId !== session.producerId || session.producerEpoch !== last)) {
      assert(old?.producerId !== session.producerId, "used up epochs need a new id");
      this.#exhausted.delete(name);
    }
    this.#sessions.set(name, session);
    for (let p = 0; p < PARTITIONS; p++) this.#sequences.delete(`${name}:${p}`);
  }

  #beginIfNeeded(name: string): void {
    const status = this.cluster.transactionStatus(name);
    if (status === "Empty" || status.startsWith("Complete")) this.#decided.delete(name);
  }

  #produce(name: string, op: Extract<Op, { op: "produce" }>): unknown {
    const key = `${name}:${op.partition}`;
    const { partition } = op;
    const next = this.#sequences.get(key) ?? 0;
    const sequence = op.how === "next" ? next : op.how === "gap" ? next + 1 : Math.max(0, next - op.count);
    const transactionalId = name === "plain" ? null : name;
    const session = this.#sessions.get(name)!;
    this.#beginIfNeeded(name);
    if (transactionalId !== null && this.cluster.state.transactionVersion === 1) {
      const partitions = [["t", partition] as const];
      const added = this.cluster.addTransactionPartitions({ transactionalId, ...session, partitions }, this.times);
      if (added.kind === "refused") return added;
    }
    const values = Array.from({ length: op.count }, () => `v${this.#counter++}`);
    const { records, keys } = text(values, this.#counter);
    const producer = { ...session, sequence, transactionalId };
    const { entries, end } = this.logs[partition]!;
    const reply = this.cluster.produce({ topic: "t", partition, records, rows: null, producer }, this.times);
    if (reply.kind === "refused") {
      assert(op.how !== "next" || reply.code !== "out-of-order-sequence", reply.message);
      return reply;
    }
    if (reply.value.isDuplicate) {
      assertEquals(op.how, "repeat");
      assert(reply.value.firstOffset < end, "a duplicate is answered with the offset of its first appearance");
      return reply;
    }
    assert(op.how === "next" || (op.how === "repeat" && sequence === next), "only the next batch is appended");
    assertEquals(reply.value.firstOffset, end);
    this.#sequences.set(key, sequence + op.count);
    const batch = this.#ids;
    for (const [i, value] of values.entries()) {
      const shown = value.endsWith("0") ? null : value;
      const entry = { id: this.#ids++, batch, key: keys[i]!, value: shown, isCommit: null, isGone: false };
      entries.push({ ...entry, ...session, sequence: sequence + i, isTransactional: transactionalId !== null });
    }
    return reply;
  }

  #end(name: string, isCommit: boolean): unknown {
    if (name === "plain") return null;
    const isOpen = this.cluster.transactionStatus(name) === "Ongoing";
    const before = this.#decided.get(name);
    if (isOpen) this.#decided.set(name, isCommit);
    const reply = this.cluster.endTransaction(
      { transactionalId: name, ...this.#sessions.get(name)!, isCommit },
      this.times,
    );
    if (reply.kind === "done") return this.#adopt(name, reply.value);
    if (isOpen && before === undefined) this.#decided.delete(name);
    return reply;
  }

  #truncate(place: { topic: string; partition: number }, offset: number): void {
    const model = this.logs[place.partition]!;
    const reply = this.cluster.truncate(place, offset);
    assert(reply.kind === "done");
    // Batches go whole, but where compaction took all of one there is nothing to cut.
    const lost = model.entries[offset]?.batch;
    const base = model.entries.findIndex(({ batch }) => batch === lost);
    const isHeld = model.entries.some(({ batch, isGone }) => batch === lost && !isGone);
    assertEquals(reply.value, isHeld ? Math.max(model.start, base) : offset);
    model.truncate(reply.value);
    for (const name of SENDERS) {
      const { producerId, producerEpoch } = this.#sessions.get(name)!;
      const key = `${name}:${place.partition}`;
      if ((this.#sequences.get(key) ?? 0) === 0) continue;
      const producer = findLog(this.cluster.state, "t", place.partition)!.producers.get(producerId);
      assert((producer?.batches.length ?? 0) <= REMEMBERED_BATCHES);
      const isFenced = producer !== undefined && producer.epoch > producerEpoch;
      const isOurs = producer?.epoch === producerEpoch;
      const known = (isOurs ? producer?.batches.at(-1)?.[1] : undefined) ?? -1;
      const own = model.entries.findLast((entry) =>
        entry.producerId === producerId && entry.producerEpoch === producerEpoch && entry.isCommit === null
      );
      // What retention or compaction took, and more than the last batches have followed, may be forgotten.
      if (own !== undefined && model.isHeld(own) && !isFenced) assertEquals(known, own.sequence);
      this.#sequences.set(key, known + 1);
    }
  }

  #refusedForNow(reply: Reply<unknown>, partition: number): boolean {
    if (reply.kind === "done") return false;
    if (!PASSING.includes(reply.code)) return false;
    assert(
      this.cluster.bounds({ topic: "t", partition }).kind === "refused",
      "only a partition without a leader is not read",
    );
    return true;
  }

  #fetch(from: number, op: Extract<Op, { op: "fetch" }>): unknown {
    const { partition, maxRecords, maxBytes, isCommitted } = op;
    const model = this.logs[partition]!;
    const reply = this.cluster.fetch({ topic: "t", partition }, { from, maxRecords, maxBytes, isCommitted });
    if (this.#refusedForNow(reply, partition)) return null;
    assert(reply.kind === "done", "a position inside the log is read");
    const stable = isCommitted ? model.stable() : model.end;
    const slab = reply.value;
    if (slab === null) {
      assert(from >= stable, `nothing was read at ${from} of ${stable}`);
      return null;
    }
    const to = Number(slab.to);
    assert(to > from && to <= stable, `read to ${to}, stable is ${stable}`);
    const { values, count } = slab.records;
    const found = Array.from({ length: count }, (_, i): [number, string | null] => {
      const bytes = spanBytes(values, i);
      return [slab.offsets[i]!, bytes === null ? null : new TextDecoder().decode(bytes)];
    });
    assertEquals(found, model.shown(from, to, isCommitted));
    assert(count <= maxRecords);
    return found;
  }

  /** A reader that knows its leader epoch is told of a truncation exactly when what it passed last is not there. */
  #readOn({ reader: name, partition, maxRecords }: Extract<Op, { op: "read-on" }>): void {
    const model = this.logs[partition]!;
    const key = `${name}:${partition}`;
    const reader = this.#readers.get(key) ?? { position: model.start, lastEpoch: -1, lastId: null };
    const options = {
      from: reader.position,
      lastEpoch: reader.lastEpoch,
      maxRecords,
      maxBytes: 1_000,
      isCommitted: false,
    };
    const reply = this.cluster.fetch({ topic: "t", partition }, options);
    if (this.#refusedForNow(reply, partition)) return;
    const isThere = reader.position <= model.end &&
      (reader.lastId === null || model.entries[reader.position - 1]?.id === reader.lastId);
    if (reply.kind === "refused") {
      assertEquals(
        reply.code,
        reader.position > model.end || reader.position < model.start ? "offset-out-of-range" : "log-truncated",
      );
      assert(!isThere || reader.position < model.start, "what was passed is there");
      this.#readers.delete(key);
      return;
    }
    // What was before the log's start is not known any more, as in Kafka.
    assert(isThere || reader.position <= model.start, "a reader that was ahead of an unclean election is told");
    if (reply.value === null) return;
    const position = Number(reply.value.to);
    this.#readers.set(key, { position, lastEpoch: reply.value.leaderEpoch, lastId: model.entries[position - 1]!.id });
  }
}
