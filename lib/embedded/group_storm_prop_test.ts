import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { EmbeddedCluster } from "./cluster.ts";
import type { PartitionEntry } from "./change.ts";

const GROUP = "g";
const CLIENTS = 5;
const SESSION_MS = 400;
const REBALANCE_MS = 250;

type Op =
  | { op: "act" | "beat"; client: number }
  | { op: "leave" | "fork" | "expire"; client: number }
  | { op: "wait"; ms: number }
  | { op: "restart" | "grow" | "rebalance" | "recreate" }
  | { op: "move"; ms: number };

const client = fc.nat({ max: CLIENTS - 1 });
const OP: fc.Arbitrary<Op> = fc.oneof(
  { weight: 20, arbitrary: fc.record({ op: fc.constant("act" as const), client }) },
  { weight: 8, arbitrary: fc.record({ op: fc.constant("beat" as const), client }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constantFrom("leave" as const, "fork", "expire"), client }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant("wait" as const), ms: fc.nat({ max: 200 }) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constantFrom("restart" as const, "grow", "rebalance", "recreate") }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("move" as const), ms: fc.nat({ max: 300 }) }) },
);

/** What a member of the library's own does when it polls: a sign of life, and whatever the answer asks for. */
class Client {
  phase: "out" | "joining" | "member" | "fenced" | "gone" = "out";
  generation = -1;
  /** What it believes to hold. */
  held: readonly PartitionEntry[] = [];
  hasJoined = false;

  constructor(readonly cluster: EmbeddedCluster, public memberId: string, readonly instanceId: string | null) {}

  get fence() {
    return { groupId: GROUP, memberId: this.memberId, generation: this.generation, instanceId: this.instanceId };
  }

  act(monotonicMs: number): void {
    const times = { wallMs: 0, monotonicMs };
    if (this.phase === "out") return this.#join(times);
    if (this.phase === "joining") return this.#sync(times);
    if (this.phase !== "member") return;
    const reply = this.cluster.heartbeat(this.fence, times);
    if (reply.kind === "done" && reply.value === "stable") return;
    if (reply.kind === "refused" && reply.code === "not-coordinator") return;
    this.held = [];
    if (reply.kind === "refused") this.#expel(reply.code);
    else this.phase = "out";
  }

  /** Heartbeats go on beside a long batch: nobody looks at the answer. */
  beat(monotonicMs: number): void {
    if (this.phase === "member") this.cluster.heartbeat(this.fence, { wallMs: 0, monotonicMs });
  }

  #join(times: { wallMs: number; monotonicMs: number }): void {
    const timeouts = { sessionTimeoutMs: SESSION_MS, rebalanceTimeoutMs: REBALANCE_MS };
    const { memberId, instanceId, hasJoined: isRejoin } = this;
    const topics = ["t", "u"];
    const reply = this.cluster.join({ groupId: GROUP, memberId, instanceId, topics, ...timeouts, isRejoin }, times);
    if (reply.kind === "refused") {
      assert(reply.code === "not-coordinator" || reply.code === "fenced-instance", reply.code);
      if (reply.code === "fenced-instance") this.phase = "fenced";
      return;
    }
    this.hasJoined = true;
    this.phase = "joining";
  }

  #sync(times: { wallMs: number; monotonicMs: number }): void {
    const reply = this.cluster.sync(this.fence, times);
    if (reply.kind === "refused") return reply.code === "not-coordinator" ? undefined : this.#expel(reply.code);
    if (reply.value.kind === "pending") return;
    if (reply.value.kind === "rejoin") {
      this.phase = "out";
      return;
    }
    this.phase = "member";
    this.generation = reply.value.generation;
    this.held = reply.value.assignment;
  }

  #expel(code: string): void {
    this.phase = code === "fenced-instance" ? "fenced" : "out";
    if (code !== "unknown-member" || this.instanceId !== null) return;
    this.memberId += "'";
    this.hasJoined = false;
  }
}

class Storm {
  readonly cluster = new EmbeddedCluster();
  readonly clients: Client[];
  /** Processes that went on without knowing that another one took their place. */
  readonly zombies: Client[] = [];
  monotonicMs = 0;
  #partitions = 4;
  #forks = 0;
  #settled = 0;

  constructor() {
    this.#createTopics();
    this.clients = Array.from({ length: CLIENTS }, (_, i) => this.#newClient(i));
    let before = new Map<string, readonly PartitionEntry[]>();
    this.cluster.onActivity(() => {
      const group = this.cluster.state.groups.get(GROUP);
      if (group === undefined) return;
      assert(group.generation >= this.#settled, "generations only grow");
      if (group.generation > this.#settled) this.#checkSettled(before);
      this.#settled = group.generation;
      before = new Map([...group.members.values()].map(({ memberId, assignment }) => [memberId, assignment]));
    });
  }

  run(op: Op): void {
    const { cluster } = this;
    const times = { wallMs: 0, monotonicMs: this.monotonicMs };
    cluster.tick(times);
    switch (op.op) {
      case "act":
        this.clients[op.client]!.act(this.monotonicMs);
        break;
      case "beat":
        for (const each of this.zombies) each.beat(this.monotonicMs);
        this.clients[op.client]!.beat(this.monotonicMs);
        break;
      case "leave": {
        const { phase, fence } = this.clients[op.client]!;
        if (phase === "member" || phase === "joining") cluster.leave(fence, times);
        this.clients[op.client] = this.#newClient(op.client);
        break;
      }
      case "fork":
        this.zombies.push(this.clients[op.client]!);
        this.clients[op.client] = this.#newClient(op.client);
        break;
      case "expire":
        cluster.expireMember({ groupId: GROUP, memberId: this.clients[op.client]!.memberId }, times);
        break;
      case "wait":
        this.monotonicMs += op.ms;
        break;
      case "restart":
        cluster.restart(times);
        break;
      case "grow":
        cluster.addPartitions({ topic: "t", partitions: ++this.#partitions }, times);
        break;
      case "recreate":
        cluster.deleteTopic("u", times);
        cluster.createTopic({ topic: "u", partitions: 2, topicId: `u${this.#forks}` }, times);
        break;
      case "rebalance":
        cluster.rebalance(GROUP, times);
        break;
      case "move":
        cluster.moveCoordinator(GROUP, op.ms, times);
        break;
    }
    this.checkFences();
  }

  /** Everybody acts in time: the group must become stable, with all of them. */
  calm(): void {
    for (let turn = 0; turn < 40; turn++) {
      this.monotonicMs += 50;
      this.cluster.tick({ wallMs: 0, monotonicMs: this.monotonicMs });
      for (const each of this.clients) each.act(this.monotonicMs);
      this.checkFences();
    }
    for (const each of this.clients) assertEquals(each.phase, "member");
    const held = this.clients.flatMap((each) => each.held.map((entry) => entry.join()));
    assertEquals(held.length, this.#partitions + 2, "every partition is held by somebody");
    assertEquals(new Set(held).size, held.length);
  }

  /** No two processes believe to hold a partition and can commit for it. */
  checkFences(): void {
    const owners = new Map<string, string>();
    for (const { held, fence } of [...this.clients, ...this.zombies]) {
      const request = { fence, offsets: [] };
      const reply = this.cluster.commitOffsets(request, { wallMs: 0, monotonicMs: this.monotonicMs });
      if (reply.kind === "refused") continue;
      for (const entry of held) {
        assert(!owners.has(entry.join()), `${entry} is held by ${owners.get(entry.join())} and ${fence.memberId}`);
        owners.set(entry.join(), fence.memberId);
      }
    }
  }

  #checkSettled(before: ReadonlyMap<string, readonly PartitionEntry[]>): void {
    const members = [...this.cluster.state.groups.get(GROUP)!.members.values()];
    if (members.length === 0) return;
    for (const topic of ["t", "u"]) {
      const count = this.cluster.state.topics.get(topic)?.logs.length ?? 0;
      const of = (entries: readonly PartitionEntry[]) => entries.filter(([name]) => name === topic).map(([, n]) => n);
      const all = members.flatMap(({ assignment }) => of(assignment));
      assertEquals(all.toSorted((a, b) => a - b), Array.from({ length: count }, (_, n) => n), "all, and each once");
    }
    const units = Math.max(...["t", "u"].map((topic) => this.cluster.state.topics.get(topic)?.logs.length ?? 0));
    const floor = Math.floor(units / members.length);
    for (const { memberId, assignment } of members) {
      const has = new Set(assignment.map(([, n]) => n));
      assert(has.size >= floor && has.size <= floor + 1, "balanced to one");
      const had = new Set((before.get(memberId) ?? []).map(([, n]) => n).filter((n) => n < units));
      const kept = [...had].filter((n) => has.has(n));
      assert(kept.length >= Math.min(had.size, floor), `${memberId} had ${[...had]} and has ${[...has]}`);
    }
  }

  #newClient(index: number): Client {
    const instanceId = index % 2 === 0 ? `i${index}` : null;
    return new Client(this.cluster, `m${index}-${this.#forks++}`, instanceId);
  }

  #createTopics(): void {
    const times = { wallMs: 0, monotonicMs: 0 };
    this.cluster.createTopic({ topic: "t", partitions: this.#partitions, topicId: "t" }, times);
    this.cluster.createTopic({ topic: "u", partitions: 2, topicId: "u" }, times);
  }
}

Deno.test("groups: in any storm of joins, leaves, take-overs, restarts and moves nobody shares a partition", () => {
  fc.assert(
    fc.property(fc.array(OP, { maxLength: 120, size: "max" }), (ops) => {
      const storm = new Storm();
      for (const op of ops) storm.run(op);
      storm.calm();
    }),
    { numRuns: 500 },
  );
});
